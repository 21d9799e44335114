"""Live: snapshots that follow rotation, and what is served when a store does not answer."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError

import secretsource
from secretsource import CachePolicy, Change, From, Live, Outcome, ResolutionError, Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend
from secretsource.live.refresher import REFRESHER
from secretsource.live.retry import standing_in
from tests.simulation import wait_for_refreshes
from tests.test_cache import FakeClock

CANARY = "not-a-real-password"


class Database(BaseModel):
    """Two fields of one secret."""

    username: str
    password: SecretStr


class Shop(Settings):
    """What a shop follows."""

    model_config = SettingsConfigDict(chain=("memory://shop",), cache=CachePolicy(ttl=300, jitter=0))
    key: str = Field(min_length=2)
    database: Annotated[Database, From("memory://db")]
    debug: bool = False


@pytest.fixture
def store() -> MemoryBackend:
    """A store with a shop's secrets."""
    backend = MemoryBackend()
    rotate(backend, 1)
    backend.set("shop", json.dumps({"key": "k1"}))
    return backend


def rotate(backend: MemoryBackend, number: int) -> None:
    """Put a new version of the database's secret."""
    backend.set("db", json.dumps({"username": f"u{number}", "password": f"{CANARY}-{number}"}))


@pytest.fixture
def live(store: MemoryBackend, clock: FakeClock) -> Iterator[Live[Shop]]:
    """A live shop."""
    with Live(Shop) as live:
        yield live


def pass_time(clock: FakeClock, seconds: float) -> None:
    """Let time pass, and have done what is due then, as the refresher would."""
    clock.sleep(seconds)
    REFRESHER.refresh_due()
    wait_for_refreshes()


def test_a_snapshot_is_whole_and_never_changes(live: Live[Shop], store: MemoryBackend, clock: FakeClock) -> None:
    """A rotation makes a new one; who holds the old one is not disturbed."""
    before = live.current
    rotate(store, 2)
    assert live.current is before
    pass_time(clock, 295)
    after = live.current
    assert (before.database.username, after.database.username) == ("u1", "u2")
    assert after.database.password.get_secret_value() == f"{CANARY}-2"
    assert after is not before


def test_values_are_renewed_ahead_of_their_end(live: Live[Shop], store: MemoryBackend, clock: FakeClock) -> None:
    """At most once a ttl, and before a read would have to wait."""
    calls = len(store.calls)
    pass_time(clock, 290)
    assert len(store.calls) == calls
    pass_time(clock, 5)
    assert len(store.calls) == calls + 1
    assert set(store.calls[-1]) == {"db", "shop"}


def test_a_change_is_told_with_its_fields_and_versions(live: Live[Shop], store: MemoryBackend) -> None:
    """Old and new snapshot, and only what changed."""
    changes: list[Change[Shop]] = []
    live.on_change(changes.append)
    rotate(store, 2)
    change = live.refresh(force=True)
    assert changes == [change]
    assert change is not None
    assert change.fields == ("database.username", "database.password")
    assert (change.old.database.username, change.new.database.username) == ("u1", "u2")
    assert (change.version, dict(change.versions)) == ("2", dict.fromkeys(change.fields, "2"))
    assert change.new is live.current
    assert CANARY not in repr(change)
    assert live.refresh(force=True) is None


def test_an_outage_is_survived_up_to_max_stale(live: Live[Shop], store: MemoryBackend, clock: FakeClock) -> None:
    """No failed read; health tells; one step of the backoff after it is back, all is new."""
    for location in ("db", "shop"):
        store.fail(location, Outcome.UNAVAILABLE)
    pass_time(clock, 300)
    assert live.current.database.username == "u1"
    health = live.health()
    assert not health.ok
    assert set(health.stale_fields) == {"key", "database.username", "database.password"}
    assert "UNAVAILABLE" in str(health.last_error)
    for _ in range(200):
        pass_time(clock, 60)
        assert live.current.key == "k1"
    assert len(store.calls) < 250
    rotate(store, 2)
    for location in ("db", "shop"):
        store.fail(location, Outcome.FOUND)
    pass_time(clock, 128)
    pass_time(clock, 1)
    assert live.current.database.username == "u2"
    assert live.health().ok


