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
        fields = getattr(owner, "__dict__", {})
        if type(fields.get(path[-1])) is str:
            fields[path[-1]] = MaskedStr(fields[path[-1]])


def shown_arguments(
    arguments: Iterable[tuple[str | None, Any]], paths: Collection[Path]
) -> Iterator[tuple[str | None, Any]]:
    """A model's `repr` arguments with what came from a store masked, in nested models too."""
    for name, value in arguments:
        below = {path[1:] for path in paths if path[0] == name}
        yield name, _shown(value, below) if below else value


def _shown(value: Any, below: Collection[Path]) -> Any:
    if () in below:
        masked = isinstance(value, MaskedStr | SecretStr | SecretBytes) or value is None
        return value if masked else _Shown(repr(MASK))
    if isinstance(value, BaseModel):
        arguments = shown_arguments(value.__repr_args__(), below)
        return _Shown(f"{type(value).__name__}({', '.join(f'{name}={inner!r}' for name, inner in arguments)})")
    return _Shown(repr(MASK))
