"""Settings' values as plain data, secrets in clear: for the one who asked for them by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum

from pydantic import BaseModel, RootModel, Secret, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from secretsource.settings.annotations import fields_of


def revealed(value: object) -> object:
    """The value made of text, bytes, numbers, booleans, None, lists and dicts."""
    value = _bare(value)
    if isinstance(value, BaseModel):
        return {name: revealed(getattr(value, name)) for name in (*fields_of(type(value)), *(value.model_extra or ()))}
    if is_dataclass(value):
        return {field.name: revealed(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(revealed(key)): revealed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [revealed(inner) for inner in value]
    plain = value is None or isinstance(value, str | bytes | int | float)
    return value if plain else to_jsonable_python(value, fallback=str)


def _bare(value: object) -> object:
    """What is inside a secret, an enumeration's member or a model that is but its one value."""
    while isinstance(value, SecretStr | SecretBytes | Secret):
        value = value.get_secret_value()
    if isinstance(value, RootModel):
        return _bare(value.root)
    return value.value if isinstance(value, Enum) else value
