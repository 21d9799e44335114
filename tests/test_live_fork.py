"""Live in forked processes: values are inherited; threads, locks and sockets are not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

import secretsource
from secretsource import CachePolicy, Live, Settings, SettingsConfigDict
from secretsource.access import CACHE
from secretsource.backends.memory import MemoryBackend
from secretsource.live.refresher import REFRESHER
from secretsource.testing.processes import Child
from tests.servers.openbao import OpenBao
from tests.simulation import wait_for_refreshes
from tests.test_cache import FakeClock

FORKS, PATIENCE = 100, 20


class App(Settings):
    """One value of version n is `value-n`."""

    model_config = SettingsConfigDict(chain=("memory://forked/",), cache=CachePolicy(jitter=0))
    a: str


def rotate(number: int) -> None:
    """Put the next value."""
    MemoryBackend().set("forked/a", f"value-{number}", version=str(number))


@pytest.fixture
def live(clock: FakeClock) -> Iterator[Live[App]]:
    """Version 1."""
    rotate(1)
    with Live(App) as live:
        yield live


@contextmanager
def held(*locks: AbstractContextManager[Any]) -> Iterator[None]:
    """Another thread holds these, in this order, for as long."""
    has, over = threading.Event(), threading.Event()

    def hold() -> None:
        with ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            has.set()
            over.wait(PATIENCE)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    assert has.wait(PATIENCE)
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE)


def follow(live: Live[App], number: int = 2) -> Callable[[], str]:
    """What a child does: read, refresh, load anew, and read again."""

    def run() -> str:
        before = live.current.a
        rotate(number)
        live.refresh(force=True)
        again = secretsource.get("memory://forked/a")
        live.close()
        return f"{before} {live.revision} {again}"

    return run


def test_a_hundred_forks_while_every_lock_is_held_leave_no_child_hanging(live: Live[App]) -> None:
    """Those of the cache, the refresher, the snapshot and the refreshes, one by one and together."""
    locks: list[AbstractContextManager[Any]] = [
        CACHE._lock,
        REFRESHER._changed,
        live._swapping,
        live._flights._lock,
        live._callbacks._telling,
    ]
    for number in range(FORKS):
        chosen = locks if number % 6 == 5 else [locks[number % 6]]
        with held(*chosen):
            child = Child(follow(live))
        assert child.result(PATIENCE) == "value-1 1 value-2"


def test_forks_amid_refreshes_and_rotations_leave_no_child_hanging(live: Live[App]) -> None:
    """Whatever the other threads are doing at that moment."""
    over = threading.Event()

    def refresh() -> None:
        number = 10
        while not over.is_set():
            number += 1
            rotate(number)
            live.refresh(force=True)

    threads = [threading.Thread(target=refresh, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        results = [Child(follow(live, 1_000_000)).result(PATIENCE) for _ in range(FORKS // 4)]
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert {result.rpartition(" ")[2] for result in results} == {"value-1000000"}


def test_a_child_has_the_values_without_a_call_and_a_refresher_of_its_own(live: Live[App], clock: FakeClock) -> None:
    """Which renews them by itself, when it is time."""

    def run() -> str:
        inherited = f"{live.current.a} {len(MemoryBackend().calls)}"
        seen = threading.Event()
        live.on_change(lambda change: seen.set())
        rotate(2)
        clock.sleep(300)
        REFRESHER.wake()
        seen.wait(PATIENCE)
        refreshers = [thread.name for thread in threading.enumerate()].count("secretsource-refresher")
        return f"{inherited} {live.current.a} {refreshers}"

    assert Child(run).result(PATIENCE) == "value-1 1 value-2 1"
    assert live.current.a == "value-1"


def test_a_grandchild_does_as_well(live: Live[App]) -> None:
    """As with a server that forks a supervisor that forks workers."""
    assert Child(lambda: Child(follow(live)).result(PATIENCE)).result(PATIENCE) == "value-1 1 value-2"


def test_a_change_that_the_parent_was_telling_is_told_in_the_child(live: Live[App]) -> None:
    """With its next refresh, so that what hangs on the change is brought up to date there too."""
    telling, told = threading.Event(), threading.Event()
    heard: list[str] = []

    @live.on_change
    def tell(change: object) -> None:
        telling.set()
        told.wait(PATIENCE)
        heard.append(live.current.a)

    rotate(2)
    refreshing = threading.Thread(target=lambda: live.refresh(force=True), daemon=True)
    refreshing.start()
    assert telling.wait(PATIENCE)

    def run() -> str:
        told.set()
        live.refresh(force=True)
        return " ".join(heard)

    child = Child(run)
    told.set()
    refreshing.join(PATIENCE)
    assert child.result(PATIENCE) == "value-2"
    assert heard == ["value-2"]


def test_a_child_reads_over_connections_of_its_own(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a shared one, one process would hear what another asked for."""
    for name, value in openbao.environ.items():
        monkeypatch.setenv(name, value)
    for number in range(9):
        openbao.call("POST", f"secret/data/forked-{number}", {"data": {"value": f"value-{number}"}})

    class FromVault(Settings):
        model_config = SettingsConfigDict(chain=("vault://secret/forked-0",))
        value: str

    def read(followed: Live[FromVault], number: int) -> Callable[[], str]:
        def run() -> str:
            followed.refresh(force=True)
            values = {secretsource.get(f"vault://secret/forked-{number}?ttl=0#value") for _ in range(50)}
            return " ".join([followed.current.value, *values])

        return run

    with Live(FromVault) as followed:
        children = [Child(read(followed, number)) for number in range(1, 9)]
        for _ in range(50):
            followed.refresh(force=True)
        results = [child.result(PATIENCE) for child in children]
    wait_for_refreshes()
    assert results == [f"value-0 value-{number}" for number in range(1, 9)]
