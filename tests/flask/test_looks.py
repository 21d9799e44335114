"""How often a session that no key fits makes a worker look for a newer one, where a store takes its time."""

from __future__ import annotations

import threading

import pytest

from secretsource.testing import Stores
from tests.flask.shop import forged, make_app

PATIENCE = 20.0  # seconds


def test_the_second_begins_when_the_look_is_over(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a store that takes longer than that would be asked without a pause."""
    app = make_app()
    looks: list[float] = []

    def look() -> None:
        looks.append(stores.clock.monotonic())
        stores.clock.advance(2)

    monkeypatch.setattr(app.extensions["secretsource"].live, "refresh_for_retry", look)
    for _ in range(3):
        forged(app).get("/count")
    assert len(looks) == 1
    stores.clock.advance(1)
    forged(app).get("/count")
    assert len(looks) == 2


class Queue:
    """A lock that tells who has come to it."""

    def __init__(self) -> None:
        self.come = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.come.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_who_has_waited_for_a_look_makes_none(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it took: threads that serve forged sessions do not wait for each other, one after the other."""
    app = make_app()
    state, queue, over = app.extensions["secretsource"], Queue(), threading.Event()
    looks: list[bool] = []
    monkeypatch.setattr("secretsource.flask._BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(state, "_looking", queue)
    monkeypatch.setattr(state.live, "refresh_for_retry", lambda: looks.append(over.wait(PATIENCE)))
    threads = [threading.Thread(target=forged(app).get, args=["/count"]) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert all(queue.come.acquire(timeout=PATIENCE) for _ in threads)
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(looks) <= 2  # that of the first, and one for all who came while it went on
