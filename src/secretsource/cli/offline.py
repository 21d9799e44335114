"""What can be checked of a settings class without asking any store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from secretsource.cli.failures import wrong
from secretsource.cli.target import changed_environment
from secretsource.errors import ConfigurationError
from secretsource.registry import BUILT_IN, ENTRY_POINTS, missing_extra
from secretsource.settings.config import load_config
from secretsource.settings.leaves import leaves_by_path
from secretsource.settings.plan import plan_for, standard_chain

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
    config: Mapping[str, Any] = settings_cls.model_config
    chain = None if config.get("chain") is not None else standard_chain(settings_cls)
    try:
        own = load_config(settings_cls).backends
        with changed_environment("SECRETSOURCE_PROFILE", profile):
            plan = plan_for(settings_cls, chain)
    except ConfigurationError as error:
        yield from str(error).splitlines()
        return
    schemes = {step.ref.scheme for steps in plan.steps.values() for step in steps}
    for scheme in sorted(schemes - set(own)):
        if (fault := _fault_of(scheme)) is not None:
            yield fault


def _fault_of(scheme: str) -> str | None:
    if scheme not in BUILT_IN:
        from importlib.metadata import entry_points

        known = entry_points(group=ENTRY_POINTS, name=scheme)
        return None if known else f"there is no backend for {scheme}://"
    error = missing_extra(scheme)
    installed = error is None or all(_is_installed(module) for module in _SDK[error.extra])
    return None if installed else str(error)


def _is_installed(module: str) -> bool:
    with suppress(ModuleNotFoundError):  # its parent is not there
        return find_spec(module) is not None
    return False
