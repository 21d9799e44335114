"""Settings as plain values, for frameworks that keep their configuration in a dict. Secrets stay masked in `repr`."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from pydantic_core import MultiHostUrl, Url

from secretsource.redaction import MASK, MaskedStr

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from secretsource.settings.model import Settings

Path = tuple[str, ...]


class MaskedBytes(bytes):
    """Bytes whose `repr` is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


class MaskedInt(int):
    """A number whose `repr` is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


class MaskedFloat(float):
    """A number whose `repr` is masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


_MASKED: Final[Mapping[type, Callable[[Any], object]]] = {
    str: MaskedStr,
    bytes: MaskedBytes,
    int: MaskedInt,
    float: MaskedFloat,
}


def plain_fields(settings: Settings) -> dict[str, Any]:
    """Each field as a plain value: nested models as dicts, secrets and addresses as text that is masked in `repr`."""
    record = settings._secretsource  # noqa: SLF001 - same package
    secret = frozenset() if record is None else record.secret_paths
    return {name: _plain(getattr(settings, name), (name,), secret) for name in type(settings).model_fields}


def _plain(value: Any, path: Path, secret: frozenset[Path]) -> Any:
    if isinstance(value, BaseModel):
        return {name: _plain(getattr(value, name), (*path, name), secret) for name in type(value).model_fields}
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name), (*path, item.name), secret) for item in fields(value)}
    if hasattr(value, "get_secret_value"):
        return masked(value.get_secret_value())
    if isinstance(value, Url | MultiHostUrl) or hasattr(value, "unicode_string"):
        return MaskedStr(value)
    return masked(value) if path in secret else value


def masked(value: Any) -> Any:
    """The value with a masked `repr`; in a list or table, all that is inside."""
    if isinstance(value, bool) or value is None:
        return value
    if (mask := _MASKED.get(type(value))) is not None:
        return mask(value)
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list | tuple) else value
