"""Callbacks of a live object: in the order of the changes, whatever they do; and the end of a process that is stuck."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from secretsource import CachePolicy, Change, Live, Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend
from secretsource.cache import memory
from secretsource.live import refresher
from secretsource.live.refresher import REFRESHER
from tests.simulation import pass_time, wait_for_refreshes
from tests.test_cache import FakeClock

PATIENCE = 20


class App(Settings):
    """One value of version n is `value-n`."""

    model_config = SettingsConfigDict(chain=("memory://called/",), cache=CachePolicy(jitter=0))
    a: str


def rotate(number: int) -> None:
    """Put the next value."""
    MemoryBackend().set("called/a", f"value-{number}", version=str(number))


@pytest.fixture
def live(clock: FakeClock) -> Iterator[Live[App]]:
    """Version 1."""
    rotate(1)
    with Live(App) as live:
        yield live


def elsewhere(live: Live[App]) -> threading.Thread:
    """Refresh in a thread of its own."""
    thread = threading.Thread(target=lambda: live.refresh(force=True), daemon=True)
    thread.start()
    return thread


def test_a_callback_may_wait_for_a_thread_that_refreshes(live: Live[App]) -> None:
    """Whether that finds a change or not; each change is told once, in order."""
    heard: list[str] = []

    @live.on_change
    def refresh_elsewhere(change: Change[App]) -> None:
        heard.append(change.new.a)
        if len(heard) < 3:
            rotate(len(heard) + 2)
            thread = elsewhere(live)
            thread.join(PATIENCE)
            assert not thread.is_alive()

    rotate(2)
    live.refresh(force=True)
    assert heard == ["value-2", "value-3", "value-4"]


def test_a_callback_may_refresh_and_hears_of_the_change_that_makes(live: Live[App]) -> None:
    """After it has come back, not in its own midst."""
    heard: list[str] = []
    depth = 0

    @live.on_change
    def refresh(change: Change[App]) -> None:
        nonlocal depth
        depth += 1
        assert depth == 1
        heard.append(change.new.a)
        if len(heard) < 3:
            rotate(len(heard) + 2)
            live.refresh(force=True)
        depth -= 1

    rotate(2)
    live.refresh(force=True)
    assert heard == ["value-2", "value-3", "value-4"]


def test_a_callback_may_close_what_calls_it(live: Live[App]) -> None:
    """Nothing is refreshed from then on."""
    live.on_change(lambda change: live.close())
    rotate(2)
    live.refresh(force=True)
    calls = len(MemoryBackend().calls)
    assert live.refresh(force=True) is None
    assert len(MemoryBackend().calls) <= calls + 1


def test_while_a_callback_blocks_refreshing_goes_on_and_the_changes_wait_in_order(
    live: Live[App], clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """In the refresher's threads as by hand; one that then raises is logged, and the later ones are still told."""
    entered, release, over = threading.Event(), threading.Event(), threading.Event()
    heard: list[str] = []

    @live.on_change
    def block(change: Change[App]) -> None:
        entered.set()
        release.wait(PATIENCE)
        if not heard:
            raise RuntimeError

    @live.on_change
    def hear(change: Change[App]) -> None:
        heard.append(change.new.a)
        if len(heard) == 4:
            over.set()

    rotate(2)
    blocked = elsewhere(live)
    assert entered.wait(PATIENCE)
    for number in (3, 4):
        rotate(number)
        for _ in pass_time(clock, 300):
            pass
        assert live.current.a == f"value-{number}"
    rotate(5)
    live.refresh(force=True)
    assert (live.current.a, heard) == ("value-5", [])
    with caplog.at_level(logging.ERROR):
        release.set()
        assert over.wait(PATIENCE)
    blocked.join(PATIENCE)
    assert heard == ["value-2", "value-3", "value-4", "value-5"]
    assert "callback failed" in caplog.text
    assert "value-" not in caplog.text


def test_a_callback_that_blocks_in_a_refreshers_thread_stops_no_later_refresh(
    live: Live[App], clock: FakeClock
) -> None:
    """Reads have the newer values."""
    entered, release = threading.Event(), threading.Event()

    @live.on_change
    def block(change: Change[App]) -> None:
        entered.set()
        release.wait(PATIENCE)

    rotate(2)
    try:
        clock.sleep(300)
        live.claim()
        blocked = threading.Thread(target=live.refresh_due, daemon=True)
        blocked.start()
        assert entered.wait(PATIENCE)
        rotate(3)
        for _ in pass_time(clock, 300):
            pass
        assert live.current.a == "value-3"
    finally:
        release.set()
    blocked.join(PATIENCE)


def test_where_no_thread_can_be_started_the_refresher_goes_on(
    live: Live[App], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last value is served on, health tells, and a refresh that needed one is soon tried again."""

    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError("can't start new thread")

    rotate(2)
    with monkeypatch.context() as patched:
        patched.setattr(refresher, "Task", refuse)
        patched.setattr(memory, "Task", refuse)
        clock.sleep(300)
        assert REFRESHER.refresh_due() == []
        wait_for_refreshes()
    assert "RuntimeError" in str(live.health().last_error)
    assert live.current.a == "value-1"
    for _ in pass_time(clock, 1.1):
        pass
    assert live.current.a == "value-2"


STUCK = """
import sys, threading, time
from secretsource import *
class Stuck(Backend):
    scheme, calls = "stuck", 0
    def fetch_many(self, refs, deadline):
        Stuck.calls += 1
        if Stuck.calls > 1:
            stuck.set()
            threading.Event().wait(600)
        return dict.fromkeys(refs, SecretValue("x"))
    def classify(self, error): return Outcome.UNAVAILABLE
class S(Settings, chain=("stuck://",), backends={"stuck": Stuck()}, cache=CachePolicy(ttl=0.1), timeout=600):
    a: str
stuck = threading.Event()
live = Live(S)
live.on_change(print)
stuck.wait(20)
print(time.monotonic(), flush=True)
"""


UNSTUCK = STUCK.replace("Stuck.calls > 1", "False").replace("stuck.wait(20)", "live.close()")


def seconds_to_end(script: str) -> float:
    """How long a process takes from its last line to its end, in which it says nothing more."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    now = time.monotonic()
    assert done.stderr == ""
    return now - float(done.stdout)


def test_a_process_whose_refresher_is_stuck_in_a_call_ends_no_100_ms_later_than_another() -> None:
    """Nothing is joined, and nothing is said on the way out: the best of three, as the machine may be busy."""
    pairs = [(seconds_to_end(STUCK), seconds_to_end(UNSTUCK)) for _ in range(3)]
    assert min(stuck for stuck, _ in pairs) < min(unstuck for _, unstuck in pairs) + 0.1
