"""What a refresh that fails does to the value there is, outcome by outcome."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from secretsource.access import Access
from secretsource.backend import Advice, Backend, Lease, Outcome, SecretValue
from secretsource.cache import CachePolicy, Entry, Failure, Key, MemoryCache, Reply
from secretsource.cache.backoff import LONGEST, Backoff
from secretsource.clock import Deadline
from secretsource.question import Question, Step
from secretsource.ref import Ref
from secretsource.resolver import resolve
from tests.test_cache import FakeClock

POLICY = CachePolicy(jitter=0)


class Told(Exception):
    """What a store says in place of a value."""

    def __init__(self, outcome: Outcome, retry_after: float | None = None) -> None:
        self.outcome, self.retry_after = outcome, retry_after
        super().__init__(str(outcome))


class Store(Backend):
    """A store that says what it is told to, and counts what it is asked."""

    scheme = "memory"

    def __init__(self) -> None:
        self.says: dict[str, SecretValue | Exception | None] = {}
        self.asked: list[str] = []

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        self.asked += [ref.location for ref in refs]
        said = {ref: self.says.get(ref.location) for ref in refs}
        return {ref: answer for ref, answer in said.items() if answer is not None}

    def classify(self, error: Exception) -> Outcome:
        return error.outcome if isinstance(error, Told) else Outcome.UNAVAILABLE

    def advise(self, error: Exception) -> Advice:
        return Advice(retry_after=error.retry_after if isinstance(error, Told) else None)


class World:
    """A store, a cache and a clock."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(), Store()
        self.cache = MemoryCache(self.clock)

    def ask(self, *names: str, policy: CachePolicy = POLICY) -> list[Reply]:
        """One lookup of these secrets, as one load makes it."""
        access = Access(own={"memory": self.store}, policy=policy, cache=self.cache)
        refs = [Ref("memory", name) for name in names]
        replies = access.fetch(refs, Deadline(10, self.clock))
        return [replies[ref] for ref in refs]

    def say(self, answer: SecretValue | Outcome | None, *names: str) -> None:
        """From now on the store says so."""
        for name in names or ("a",):
            self.store.says[name] = Told(answer) if isinstance(answer, Outcome) else answer

    def value(self, name: str = "a") -> object:
        """What a load gets: the raw value, None, or the outcome of a failure."""
        result = self.ask(name)[0].result
        if isinstance(result, Failure):
            return result.outcome
        return None if result.value is None else result.value.raw


@pytest.fixture
def world() -> World:
    """One in which a value was found, and whose ttl is over."""
    world = World()
    world.say(SecretValue("good"))
    world.value()
    world.clock.sleep(300)
    return world


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.THROTTLED, Outcome.INVALID])
def test_an_outage_keeps_the_last_good_value_up_to_max_stale(world: World, outcome: Outcome) -> None:
    """And not a second longer."""
    world.say(outcome)
    assert world.value() == "good"
    world.clock.sleep(86_400 - 300 - 30 - world.clock.now % 1)
    assert world.value() == "good"
    world.clock.sleep(60)
    assert world.value() is outcome


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.UNAUTHENTICATED, Outcome.INACTIVE])
def test_a_revocation_drops_it(world: World, outcome: Outcome) -> None:
    """It may not be served any more, and does not come back when the store goes down."""
    world.say(outcome)
    assert world.value() is outcome
    world.say(Outcome.UNAVAILABLE)
    assert world.value() is Outcome.UNAVAILABLE


def test_missing_after_found_is_believed_after_one_negative_ttl(world: World) -> None:
    """A store that is not of one mind yet may come round."""
    world.say(None)
    assert world.value() == "good"
    world.clock.sleep(29)
    assert world.value() == "good"
    world.clock.sleep(1)
    assert world.value() is None


def test_a_store_that_comes_round_is_believed_at_once(world: World) -> None:
    """And the grace begins anew the next time."""
    world.say(None)
    world.value()
    world.say(SecretValue("new"))
    world.clock.sleep(30)
    assert world.value() == "new"
    world.clock.sleep(300)
    world.say(None)
    assert world.value() == "new"


def test_a_stale_reply_says_why(world: World) -> None:
    """Whoever explains or watches it can tell."""
    world.say(Outcome.UNAVAILABLE)
    (reply,) = world.ask("a")
    assert reply.setback is not None
    assert reply.setback.outcome is Outcome.UNAVAILABLE


def test_that_something_does_not_exist_is_kept_through_an_outage_too() -> None:
    """So the source that supplies a field does not change because of an error."""
    world = World()
    world.say(None)
    assert world.value() is None
    world.clock.sleep(31)
    world.say(Outcome.UNAVAILABLE)
    assert world.value() is None


