"""How long to wait before a store that failed is asked again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from secretsource.clock import Clock

LONGEST: Final = 128.0
"""Seconds of the longest wait, also where the store asks for a longer one."""


class Backoff:
    """Waits that double from 1 to 128 seconds, each drawn from its upper half, so that clients do not come together.

    The steps are those of AWS's caching clients. A wait is over when either clock says so: the monotonic one may stand
    still while a process is frozen, and the wall clock may be set.
    """

    __slots__ = ("_monotonic", "_wall", "failures")

    def __init__(self) -> None:
        self.failures = 0
        self._monotonic = self._wall = 0.0

    def fail(self, clock: Clock, retry_after: float | None = None, ttl: float = 0.0) -> None:
        """Note a failure: wait twice as long as the last time, and as long as the store asks.

        Args:
            clock: The clock.
            retry_after: Seconds that the store asks for, or None.
            ttl: Seconds after which it would be asked in health. The wait is no longer, so that a short ttl is kept as
                soon as it is back; 0 for no such bound.
        """
        step = min(2.0**self.failures, LONGEST)
        wait = min(random.uniform(step / 2, step), ttl or LONGEST)  # noqa: S311 - jitter
        self.failures = min(self.failures + 1, 16)
        self.wait(clock, max(wait, min(retry_after or 0.0, LONGEST)))

    def wait(self, clock: Clock, seconds: float) -> None:
        """Wait so many seconds from now; none ends a wait."""
        self._monotonic, self._wall = clock.monotonic() + seconds, clock.time() + seconds

    def hurry(self, clock: Clock, seconds: float) -> None:
        """Wait no longer than so many seconds from now: something ends soon."""
        if self.remaining(clock) > seconds:
            self.wait(clock, seconds)

    def reset(self) -> None:
        """Note that it works again."""
        self.failures, self._monotonic, self._wall = 0, 0.0, 0.0

    def remaining(self, clock: Clock) -> float:
        """Seconds until it may be asked again."""
        return max(0.0, min(self._monotonic - clock.monotonic(), self._wall - clock.time()))

    def holds(self, clock: Clock) -> bool:
        """Whether it is too early to ask again."""
        return self.failures > 0 and self.remaining(clock) > 0
