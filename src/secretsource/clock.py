"""Time, injected: so that no test sleeps and a wall clock that jumps does no harm."""

from __future__ import annotations

import time


class Clock:
    """The system's clocks. Tests put a subclass in its place."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since the epoch, by the wall clock."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""
        time.sleep(seconds)


SYSTEM_CLOCK = Clock()
_LONGEST = 365 * 86_400  # seconds


class Deadline:
    """A point in time by which a load, and everything in it, has to be done.

    Args:
        seconds: How far away it is; more than a year is a year, which every wait can be.
        clock: The clock that says so.
    """

    __slots__ = ("_at", "clock")

    def __init__(self, seconds: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self._at = clock.monotonic() + min(seconds, _LONGEST)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._at - self.clock.monotonic())

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self._at <= self.clock.monotonic()

    def sooner(self, seconds: float) -> Deadline:
        """A deadline that comes `seconds` before this one: for work whose result still has to be carried home."""
        return Deadline(self.remaining() - seconds, self.clock)

    def __repr__(self) -> str:
        return f"Deadline(remaining={self.remaining():.3f})"