def test_waits_double_up_to_128_seconds(world: World) -> None:
    """A day of outage costs some hundred calls, each tried twice, instead of one at every load."""
    world.say(Outcome.UNAVAILABLE)
    world.store.asked.clear()
    gaps, last = [], world.clock.now
    for _ in range(20_000):
        before = len(world.store.asked)
        assert world.value() == "good"
        if len(world.store.asked) > before:
            gaps.append(world.clock.now - last)
            last = world.clock.now
        world.clock.sleep(0.25)
    assert gaps[1] < 2.5
    assert max(gaps) < LONGEST + 2
    assert gaps[-1] > LONGEST / 2 - 1
    assert len(world.store.asked) < 2 * 100


def test_retry_after_is_honoured_and_capped(world: World) -> None:
    """A store that asks for a day is asked again after 128 seconds."""
    world.store.says["a"] = Told(Outcome.THROTTLED, retry_after=60)
    world.value()
    world.store.asked.clear()
    world.clock.sleep(59)
    world.value()
    assert world.store.asked == []
    world.store.says["a"] = Told(Outcome.THROTTLED, retry_after=86_400)
    world.clock.sleep(2)
    world.value()
    world.store.asked.clear()
    world.store.says["a"] = SecretValue("new")
    world.clock.sleep(LONGEST)
    assert world.value() == "new"


def test_backoff_draws_from_the_upper_half_of_each_step() -> None:
    """Clients that failed together do not come back together."""
    clock, backoff = FakeClock(), Backoff()
    for step in (1, 2, 4, 8, 16, 32, 64, 128, 128):
        backoff.fail(clock)
        assert step / 2 <= backoff.remaining(clock) <= step
        assert backoff.holds(clock)
    backoff.reset()
    assert not backoff.holds(clock)


def test_a_wait_is_no_longer_than_the_ttl(world: World) -> None:
    """A store that is back is asked as soon as in health; and a dead one is asked no more often than that."""
    policy = CachePolicy(ttl=10, jitter=0)
    world.say(SecretValue("good"))
    world.ask("a", policy=policy)
    world.say(Outcome.UNAVAILABLE)
    world.clock.sleep(10)
    world.store.asked.clear()
    for _ in range(600):
        world.clock.sleep(1)
        world.ask("a", policy=policy)
    assert len(world.store.asked) <= 2 * (600 / 10 + 4)  # each time it is asked twice
    world.say(SecretValue("new"))
    world.clock.sleep(10)
    (reply,) = world.ask("a", policy=policy)
    assert (reply.setback, reply.cached) == (None, False)


def test_a_wait_is_over_when_either_clock_says_so() -> None:
    """A process that is frozen meanwhile does not wait once more; a wall clock that is set back prolongs nothing."""
    clock, backoff = FakeClock(), Backoff()
    for now, wall in ((0.0, 1.0), (1.0, -3_600.0)):
        backoff.reset()
        backoff.fail(clock)
        assert backoff.holds(clock)
        clock.now, clock.wall = clock.now + now, clock.wall + wall
        assert not backoff.holds(clock)


def test_one_secret_tries_whether_a_dead_store_is_back() -> None:
    """Fifty fields do not each probe it; once it answers, the others follow in the same load."""
    world, names = World(), [f"s{number}" for number in range(50)]
    world.say(SecretValue("good"), *names)
    world.ask(*names)
    world.clock.sleep(300)
    world.say(Outcome.UNAVAILABLE, *names)
    world.ask(*names)
    world.store.asked.clear()
    world.clock.sleep(2)
    world.ask(*names)
    assert len(set(world.store.asked)) == 1
    world.store.asked.clear()
    world.say(SecretValue("new"), *names)
    world.clock.sleep(4)
    replies = world.ask(*names)
    assert sorted(world.store.asked) == sorted(names)
    assert all(isinstance(reply.result, Entry) and reply.setback is None for reply in replies)


def test_one_silence_is_one_failure_however_many_secrets_it_kept(world: World) -> None:
    """The wait that follows is that of a first failure, and not doubled for each secret that was asked for."""
    world.say(SecretValue("good"), *"abcdefgh")
    access, silence = Access(own={"memory": world.store}, policy=POLICY, cache=world.cache), threading.Event()
    access.fetch([Ref("memory", name) for name in "abcdefgh"], Deadline(10, world.clock))
    world.clock.sleep(301)

    def hang(_: object) -> dict[Key, Entry | Failure]:
        silence.wait(60)
        return {}

    no_time = Deadline(0, world.clock)
    pending = world.cache.begin(access.wanted, hang, no_time, POLICY)
    replies = world.cache.finish(pending, no_time)
    assert [reply.setback.outcome for reply in replies.values() if reply.setback] == [Outcome.UNAVAILABLE] * 8
    assert max(world.cache.next_action(key, None, POLICY) for key in access.wanted) <= 1
    silence.set()


