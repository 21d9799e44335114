"""What a load of a settings class failed of, as problems: one for each field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from secretsource.cli.failures import where
from secretsource.errors import Outcome, Problem, ResolutionError
from secretsource.ref import Ref
from secretsource.settings.leaves import leaves_by_path
from secretsource.settings.placement import leaves_at
from secretsource.settings.scrub import without_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_settings import BaseSettings, SettingsError

    from secretsource.settings.leaves import Leaf

Path = tuple[str, ...]

_FOUND_IN: Final = re.compile(r"(\S+) \(FOUND[^()]*\)$")
_UNREAD: Final = re.compile(r'error \w+ value for field "(\w+)" from source "(\w+)"')
_NOT_GIVEN: Final = "no source has it"


def broken(name: str, error: BaseException) -> Problem:
    """What a validator means by an error that is no ValueError: its kind and its place, as its text may hold a value.

    Args:
        name: What could not be made: a field, or the class where it is not known which.
        error: What was raised.
    """
    return Problem(name, Outcome.INVALID, None, f"{type(error).__name__} {where(error)}")


def unread(error: SettingsError, settings_cls: type[BaseSettings]) -> Problem:
    """What BaseSettings tells of a variable that it cannot read, such as a list that is no JSON."""
    found = _UNREAD.fullmatch(str(error))
    if found is None:
        return broken(settings_cls.__name__, error)
    return Problem(found[1], Outcome.INVALID, None, f"its text cannot be read ({found[2]})")


def problems_of(error: Exception, settings_cls: type[BaseSettings]) -> Sequence[Problem]:
    """The problems that an error of a load tells of.

    Args:
        error: A ResolutionError, or a ValidationError with a note for each field (`name: searched ...`).
        settings_cls: The class that was loaded.

    Raises:
        Exception: The error itself, if it is neither.
    """
    if isinstance(error, ResolutionError):
        return error.problems
    if not isinstance(error, ValidationError):
        raise error
    notes = dict(note.partition(": ")[::2] for note in getattr(error, "__notes__", ()))
    items = without_input(error, ()).errors()
    return [problem for item in items for problem in _problems(item, notes, settings_cls)]


def _problems(item: Any, notes: Mapping[str, str], settings_cls: type[BaseSettings]) -> Iterator[Problem]:
    loc = item["loc"]
    leaves = leaves_at(loc, leaves_by_path(settings_cls).values())
    if item["type"] == "missing" and leaves and not _is_inside(loc, leaves[0]):
        for path in _lacking(leaves, len(loc)):
            places = (notes.get(leaf.name, _NOT_GIVEN) for leaf in leaves if leaf.path[: len(path)] == path)
            yield Problem(".".join(path), Outcome.MISSING, None, "; ".join(dict.fromkeys(places)))
        return
    name = ".".join(map(str, loc)) or settings_cls.__name__
    yield Problem(name, Outcome.INVALID, _found_in(notes.get(leaves[0].name, "")) if leaves else None, item["msg"])


def _is_inside(loc: Sequence[int | str], leaf: Leaf) -> bool:
    """Whether an error is about a part of a leaf's value, such as an item of a list, and not about the leaf."""
    depth = len(leaf.path)
    return len(loc) > depth and tuple(loc[depth - 1 :]) not in leaf.places[-1]


def _lacking(leaves: Sequence[Leaf], depth: int) -> Sequence[Path]:
    """What there has to be of a missing field, of which these are the leaves: those that are required, all the way.

    Of a model none of whose own fields is required, that is the model.
    """
    needed = dict.fromkeys(leaf.path[: _required(leaf, depth)] for leaf in leaves)
    return [path for path in needed if not any(other != path and other[: len(path)] == path for other in needed)]


def _required(leaf: Leaf, depth: int) -> int:
    """How many names of a leaf's path lead to what is required, where that at this depth is."""
    return min((optional - 1 for optional in leaf.optional if optional > depth), default=len(leaf.path))


def _found_in(note: str) -> Ref | None:
    found = _FOUND_IN.search(note)
    return Ref.parse(found[1], schemes=(found[1].partition(":")[0],)) if found else None
