"""Live over hours and days of simulated time: outages, clocks that are set, and days in which nothing grows."""

from __future__ import annotations

import gc
import json
import logging
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest

import secretsource
from secretsource import CachePolicy, Live, Outcome, ResolutionError, Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend
from secretsource.cache.backoff import LONGEST
from tests.simulation import pass_time, wait_for_refreshes
from tests.test_cache import FakeClock

TTL, MAX_STALE, HOUR = 300, 86_400, 3_600
SECRETS = ("a", "b", "c")
TRIES = 2  # what one attempt makes of calls


class Three(Settings):
    """Three secrets of one store."""

    model_config = SettingsConfigDict(chain=("memory://three/",), cache=CachePolicy(ttl=TTL, max_stale=MAX_STALE))
    a: str
    b: str
    c: str


def rotate(number: int, names: tuple[str, ...] = SECRETS) -> None:
    """Put new values."""
    for name in names:
        MemoryBackend().set(f"three/{name}", f"value-{name}-{number}", version=str(number))


def down(*, down: bool) -> None:
    """The store is away, or back."""
    for name in SECRETS:
        MemoryBackend().fail(f"three/{name}", Outcome.UNAVAILABLE if down else Outcome.FOUND)


def calls() -> int:
    """What the store has been asked so far."""
    return len(MemoryBackend().calls)


@pytest.fixture
def live(clock: FakeClock) -> Iterator[Live[Three]]:
    """Three values of version 1."""
    rotate(1)
    with Live(Three) as live:
        yield live


def attempts(seconds: float) -> float:
    """How often a store that is down may be asked: waits from half a second, doubling to at least half the longest."""
    return 8 + seconds / (LONGEST / 2)


def test_an_outage_of_all_of_max_stale_fails_no_read_and_is_over_within_one_step(
    live: Live[Three], clock: FakeClock
) -> None:
    """The store is asked as seldom as the waits say, health tells, and the store coming back is soon noticed."""
    down(down=True)
    before = calls()
    for _ in pass_time(clock, TTL):
        assert live.current.a == "value-a-1"
    for _ in pass_time(clock, MAX_STALE - TTL - 1):
        assert live.current.model_dump() == {name: f"value-{name}-1" for name in SECRETS}
        health = live.health()
        assert not health.ok
        assert set(health.stale_fields) <= set(SECRETS)
        assert "UNAVAILABLE" in str(health.last_error)
    assert set(live.health().stale_fields) == set(SECRETS)
    assert calls() - before <= TRIES * attempts(MAX_STALE)
    rotate(2)
    down(down=False)
    for _ in pass_time(clock, LONGEST):
        pass
    assert live.current.model_dump() == {name: f"value-{name}-2" for name in SECRETS}
    assert live.health().ok
    assert live.health().last_error is None


def test_one_second_past_max_stale_there_is_a_clear_error_and_no_flood(live: Live[Three], clock: FakeClock) -> None:
    """It names the fields and why; the store is asked no more often than before; then it is served again."""
    down(down=True)
    for _ in pass_time(clock, MAX_STALE + 1):
        pass
    with pytest.raises(ResolutionError, match="UNAVAILABLE") as caught:
        _ = live.current
    assert {problem.field for problem in caught.value.problems} == set(SECRETS)
    before = calls()
    for _ in pass_time(clock, HOUR):
        with pytest.raises(ResolutionError):
            _ = live.current
    assert calls() - before <= TRIES * attempts(HOUR)
    down(down=False)
    for _ in pass_time(clock, LONGEST):
        pass
    assert live.current.a == "value-a-1"


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 30 * 86_400.0, -30 * 86_400.0])
def test_a_wall_clock_that_is_set_neither_stops_refreshing_nor_floods(
    live: Live[Three], clock: FakeClock, jump: float
) -> None:
    """Over the next hours all is read once a ttl, as before, and a rotation is seen within a ttl."""
    clock.wall += jump
    before = calls()
    for number in range(2, 38):
        rotate(number)
        for _ in pass_time(clock, TTL):
            assert live.current
        assert live.current.model_dump() == {name: f"value-{name}-{number}" for name in SECRETS}
    asked = sum(len(call) for call in MemoryBackend().calls[before:])
    assert 36 * len(SECRETS) <= asked <= 1.1 * 37 * len(SECRETS)
    assert live.health().ok


def test_a_wall_clock_that_goes_ahead_in_an_outage_and_comes_back_does_no_lasting_harm(
    live: Live[Three], clock: FakeClock
) -> None:
    """While it says that a month has passed, nothing is served; the store is not flooded."""
    down(down=True)
    for _ in pass_time(clock, 2 * TTL):
        pass
    clock.wall += 30 * 86_400
    before = calls()
    for _ in pass_time(clock, HOUR):
        pass
    assert calls() - before <= TRIES * attempts(HOUR)
    clock.wall -= 30 * 86_400
    for _ in pass_time(clock, LONGEST):
        pass
    assert live.current.a == "value-a-1"