def test_one_second_past_max_stale_reading_raises(live: Live[Shop], store: MemoryBackend, clock: FakeClock) -> None:
    """A clear error, until a refresh succeeds."""
    read = clock.now
    for location in ("db", "shop"):
        store.fail(location, Outcome.UNAVAILABLE)
    pass_time(clock, 300)
    pass_time(clock, read + 86_395 - clock.now)  # a refresh that fails waits before its second try, which takes time
    assert live.current
    pass_time(clock, read + 86_401 - clock.now)
    with pytest.raises(ResolutionError, match="UNAVAILABLE") as caught:
        _ = live.current
    assert CANARY not in str(caught.value)
    for location in ("db", "shop"):
        store.fail(location, Outcome.FOUND)
    live.refresh(force=True)
    assert live.current.key == "k1"


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.UNAUTHENTICATED, Outcome.INACTIVE])
def test_a_revocation_ends_serving_at_once(live: Live[Shop], store: MemoryBackend, outcome: Outcome) -> None:
    """From the refresh that hears of it."""
    store.fail("db", outcome)
    with pytest.raises(ResolutionError):
        live.refresh(force=True)
    with pytest.raises(ResolutionError, match=outcome.name):
        _ = live.current
    assert not live.health().ok
    store.fail("db", Outcome.FOUND)
    live.refresh(force=True)
    assert live.current.database.username == "u1"


def test_what_a_store_loses_is_missed_after_a_grace_and_no_default_stands_in(
    store: MemoryBackend, clock: FakeClock
) -> None:
    """A field with a default that came from a store raises when the store has it no more."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://x/",), cache=CachePolicy(jitter=0))
        flag: str = "insecure"

    store.set("x/flag", "secure")
    with Live(S) as live:
        store.delete("x/flag")
        pass_time(clock, 295)
        assert live.current.flag == "secure"
        pass_time(clock, 31)
        with pytest.raises(ResolutionError, match="a default must not stand in"):
            _ = live.current


def test_an_error_does_not_move_a_field_to_another_source(store: MemoryBackend, clock: FakeClock) -> None:
    """A first source that had nothing and now fails leaves the second one's value in place."""

    class S(Settings):
        model_config = SettingsConfigDict(
            chain=("memory://one/", "memory://two/"), on_unavailable="next", cache=CachePolicy(jitter=0)
        )
        a: str
        b: str

    store.set("two/a", "two")
    store.set("one/b", "one")
    with Live(S) as live:
        store.fail("one/a", Outcome.DENIED)
        store.fail("one/b", Outcome.UNAVAILABLE)
        store.set("two/b", "two")
        pass_time(clock, 300)
        assert live.current.model_dump() == {"a": "two", "b": "one"}
        assert set(live.health().stale_fields) == {"a", "b"}


def test_a_value_that_does_not_validate_keeps_the_last_good_snapshot(live: Live[Shop], store: MemoryBackend) -> None:
    """And shows in health; the next good one is taken."""
    store.set("shop", json.dumps({"key": "x"}))
    assert live.refresh(force=True) is None
    assert live.current.key == "k1"
    assert "at least 2 characters" in str(live.health().last_error)
    store.set("shop", json.dumps({"key": "k3"}))
    live.refresh(force=True)
    assert live.current.key == "k3"
    assert live.health().ok


def test_fields_of_one_secret_change_together(live: Live[Shop], store: MemoryBackend) -> None:
    """A version without its password changes the user neither."""
    store.set("db", json.dumps({"username": "u2"}))
    live.refresh(force=True)
    assert live.current.database.username == "u1"
    rotate(store, 3)
    live.refresh(force=True)
    assert live.current.database.username == "u3"


