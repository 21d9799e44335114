"""What is kept for one key: the last good entry, and how getting a newer one goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secretsource.cache.backoff import Backoff
from secretsource.cache.entry import RETRY_LEASE_WITHIN, Entry, Failure
from secretsource.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from secretsource.backend import Lease
    from secretsource.cache.policy import CachePolicy
    from secretsource.clock import Clock

KEEPS: Final = frozenset({Outcome.UNAVAILABLE, Outcome.THROTTLED, Outcome.INVALID})
"""The outcomes of a refresh after which the last good value is served on; after any other it is dropped."""


class Slot:
    """One key's place in the cache.

    What a refresh that fails does to the value there is:

    - UNAVAILABLE, THROTTLED, INVALID: it is kept, up to `max_stale`, and the store is asked again after a wait;
    - MISSING: it is kept for one `negative_ttl`, in which a store that is not of one mind yet may come round;
    - DENIED, UNAUTHENTICATED, INACTIVE: it is dropped.
    """

    __slots__ = ("_aside", "_backoff", "entry", "missing_since", "setback")

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self.setback: Failure | None = None
        self.missing_since: float | None = None
        self._backoff: Backoff | None = None
        self._aside: Sequence[tuple[Lease, float]] = ()  # with the moment at which each ends

    @property
    def backoff(self) -> Backoff:
        """How long to wait before the store is asked again; few slots ever need one."""
        if self._backoff is None:
            self._backoff = Backoff()
        return self._backoff

    def usable(self, clock: Clock, policy: CachePolicy) -> Entry | None:
        """The entry that may be served while no newer one can be had."""
        entry = self.entry
        return entry if entry is not None and entry.age(clock) < entry.usable_for(policy) else None

    def take(self, result: Entry | Failure, clock: Clock, policy: CachePolicy) -> None:
        """Take in what the store said."""
        if isinstance(result, Failure):
            self._fail(result, clock, policy)
        elif result.value is None and self.entry is not None and self.entry.value is not None:
            self._miss(result, clock, policy)
        else:
            self._replace(result, clock)

    def hurry(self, backoff: Backoff, clock: Clock, policy: CachePolicy) -> None:
        """Where there is a lease, shorten a wait, so that there are more tries before its end."""
        if self.entry is not None and self.entry.lease is not None:
            backoff.hurry(clock, max(0.0, self.entry.remaining(clock, policy)) * RETRY_LEASE_WITHIN)

    def _fail(self, failure: Failure, clock: Clock, policy: CachePolicy) -> None:
        self.setback = failure
        if failure.outcome in KEEPS:
            self.backoff.fail(clock, failure.retry_after, policy.ttl)
            if self.usable(clock, policy):
                self.hurry(self.backoff, clock, policy)
        else:
            self._lay_aside(self.entry, clock)
            self.entry = self._backoff = None

    def prolong(self, lease: Lease, monotonic: float, wall: float) -> None:
        """Take in that its lease was renewed at that moment."""
        if self.entry is not None:
            self.entry.prolong(lease, monotonic, wall)
            self.setback = self.missing_since = self._backoff = None

    def _miss(self, result: Entry, clock: Clock, policy: CachePolicy) -> None:
        now = clock.monotonic()
        if self.missing_since is None:
            self.missing_since = now
        if now - self.missing_since >= policy.negative_ttl:
            self._replace(result, clock)
            return
        self.setback = Failure(Outcome.MISSING, result.detail or "it does not exist any more")
        self.backoff.failures = 1
        self.backoff.wait(clock, self.missing_since + policy.negative_ttl - now)

    def leases(self, clock: Clock) -> list[Lease]:
        """The leases to give back: that of the value there is, and of those before it. Not a parent process's."""
        self._lay_aside(self.entry, clock)
        return [lease for lease, _ in self._aside]

    def after_fork(self) -> None:
        """In a forked child: the leases are the parent's."""
        self._aside = ()
        if self.entry is not None:
            self.entry.inherited = True

    def _lay_aside(self, entry: Entry | None, clock: Clock) -> None:
        """Remember the lease of a value that is not needed any more."""
        aside = [(lease, end) for lease, end in self._aside if end > clock.monotonic()]
        if entry is not None and entry.lease is not None and not entry.inherited:
            aside.append((entry.lease, entry.monotonic + entry.lease.seconds))
        self._aside = aside

    def _replace(self, result: Entry, clock: Clock) -> None:
        old = self.entry
        if old is None:
            self.entry = result
        elif result.monotonic < old.monotonic:
            self._lay_aside(result, clock)
            return  # asked earlier, and arrived later
        else:
            self._lay_aside(old, clock)
            self._follow(old, result)
        self.setback = self.missing_since = self._backoff = None

    def _follow(self, old: Entry, result: Entry) -> None:
        if result.goes_back_from(old):
            old.monotonic, old.wall = result.monotonic, result.wall
            return
        if old.value is not None and result.value is not None and old.value != result.value:
            result.previous = old.previous or old
        else:
            result.previous, result.since = old.previous, old.monotonic if old.since is None else old.since
        old.previous = None
        self.entry = result
