"""The cache in memory: single flight, and the last good value while a store cannot be read.

Any number of threads that want one secret make one call: the first one flies, the others wait for it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from secretsource.cache.backoff import Backoff
from secretsource.cache.entry import Entry, Failure, Key, Reply
from secretsource.cache.slot import KEEPS, Slot
from secretsource.clock import SYSTEM_CLOCK, Clock, Deadline
from secretsource.concurrency import Task
from secretsource.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from secretsource.backend import Lease
    from secretsource.cache.policy import CachePolicy

    Load = Callable[[Sequence[Key]], Mapping[Key, "Entry | Failure"]]

Renew = Literal["expired", "ahead", "all"]
"""What a lookup asks the store for: what is no longer fresh; what will soon not be; or everything."""

_NO_ANSWER = Failure(
    Outcome.UNAVAILABLE, "no answer in time", "raise timeout=, or see whether the store can be reached"
)


class _Flight:
    """One call on its way, for one or more keys."""

    __slots__ = ("deadline", "task")

    task: Task[Mapping[Key, Entry | Failure]]

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline


@dataclass(slots=True, eq=False, repr=False)
class Pending:
    """What a lookup waits for: what was there already, and the flights that bring the rest.

    Attributes:
        held: Keys that were not asked for because their store was down, while another key tries whether it still is.
    """

    policy: CachePolicy
    replies: dict[Key, Reply]
    flights: dict[Key, _Flight]
    held: set[Key]


class MemoryCache:
    """Values of all backends, keyed by secret, version and whose answer it is. Its `repr` shows none of them.

    Attributes:
        clock: The clocks that tell how old an entry is.
        revision: Another number after every change: who finds it as it was need not look again.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self.revision = 0
        self._slots: dict[Key, Slot] = {}
        self._stores: dict[tuple[Hashable, Hashable], Backoff] = {}
        self.after_fork()

    def after_fork(self) -> None:
        """In a forked child: keep the values, and nothing that another thread of the parent held."""
        self._lock = threading.Lock()
        self._flights: dict[Key, _Flight] = {}
        self._generation = 0
        for slot in self._slots.values():
            slot.after_fork()

    def begin(
        self,
        wanted: Mapping[Key, float | None],
        load: Load,
        deadline: Deadline,
        policy: CachePolicy,
        renew: Renew = "expired",
    ) -> Pending:
        """Look up, and start one call for what is neither here nor on its way.

        Args:
            wanted: For each key a ttl of its own (seconds), or None for the policy's.
            load: Asks the store; runs in a daemon thread.
            deadline: By when the call has to be done.
            policy: How old an entry may be.
            renew: What to ask the store for.
        """
        pending = Pending(policy, {}, {}, set())
        with self._lock:
            if renew != "all":
                self._serve(wanted, pending, ahead=renew == "ahead")
            for key in wanted.keys() & self._flights.keys() - pending.replies.keys():
                if (flight := self._joinable(key, _ttl(wanted[key], policy))) is not None:
                    pending.flights[key] = flight
            here = pending.replies.keys() | pending.flights.keys()
            if claimed := {key: ttl for key, ttl in wanted.items() if key not in here}:
                flight = _Flight(deadline)
                on_their_way = dict.fromkeys(claimed, flight)
                self._flights.update(on_their_way)
                pending.flights.update(on_their_way)
                self._take_off(flight, claimed, load, policy)
        return pending

    def _serve(self, wanted: Mapping[Key, float | None], pending: Pending, *, ahead: bool) -> None:
        """Reply with what is fresh, and with what is usable while its store is given a rest."""
        probed: set[Backoff] = set()
        for key, ttl in wanted.items():
            slot = self._slots.get(key)
            entry = None if slot is None else slot.entry
            if slot is None or entry is None or _ttl(ttl, pending.policy) <= 0:
                continue
            if entry.fresh(self.clock, pending.policy, ttl, ahead=ahead):
                pending.replies[key] = Reply(entry, cached=True)
            elif (usable := slot.usable(self.clock, pending.policy)) is not None:
                store = self._store(key)
                if self._rests(key, slot) or store in probed:
                    pending.replies[key] = Reply(usable, cached=True, setback=slot.setback or _NO_ANSWER)
                    pending.held |= {key} if store in probed else set()
                elif store.failures:
                    probed.add(store)  # one key is enough to see whether it answers again

    def _store(self, key: Key) -> Backoff:
        whose = key.origin, key.identity
        store = self._stores.get(whose)
        if store is None:
            store = self._stores[whose] = Backoff()
        return store

    def _joinable(self, key: Key, ttl: float) -> _Flight | None:
        flight = self._flights.get(key)
        return None if flight is None or ttl <= 0 or flight.deadline.expired else flight

    def _take_off(self, flight: _Flight, wanted: Mapping[Key, float | None], load: Load, policy: CachePolicy) -> None:
        generation = self._generation

        def fly() -> Mapping[Key, Entry | Failure]:
            results: Mapping[Key, Entry | Failure] = {}
            try:
                results = load(tuple(wanted))
            finally:
                with self._lock:
                    self._forget(flight)
                    if generation == self._generation:
                        kept = {key: result for key, result in results.items() if _ttl(wanted[key], policy) > 0}
                        self._land(kept, policy)
            return results

        try:
            flight.task = Task(fly)
        except RuntimeError:  # there can be no more threads at the moment
            self._forget(flight)
            raise

    def _forget(self, flight: _Flight) -> None:
        self._flights = {key: other for key, other in self._flights.items() if other is not flight}

    def _land(self, results: Mapping[Key, Entry | Failure], policy: CachePolicy) -> None:
        by_store: dict[Backoff, list[Entry | Failure]] = {}
        for key, result in results.items():
            slot = self._slots.get(key)
            if slot is None and isinstance(result, Entry):
                slot = self._slots[key] = Slot()
            if slot is not None:
                slot.take(result, self.clock, policy)
            by_store.setdefault(self._store(key), []).append(result)
        for store, said in by_store.items():
            self._judge(store, said, policy)
        self.revision += 1

    def _judge(self, store: Backoff, said: Sequence[Entry | Failure], policy: CachePolicy) -> None:
        """A store is down when nothing that it was asked for could be had; one answer, of any kind, and it is up."""
        if all(isinstance(result, Failure) and result.outcome is Outcome.UNAVAILABLE for result in said):
            store.fail(self.clock, ttl=policy.ttl)
            for key, slot in self._slots.items():
                if self._store(key) is store and slot.usable(self.clock, policy):
                    slot.hurry(store, self.clock, policy)
        elif store.failures:
            store.reset()
            for key, slot in self._slots.items():
                if self._store(key) is store:
                    slot.backoff.wait(self.clock, 0.0)  # what failed while it was down may be asked for again

    def finish(self, pending: Pending, deadline: Deadline) -> dict[Key, Reply]:
        """Wait for what is on its way, at most until the deadline."""
        replies = dict(pending.replies)
        for flight, keys in _by_flight(pending.flights).items():
            arrived = flight.task.wait(deadline.remaining())
            results = flight.task.result() if arrived else {}
            with self._lock:
                if not arrived:
                    self._give_up(keys, flight, pending.policy)
                for key in keys:
                    replies[key] = self._reply(key, results.get(key, _NO_ANSWER), pending.policy)
        return replies

    def _give_up(self, keys: Sequence[Key], flight: _Flight, policy: CachePolicy) -> None:
        """Note that a call is left behind, so that not every later lookup waits for the same silence."""
        left = [key for key in keys if self._flights.get(key) is flight] if flight.deadline.expired else []
        for key in left:
            del self._flights[key]
        if left:
            self._land(dict.fromkeys(left, _NO_ANSWER), policy)

    def _reply(self, key: Key, result: Entry | Failure, policy: CachePolicy) -> Reply:
        """What to answer after the store has spoken: its entry, or the last good one where that may be kept."""
        milliseconds = result.milliseconds
        slot = self._slots.get(key)
        if slot is None or slot.entry is result or (kept := slot.usable(self.clock, policy)) is None:
            return Reply(result, milliseconds)
        if isinstance(result, Entry):
            return Reply(kept, milliseconds, setback=slot.setback)
        return Reply(kept, milliseconds, setback=result) if result.outcome in KEEPS else Reply(result, milliseconds)

    def leases_due(self, keys: Iterable[Key], policy: CachePolicy) -> dict[Key, Entry]:
        """The entries whose leases ought to be prolonged now; not those of a store that is given a rest."""
        with self._lock:
            slots = {key: slot for key in keys if (slot := self._slots.get(key)) is not None}
            resting = {key for key, slot in slots.items() if self._rests(key, slot)}
            entries = {key: slot.entry for key, slot in slots.items() if slot.entry and key not in resting}
            return {key: entry for key, entry in entries.items() if entry.wants_prolonging(self.clock, policy)}

    def _rests(self, key: Key, slot: Slot) -> bool:
        return slot.backoff.holds(self.clock) or self._store(key).holds(self.clock)

    def prolong(self, key: Key, entry: Entry, lease: Lease | None, monotonic: float, wall: float) -> None:
        """Note that a lease was renewed at a moment, given by both clocks; or, without one, that it cannot be."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is None or slot.entry is not entry:
                return  # a newer one has come meanwhile
            if lease is None:
                entry.spent = True
            else:
                slot.prolong(lease, monotonic, wall)
            self._stores.pop((key.origin, key.identity), None)  # it answers
            self.revision += 1

    def entry(self, key: Key) -> Entry | None:
        """What is there for a key, fresh or not."""
        slot = self._slots.get(key)
        return None if slot is None else slot.entry

    def leases(self, key: Key) -> list[Lease]:
        """The leases of this process that a key has, of earlier values too."""
        with self._lock:
            slot = self._slots.get(key)
            return [] if slot is None else slot.leases(self.clock)

    def drop(self, key: Key) -> None:
        """Forget one key."""
        with self._lock:
            self._slots.pop(key, None)
            self.revision += 1

    def next_action(self, key: Key, ttl: float | None, policy: CachePolicy) -> float:
        """Seconds until something has to be done about a key: renew it, ask again, or stop serving it."""
        with self._lock:
            slot = self._slots.get(key)
            if slot is None or slot.entry is None:
                return policy.lifetime(0.5, ttl)
            entry, age = slot.entry, slot.entry.age(self.clock)
            due, end = entry.renew_after(policy, ttl) - age, entry.usable_for(policy) - age
            if due <= 0:
                due = max(slot.backoff.remaining(self.clock), self._store(key).remaining(self.clock))
            return max(0.0, min(due, end) if end > 0 else due)

    def clear(self) -> None:
        """Forget every value, those on their way included, and every failure."""
        with self._lock:
            self._slots.clear()
            self._stores.clear()
            self._flights.clear()
            self._generation += 1
            self.revision += 1

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._slots)} entries)"


def _by_flight(flights: Mapping[Key, _Flight]) -> dict[_Flight, list[Key]]:
    together: dict[_Flight, list[Key]] = {}
    for key, flight in flights.items():
        together.setdefault(flight, []).append(key)
    return together


def _ttl(own: float | None, policy: CachePolicy) -> float:
    return policy.ttl if own is None else own