def test_what_a_store_never_had_is_looked_for_no_more_often_in_an_outage(clock: FakeClock) -> None:
    """A field with a default does not keep the refresher awake, nor lose its default."""

    class S(Three):
        b: str = "default"

    rotate(1, ("a", "c"))
    with Live(S) as live:
        down(down=True)
        before = calls()
        steps = sum(1 for _ in pass_time(clock, 6 * HOUR))
        assert live.current.b == "default"
        assert calls() - before <= TRIES * attempts(6 * HOUR)
        assert steps <= 3 * attempts(6 * HOUR)


def test_a_database_that_is_down_is_no_flood_for_the_secret_store(live: Live[Three], clock: FakeClock) -> None:
    """`retry_on` asks as often as is of avail, and once a second when it is not for long; a rotation is seen then."""
    used: list[str] = []

    @live.retry_on(ConnectionError)
    def connect() -> None:
        used.append(live.current.a)
        if live.current.a != "value-a-2":
            raise ConnectionError

    before = calls()
    for _ in range(1_000):
        with pytest.raises(ConnectionError):
            connect()
    assert calls() - before == 60
    clock.sleep(1)
    rotate(2)
    connect()
    assert used[-1] == "value-a-2"


def test_with_ttl_0_nothing_is_refreshed_but_by_hand(clock: FakeClock) -> None:
    """Then all is read anew."""

    class S(Three):
        model_config = SettingsConfigDict(cache=CachePolicy(ttl=0))

    rotate(1)
    with Live(S) as live:
        before = calls()
        for _ in pass_time(clock, 86_400):
            pass
        assert (calls(), live.health().next_refresh) == (before, None)
        rotate(2)
        change = live.refresh()
        assert change is not None
        assert live.current.a == "value-a-2"


def test_a_source_with_ttl_0_is_read_with_each_refresh_and_no_more(clock: FakeClock) -> None:
    """Beside one that is kept, or alone: about once a ttl."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://three/?ttl=0",), cache=CachePolicy(ttl=TTL, jitter=0))
        a: str

    rotate(1)
    with Live(S) as live:
        before = calls()
        for _ in pass_time(clock, 10 * TTL):
            pass
        assert 9 <= calls() - before <= 11
        assert live.health().ok


def test_an_outage_is_no_outage_of_what_is_not_cached(clock: FakeClock) -> None:
    """A refresh that fails leaves the snapshot in place, and health tells; a denial does not."""

    class S(Three):
        model_config = SettingsConfigDict(cache=CachePolicy(ttl=0))

    rotate(1)
    with Live(S) as live:
        down(down=True)
        live.refresh()
        assert live.current.a == "value-a-1"
        assert not live.health().ok
        MemoryBackend().fail("three/a", Outcome.DENIED)
        with pytest.raises(ResolutionError):
            live.refresh()
        down(down=True)
        with pytest.raises(ResolutionError):
            live.refresh()
        with pytest.raises(ResolutionError):
            _ = live.current


def test_in_72_hours_of_rotation_nothing_grows_and_the_store_is_asked_once_a_ttl(
    live: Live[Three], clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Threads, file descriptors and memory are flat; calls at most 1.1 times what the ttl asks for."""
    caplog.set_level(logging.CRITICAL, logger="secretsource.audit")  # pytest keeps every record that is made
    process, hours = psutil.Process(), 72
    changes: list[tuple[str, ...]] = []
    live.on_change(lambda change: changes.append(change.fields))
    version = 1

    def live_on(hours: int) -> None:
        nonlocal version
        for _ in range(hours):
            version += 1
            rotate(version)
            for _ in pass_time(clock, HOUR):
                assert live.current
            assert live.current.a == f"value-a-{version}"
            MemoryBackend()._contents.versions.clear()  # the store's own memory is not what is measured
            rotate(version)

    def sizes() -> tuple[int, int, int, int]:
        gc.collect()
        return threading.active_count(), process.num_fds(), len(gc.get_objects()), process.memory_info().rss

    live_on(6)
    before, began = sizes(), calls()
    live_on(hours)
    after = sizes()
    asked = sum(len(call) for call in MemoryBackend().calls[began:])
    assert asked <= 1.1 * len(SECRETS) * hours * HOUR / TTL
    assert asked >= len(SECRETS) * hours * HOUR / TTL
    assert after[:2] == before[:2]
    noted = 5_000 if sys.gettrace() is None else 30_000  # coverage keeps objects of each thread there has been
    assert after[2] - before[2] < noted  # what was asked of the store, and the changes, are noted above
    assert after[3] - before[3] < 10_000_000
    assert {field for fields in changes for field in fields} == set(SECRETS)


def test_values_that_came_by_a_refresh_are_masked_in_logs(
    live: Live[Three], clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those before it as well."""
    handler = logging.StreamHandler()
    log = logging.getLogger("tests.masked")
    log.addHandler(handler)
    try:
        secretsource.redact_logs()
        rotate(2)
        for _ in pass_time(clock, TTL):
            pass
        assert live.current.a == "value-a-2"
        log.error("now %s, before value-a-1", live.current.a)
    finally:
        log.removeHandler(handler)
    wait_for_refreshes()
    assert "value-a" not in capsys.readouterr().err
    assert json.dumps(live.health().stale_fields) == "[]"
