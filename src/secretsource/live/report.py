"""What a live object tells: a change, and its health. Never a value in text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from secretsource.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True, repr=False)
class Change(Generic[S]):
    """A new snapshot took the place of an old one.

    Attributes:
        fields: The paths of the fields whose values changed, with dots.
        old: The snapshot before.
        new: The snapshot now.
        versions: The stores' names for the new values' versions, by field, where they have one.
    """

    fields: tuple[str, ...]
    old: S
    new: S
    versions: Mapping[str, str]

    @property
    def version(self) -> str | None:
        """The new version, where all that changed has one and the same."""
        distinct = set(self.versions.values())
        return distinct.pop() if len(distinct) == 1 else None

    def __repr__(self) -> str:
        return f"Change(fields={self.fields!r}, version={self.version!r})"


@dataclass(frozen=True, slots=True)
class Health:
    """How a live object is doing.

    Attributes:
        ok: Whether the last refresh succeeded for every field.
        last_success: When all fields were last renewed, or found to need no renewal.
        last_error: What went wrong since, in words; None while all is well.
        oldest_age: Seconds since the oldest of its values was fetched; None where none came from a store.
        stale_fields: The fields that keep an old value because a newer one could not be had.
        next_refresh: When the next refresh is due.
    """

    ok: bool
    last_success: datetime | None
    last_error: str | None
    oldest_age: float | None
    stale_fields: tuple[str, ...]
    next_refresh: datetime | None

    def __bool__(self) -> bool:
        return self.ok
