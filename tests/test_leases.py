"""Leases: renewed in time, issued anew before they cannot be, never served past their end, and given back."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, SecretStr

import secretsource
from secretsource import CachePolicy, Change, From, Live, ResolutionError, Settings, SettingsConfigDict
from secretsource.access import CACHE
from secretsource.backend import Advice, Backend, Lease, Leasing, Outcome, SecretValue, Upkeep
from secretsource.clock import Deadline
from secretsource.live.refresher import REFRESHER
from secretsource.ref import Ref
from tests.test_cache import FakeClock

TTL = 60.0


class Told(Exception):
    """What a store says in place of a value."""

    def __init__(self, outcome: Outcome, retry_after: float | None = None) -> None:
        self.outcome, self.retry_after = outcome, retry_after
        super().__init__(str(outcome))


class Lessor(Backend, Leasing):
    """A store that makes a user for every read, and keeps book of the leases.

    Attributes:
        says: What it says instead, while it is down.
        refuses: Whether it renews no lease.
        log: What it was asked for, with the time and the number of the user.
    """

    scheme = "lessor"

    def __init__(self, clock: FakeClock, *, max_ttl: float = 1e9, renewable: bool = True) -> None:
        self.clock, self.max_ttl, self.renewable = clock, max_ttl, renewable
        self.says: Told | None = None
        self.refuses = False
        self.log: list[tuple[str, float, str]] = []
        self.ends: dict[str, float] = {}
        self.born: dict[str, float] = {}
        self.gate: threading.Event | None = None
        self.broken: set[str] = set()

    def _ask(self, what: str, number: str) -> None:
        self.log.append((what, self.clock.now, number))
        if self.gate is not None:
            self.gate.wait(10)
        if self.says is not None:
            raise self.says

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        return {ref: self._read(ref) for ref in refs}

    def _read(self, ref: Ref) -> SecretValue | Exception:
        if ref.location in self.broken:
            return Told(Outcome.UNAVAILABLE)
        number = str(len(self.born) + 1)
        try:
            self._ask("issue", number)
        except Told as error:
            return error
        self.born[number] = self.clock.now
        self.ends[number] = self.clock.now + min(TTL, self.max_ttl)
        lease = Lease(number, min(TTL, self.max_ttl), self.renewable)
        return SecretValue(json.dumps({"username": f"u{number}", "password": f"p{number}"}), lease=lease)

    def renew_lease(self, ref: Ref, lease: Lease, deadline: Deadline) -> Lease:
        self._ask("renew", lease.id)
        if self.refuses or not self.holds(lease.id):
            raise Told(Outcome.INVALID)
        self.ends[lease.id] = min(self.clock.now + TTL, self.born[lease.id] + self.max_ttl)
        return Lease(lease.id, self.ends[lease.id] - self.clock.now, self.renewable)

    def revoke_lease(self, ref: Ref, lease: Lease, deadline: Deadline) -> None:
        self._ask("revoke", lease.id)
        self.ends[lease.id] = self.clock.now

    def holds(self, number: str) -> bool:
        """Whether a user can log in now."""
        return self.ends[number] > self.clock.now

    def times(self, what: str) -> list[float]:
        """When it was asked for something, in seconds from the start."""
        return [round(when - 1000, 1) for asked, when, _ in self.log if asked == what]

    def classify(self, error: Exception) -> Outcome:
        return error.outcome if isinstance(error, Told) else Outcome.UNAVAILABLE

    def advise(self, error: Exception) -> Advice:
        return Advice("told so", retry_after=error.retry_after if isinstance(error, Told) else None)


class User(BaseModel):
    """Two fields of one lease."""

    username: str
    password: SecretStr


class World:
    """A store that leases, and settings that follow it."""

    def __init__(self, clock: FakeClock, store: Backend) -> None:
        self.clock, self.store = clock, store

        class App(Settings):
            model_config = SettingsConfigDict(
                backends={"lessor": store}, chain=("lessor://x/",), cache=CachePolicy(jitter=0), timeout=2
            )
            database: Annotated[User, From("lessor://creds/app")]

        self.settings: type[App] = App

    def run(self, seconds: float, live: Live[Settings] | None = None) -> Iterator[float]:
        """Let time pass from one refresh that is due to the next.

        Yields:
            The time after each step.
        """
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.sleep(max(min(REFRESHER.seconds_to_next(), end - self.clock.now), 0.001))
            refresh()
            yield self.clock.now - 1000


def refresh() -> None:
    """Have done what is due."""
    REFRESHER.refresh_due()
    while running := [one for one in threading.enumerate() if one.name == "secretsource-refresh" and one.ident]:
        for thread in running:
            thread.join(10)


def user(live: Live[Settings]) -> str:
    """The number of the present user. Its password has to be of the same lease."""
    database: User = live.current.database  # type: ignore[attr-defined]  # App is the world's own
    number = database.username.removeprefix("u")
    assert database.password.get_secret_value() == f"p{number}"
    return number


@pytest.fixture
def store(clock: FakeClock) -> Lessor:
    return Lessor(clock)


@pytest.fixture
def world(clock: FakeClock, store: Lessor) -> World:
    return World(clock, store)


@pytest.fixture
def live(world: World) -> Iterator[Live[Settings]]:
    with Live[Settings](world.settings) as live:
        yield live


def test_a_lease_is_renewed_at_two_thirds_of_what_remains(world: World, store: Lessor, live: Live[Settings]) -> None:
    """Each time anew, as long as the store allows; the user stays the same, and nobody is told of a change."""
    changes: list[Change[Settings]] = []
    live.on_change(changes.append)
    for _ in world.run(200):
        assert store.holds(user(live))
    assert store.times("renew") == [40.0, 80.0, 120.0, 160.0, 200.0]
    assert (store.times("issue"), changes) == ([0.0], [])


def test_a_secret_is_issued_anew_before_the_maximum_of_its_lease(clock: FakeClock) -> None:
    """A renewal that comes back short says that it is near; the user changes while the old one still holds."""
    store = Lessor(clock, max_ttl=150)
    world = World(clock, store)
    with Live[Settings](world.settings) as live:
        users = []
        for _ in world.run(1000):
            assert store.holds(user(live))
            users.append(user(live))
    assert sorted(set(users), key=int) == [str(number) for number in range(1, len(store.born) + 1)]
    assert store.times("issue") == [140.0 * number for number in range(8)]  # at 140 s, only 10 more can be had
    assert users == sorted(users, key=int)


def test_one_that_cannot_be_renewed_is_read_anew_at_two_thirds(clock: FakeClock) -> None:
    """Without asking for a renewal."""
    store = Lessor(clock, renewable=False)
    world = World(clock, store)
    with Live[Settings](world.settings) as live:
        for _ in world.run(130):
            assert store.holds(user(live))
    assert (store.times("issue"), store.times("renew")) == ([0.0, 40.0, 80.0, 120.0], [])


def test_a_refused_renewal_leads_to_a_new_issue(world: World, store: Lessor, live: Live[Settings]) -> None:
    """At once; and the refusal is not asked for twice."""
    store.refuses = True
    for _ in world.run(41):
        assert store.holds(user(live))
    assert (user(live), store.times("renew"), store.times("issue")) == ("2", [40.0], [0.0, 40.0])
    assert live.health().ok


def test_an_outage_is_survived_until_the_lease_ends(world: World, store: Lessor, live: Live[Settings]) -> None:
    """The renewal is tried again, each time after a third of what remains at the most; then it holds on."""
    list(world.run(39))
    store.says = Told(Outcome.UNAVAILABLE, retry_after=500)
    for _ in world.run(16):
        assert user(live) == "1"
    assert not live.health().ok
    tries = store.times("renew")
    assert len(tries) > 2
    assert all(later - earlier <= (60 - earlier) / 3 + 0.1 for earlier, later in pairwise(tries))
    store.says = None
    for _ in world.run(100):
        assert store.holds(user(live))
    assert live.health().ok
    assert user(live) == "1"


def test_another_secrets_failures_do_not_hold_up_a_renewal(world: World, store: Lessor, live: Live[Settings]) -> None:
    """A store that was judged to be down is asked in time all the same."""
    store.broken.add("other")
    for _ in range(12):
        with pytest.raises(secretsource.errors.Unavailable):
            _ask(world, "lessor://other")
    assert all(store.holds(user(live)) for _ in world.run(200))


def _ask(world: World, text: str) -> None:
    """One lookup by hand in the world's store, which fails; the store gets its rest for it."""
    from secretsource.access import Access
    from secretsource.cache import Failure

    ref = Ref.parse(text)
    access = Access(own={"lessor": world.store}, policy=CachePolicy(jitter=0), cache=CACHE)
    result = access.fetch([ref], Deadline(0.05, world.clock))[ref].result
    if isinstance(result, Failure):
        raise secretsource.errors.Unavailable(result.detail)


