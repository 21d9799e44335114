"""Live objects on a clock that jumps from one due refresh to the next."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from secretsource.access import CACHE
from secretsource.clock import SYSTEM_CLOCK
from secretsource.live.refresher import REFRESHER
from tests.test_cache import FakeClock

_REFRESHES = "secretsource-refresh"


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """The cache's clock, in the test's hand."""
    CACHE.clock = clock = FakeClock()
    yield clock
    CACHE.clock = SYSTEM_CLOCK


def pass_time(clock: FakeClock, seconds: float) -> Iterator[float]:
    """Let time pass, from one refresh that is due to the next.

    Yields:
        The time after each step, when all that was due has been done.
    """
    end = clock.now + seconds
    while clock.now < end:
        clock.sleep(max(min(REFRESHER.seconds_to_next(), end - clock.now), 0.001))
        REFRESHER.refresh_due()
        wait_for_refreshes()
        yield clock.now


def wait_for_refreshes() -> None:
    """Wait until no refresh is under way. The refresher's own thread may be about to begin one"""
    while _is_under_way():
        for thread in threading.enumerate():
            if thread.name == _REFRESHES and thread.is_alive():
                thread.join(10)
                assert not thread.is_alive(), "a refresh does not end"
        time.sleep(0.001)


def _is_under_way() -> bool:
    with REFRESHER._changed:
        claimed = any(getattr(live, "_refreshing", False) for live in REFRESHER._lives)
    return claimed or any(thread.name == _REFRESHES for thread in threading.enumerate())
