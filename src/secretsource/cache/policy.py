"""CachePolicy: how long a value may be served, and how long one that could not be renewed."""

from __future__ import annotations

from dataclasses import dataclass

from secretsource.errors import ConfigurationError

_LONGEST = 10**10  # seconds; some 300 years, in place of "for ever"


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How values are kept. All times are seconds.

    Attributes:
        ttl: How long a value is served before the store is asked again. 0 turns the cache off.
        max_stale: How long a value may be served at the most while the store cannot be reached.
        jitter: The part of `ttl` by which an entry may end early, drawn anew for each, so that not all end at once.
        negative_ttl: How long "it does not exist" is remembered.
        store: Where values are kept: `memory`.

    Raises:
        ConfigurationError: A value makes no sense; the message says which and why.
    """

    ttl: float = 300
    max_stale: float = 86_400
    jitter: float = 0.1
    negative_ttl: float = 30
    store: str = "memory"

    def __post_init__(self) -> None:
        for name in ("ttl", "max_stale", "jitter", "negative_ttl"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST:
                self._refuse(f"{name} has to be a number of seconds from 0 to {_LONGEST:,}")
        if self.max_stale < self.ttl:
            self._refuse(
                f"max_stale ({self.max_stale}) is less than ttl ({self.ttl}): a fresh value would count as stale"
            )
        if self.jitter > 1:
            self._refuse(f"jitter is a part of ttl, from 0 to 1, not {self.jitter!r}")
        if self.store != "memory":
            self._refuse("the only store there is, is 'memory'")  # what was given may hold credentials

    @staticmethod
    def _refuse(reason: str) -> None:
        msg = f"CachePolicy: {reason}"
        raise ConfigurationError(msg)

    def lifetime(self, draw: float, ttl: float | None = None) -> float:
        """How long an entry is fresh, with its jitter (`draw`, from 0 to 1) taken off."""
        return (self.ttl if ttl is None else ttl) * (1 - self.jitter * draw)
