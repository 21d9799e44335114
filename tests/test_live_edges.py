"""Live where something else goes on at the same time: a store that hangs, a signal, a fork, an event loop, a test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from secretsource import CachePolicy, Change, Live, ResolutionError, Settings, SettingsConfigDict
from secretsource.backend import SecretValue
from secretsource.backends.memory import MemoryBackend
from secretsource.clock import Deadline
from secretsource.live.flight import Flights
from secretsource.ref import Ref
from secretsource.testing import override
from secretsource.testing.processes import Child
from tests.load import until

PATIENCE = 20.0  # seconds


class Hangs(MemoryBackend):
    """A store that may stop answering."""

    def __init__(self) -> None:
        super().__init__({"shop": '{"key": "one"}'})
        self.answers = threading.Event()
        self.answers.set()

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        self.answers.wait(PATIENCE)
        return super().fetch_many(refs, deadline)


@pytest.fixture
def store() -> Iterator[Hangs]:
    store = Hangs()
    yield store
    store.answers.set()


def app(store: MemoryBackend, *, ttl: float, max_stale: float = 3_600) -> type[Settings]:
    """A class whose key is in that store."""

    class App(Settings):
        model_config = SettingsConfigDict(
            chain=("mine://shop",), backends={"mine": store}, cache=CachePolicy(ttl, max_stale, jitter=0)
        )
        key: str

    return App


def has(live: Live[Settings], key: str) -> Callable[[], bool]:
    """Whether a live object has that key by now."""
    return lambda: live.current.key == key  # type: ignore[attr-defined]  # the class is made by a function


def test_a_value_is_not_served_past_its_end_while_a_refresh_hangs(store: Hangs) -> None:
    """The refresh that would tell it may take longer than the value is good."""
    with Live(app(store, ttl=0.2, max_stale=0.3)) as live:
        store.answers.clear()
        with pytest.raises(ResolutionError, match=r"key: UNAVAILABLE mine://shop#key: its store has not answered"):
            until(has(live, "two"))
        assert not live.health().ok
        store.set("shop", '{"key": "two"}')
        store.answers.set()
        live.refresh(force=True)
        until(has(live, "two"))


def test_a_refresh_that_is_the_first_to_load_is_followed_by_others(store: Hangs) -> None:
    """In an event loop nothing is loaded when the object is made."""

    async def follow() -> None:
        live = Live(app(store, ttl=0.2))
        await live.arefresh()
        store.set("shop", '{"key": "two"}')
        await asyncio.to_thread(until, has(live, "two"))
        live.close()

    asyncio.run(follow())


def test_when_a_clock_has_been_put_on_all_that_was_due_is_done() -> None:
    """A test need not wait for a thread that sleeps by the real clock."""

    class App(Settings):
        model_config = SettingsConfigDict(chain=("vault://kv/shop",))
        key: str

    with override({"vault://kv/shop#key": "one"}) as stores, Live(App) as live:
        stores.set("vault://kv/shop#key", "two")
        assert live.current.key == "one"
        stores.clock.advance(400)
        assert live.current.key == "two"


def test_a_callback_that_forks_is_not_told_again_in_its_child(store: Hangs) -> None:
    """There it would fork again, and so on for ever; what comes later is told to both."""
    told: list[str] = []
    with Live(app(store, ttl=300)) as live:

        @live.on_change
        def fork(change: Change[Settings]) -> None:
            told.append(change.new.key)  # type: ignore[attr-defined]  # the class is made by a function
            if len(told) < 5:
                told.append(Child(lambda: str(live.refresh(force=True)) + str(len(told))).result(PATIENCE))

        store.set("shop", '{"key": "two"}')
        live.refresh(force=True)
    assert told == ["two", "None1"]


def test_a_callback_that_ends_its_thread_does_so_after_the_others_were_told(store: Hangs) -> None:
    """And once."""
    told: list[str] = []
    with Live(app(store, ttl=300)) as live:

        @live.on_change
        def end(_: Change[Settings]) -> None:
            raise SystemExit

        @live.on_change
        def tell(change: Change[Settings]) -> None:
            told.append(change.new.key)  # type: ignore[attr-defined]  # the class is made by a function

        for key in ("two", "three"):
            store.set("shop", f'{{"key": "{key}"}}')
            with pytest.raises(SystemExit):
                live.refresh(force=True)
        assert told == ["two", "three"]
        assert live.refresh(force=True) is None


def test_who_asks_in_the_midst_of_his_own_refresh_does_not_wait_for_it() -> None:
    """As a signal's handler may."""
    flights: Flights[str] = Flights()
    inner: list[tuple[str | None, bool]] = []

    def refresh() -> str:
        inner.append(flights.share(lambda: "another", force=True))
        return "mine"

    assert flights.share(refresh, force=True) == ("mine", True)
    assert inner == [(None, False)]
