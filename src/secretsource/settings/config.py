"""What a class's config says about its loads, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from secretsource.backend import Backend
from secretsource.cache import CachePolicy
from secretsource.errors import ConfigurationError

if TYPE_CHECKING:
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
    return LoadConfig(
        backends=own_backends(config),
        cache=_policy(config.get("cache")),
        timeout=_timeout(config.get("timeout", TIMEOUT)),
        on_denied=_choice(config, "on_denied"),
        on_unavailable=_choice(config, "on_unavailable"),
    )


def own_backends(config: Mapping[str, Any]) -> Mapping[str, Backend]:
    """The user's own backends, by scheme."""
    backends = config.get("backends")
    if backends is None:
        return {}
    if not isinstance(backends, Mapping):
        msg = "backends is a mapping from a scheme to a backend object"
        raise ConfigurationError(msg)
    for scheme, backend in backends.items():
        if not isinstance(backend, Backend):
            msg = f"backends[{scheme!r}] is not a secretsource.Backend but of type {type(backend).__name__}"
            raise ConfigurationError(msg)
    return backends


def _policy(policy: object) -> CachePolicy:
    if policy is None:
        return CachePolicy()
    if not isinstance(policy, CachePolicy):
        msg = "cache is a CachePolicy, such as CachePolicy(ttl=60)"
        raise ConfigurationError(msg)
    return policy


def _timeout(timeout: object) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        msg = "timeout is a number of seconds above 0"
        raise ConfigurationError(msg)
    return float(timeout)


def _choice(config: Mapping[str, Any], name: str) -> Any:
    value = config.get(name, "raise")
    if value not in ("raise", "next"):
        msg = f'{name} takes "raise" or "next"'
        raise ConfigurationError(msg)
    return value
