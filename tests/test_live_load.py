"""Live and `get` under load: many threads, many rotations, a store that hangs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, SecretStr

import secretsource
from secretsource import CachePolicy, Live, Outcome, Settings, SettingsConfigDict
from secretsource.backend import Backend, SecretValue
from secretsource.backends.memory import MemoryBackend
from secretsource.clock import Deadline
from secretsource.ref import Ref
from secretsource.registry import _backends
from tests.simulation import pass_time
from tests.test_cache import FakeClock

ROTATIONS, READERS, HERD = 1_000, 32, 64


class Login(BaseModel):
    """Two fields of one secret."""

    username: str
    password: SecretStr


class App(Settings):
    """Follows one login."""

    model_config = SettingsConfigDict(chain=("memory://app",), cache=CachePolicy(jitter=0))
    login: Login


def rotate(number: int) -> None:
    """Put the login's next version."""
    text = json.dumps({"login": {"username": f"user-{number}", "password": f"not-a-real-password-{number}"}})
    MemoryBackend().set("app", text, version=str(number))


def in_threads(number: int, call: Callable[[], object]) -> tuple[list[threading.Thread], list[BaseException]]:
    """Start so many threads; what they raise is in the list."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    return threads, errors


def join(threads: Sequence[threading.Thread]) -> None:
    """Wait for the end of all."""
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_thousand_rotations_under_32_reading_threads_show_no_torn_pair_and_none_backwards() -> None:
    """Each read is of one version, and never of an earlier one than the read before."""
    rotate(0)
    over = threading.Event()
    reads: list[int] = []

    def read() -> None:
        last, count = 0, 0
        while not over.wait(0.01):
            for _ in range(20):
                login = live.current.login
                number = int(login.username.removeprefix("user-"))
                assert login.password.get_secret_value() == f"not-a-real-password-{number}"
                assert number >= last
                last, count = number, count + 1
        reads.append(count)

    with Live(App) as live:
        readers, errors = in_threads(READERS, read)
        for number in range(1, ROTATIONS + 1):
            rotate(number)
            change = live.refresh(force=True)
            assert change is not None
            assert change.version == str(number)
        over.set()
        join(readers)
    assert errors == []
    assert len(reads) == READERS
    assert min(reads) > 0


def test_refreshes_by_many_threads_never_put_an_older_version_in_place() -> None:
    """However they overlap: with each other, and with rotations."""
    rotate(0)
    over = threading.Event()
    seen: list[int] = []

    def refresh() -> None:
        while not over.is_set():
            live.refresh(force=True)

    with Live(App) as live:
        live.on_change(lambda change: seen.append(int(change.new.login.username.removeprefix("user-"))))
        refreshers, errors = in_threads(4, refresh)
        for number in range(1, 101):
            rotate(number)
            live.refresh(force=True)
        over.set()
        join(refreshers)
        live.refresh(force=True)
        assert live.current.login.username == "user-100"
    assert errors == []
    assert seen == sorted(set(seen))
    assert seen[-1] == 100


class Held(Backend):
    """A store that answers when it is let go, and counts who looks something up and what it is asked."""

    scheme = "held"

    def __init__(self) -> None:
        self.go, self.asked, self.looked_up, self.calls = threading.Event(), threading.Event(), 0, 0
        self.go.set()

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        self.calls += 1
        self.asked.set()
        self.go.wait(30)
        return dict.fromkeys(refs, SecretValue(f"value-{self.calls}"))

    def classify(self, error: Exception) -> Outcome:
        return Outcome.UNAVAILABLE

    def identity(self, ref: Ref) -> str:
        self.looked_up += 1
        return ""


def test_64_threads_that_get_an_expired_secret_make_one_call(clock: FakeClock) -> None:
    """All of them have the new value."""
    store = _backends.get("held", Held)
    assert isinstance(store, Held)
    assert secretsource.get("held://secret") == "value-1"
    clock.sleep(300)
    store.go.clear()
    start, before, values = threading.Barrier(HERD), store.looked_up, []

    def read() -> None:
        start.wait(30)
        values.append(secretsource.get("held://secret"))

    threads, errors = in_threads(HERD, read)
    try:
        while store.looked_up < before + HERD and not errors:
            store.asked.wait(0.01)
    finally:
        store.go.set()
        join(threads)
        _backends.drop("held")
    assert (errors, values, store.calls) == ([], ["value-2"] * HERD, 2)


def test_no_read_through_live_waits_for_the_network(clock: FakeClock) -> None:
    """While a refresh is stuck in a call, 64 threads read on, each a thousand times; then the new value is there."""
    store = Held()

    class S(Settings):
        model_config = SettingsConfigDict(chain=("held://x/",), backends={"held": store}, cache=CachePolicy(jitter=0))
        a: str

    def read() -> None:
        assert {live.current.a for _ in range(1_000)} == {"value-1"}

    with Live(S) as live:
        store.asked.clear()
        store.go.clear()
        refreshing, failed = in_threads(1, lambda: live.refresh(force=True))
        assert store.asked.wait(10)
        try:
            threads, errors = in_threads(HERD, read)
            join(threads)
            assert (errors, store.calls) == ([], 2)
        finally:
            store.go.set()
        join(refreshing)
        assert failed == []
        assert live.current.a == "value-2"


def test_many_live_objects_share_one_call(clock: FakeClock) -> None:
    """What one has fetched, the others take out of the cache."""
    rotate(0)
    lives: list[Live[App]] = [Live(App) for _ in range(20)]
    calls = MemoryBackend().calls
    assert len(calls) == 1
    rotate(1)
    for _ in pass_time(clock, 300):
        pass
    assert {live.current.login.username for live in lives} == {"user-1"}
    assert len(MemoryBackend().calls) == 2
    for live in lives:
        live.close()
