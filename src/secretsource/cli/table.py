"""The table of where each value comes from, and of all that was tried for a field. Never a value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from secretsource.cli.failures import printable
from secretsource.cli.grid import Cell, Column, lay_out
from secretsource.errors import Outcome
from secretsource.settings.explanation import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from secretsource.question import Attempt
    from secretsource.settings.explanation import Resolution

_BAD: Final = "red"
_GOOD: Final = "green"
_QUIET: Final = "dim"
_CACHED: Final = "from the cache"  # a detail that has a column of its own
_LONGEST_VERSION: Final = 12


def table(resolutions: Sequence[Resolution], room: int | None) -> Iterator[str]:
    """The table's lines.

    Args:
        resolutions: What became of each field.
        room: How many characters a line has, or None for any number.
    """
    now = datetime.now(UTC)
    columns = [
        Column("FIELD", [Cell("" if is_ref(r) else r.field) for r in resolutions]),
        Column("OUTCOME", [_outcome(resolution) for resolution in resolutions]),
        Column("FROM", [Cell("" if r.ref is None else str(r.ref)) for r in resolutions], hangs=True),
        Column("VERSION", [_version(resolution, room) for resolution in resolutions], needed=4),
        Column("EXPIRES", [_moment(resolution.expires, now) for resolution in resolutions], needed=3),
        Column("CREATED", [_moment(resolution.created, now) for resolution in resolutions], needed=2),
        Column("CACHED", [Cell(duration(r.age or 0) if r.cached else "", _QUIET) for r in resolutions], needed=1),
        Column("NOT IN", [_passed_over(resolution) for resolution in resolutions], needed=1),
    ]
    yield from lay_out(columns, [_note(resolution) for resolution in resolutions], room)


def trail(resolution: Resolution, room: int | None) -> Iterator[str]:
    """The lines of what was tried for one field, in the order of the chain."""
    attempts = resolution.trail
    columns = [
        Column("OUTCOME", [_result(attempt) for attempt in attempts]),
        Column("TIME", [Cell(f"{a.milliseconds:.0f} ms" if a.milliseconds else "", _QUIET) for a in attempts], 1),
        Column("TRIED", [Cell(str(attempt.ref)) for attempt in attempts], hangs=True),
    ]
    yield from lay_out(columns, [Cell(printable(attempt.detail or ""), _QUIET) for attempt in attempts], room)


def has_failed(resolution: Resolution) -> bool:
    """Whether the field has no value, not even a default."""
    return resolution.backend is None or resolution.outcome not in (Outcome.FOUND, Outcome.MISSING)


def is_ref(resolution: Resolution) -> bool:
    """Whether it is of a ref, and not of a class's field."""
    return "://" in resolution.field


def _outcome(resolution: Resolution) -> Cell:
    if has_failed(resolution):
        return Cell(resolution.outcome.name, _BAD)
    if resolution.outcome is Outcome.FOUND:
        return Cell("found" if resolution.ref is not None else "given", _GOOD)
    return Cell("default", _QUIET)


def _result(attempt: Attempt) -> Cell:
    if attempt.outcome is Outcome.FOUND:
        return Cell("found", _GOOD)
    return Cell("missing", _QUIET) if attempt.outcome is Outcome.MISSING else Cell(attempt.outcome.name, _BAD)


def _version(resolution: Resolution, room: int | None) -> Cell:
    version = resolution.version or ""
    return Cell(version[:8] if room is not None and len(version) > _LONGEST_VERSION else version, _QUIET)


def _moment(moment: datetime | None, now: datetime) -> Cell:
    if moment is None:
        return Cell()
    seconds = (moment - now).total_seconds()
    return Cell(f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago", _QUIET)


def _passed_over(resolution: Resolution) -> Cell:
    """The sources before the one that answered; for a default, all of them."""
    if has_failed(resolution):
        return Cell()
    passed = [attempt for attempt in resolution.trail if attempt.outcome is not Outcome.FOUND]
    return Cell(", ".join(dict.fromkeys(_said(attempt) for attempt in passed)), _QUIET)


def _said(attempt: Attempt) -> str:
    missing = attempt.outcome is Outcome.MISSING
    return attempt.ref.scheme if missing else f"{attempt.ref.scheme} ({attempt.outcome.value})"


def _note(resolution: Resolution) -> Cell:
    if resolution.outcome is Outcome.MISSING and has_failed(resolution) and not is_ref(resolution):
        places = ", ".join(str(attempt.ref) for attempt in resolution.trail)
        return Cell(f"not in {places}" if places else "no source of the chain may supply it", _BAD)
    if has_failed(resolution):
        return Cell(printable(resolution.detail or ""), _BAD)
    ways = [f"by way of {attempt.ref}" for attempt in resolution.trail[:-1] if attempt.outcome is Outcome.FOUND]
    warning = warning_of(resolution)
    return Cell("; ".join([*ways, warning] if warning else ways), "yellow" if warning else _QUIET)


def warning_of(resolution: Resolution) -> str | None:
    """What is to be told of a value that is good all the same, such as that it has expired."""
    detail = resolution.detail if resolution.outcome is Outcome.FOUND else None
    return None if detail in (None, _CACHED) else printable(detail)
