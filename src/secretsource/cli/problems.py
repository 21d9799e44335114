"""What a load of a settings class failed of, as problems: one for each field."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from secretsource.errors import Outcome, Problem, ResolutionError
from secretsource.ref import Ref
from secretsource.settings.leaves import leaves_by_path
from secretsource.settings.placement import leaves_at
from secretsource.settings.scrub import without_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_settings import BaseSettings

_FOUND_IN: Final = re.compile(r"(\S+) \(FOUND[^()]*\)$")
_NOT_GIVEN: Final = "no source has it"


def load_all(settings_cls: type[BaseSettings]) -> tuple[BaseSettings | None, Sequence[Problem]]:
    """Make a settings object; None, and what is wrong, where that cannot be done."""
    try:
        return settings_cls(), ()
    except (ResolutionError, ValidationError) as error:
        return None, problems_of(error, settings_cls)


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
    leaves = leaves_at(item["loc"], leaves_by_path(settings_cls).values())
    if item["type"] == "missing" and leaves:
        for leaf in leaves:
            if leaf.field.is_required():
                yield Problem(leaf.name, Outcome.MISSING, None, notes.get(leaf.name, _NOT_GIVEN))
        return
    name = ".".join(map(str, item["loc"])) or settings_cls.__name__
    yield Problem(name, Outcome.INVALID, _found_in(notes.get(leaves[0].name, "")) if leaves else None, item["msg"])


def _found_in(note: str) -> Ref | None:
    found = _FOUND_IN.search(note)
    return Ref.parse(found[1], schemes=(found[1].partition(":")[0],)) if found else None
