"""Live once a test's clock, which ran ahead, is over: what was put far off is near again."""

from __future__ import annotations

import secretsource
from secretsource import CachePolicy, Live, Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend
from secretsource.live.allowance import Allowance
from tests.simulation import pass_time
from tests.test_cache import FakeClock

FAR = 10 * 86_400  # seconds, by which the clock runs ahead


class App(Settings):
    """One value."""

    model_config = SettingsConfigDict(chain=("memory://ahead/",), cache=CachePolicy(jitter=0))
    a: str


def turn_back(clock: FakeClock) -> None:
    """What the end of a test does."""
    clock.now -= FAR
    secretsource.clear_cache()


def test_it_follows_by_itself_again(clock: FakeClock) -> None:
    """The refresh that was put off to the other clock's time is due at once, and the next after a ttl."""
    MemoryBackend().set("ahead/a", "one")
    with Live(App) as live:
        clock.now += FAR
        live.refresh(force=True)
        turn_back(clock)
        for value in ("two", "three"):
            MemoryBackend().set("ahead/a", value)
            for _ in pass_time(clock, 301):
                pass
            assert live.current.a == value
        assert live.health().next_refresh is not None


def test_retry_on_has_an_allowance_again(clock: FakeClock) -> None:
    """Time that was taken back takes no allowance with it."""
    allowance = Allowance()
    clock.now += FAR
    assert allowance.take()
    clock.now -= FAR
    assert allowance.take()
