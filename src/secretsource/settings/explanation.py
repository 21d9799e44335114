"""Where each value came from: resolutions, and the table of them. Never a value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from secretsource.question import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from secretsource.errors import Outcome
    from secretsource.ref import Ref

__all__ = ["Attempt", "Explanation", "Resolution"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one field got, and from where. Never the value.

    Attributes:
        field: The field's path, with dots.
        outcome: FOUND; MISSING where every place said so (then `backend` is "default", if the field has one); else
            what stopped the chain.
        ref: The ref that answered, or failed.
        backend: Whose it is: a scheme; "init" for a keyword argument, "default" for a default; None: nobody had it.
        version: The store's name for the version.
        created: When that version was made.
        age: Seconds since it was fetched from its store; None for what did not come from one.
        expires: When the store says that it ends.
        cached: Whether it was in the cache, so that the store was not asked this time.
        content_type: What the store says that the value is.
        trail: What was tried, in the order of the chain; the one that answered is the last.
    """

    field: str
    outcome: Outcome
    ref: Ref | None = None
    backend: str | None = None
    version: str | None = None
    created: datetime | None = None
    age: float | None = None
    expires: datetime | None = None
    cached: bool = False
    content_type: str | None = None
    trail: tuple[Attempt, ...] = ()

    @property
    def detail(self) -> str | None:
        """What there is to say about the last attempt."""
        return self.trail[-1].detail if self.trail else None

    def to_dict(self) -> dict[str, Any]:
        """The resolution as JSON has it."""
        return {
            **asdict(self),
            "outcome": self.outcome.name,
            "ref": None if self.ref is None else str(self.ref),
            "created": None if self.created is None else self.created.isoformat(),
            "expires": None if self.expires is None else self.expires.isoformat(),
            "age": None if self.age is None else round(self.age, 3),
            "trail": [_attempt_dict(attempt) for attempt in self.trail],
        }


def _attempt_dict(attempt: Attempt) -> dict[str, Any]:
    return {
        "ref": str(attempt.ref),
        "outcome": attempt.outcome.name,
        "milliseconds": round(attempt.milliseconds, 3),
        "detail": attempt.detail,
    }


class Explanation:
    """The resolutions of all fields of a class. Iterable; `str()` is the table, `to_dict()` the JSON.

    Attributes:
        settings: The class's name.
        profile: The profile that is in force.
    """

    def __init__(self, settings: str, profile: str, resolutions: Sequence[Resolution]) -> None:
        self.settings = settings
        self.profile = profile
        self._resolutions = tuple(resolutions)

    def __iter__(self) -> Iterator[Resolution]:
        return iter(self._resolutions)

    def __len__(self) -> int:
        return len(self._resolutions)

    def __getitem__(self, field: str) -> Resolution:
        """The resolution of one field, by its path."""
        for resolution in self._resolutions:
            if resolution.field == field:
                return resolution
        raise KeyError(field)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON has it."""
        fields = [resolution.to_dict() for resolution in self._resolutions]
        return {"settings": self.settings, "profile": self.profile, "fields": fields}

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """The table's rows: field, outcome, where, version, age, and what else there is to say."""
        return [_row(resolution) for resolution in self._resolutions]

    def __str__(self) -> str:
        head = ("FIELD", "OUTCOME", "FROM", "VERSION", "AGE", "NOTE")
        table = [head, *self.rows()]
        widths = [max(len(row[column]) for row in table) for column in range(len(head))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        return "\n".join([f"{self.settings} (profile {self.profile})", *lines])

    def __repr__(self) -> str:
        return f"<Explanation of {self.settings}: {len(self)} fields>"


def _row(resolution: Resolution) -> tuple[str, str, str, str, str, str]:
    where = str(resolution.ref) if resolution.ref is not None else f"({resolution.backend or 'nowhere'})"
    age = "" if resolution.age is None else duration(resolution.age)
    version = (resolution.version or "")[:12]
    return resolution.field, resolution.outcome.name, where, version, age, _note(resolution)


def _note(resolution: Resolution) -> str:
    tried = [f"{attempt.ref.scheme}: {attempt.outcome.value}" for attempt in resolution.trail[:-1]]
    detail = [resolution.detail] if resolution.detail else []
    return "; ".join([*detail, *([f"tried {', '.join(tried)}"] if tried else [])])


def duration(seconds: float) -> str:
    """A time span in its largest fitting unit: `0.2s`, `45s`, `12m`, `3h`, `2d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"  # noqa: PLR2004 - a second's tenths matter only early
