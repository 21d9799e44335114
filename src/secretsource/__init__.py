"""secretsource: an application's configuration and secrets through one typed class.

The public names are here, and are loaded when first used: importing the package imports no SDK and no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secretsource.backend import Backend, Lease, SecretValue
    from secretsource.cache import CachePolicy
    from secretsource.errors import (
        AccessDenied,
        BackendError,
        ConfigurationError,
        InactiveSecret,
        InvalidRef,
        InvalidSecret,
        MissingExtra,
        NotAuthenticated,
        Outcome,
        Problem,
        ResolutionError,
        SecretNotFound,
        SecretSourceError,
        Throttled,
        Unavailable,
        UnknownBackend,
    )
    from secretsource.live import Change, Health, Live
    from secretsource.lookup import aget, clear_cache, get, get_bytes
    from secretsource.redaction import redact_logs
    from secretsource.ref import Ref
    from secretsource.settings import ChainSettingsSource, From, Settings, SettingsConfigDict
    from secretsource.settings.explanation import Attempt, Explanation, Resolution
    from secretsource.settings.inspection import explain
    from secretsource.source import Source

__version__ = "0.1.0"

_HOME = {
    "backend": ("Backend", "Lease", "SecretValue"),
    "cache": ("CachePolicy",),
    "errors": (
        "AccessDenied",
        "BackendError",
        "ConfigurationError",
        "InactiveSecret",
        "InvalidRef",
        "InvalidSecret",
        "MissingExtra",
        "NotAuthenticated",
        "Outcome",
        "Problem",
        "ResolutionError",
        "SecretNotFound",
        "SecretSourceError",
        "Throttled",
        "Unavailable",
        "UnknownBackend",
    ),
    "settings.explanation": ("Attempt", "Explanation", "Resolution"),
    "settings.inspection": ("explain",),
    "live": ("Change", "Health", "Live"),
    "lookup": ("aget", "clear_cache", "get", "get_bytes"),
    "redaction": ("redact_logs",),
    "ref": ("Ref",),
    "settings": ("ChainSettingsSource", "From", "Settings", "SettingsConfigDict"),
    "source": ("Source",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [  # noqa: RUF022 - sorted without regard to case, as a reader looks it up
    "AccessDenied", "aget", "Attempt", "Backend", "BackendError", "CachePolicy", "ChainSettingsSource", "Change",
    "clear_cache", "ConfigurationError", "explain", "Explanation", "From", "get", "get_bytes", "Health",
    "InactiveSecret", "InvalidRef", "InvalidSecret", "Lease", "Live", "MissingExtra", "NotAuthenticated", "Outcome",
    "Problem", "redact_logs", "Ref", "Resolution", "ResolutionError", "SecretNotFound", "SecretSourceError",
    "SecretValue", "Settings", "SettingsConfigDict", "Source", "Throttled", "Unavailable", "UnknownBackend",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from secretsource.forks import holding_forks

    with holding_forks():
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