def test_a_lease_is_never_served_past_its_end(clock: FakeClock, store: Lessor, live: Live[Settings]) -> None:
    """To the moment, without any refresh coming first; the error says so, and a refresh that succeeds ends it."""
    store.says = Told(Outcome.UNAVAILABLE)
    clock.sleep(59.9)
    assert user(live) == "1"
    clock.sleep(0.1)
    with pytest.raises(ResolutionError, match=r"database\.username: UNAVAILABLE .*its lease is over"):
        user(live)
    assert not live.health().ok
    refresh()
    with pytest.raises(ResolutionError, match="UNAVAILABLE"):
        user(live)
    store.says = None
    live.refresh(force=True)
    assert user(live) == "2"


def test_it_is_not_served_either_while_a_refresh_hangs(clock: FakeClock, store: Lessor, live: Live[Settings]) -> None:
    """Nor is one more user made when it comes back late."""
    store.gate = threading.Event()
    clock.sleep(45)
    tasks = REFRESHER.refresh_due()
    clock.sleep(14)
    assert user(live) == "1"
    clock.sleep(1)
    with pytest.raises(ResolutionError, match="its lease is over"):
        user(live)
    store.gate.set()
    for task in tasks:
        task.wait(10)
    live.refresh(force=True)
    assert store.holds(user(live))