def test_what_is_not_in_the_cache_is_asked_for_even_while_its_store_rests(world: World) -> None:
    """There is nothing to serve in its place."""
    world.say(Outcome.UNAVAILABLE, "a", "cold")
    world.value()
    world.say(SecretValue("there"), "cold")
    assert world.value("cold") == "there"


def test_one_denied_secret_does_not_make_a_store_dead(world: World) -> None:
    """A refusal is an answer."""
    world.say(SecretValue("b"), "b")
    world.ask("b")
    world.clock.sleep(300)
    world.say(Outcome.UNAVAILABLE, "a")
    world.ask("a", "b")
    world.store.asked.clear()
    world.ask("b")
    assert world.store.asked == []


def test_versions_never_go_backwards() -> None:
    """A replica that lags behind is not believed; a secret that was made anew is."""
    world = World()
    then = datetime(2026, 1, 1, tzinfo=UTC)
    world.say(SecretValue("three", version="3", created=then))
    world.value()
    world.clock.sleep(300)
    world.say(SecretValue("two", version="2", created=then - timedelta(days=1)))
    assert world.value() == "three"
    world.clock.sleep(300)
    world.say(SecretValue("anew", version="1", created=then + timedelta(days=1)))
    assert world.value() == "anew"


def test_names_of_versions_that_are_not_counted_may_change_freely() -> None:
    """A stage label that is moved back is a rollback on purpose."""
    world = World()
    world.say(SecretValue("new", version="b-2"))
    world.value()
    world.clock.sleep(300)
    world.say(SecretValue("old", version="a-1"))
    assert world.value() == "old"


def test_a_lease_is_not_served_past_its_end_in_an_outage() -> None:
    """Whatever max_stale says."""
    world = World()
    world.say(SecretValue("leased", lease=Lease("id", seconds=600)))
    world.value()
    world.clock.sleep(539)
    assert len(world.store.asked) == 1
    assert world.value() == "leased"
    world.say(Outcome.UNAVAILABLE)
    world.clock.sleep(20)
    assert world.value() == "leased"
    world.clock.sleep(60)
    assert world.value() is Outcome.UNAVAILABLE


def look_up(world: World, *keys: str, policy: CachePolicy = POLICY) -> list[object]:
    """Several keys of one secret, as one load asks for them."""
    questions = [Question((key,), [Step(Ref("memory", "a", {}, key), (key,))]) for key in keys]
    resolve(questions, Access(own={"memory": world.store}, policy=policy, cache=world.cache), Deadline(10, world.clock))
    return [question.answer.value if question.answer else None for question in questions]


@pytest.mark.parametrize("broken", ['{"user": "u2"}', '{"user": "u2", "password"', "plain", "[]"])
def test_fields_of_one_secret_change_together_or_not_at_all(broken: str) -> None:
    """A new version without its password is no use: user and password both stay as they were."""
    world = World()
    world.say(SecretValue('{"user": "u1", "password": "p1"}'))
    assert look_up(world, "user", "password") == ["u1", "p1"]
    world.clock.sleep(300)
    world.say(SecretValue(broken))
    assert look_up(world, "user", "password") == ["u1", "p1"]
    world.clock.sleep(300)
    world.say(SecretValue('{"user": "u3", "password": "p3"}'))
    assert look_up(world, "user", "password") == ["u3", "p3"]


@pytest.mark.parametrize(("broken", "seconds"), [("plain", POLICY.max_stale), ("{}", 30)])
def test_a_new_secret_that_is_no_use_stays_so_however_often_it_is_read(broken: str, seconds: float) -> None:
    """The last good value is kept up to `max_stale`, and for one `negative_ttl` where a key is absent."""
    world, policy = World(), CachePolicy(ttl=10, jitter=0)
    world.say(SecretValue('{"user": "u1"}'))
    assert look_up(world, "user", policy=policy) == ["u1"]
    world.say(SecretValue(broken))
    for _ in range(3):
        world.clock.sleep(10)
        assert look_up(world, "user", policy=policy) == ["u1"]
    world.clock.sleep(seconds - 20)
    assert look_up(world, "user", policy=policy) == [None]
