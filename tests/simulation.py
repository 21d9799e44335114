"""Live objects on a clock that jumps from one due refresh to the next."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from secretsource.access import CACHE
from secretsource.clock import SYSTEM_CLOCK
from secretsource.live.refresher import REFRESHER
from tests.test_cache import FakeClock

_REFRESHES = "secretsource-refresh"


@pytest.fixture
def simulated() -> Iterator[FakeClock]:
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
    """Wait until no refresh is under way; the refresher's own thread may have begun one as well."""
    while running := [thread for thread in threading.enumerate() if thread.name == _REFRESHES and thread.ident]:
        for thread in running:
            thread.join(10)
            assert not thread.is_alive(), "a refresh does not end"
