"""Requests that go on in many threads while something else happens to what they are made of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

_PATIENCE = 30.0  # seconds


class Load:
    """Requests, each made again and again in a thread of its own, for as long as it is entered.

    Attributes:
        done: How many have been made.
        failures: What they raised.
    """

    def __init__(self, *requests: Callable[[], object]) -> None:
        self.done = 0
        self.failures: list[Exception] = []
        self._counting, self._over = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in requests]

    def _run(self, request: Callable[[], object]) -> None:
        while not self._over.is_set():
            try:
                request()
            except Exception as error:  # noqa: BLE001 - none may be, of any kind
                self.failures.append(error)
            with self._counting:
                self.done += 1

    def go_on(self, requests: int = 50) -> None:
        """Come back after so many more requests."""
        enough = self.done + requests
        until(lambda: self.done > enough)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(_PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    """Come back when it is so."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.005)
