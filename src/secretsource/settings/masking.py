"""Masks on a settings object: what came from a store is not shown, whatever its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretBytes, SecretStr

from secretsource.redaction import MASK, MaskedStr

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

Path = tuple[str, ...]


class _Shown(str):
    """Text that is its own `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def mask_strings(settings: BaseModel, paths: Collection[Path]) -> None:
    """Put masked text in the place of plain text at these paths, so that it stays masked wherever it goes."""
    for path in paths:
        owner: Any = settings
        for name in path[:-1]:
            owner = getattr(owner, name, None)
        for fields in (getattr(owner, "__dict__", None), getattr(owner, "__pydantic_extra__", None)):
            if fields and path[-1] in fields:
                fields[path[-1]] = _masked(fields[path[-1]])


def _masked(value: Any) -> Any:
    """The same with masked text in the place of plain text, also inside lists, tables and models."""
    if type(value) is str:
        return MaskedStr(value)
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(map(_masked, value))
    if type(value) is dict:
        return {_masked(key): _masked(item) for key, item in value.items()}
    if isinstance(value, BaseModel):
        value.__dict__.update({name: _masked(item) for name, item in value.__dict__.items()})
    return value


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
        masked = isinstance(value, MaskedStr | SecretStr | SecretBytes) or value is None
        return value if masked else _Shown(repr(MASK))
    if isinstance(value, BaseModel):
        arguments = shown_arguments(value, value.__repr_args__(), below)
        return _Shown(f"{type(value).__name__}({', '.join(f'{name}={inner!r}' for name, inner in arguments)})")
    return _Shown(repr(MASK))
