"""Settings classes of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, create_model
from pydantic_settings import BaseSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic_settings import PydanticBaseSettingsSource


class Nested(BaseModel):
    """A model in a field, which has a value for everything."""

    a: str = "a"
    b: str = "b"


def settings_class(fields: int, *, base: type[BaseModel] | None = None, stem: str = "f", **config: Any) -> type[Any]:
    """A class with the fields f0, f1, ... of type `str`.

    Args:
        fields: How many.
        base: Its base class; by default `secretsource.Settings`.
        stem: What their names begin with.
        config: Its `model_config`.
    """
    from secretsource import Settings

    home = type("Home", (base or Settings,), {"model_config": config, "__module__": __name__})
    declared: dict[str, Any] = {f"{stem}{number}": (str, ...) for number in range(fields)}
    return create_model("Sized", __base__=home, **declared)


def with_nested(settings_cls: type[Any]) -> type[Any]:
    """The same class with one field more, which is a model and has a default."""
    return create_model("WithNested", __base__=settings_cls, nested=(Nested, Nested()))


def sourced(sources: Callable[[type[BaseSettings]], Sequence[PydanticBaseSettingsSource]]) -> type[BaseSettings]:
    """A base class whose fields come from these sources of pydantic-settings alone."""

    class Sourced(BaseSettings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(sources(settings_cls))

    return Sourced