def test_a_wall_clock_that_was_set_ends_a_lease_early_not_late(
    clock: FakeClock, store: Lessor, live: Live[Settings]
) -> None:
    """A machine that slept does not know by its monotonic clock."""
    clock.wall += 3600
    with pytest.raises(ResolutionError):
        user(live)
    clock.now += 50
    refresh()
    assert user(live) == "2"


def test_a_renewal_that_gives_less_than_was_left_is_believed(
    clock: FakeClock, store: Lessor, live: Live[Settings]
) -> None:
    """The role was changed meanwhile: the end that the store tells is the end."""
    clock.sleep(40)
    store.max_ttl, store.broken = 45, {"creds/app"}
    refresh()
    clock.sleep(4)
    assert user(live) == "1"
    clock.sleep(1)
    with pytest.raises(ResolutionError):
        user(live)


def test_a_file_beside_a_lease_is_read_each_ttl(clock: FakeClock, store: Lessor, tmp_path: Path) -> None:
    """Also where nothing is due at a store, and without asking there."""
    (tmp_path / "note").write_text("one")

    class App(Settings):
        model_config = SettingsConfigDict(
            backends={"lessor": store}, chain=(f"file://{tmp_path}",), cache=CachePolicy(ttl=15, jitter=0)
        )
        database: Annotated[User, From("lessor://creds/app")]
        note: str

    with Live(App) as live:
        (tmp_path / "note").write_text("two")
        clock.sleep(15)
        refresh()
        assert (live.current.note, len(store.log)) == ("two", 1)


def test_a_lease_is_given_back_at_the_end(store: Lessor, live: Live[Settings]) -> None:
    """And its value is not served from the cache afterwards."""
    user(live)
    live.close()
    assert store.log[-1][0::2] == ("revoke", "1")
    assert not store.holds("1")
    live.close()
    assert len(store.times("revoke")) == 1


