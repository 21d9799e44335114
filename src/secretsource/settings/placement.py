"""Leaves <-> the nested data that pydantic takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secretsource.settings.leaves import Leaf


def place_values(found: Iterable[tuple[Leaf, object]]) -> dict[str, Any]:
    """Nested data out of the leaves' values, under the keys that pydantic takes."""
    data: dict[str, Any] = {}
    for leaf, value in found:
        if len(leaf.path) == 1 and len(leaf.places[0][0]) == 1:
            data[leaf.places[0][0][0]] = value  # type: ignore[index]  # an alias path begins with a name
        else:
            _put(data, [key for places in leaf.places for key in places[0]], value)
    return data


def _put(data: Any, keys: Sequence[str | int], value: object) -> None:
    """Put a value at a path. Positions become keys of a table: pydantic takes them so, and a list has no gaps."""
    for key in keys[:-1]:
        _make_room(data, key)
        if not isinstance(data[key], dict | list):
            data[key] = {}
        data = data[key]
    _make_room(data, keys[-1])
    data[keys[-1]] = value


def _make_room(data: Any, key: str | int) -> None:
    if isinstance(data, list) and isinstance(key, int):
        data.extend([None] * (key + 1 - len(data)))
    elif isinstance(data, dict):
        data.setdefault(key, None)


def supplied(leaf: Leaf, state: Mapping[str, Any]) -> bool:
    """Whether earlier sources have a leaf already: its own value, or a whole object in place of the model it is in."""
    data: Any = state
    for name, places in zip(leaf.path, leaf.places, strict=True):
        if not isinstance(data, Mapping):
            return True
        keys = [*(place[0] for place in places), name]
        key = next((key for key in keys if key in data), None)
        if key is None:
            return False
        data = data[key]
    return True


def without(data: Mapping[str, Any], leaf: Leaf, depth: int = 0) -> dict[str, Any]:
    """The data without a leaf, under whichever of its keys."""
    keys = {leaf.path[depth], *(place[0] for place in leaf.places[depth])}
    if depth == len(leaf.path) - 1:
        return {key: value for key, value in data.items() if key not in keys}
    return {
        key: without(value, leaf, depth + 1) if key in keys and isinstance(value, Mapping) else value
        for key, value in data.items()
    }


def leaves_at(loc: Sequence[int | str], leaves: Iterable[Leaf]) -> list[Leaf]:
    """The leaves that an error's location speaks of: the one it is in, or all below it."""
    return [leaf for leaf in leaves if loc and _speaks_of(loc, leaf)]


def is_required_in(leaf: Leaf, depth: int) -> bool:
    """Whether a leaf has to be there where the model at that depth of its path is."""
    return not any(inside > depth for inside in leaf.optional)


def _speaks_of(loc: Sequence[int | str], leaf: Leaf) -> bool:
    names = zip(loc, leaf.path, leaf.places, strict=False)
    return all(key == name or any(key == place[0] for place in places) for key, name, places in names)