def test_the_first_load_raises_what_goes_wrong(store: MemoryBackend) -> None:
    """An app does not start on nothing."""
    store.fail("db", Outcome.DENIED)
    with pytest.raises(ResolutionError):
        Live(Shop)
    store.fail("db", Outcome.FOUND)
    store.set("shop", "{}")
    secretsource.clear_cache()
    with pytest.raises(ValidationError):
        Live(Shop)


def test_callbacks_that_raise_or_refresh_harm_nobody(
    live: Live[Shop], store: MemoryBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is logged, the others are called, and nothing waits for ever."""
    seen: list[str] = []

    @live.on_change
    def raising(change: Change[Shop]) -> None:
        raise RuntimeError

    @live.on_change
    def refreshing(change: Change[Shop]) -> None:
        live.refresh(force=True)

    live.on_change(lambda change: seen.append(change.new.database.username))
    rotate(store, 2)
    with caplog.at_level(logging.ERROR):
        live.refresh(force=True)
    assert seen == ["u2"]
    assert "callback failed" in caplog.text


def test_a_callback_that_blocks_holds_up_no_later_read(
    live: Live[Shop], store: MemoryBackend, clock: FakeClock
) -> None:
    """It has a thread of its own; reads and refreshes by hand go on."""
    entered, release = threading.Event(), threading.Event()

    @live.on_change
    def blocking(change: Change[Shop]) -> None:
        if not entered.is_set():
            entered.set()
            release.wait(10)

    rotate(store, 2)
    clock.sleep(300)
    tasks = REFRESHER.refresh_due()
    assert entered.wait(10)
    assert live.current.database.username == "u2"
    release.set()
    for task in tasks:
        task.wait(10)


class Refused(Exception):
    """A database that does not take a password."""


def test_retry_on_refreshes_once_and_tries_once_more(live: Live[Shop], store: MemoryBackend) -> None:
    """All threads that failed share one refresh."""
    gate, calls = threading.Barrier(16), len(store.calls)

    @live.retry_on(Refused)
    def connect() -> str:
        user = live.current.database.username
        if user == "u1":
            gate.wait(10)
            raise Refused
        return user

    rotate(store, 2)
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(connect())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert results == ["u2"] * 16
    assert len(store.calls) == calls + 1


def test_retry_on_gives_the_error_back_where_a_refresh_is_no_help(live: Live[Shop]) -> None:
    """After the same value, and after a new one that fails as well."""
    tries: list[str] = []

    @live.retry_on(Refused)
    def connect() -> None:
        tries.append(live.current.database.username)
        raise Refused

    with pytest.raises(Refused):
        connect()
    assert tries == ["u1"]


def test_retry_on_serves_async_functions(live: Live[Shop], store: MemoryBackend) -> None:
    """In the same way."""

    @live.retry_on(Refused)
    async def connect() -> str:
        if live.current.database.username == "u1":
            raise Refused
        return live.current.database.username

    rotate(store, 2)
    assert asyncio.run(connect()) == "u2"


def test_retry_on_can_go_back_to_the_values_before_while_others_have_not_heard_of_the_new_ones(
    live: Live[Shop], store: MemoryBackend, clock: FakeClock
) -> None:
    """A database that is a moment behind its store takes the old ones, for one ttl; then the new are tried again."""
    tried: list[str] = []
    taken = "u1"

    def connect() -> str:
        tried.append(live.current.database.username)
        if tried[-1] != taken:
            raise Refused
        return tried[-1]

    async def connect_async() -> str:
        return connect()

    reconnect = live.retry_on(Refused, previous=True)(connect)
    rotate(store, 2)
    live.refresh(force=True)
    assert (reconnect(), tried) == ("u1", ["u2", "u1"])
    assert asyncio.run(live.retry_on(Refused, previous=True)(connect_async)()) == "u1"
    assert live.current.database.username == "u2"
    tried.clear()
    taken = "nobody"
    with pytest.raises(Refused):
        reconnect()
    assert tried == ["u2", "u1", "u2"]
    tried.clear()
    clock.sleep(301)
    with pytest.raises(Refused):
        reconnect()
    assert set(tried) == {"u2"}


def test_another_snapshot_can_stand_in_for_one_call(live: Live[Shop]) -> None:
    """Other threads read the present one meanwhile."""
    other = Shop(key="other", database=Database(username="x", password=SecretStr("y")))
    seen: list[str] = []
    with standing_in(live, other):
        thread = threading.Thread(target=lambda: seen.append(live.current.key))
        thread.start()
        thread.join(10)
        seen.append(live.current.key)
    assert [*seen, live.current.key] == ["k1", "other", "k1"]


def test_in_an_event_loop_the_first_load_is_awaited(store: MemoryBackend) -> None:
    """Making one there does not block; `async with` loads it, and closes it."""

    async def use() -> str:
        async with Live(Shop) as live:
            rotate(store, 2)
            await live.arefresh(force=True)
            return live.current.database.username

    assert asyncio.run(use()) == "u2"


def test_keyword_arguments_hold_in_every_snapshot(store: MemoryBackend) -> None:
    """They beat every source, then and later."""
    with Live(Shop, debug=True) as live:
        rotate(store, 2)
        live.refresh(force=True)
        assert (live.current.debug, live.current.database.username) == (True, "u2")


def test_a_closed_one_says_so(live: Live[Shop]) -> None:
    """Instead of serving for ever what nobody renews."""
    live.close()
    live.close()
    with pytest.raises(Exception, match="closed"):
        _ = live.current


def test_one_that_is_dropped_is_forgotten(store: MemoryBackend) -> None:
    """The refresher holds it weakly."""
    gone = weakref.ref(Live(Shop))
    gc.collect()
    assert gone() is None


def test_it_shows_no_value(live: Live[Shop]) -> None:
    """Nor does its health."""
    assert CANARY not in repr(live) + repr(live.health()) + str(live.health())


def test_one_thread_serves_all(store: MemoryBackend) -> None:
    """However many there are."""
    lives = [Live(Shop) for _ in range(20)]
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("secretsource-refresher") == 1
    for live in lives:
        live.close()


def test_a_forked_child_refreshes_by_itself(live: Live[Shop], store: MemoryBackend) -> None:
    """With locks of its own, even if the parent was refreshing at that moment."""
    for number in range(20):
        with live._swapping:
            child = os.fork()
            if child == 0:
                signal.alarm(10)
                rotate(store, number + 2)
                live.refresh(force=True)
                alive = any(thread.name == "secretsource-refresher" for thread in threading.enumerate())
                good = live.current.database.username == f"u{number + 2}" and alive
                os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


STUCK = """
import threading, time
from secretsource import *
class Stuck(Backend):
    scheme, first = "stuck", True
    def fetch_many(self, refs, deadline):
        if not Stuck.first:
            started.set()
            threading.Event().wait(600)
        Stuck.first = False
        return dict.fromkeys(refs, SecretValue("x"))
    def classify(self, error): return Outcome.UNAVAILABLE
class S(Settings, chain=("stuck://",), backends={"stuck": Stuck()}):
    a: str
started = threading.Event()
live = Live(S)
threading.Thread(target=lambda: live.refresh(force=True), daemon=True).start()
started.wait(10)
print(time.monotonic(), flush=True)
"""


def test_the_process_ends_at_once_while_a_store_hangs() -> None:
    """Nothing joins a thread that is stuck in an SDK."""
    script = STUCK + "import atexit; atexit.register(lambda: print(time.monotonic(), flush=True))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    at_end, at_exit = map(float, done.stdout.split())
    assert at_exit - at_end < 1
