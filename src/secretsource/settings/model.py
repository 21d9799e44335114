"""Settings: a BaseSettings whose fields come from a chain of sources.

What a load needs is imported with the first chain that is used: until then a class costs what a BaseSettings costs.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import PrivateAttr
from pydantic._internal._config import config_keys
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from pydantic_settings import SettingsConfigDict as BaseConfigDict

from secretsource.concurrency import in_background
from secretsource.errors import ResolutionError
from secretsource.forks import holding_forks
from secretsource.redaction import quiet
from secretsource.settings.leaves import leaves_by_path
from secretsource.settings.masking import mask_strings, shown_arguments

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pydantic.fields import FieldInfo

    from secretsource.backend import Backend
    from secretsource.cache import CachePolicy
    from secretsource.settings.explanation import Resolution


class SettingsConfigDict(BaseConfigDict, total=False):
    """pydantic-settings' config, and what a chain needs.

    Attributes:
        chain: A tuple of sources, or a mapping from profile to such tuples. The first source that has a value wins.
        profile: The profile where SECRETSOURCE_PROFILE names none.
        backends: Backend objects of your own, by a scheme of your choice.
        timeout: Seconds for a whole load; 10 by default.
        cache: How long values are kept.
        on_unavailable: What an outage (THROTTLED, UNAVAILABLE) does: "raise", or "next" to go on in the chain.
        on_denied: What a denial does: "raise", or "next".
    """

    chain: tuple[str, ...] | Mapping[str, tuple[str, ...]]
    profile: str
    backends: Mapping[str, Backend]
    timeout: float
    cache: CachePolicy
    on_unavailable: Literal["raise", "next"]
    on_denied: Literal["raise", "next"]


OWN_KEYS = frozenset(SettingsConfigDict.__annotations__) - frozenset(BaseConfigDict.__annotations__)
config_keys |= OWN_KEYS  # so that `class S(Settings, profile="x")` works, as for pydantic-settings' own keys


class ChainSettingsSource(PydanticBaseSettingsSource):
    """The chain, as one source of pydantic-settings.

    A plain BaseSettings class can put it into its `settings_customise_sources`.

    Args:
        settings_cls: The settings class.
        chain: The chain; by default that of the class's config.

    Raises:
        ConfigurationError: When called, where the declaration makes no sense.
        ResolutionError: When called, where a source failed other than by MISSING.
    """

    def __init__(self, settings_cls: type[BaseSettings], chain: object = None) -> None:
        super().__init__(settings_cls)
        self.chain = chain

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Nothing: all fields are found at once, when the source is called."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Find every field that no earlier source has, and return what was found."""
        from secretsource.settings.load import Load, current_load

        running = current_load.get()
        of_ours = running is not None and running.settings_cls is self.settings_cls
        load = running if running is not None and of_ours else Load(self.settings_cls)
        values = load.run(self.chain, self.current_state)
        load.sources = self.settings_sources_data  # which those that come after this one will be in, too
        if not of_ours and (problems := load.problems(())):
            raise ResolutionError(problems, title=self.settings_cls.__name__)
        return values

    def __repr__(self) -> str:
        return f"ChainSettingsSource({self.settings_cls.__name__})"


class Settings(BaseSettings):
    """Base class for settings whose fields come from a chain of sources.

    With no chain declared it behaves as `BaseSettings` does. Keyword arguments beat every source.

    Raises:
        ConfigurationError: The declaration makes no sense.
        ResolutionError: A source failed other than by saying that the value does not exist.
        ValidationError: A field is missing or invalid. The error holds no input, and notes say where was searched.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict()

    _secretsource: Any = PrivateAttr(default=None)  # a Record, whose module comes with the first chain that is used

    def __init__(__pydantic_self__, **values: Any) -> None:  # noqa: N805 - a field may be called self
        settings_cls = type(__pydantic_self__)
        if not uses_chain(settings_cls):
            super().__init__(**values)
            return
        with holding_forks():
            from secretsource.settings.load import Load, current_load

        load = Load(settings_cls, values)
        token = current_load.set(load)
        try:
            with quiet("pydantic_settings"):  # its debug log has every source's values
                super().__init__(**values)
        except Exception as raised:  # noqa: BLE001 - what it comes to is raised below
            error = load.failure(raised)
        else:
            error = load.failure(None)
        finally:
            current_load.reset(token)
        if error is not None:
            raise error  # outside the handler: an exception's context would hold the input
        __pydantic_self__._secretsource = load.record()
        mask_strings(__pydantic_self__, __pydantic_self__._secretsource.secret_paths)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Which sources there are: keyword arguments, then the chain; without a chain those of BaseSettings."""
        standard = (env_settings, dotenv_settings, file_secret_settings)
        if not uses_chain(settings_cls):
            return init_settings, *standard
        from secretsource.settings.load import current_load

        if (load := current_load.get()) is not None:
            load.env_settings = env_settings
        chain = ChainSettingsSource(settings_cls)
        if has_chain(settings_cls):
            return init_settings, chain
        return init_settings, chain, *(_Except(settings_cls, source) for source in standard)

    @classmethod
    def load(cls) -> Self:
        """Make the settings; for type checkers, which want the fields as arguments of the class itself."""
        return cls()

    @classmethod
    async def aload(cls) -> Self:
        """Make the settings in a thread of their own, so that the event loop goes on meanwhile."""
        return await in_background(cls.load)

    def resolution(self, field: str) -> Resolution:
        """Where a field's value came from.

        Args:
            field: The field's path, with dots: `database.password`.

        Raises:
            KeyError: There is no such leaf; the message names those there are.
        """
        from secretsource.settings.inspection import record_of

        record = self._secretsource or record_of(type(self))
        return record.resolution(field)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        record = self._secretsource if getattr(self, "__pydantic_private__", None) else None
        paths = _secret_paths_in_the_making(type(self)) if record is None else record.secret_paths
        return shown_arguments(self, super().__repr_args__(), paths)


def _secret_paths_in_the_making(settings_cls: type[Settings]) -> Collection[tuple[str, ...]]:
    """What came out of a secret store for an object that is being made: its validators may show it."""
    if "secretsource.settings.load" not in sys.modules:
        return ()
    from secretsource.settings.load import current_load

    load = current_load.get()
    return load.secret_paths if load is not None and load.settings_cls is settings_cls else ()


class _Except(PydanticBaseSettingsSource):
    """A standard source without the fields that may not come from it: those that name others, or refuse it."""

    def __init__(self, settings_cls: type[BaseSettings], source: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._source = source
        self.__name__ = type(source).__name__

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        from secretsource.settings.placement import without
        from secretsource.settings.sources import scheme_of

        scheme, data = scheme_of(self._source), self._source()
        for leaf in leaves_by_path(self.settings_cls).values():
            if any(steer.sources or not steer.allows(scheme) for _, steer in leaf.steering):
                data = without(data, leaf)
        return data


def has_chain(settings_cls: type[BaseSettings]) -> bool:
    """Whether a chain is declared, in the class or in the environment."""
    return settings_cls.model_config.get("chain") is not None or bool(os.environ.get("SECRETSOURCE_CHAIN", "").strip())


def uses_chain(settings_cls: type[BaseSettings]) -> bool:
    """Whether any field comes through the chain: one is declared, or a field says where it comes from."""
    if has_chain(settings_cls):
        return True
    leaves = leaves_by_path(settings_cls).values()
    return any(leaf.steered_inside or any(steer.steers for _, steer in leaf.steering) for leaf in leaves)
