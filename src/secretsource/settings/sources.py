"""The sources that a class has beside its chain: what they supply, and what one finds without making an object."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, Final

from pydantic._internal._utils import deep_update
from pydantic_settings import (
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
)

from secretsource.settings.placement import supplied

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic_settings import BaseSettings

    from secretsource.settings.leaves import Leaf

Path = tuple[str, ...]

_LABELS: Final = {
    # a class's name: what its values are said to come from
    "InitSettingsSource": "init",
    "EnvSettingsSource": "env",
    "DotEnvSettingsSource": "dotenv",
    "SecretsSettingsSource": "file",
}
_WITHOUT_CHOICE: Final = ("pydantic_settings.main", "secretsource.settings.model")
_NO_ORIGIN: Final = ("ChainSettingsSource", "DefaultSettingsSource")


def scheme_of(source: PydanticBaseSettingsSource) -> str:
    """Which of our backends a standard source stands for; of another, its name."""
    return _LABELS.get(type(source).__name__, type(source).__name__)


def suppliers(leaves: Iterable[Leaf], data: Mapping[str, Mapping[str, Any]]) -> dict[Path, str]:
    """Which source supplies a leaf, where that is not the chain.

    Args:
        leaves: The class's leaves.
        data: What each source has, by its name, in the order in which they count.
    """
    others = [(_LABELS.get(name, name), values) for name, values in data.items() if name not in _NO_ORIGIN and values]
    found = {leaf.path: next((name for name, values in others if supplied(leaf, values)), None) for leaf in leaves}
    return {path: name for path, name in found.items() if name is not None}


def chain_is_all(settings_cls: type[BaseSettings]) -> bool:
    """Whether the chain, or what BaseSettings does by itself, is all there is: a class may choose its sources."""
    chooser: Any = settings_cls.settings_customise_sources
    return chooser.__func__.__module__ in _WITHOUT_CHOICE


def run_sources(settings_cls: type[BaseSettings]) -> Mapping[str, Mapping[str, Any]]:
    """Ask all sources that a class has chosen, in their order and without making an object: what each has."""
    state: dict[str, Any] = {}
    data: dict[str, dict[str, Any]] = {}
    for source in sources_of(settings_cls):
        if isinstance(source, PydanticBaseSettingsSource):
            source._set_current_state(state)  # noqa: SLF001 - as BaseSettings does before it calls a source
            source._set_settings_sources_data(data)  # noqa: SLF001
        values = source()
        data[getattr(source, "__name__", type(source).__name__)] = values
        state = deep_update(values, state)
    return data


def env_source(settings_cls: type[BaseSettings], given: Mapping[str, Any]) -> EnvSettingsSource:
    """A class's environment source, as keyword arguments such as `_env_prefix` have it."""
    options = signature(EnvSettingsSource).parameters
    return EnvSettingsSource(settings_cls, **{name: given[f"_{name}"] for name in options if f"_{name}" in given})


def sources_of(settings_cls: type[BaseSettings]) -> tuple[PydanticBaseSettingsSource, ...]:
    """The sources that a class has chosen, in the order in which they count."""
    return settings_cls.settings_customise_sources(
        settings_cls,
        init_settings=InitSettingsSource(settings_cls, init_kwargs={}),
        env_settings=EnvSettingsSource(settings_cls),
        dotenv_settings=DotEnvSettingsSource(settings_cls),
        file_secret_settings=SecretsSettingsSource(settings_cls),
    )
