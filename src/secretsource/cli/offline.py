"""What can be checked of a settings class without asking any store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from secretsource.cli.failures import counted, wrong
from secretsource.cli.target import changed_environment
from secretsource.errors import ConfigurationError, MissingExtra, joined
from secretsource.registry import BUILT_IN, backend_for, check_options, missing_extra
from secretsource.settings import ChainSettingsSource
from secretsource.settings.declaration import declaration
from secretsource.settings.leaves import leaves_by_path
from secretsource.settings.plan import standard_chain
from secretsource.settings.sources import chain_is_all, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic_settings import BaseSettings

    from secretsource.backend import Backend
    from secretsource.ref import Ref

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
    fields = counted(len(leaves_by_path(settings_cls)), "field")
    named = f"profile{'s' if len(profiles) > 1 else ''} {', '.join(profiles)}: " if profiles != [""] else ""
    return f"ok: {settings_cls.__name__}, {named}{fields}, no store was asked"


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
        refs = [step.ref for steps in plan.steps.values() for step in steps]
        schemes = {ref.scheme for ref in refs}
        missing = [extra for scheme in sorted(schemes - set(config.backends)) if (extra := _missing_extra(scheme))]
        if missing:
            yield str(joined(missing))
        for scheme in sorted(schemes - set(BUILT_IN)):
            yield from _faults_of_another([ref for ref in refs if ref.scheme == scheme], config.backends)


def _faults_of_another(refs: Sequence[Ref], own: Mapping[str, Backend]) -> Iterator[str]:
    """What is wrong with refs of a backend that is not built in, which alone knows its options; it makes no call."""
    try:
        backend = backend_for(refs[0].scheme, own)
        for ref in {frozenset(ref.options): ref for ref in refs}.values():
            check_options(ref, backend)
    except ConfigurationError as error:
        yield str(error)


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
