"""The cache in memory: entries with their age, and single flight.

Any number of threads that want one secret make one call: the first one flies, the others wait for it.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from secretsource.clock import SYSTEM_CLOCK, Clock, Deadline
from secretsource.concurrency import Task
from secretsource.document import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from secretsource.backend import SecretValue
    from secretsource.cache.policy import CachePolicy
    from secretsource.errors import Outcome
    from secretsource.ref import Ref

    Load = Callable[[Sequence["Key"]], Mapping["Key", "Entry | Failure"]]


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
    _document: Any = None

    def age(self, clock: Clock) -> float:
        """Seconds since it was fetched, by the clock that says more: one of them may have been set or suspended."""
        return max(clock.monotonic() - self.monotonic, clock.time() - self.wall, 0.0)

    def fresh(self, clock: Clock, policy: CachePolicy, ttl: float | None = None) -> bool:
        """Whether it may be served without asking the store."""
        age = self.age(clock)
        if self.value is None:
            return age < policy.negative_ttl and (policy.ttl if ttl is None else ttl) > 0
        lease = self.value.lease
        return age < policy.lifetime(self.draw, ttl) and (lease is None or lease.seconds <= 0 or age < lease.seconds)

    def document(self) -> Any:
        """The secret's JSON, parsed once.

        Raises:
            InvalidSecret: It is not JSON.
        """
        if self._document is None and self.value is not None:
            raw = self.value.raw
            self._document = parse_json(raw) if isinstance(raw, str | bytes) else raw
        return self._document

    def __repr__(self) -> str:
        return f"Entry({self.value!r})"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a store could not be read, without the SDK's error: that may hold a value."""

    outcome: Outcome
    detail: str
    hint: str | None = None
    retry_after: float | None = None
    milliseconds: float = 0.0
    error: BaseException | None = None
    """A mistake in the declaration or the program, which is raised as it is."""


class _Flight:
    """One call on its way, for one or more keys."""

    __slots__ = ("deadline", "task")

    task: Task[Mapping[Key, Entry | Failure]]

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline


@dataclass(slots=True)
class Pending:
    """What a lookup waits for: what was there already, and the flights that bring the rest."""

    entries: dict[Key, Entry]
    flights: dict[Key, _Flight]


class MemoryCache:
    """Values of all backends, keyed by secret, version and whose answer it is. Its `repr` shows none of them.

    Attributes:
        clock: The clocks that tell how old an entry is.
        revision: Another number after every change: who finds it as it was need not look again.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self.revision = 0
        self._entries: dict[Key, Entry] = {}
        self.after_fork()

    def after_fork(self) -> None:
        """In a forked child: keep the values, and nothing that another thread of the parent held."""
        self._lock = threading.Lock()
        self._flights: dict[Key, _Flight] = {}
        self._generation = 0

    def begin(self, wanted: Mapping[Key, float | None], load: Load, deadline: Deadline, policy: CachePolicy) -> Pending:
        """Look up, and start one call for what is neither here nor on its way.

        Args:
            wanted: For each key a ttl of its own (seconds), or None for the policy's.
            load: Asks the store; runs in a daemon thread.
            deadline: By when the call has to be done.
            policy: How old an entry may be.
        """
        with self._lock:
            entries = {key: entry for key, ttl in wanted.items() if (entry := self._fresh(key, policy, ttl))}
            missing = [key for key in wanted if key not in entries]
            flights = {key: flight for key in missing if (flight := self._joinable(key, policy, wanted[key]))}
            if claimed := {key: ttl for key, ttl in wanted.items() if key not in entries and key not in flights}:
                flight = _Flight(deadline)
                self._flights.update(dict.fromkeys(claimed, flight))
                flights.update(dict.fromkeys(claimed, flight))
                kept = {key for key, ttl in claimed.items() if (policy.ttl if ttl is None else ttl) > 0}
                self._take_off(flight, tuple(claimed), kept, load)
        return Pending(entries, flights)

    def _fresh(self, key: Key, policy: CachePolicy, ttl: float | None) -> Entry | None:
        entry = self._entries.get(key)
        return entry if entry is not None and entry.fresh(self.clock, policy, ttl) else None

    def _joinable(self, key: Key, policy: CachePolicy, ttl: float | None) -> _Flight | None:
        flight = self._flights.get(key)
        off = (policy.ttl if ttl is None else ttl) <= 0
        return None if flight is None or off or flight.deadline.expired else flight

    def _take_off(self, flight: _Flight, keys: Sequence[Key], kept: set[Key], load: Load) -> None:
        generation = self._generation

        def fly() -> Mapping[Key, Entry | Failure]:
            results: Mapping[Key, Entry | Failure] = {}
            try:
                results = load(keys)
            finally:
                self._land(flight, keys, {key: results[key] for key in kept & results.keys()}, generation)
            return results

        flight.task = Task(fly)

    def _land(
        self, flight: _Flight, keys: Sequence[Key], results: Mapping[Key, Entry | Failure], generation: int
    ) -> None:
        with self._lock:
            for key in keys:
                if self._flights.get(key) is flight:
                    del self._flights[key]
            if generation == self._generation:
                self._entries.update({key: entry for key, entry in results.items() if isinstance(entry, Entry)})
                self.revision += 1

    def finish(self, pending: Pending, deadline: Deadline) -> dict[Key, Entry | Failure | None]:
        """Wait for what is on its way, at most until the deadline; None stands for what did not arrive."""
        results: dict[Key, Entry | Failure | None] = dict(pending.entries)
        for key, flight in pending.flights.items():
            arrived = flight.task.wait(deadline.remaining())
            results[key] = flight.task.result().get(key) if arrived else None
        return results

    def clear(self) -> None:
        """Forget every value, those on their way included."""
        with self._lock:
            self._entries.clear()
            self._flights.clear()
            self._generation += 1
            self.revision += 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._entries)} entries)"
