"""Masks on a settings object: what came from a store is not shown, whatever its type."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, SecretBytes, SecretStr

from secretsource.redaction import MASK, MaskedBytes, MaskedStr

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

Path = tuple[str, ...]


class _Shown(str):
    """Text that is its own `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def mask_strings(settings: BaseModel, paths: Collection[Path]) -> None:
    """Put masked text and bytes in the place of plain ones at these paths, so that they stay masked everywhere."""
    for path in paths:
        owner: Any = settings
        for name in path[:-1]:
            owner = getattr(owner, name, None)
        _mask_inside(owner, path[-1:])


def _mask_inside(owner: Any, names: Iterable[str]) -> None:
    """Mask fields of a model or a dataclass in their place, past what it does when they are assigned to."""
    beside = getattr(owner, "__pydantic_extra__", None) or {}
    for name in names:
        if name in beside:
            beside[name] = _masked(beside[name])
        elif isinstance(owner, BaseModel) and name in owner.__dict__:
            owner.__dict__[name] = _masked(owner.__dict__[name])
        elif is_dataclass(owner) and hasattr(owner, name):
            object.__setattr__(owner, name, _masked(getattr(owner, name)))


def _masked(value: Any) -> Any:
    """The same with masked text and bytes in the place of plain ones, also inside lists, tables and models."""
    kind = type(value)
    if kind in _MASKED:
        return _MASKED[kind](value)
    if kind in (list, tuple, set, frozenset):
        return kind(map(_masked, value))
    if kind in (dict, OrderedDict):
        return kind((_masked(key), _masked(item)) for key, item in value.items())
    if kind is deque:
        return deque(map(_masked, value), value.maxlen)
    if isinstance(value, BaseModel):
        _mask_inside(value, [*value.__dict__, *(value.__pydantic_extra__ or ())])
    elif is_dataclass(value):
        _mask_inside(value, [field.name for field in fields(value)])
    return value


_MASKED: Final[Mapping[type, Callable[[Any], Any]]] = {str: MaskedStr, bytes: MaskedBytes}


def shown_arguments(
    model: BaseModel, arguments: Iterable[tuple[str | None, Any]], paths: Collection[Path]
) -> Iterator[tuple[str | None, Any]]:
    """A model's `repr` arguments with what came from a store masked, in nested models too.

    A computed field may be made of it, and is masked with it.
    """
    paths = {*paths, *((name,) for name in type(model).model_computed_fields)} if paths else paths
    for name, value in arguments:
        below = {path[1:] for path in paths if path[0] == name}
        yield name, _shown(value, below) if below else value


def _shown(value: Any, below: Collection[Path]) -> Any:
    if () in below:
        masked = isinstance(value, MaskedStr | MaskedBytes | SecretStr | SecretBytes) or value is None
        return value if masked else _Shown(repr(MASK))
    if isinstance(value, BaseModel):
        arguments = shown_arguments(value, value.__repr_args__(), below)
        return _Shown(f"{type(value).__name__}({', '.join(f'{name}={inner!r}' for name, inner in arguments)})")
    return _Shown(repr(MASK))
