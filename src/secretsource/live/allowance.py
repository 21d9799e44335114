"""How often refreshing may be to no avail before it has to be done less often."""

from __future__ import annotations

from typing import Final

from secretsource.access import CACHE

_AT_ONCE: Final = 60
_A_SECOND: Final = 1


class Allowance:
    """So many at once, and then one a second.

    A database that is down refuses every password: without this, each of its errors would be one more call of the
    secret store. It needs no lock: one too many does no harm.
    """

    def __init__(self) -> None:
        self._left, self._since = float(_AT_ONCE), CACHE.clock.monotonic()

    def take(self) -> bool:
        """Whether there is one left, which is then used up."""
        now = CACHE.clock.monotonic()
        passed = max(0.0, now - self._since)  # a test's clock may have run ahead, and is over
        self._left, self._since = min(_AT_ONCE, self._left + passed * _A_SECOND), now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """It was of avail."""
        self._left += 1
