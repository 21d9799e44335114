"""What can be checked of a settings class without asking any store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from secretsource.cli.failures import wrong
from secretsource.cli.target import changed_environment
from secretsource.errors import ConfigurationError, MissingExtra, joined
from secretsource.registry import missing_extra
from secretsource.settings import ChainSettingsSource
from secretsource.settings.declaration import declaration
from secretsource.settings.leaves import leaves_by_path
from secretsource.settings.plan import standard_chain
from secretsource.settings.sources import chain_is_all, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic_settings import BaseSettings

_SDK: Final = {
    # extra: the modules that it brings
    "aws": ("botocore",),
    "azure": ("azure.keyvault.secrets", "azure.identity"),
    "gcp": ("google.cloud.secretmanager",),
    "keyring": ("keyring",),
    "vault": ("hvac",),
}


def check_declaration(settings_cls: type[BaseSettings]) -> str:
    """Check the class, its config and the refs of each profile, and that the SDKs they need are installed.

    Returns:
        What is well, in a line.

    Raises:
        Failed: Something is not; with a line for each thing.
    """
    profiles = _profiles(settings_cls)
    faults = list(dict.fromkeys(fault for profile in profiles for fault in _faults(settings_cls, profile)))
    if faults:
        raise wrong("\n".join(faults))
    count = len(leaves_by_path(settings_cls))
    named = f"profile{'s' if len(profiles) > 1 else ''} {', '.join(profiles)}: " if profiles != [""] else ""
    return f"ok: {settings_cls.__name__}, {named}{count} fields, no store was asked"


def _profiles(settings_cls: type[BaseSettings]) -> Sequence[str]:
    """The profile that is asked for, else all that the class has; an empty text for a chain without profiles."""
    chain = settings_cls.model_config.get("chain")
    if os.environ.get("SECRETSOURCE_PROFILE") or os.environ.get("SECRETSOURCE_CHAIN"):
        return [os.environ.get("SECRETSOURCE_PROFILE", "")]
    return list(chain) if isinstance(chain, Mapping) else [""]


def _faults(settings_cls: type[BaseSettings], profile: str) -> Iterator[str]:
    for chain in _chains(settings_cls):
        try:
            with changed_environment("SECRETSOURCE_PROFILE", profile):
                config, plan = declaration(settings_cls, chain)
        except ConfigurationError as error:
            yield from str(error).splitlines()
            continue
        schemes = {step.ref.scheme for steps in plan.steps.values() for step in steps}
        missing = [extra for scheme in sorted(schemes - set(config.backends)) if (extra := _missing_extra(scheme))]
        if missing:
            yield str(joined(missing))


def _chains(settings_cls: type[BaseSettings]) -> Sequence[object]:
    """The chains that a class has; None stands for that of its config."""
    if not chain_is_all(settings_cls):
        return [source.chain for source in sources_of(settings_cls) if isinstance(source, ChainSettingsSource)]
    return [None if settings_cls.model_config.get("chain") is not None else standard_chain(settings_cls)]


def _missing_extra(scheme: str) -> MissingExtra | None:
    error = missing_extra(scheme)
    return None if error is None or all(map(_is_installed, _SDK[error.extra])) else error


def _is_installed(module: str) -> bool:
    with suppress(ModuleNotFoundError):  # its parent is not there
        return find_spec(module) is not None
    return False
