"""What a class's config says about its loads, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from secretsource.access import seconds_to_answer
from secretsource.backend import Backend
from secretsource.cache import CachePolicy
from secretsource.errors import ConfigurationError, joined
from secretsource.ref import is_scheme

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_settings import BaseSettings

TIMEOUT: Final = 10.0
"""Seconds for a whole load, where the config says nothing else."""


class LoadConfig(NamedTuple):
    """The keys of `SettingsConfigDict` that steer a load; see there for what they mean."""

    backends: Mapping[str, Backend]
    cache: CachePolicy
    timeout: float
    on_denied: Literal["raise", "next"]
    on_unavailable: Literal["raise", "next"]


def load_config(settings_cls: type[BaseSettings]) -> LoadConfig:
    """Read and check the config.

    Raises:
        ConfigurationError: A key has a value that makes no sense.
    """
    config: Mapping[str, Any] = settings_cls.model_config
    checked: dict[str, Any] = {}
    faults = []
    for key, check in _CHECKS.items():
        try:
            checked[key] = check(config)
        except ConfigurationError as error:
            faults.append(error)
    if faults:
        raise joined(faults)
    return LoadConfig(**checked)


def own_backends(config: Mapping[str, Any]) -> Mapping[str, Backend]:
    """The user's own backends, by scheme."""
    backends = config.get("backends")
    if backends is None:
        return {}
    if not isinstance(backends, Mapping):
        msg = "backends is a mapping from a scheme to a backend object"
        raise ConfigurationError(msg)
    faults = [fault for scheme, backend in backends.items() if (fault := _backend_fault(scheme, backend))]
    if faults:
        raise joined(faults)
    return {scheme.lower(): backend for scheme, backend in backends.items()}


def _backend_fault(scheme: object, backend: object) -> ConfigurationError | None:
    if not isinstance(scheme, str) or not is_scheme(scheme):
        return ConfigurationError(f"backends: {scheme!r} is no scheme, which is letters, digits, '+', '-' and '.'")
    if not isinstance(backend, Backend):
        kind = type(backend).__name__
        return ConfigurationError(f"backends[{scheme!r}] is not a secretsource.Backend but of type {kind}")
    return None


def _policy(config: Mapping[str, Any]) -> CachePolicy:
    policy = config.get("cache")
    if policy is None:
        return CachePolicy()
    if not isinstance(policy, CachePolicy):
        msg = "cache is a CachePolicy, such as CachePolicy(ttl=60)"
        raise ConfigurationError(msg)
    return policy


def _timeout(config: Mapping[str, Any]) -> float:
    return seconds_to_answer(config.get("timeout", TIMEOUT))


def _choice(name: str) -> Callable[[Mapping[str, Any]], str]:
    def check(config: Mapping[str, Any]) -> str:
        value: str = config.get(name, "raise")
        if value not in ("raise", "next"):
            msg = f'{name} takes "raise" or "next"'
            raise ConfigurationError(msg)
        return value

    return check


_CHECKS: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "backends": own_backends,
    "cache": _policy,
    "timeout": _timeout,
    "on_denied": _choice("on_denied"),
    "on_unavailable": _choice("on_unavailable"),
}
