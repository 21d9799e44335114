"""The cache: ages by an injected clock, single flight, and what a fork keeps."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pytest

from secretsource.access import Access
from secretsource.backend import Backend, Lease, Outcome, SecretValue
from secretsource.cache import CachePolicy, Entry, MemoryCache
from secretsource.clock import Clock, Deadline
from secretsource.errors import ConfigurationError
from secretsource.ref import Ref

REF = Ref.parse("memory://a")


class FakeClock(Clock):
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now, self.wall = 1_000.0, 1_700_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.wall

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


class Counting(Backend):
    """A store that counts its calls; each may be held up."""

    scheme = "memory"

    def __init__(self, value: SecretValue | Exception | None = None, gate: threading.Event | None = None) -> None:
        self.value, self.gate, self.calls = value, gate, 0

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        self.calls += 1
        if self.gate is not None:
            self.gate.wait(10)
        return {} if self.value is None else dict.fromkeys(refs, self.value)

    def classify(self, error: Exception) -> Outcome:
        return Outcome.DENIED


def ask(cache: MemoryCache, store: Counting, ref: Ref = REF, policy: CachePolicy | None = None) -> object:
    """One lookup, as one load makes it."""
    access = Access(own={"memory": store}, policy=policy or CachePolicy(jitter=0), cache=cache)
    return access.fetch([ref], Deadline(10, cache.clock)).get(ref)


def test_a_value_is_fresh_until_its_ttl() -> None:
    """And asked for anew from then on."""
    clock, store = FakeClock(), Counting(SecretValue("x"))
    cache = MemoryCache(clock)
    ask(cache, store)
    clock.sleep(299)
    ask(cache, store)
    assert store.calls == 1
    clock.sleep(1)
    ask(cache, store)
    assert store.calls == 2


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 30 * 86_400.0])
def test_a_wall_clock_that_is_set_neither_keeps_a_value_nor_floods_the_store(jump: float) -> None:
    """The clock that says more counts; after one new read all is as it was."""
    clock, store = FakeClock(), Counting(SecretValue("x"))
    cache = MemoryCache(clock)
    ask(cache, store)
    clock.wall += jump
    for _ in range(3):
        ask(cache, store)
    assert store.calls == (2 if jump > 0 else 1)
    clock.sleep(300)
    ask(cache, store)
    assert store.calls == (3 if jump > 0 else 2)


def test_jitter_ends_entries_early_and_never_late() -> None:
    """Each by its own draw, within the part of the ttl that the policy gives."""
    policy = CachePolicy(ttl=100, jitter=0.2)
    assert [policy.lifetime(draw) for draw in (0.0, 0.5, 1.0)] == [100, 90, 80]
    entries = [Entry(SecretValue("x"), 0, 0) for _ in range(50)]
    assert len({entry.draw for entry in entries}) > 40
    assert all(0 <= entry.draw <= 1 for entry in entries)


def test_that_it_does_not_exist_is_remembered_for_the_negative_ttl() -> None:
    """Thirty seconds, not five minutes."""
    clock, store = FakeClock(), Counting(None)
    cache = MemoryCache(clock)
    ask(cache, store)
    clock.sleep(29)
    ask(cache, store)
    assert store.calls == 1
    clock.sleep(1)
    ask(cache, store)
    assert store.calls == 2


def test_a_failure_is_not_remembered() -> None:
    """The next load asks again."""
    store = Counting(PermissionError())
    cache = MemoryCache(FakeClock())
    ask(cache, store)
    ask(cache, store)
    assert store.calls == 2


def test_a_ttl_of_zero_turns_it_off() -> None:
    """By policy or by the ref's own option; a ref's own ttl beats the policy."""
    store = Counting(SecretValue("x"))
    cache = MemoryCache(FakeClock())
    for _ in range(2):
        ask(cache, store, policy=CachePolicy(ttl=0))
    assert store.calls == 2
    for _ in range(2):
        ask(cache, store, Ref.parse("memory://a?ttl=0"))
    assert store.calls == 4
    assert "0 entries" in repr(cache)


def test_a_lease_is_never_served_past_its_end() -> None:
    """Whatever the ttl."""
    clock, store = FakeClock(), Counting(SecretValue("x", lease=Lease("id", seconds=60)))
    cache = MemoryCache(clock)
    ask(cache, store)
    clock.sleep(60)
    ask(cache, store)
    assert store.calls == 2


def test_any_number_of_threads_make_one_call() -> None:
    """Sixty-four want one cold secret: one flies, the others wait for it."""
    gate = threading.Event()
    store, cache = Counting(SecretValue("x"), gate), MemoryCache()
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(ask(cache, store))) for _ in range(64)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(results) == 64
    assert store.calls == 1


def test_what_arrives_after_a_clear_is_not_kept() -> None:
    """`clear_cache` forgets what is on its way, too."""
    gate = threading.Event()
    store, cache = Counting(SecretValue("x"), gate), MemoryCache()
    asking = threading.Thread(target=ask, args=(cache, store))
    asking.start()
    cache.clear()
    gate.set()
    asking.join(10)
    ask(cache, store)
    assert store.calls == 2


def test_a_flight_past_its_deadline_is_not_joined() -> None:
    """One stuck call does not hold up every later one; and its late end does not disturb them."""
    gate, clock = threading.Event(), FakeClock()
    stuck, cache = Counting(SecretValue("x"), gate), MemoryCache(clock)
    access = Access(own={"memory": stuck}, cache=cache)
    reply = access.fetch([REF], Deadline(0.05))[REF]
    assert getattr(reply.result, "outcome", None) is Outcome.UNAVAILABLE
    clock.sleep(1)
    stuck.gate = None
    ask(cache, stuck)
    assert stuck.calls == 2
    gate.set()


def test_two_identities_do_not_share_a_value() -> None:
    """The same ref read with another login is another entry."""

    class Identified(Counting):
        who = "one"

        def identity(self, ref: Ref) -> str:
            return self.who

    store, cache = Identified(SecretValue("x")), MemoryCache()
    ask(cache, store)
    store.who = "two"
    ask(cache, store)
    ask(cache, store)
    assert store.calls == 2


def test_a_forked_child_keeps_values_and_holds_no_lock() -> None:
    """What another thread of the parent held during the fork is not held in the child."""
    store, cache = Counting(SecretValue("x")), MemoryCache()
    ask(cache, store)
    cache._lock.acquire()
    cache.after_fork()
    ask(cache, store)
    assert store.calls == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ttl": -1}, "ttl"),
        ({"ttl": "5"}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"ttl": float("nan")}, "ttl"),
        ({"ttl": float("inf")}, "ttl"),
        ({"ttl": 100, "max_stale": 99}, "max_stale"),
        ({"jitter": 1.1}, "jitter"),
        ({"jitter": -0.1}, "jitter"),
        ({"negative_ttl": -1}, "negative_ttl"),
        ({"store": "moon"}, "store"),
    ],
)
def test_policies_that_make_no_sense_are_refused(values: dict[str, float], reason: str) -> None:
    """With the reason, when they are made."""
    with pytest.raises(ConfigurationError, match=reason):
        CachePolicy(**values)  # type: ignore[arg-type]


def test_neither_cache_nor_entry_shows_a_value() -> None:
    """In their reprs."""
    cache = MemoryCache()
    ask(cache, Counting(SecretValue("not-a-real-password")))
    assert "not-a-real-password" not in repr(cache) + repr(Entry(SecretValue("not-a-real-password"), 0, 0))
