"""What the cache keeps: entries with their age; and what a lookup hears: a reply."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secretsource.document import parse_json

if TYPE_CHECKING:
    from collections.abc import Hashable

    from secretsource.backend import Lease, SecretValue
    from secretsource.cache.policy import CachePolicy
    from secretsource.clock import Clock
    from secretsource.errors import Outcome
    from secretsource.ref import Ref

LAST_OF_LEASE: Final = 0.1
"""The part of a lease that is not handed to a new load: it would end soon after."""
RENEW_LEASE_AT: Final = 2 / 3
"""The part of a lease after which it is renewed."""
RETRY_LEASE_WITHIN: Final = 1 / 3
"""The part of what remains of a lease after which getting a new one is tried again, at the latest."""
WORTH_PROLONGING: Final = 0.5
"""A renewal that brings less than this part of the first span runs into the maximum TTL: the secret is issued anew."""
AHEAD: Final = 0.02
"""The part of its lifetime that a value is renewed ahead of its end, at most 5 seconds."""


_A_MOMENT: Final = 0.001  # seconds; a lease of none would count as no lease


class Key(NamedTuple):
    """What one entry is for.

    Attributes:
        origin: The backend: its scheme, or the object itself where it is the user's own.
        identity: Whose answer it is, in the backend's words.
        document: The secret, without a key inside it.
    """

    origin: Hashable
    identity: Hashable
    document: Ref


@dataclass(slots=True, repr=False, eq=False)
class Entry:
    """What a store said about one secret, and when. `value` is None where it said that there is none."""

    value: SecretValue | None
    monotonic: float
    wall: float
    milliseconds: float = 0.0
    detail: str | None = None
    draw: float = field(default_factory=random.random)
    first_lease: float | None = None
    """Seconds of its lease when it was issued, once that has been prolonged."""
    spent: bool = False
    """Its lease cannot be prolonged (any more)."""
    inherited: bool = False
    """A parent process read it, and it is the parent's to give its lease back."""
    previous: Entry | None = None
    """The last value that proved usable, until this one has."""
    since: float | None = None
    """When this very value was first read (monotonic), if that was before."""
    _document: Any = None

    def age(self, clock: Clock) -> float:
        """Seconds since it was fetched, by the clock that says more: one of them may have been set or suspended."""
        return max(clock.monotonic() - self.monotonic, clock.time() - self.wall, 0.0)

    def seen_for(self, clock: Clock) -> float:
        """Seconds since this very value was first read."""
        return self.age(clock) if self.since is None else clock.monotonic() - self.since

    @property
    def lease(self) -> Lease | None:
        """The lease that limits it, if there is one."""
        lease = None if self.value is None else self.value.lease
        return lease if lease is not None and lease.seconds > 0 else None

    def lifetime(self, policy: CachePolicy, ttl: float | None = None) -> float:
        """Seconds for which it is fresh: of its lease where it has one, else by the policy."""
        if (policy.ttl if ttl is None else ttl) <= 0:
            return 0.0
        if self.value is None:
            return policy.negative_ttl if ttl is None else min(policy.negative_ttl, ttl)
        if (lease := self.lease) is not None:
            return lease.seconds * (1 - LAST_OF_LEASE)
        return policy.lifetime(self.draw, ttl)

    def renew_after(self, policy: CachePolicy, ttl: float | None = None) -> float:
        """Seconds after which it is renewed ahead of its end, so that readers need not wait."""
        if self.lease is not None:
            return 0.0 if self.spent else self.lease.seconds * RENEW_LEASE_AT
        lifetime = policy.lifetime(self.draw, ttl)
        return lifetime - min(lifetime * AHEAD, 5.0)

    def usable_for(self, policy: CachePolicy) -> float:
        """Seconds for which it may be served while no newer one can be had."""
        return policy.max_stale if self.lease is None else self.lease.seconds

    def fresh(self, clock: Clock, policy: CachePolicy, ttl: float | None = None, *, ahead: bool = False) -> bool:
        """Whether it may be served without asking the store; `ahead`: whether it need not be renewed yet."""
        lifetime = self.lifetime(policy, ttl)
        return self.age(clock) < (min(lifetime, self.renew_after(policy, ttl)) if ahead else lifetime)

    def document(self) -> Any:
        """The secret's JSON, parsed once.

        Raises:
            InvalidSecret: It is not JSON.
        """
        if self._document is None and self.value is not None:
            raw = self.value.raw
            self._document = parse_json(raw) if isinstance(raw, str | bytes) else raw
        return self._document

    def remaining(self, clock: Clock, policy: CachePolicy) -> float:
        """Seconds for which it may still be served while no newer one can be had."""
        return self.usable_for(policy) - self.age(clock)

    def lease_over(self, clock: Clock) -> bool:
        """Whether it came with a lease that has ended."""
        lease = self.lease
        return lease is not None and self.age(clock) >= lease.seconds

    def wants_prolonging(self, clock: Clock, policy: CachePolicy) -> bool:
        """Whether its lease may be prolonged, and ought to be now."""
        if self.lease is None or not self.lease.renewable or self.spent:
            return False
        return self.renew_after(policy) <= self.age(clock) < self.lease.seconds

    def prolong(self, lease: Lease, monotonic: float, wall: float) -> None:
        """Its lease was renewed, and counts from the moment given by both clocks."""
        if self.value is not None and self.lease is not None:
            self.first_lease = self.first_lease or self.lease.seconds
            self.spent = lease.seconds < self.first_lease * WORTH_PROLONGING
            lease = replace(lease, seconds=max(lease.seconds, _A_MOMENT))
            self.monotonic, self.wall, self.value = monotonic, wall, replace(self.value, lease=lease)

    def goes_back_from(self, older: Entry) -> bool:
        """Whether a counted version is lower than one that was seen before, and not because it was made anew."""
        if self.value is None or older.value is None:
            return False
        mine, before = self.value, older.value
        counted = [version for version in (mine.version, before.version) if version is not None and version.isdecimal()]
        if len(counted) < 2 or int(counted[0]) >= int(counted[1]):  # noqa: PLR2004 - both of them
            return False
        return mine.created is None or before.created is None or mine.created <= before.created

    def __repr__(self) -> str:
        return f"Entry({self.value!r})"


class Failure(NamedTuple):
    """Why a store could not be read, without the SDK's error: that may hold a value."""

    outcome: Outcome
    detail: str
    hint: str | None = None
    retry_after: float | None = None
    milliseconds: float = 0.0
    error: BaseException | None = None
    """A mistake in the declaration or the program, which is raised as it is."""


class Reply(NamedTuple):
    """What a lookup hears about one secret.

    Attributes:
        result: The entry to use, or why there is none.
        milliseconds: How long the store took; 0 where it was not asked.
        cached: Whether it was there already.
        setback: Why no newer entry could be had, where an old one is served in its place.
    """

    result: Entry | Failure
    milliseconds: float = 0.0
    cached: bool = False
    setback: Failure | None = None