def test_users_that_were_replaced_are_given_back_as_well(clock: FakeClock, store: Lessor, live: Live[Settings]) -> None:
    """Those that have not ended by themselves."""
    clock.sleep(30)
    live.refresh(force=True)
    clock.sleep(35)
    live.refresh(force=True)
    assert [store.holds(number) for number in ("1", "2", "3")] == [False, True, True]
    live.close()
    assert sorted(number for what, _, number in store.log if what == "revoke") == ["2", "3"]


def test_what_another_live_object_uses_is_kept(world: World, store: Lessor, live: Live[Settings]) -> None:
    """The last one gives it back."""
    with Live[Settings](world.settings) as other:
        assert user(other) == user(live) == "1"
    assert store.holds(user(live))
    assert store.times("revoke") == []
    live.close()
    assert not store.holds("1")


def test_a_refresh_that_comes_after_the_end_gives_back_what_it_brings(store: Lessor, live: Live[Settings]) -> None:
    """No user is left behind."""
    store.gate = threading.Event()
    late = threading.Thread(target=live.refresh, kwargs={"force": True})
    late.start()
    while len(store.times("issue")) < 2:
        pass
    closing = threading.Thread(target=live.close)
    closing.start()
    while not live._closed:
        pass
    store.gate.set()
    late.join(10)
    closing.join(10)
    assert not [number for number in store.born if store.holds(number)]


def test_a_lease_that_cannot_be_given_back_is_logged(
    store: Lessor, live: Live[Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """It ends by itself; nothing is raised, and no value shown."""
    store.says = Told(Outcome.UNAVAILABLE)
    live.close()
    assert len(store.times("revoke")) == 1
    assert caplog.messages == ["a lease was not given back, and ends by itself: lessor://creds/app"]


def test_a_forked_child_gives_back_nothing_of_its_parents(store: Lessor, live: Live[Settings]) -> None:
    """What the child itself was issued, it does."""
    user(live)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        with Live[Settings](live._settings_cls) as other:
            inherited = user(other)
            live.close()
        before = len(store.times("revoke"))
        CACHE.clear()
        with Live[Settings](live._settings_cls) as other:
            own = user(other)
        os._exit(0 if (inherited, before, own, store.holds("2")) == ("1", 0, "2", False) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert store.holds(user(live))


def test_a_renewal_that_hangs_leaves_time_to_read_anew(clock: FakeClock, store: Lessor) -> None:
    """A half of what there is."""

    class Slow(Lessor):
        def renew_lease(self, ref: Ref, lease: Lease, deadline: Deadline) -> Lease:
            given.append(deadline.remaining())
            stuck.wait(10)
            raise Told(Outcome.UNAVAILABLE)

    stuck, slow = threading.Event(), Slow(clock)
    given: list[float] = []
    world = World(clock, slow)
    with Live[Settings](world.settings) as live:
        clock.sleep(40)
        refresh()
        assert (user(live), given) == ("2", [1.0])
        stuck.set()


class Tended(Lessor, Upkeep):
    """A store with a login that has to be prolonged."""

    every: float | None = 20.0
    fails = False

    def upkeep(self, deadline: Deadline) -> float | None:
        self._ask("upkeep", "")
        if self.fails:
            raise Told(Outcome.UNAVAILABLE)
        return self.every


def test_a_login_is_kept_up_whether_or_not_anything_else_is_due(clock: FakeClock) -> None:
    """So that it does not run out between two refreshes; a failure is tried again soon."""
    store = Tended(clock, renewable=False)
    world = World(clock, store)
    with Live[Settings](world.settings):
        list(world.run(39))
        assert store.times("upkeep") == [0.0, 20.0]
        assert store.times("issue") == [0.0]
        store.fails = True
        list(world.run(12))
        assert store.times("upkeep")[2:] == [40.0, 45.0, 50.0]
        store.fails, store.every = False, None
        list(world.run(40))
        assert store.times("upkeep")[5:] == [55.0, 80.0]
