"""A fork waits for what a child could not live with.

A child has none of its parent's threads, but every lock that they held at that moment, and holds it for ever: that of a
module that was being imported, or of a login in the making. So a fork waits a little until such work has ended.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - see below
import logging  # noqa: F401 - these two have locks that a fork takes: after our wait, as they are registered before us
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE: Final = 5.0
"""Seconds after which nothing keeps a fork waiting any more."""


class _Gate:
    """Lets a fork pass while nothing is under way that it would have to wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._forks = 0
        self._works: dict[object, tuple[int, float]] = {}  # whose thread's, and until when it counts
        self._turns: dict[object, tuple[int, float]] = {}

    @contextmanager
    def work(self, seconds: float = PATIENCE) -> Iterator[None]:
        """What happens a few times in a process. It never waits: a fork may be waiting for what it is part of."""
        with self._noted(self._works, seconds):
            yield

    @contextmanager
    def turn(self) -> Iterator[None]:
        """What happens all the time. It waits for a fork that waits, so that the fork gets its turn."""
        with self._changed:
            self._changed.wait_for(lambda: not self._forks or self._works)
        with self._noted(self._turns, PATIENCE):
            yield

    @contextmanager
    def _noted(self, table: dict[object, tuple[int, float]], seconds: float) -> Iterator[None]:
        token = object()
        with self._changed:
            table[token] = threading.get_ident(), time.monotonic() + min(seconds, PATIENCE)
        try:
            yield
        finally:
            with self._changed:
                del table[token]
                self._changed.notify_all()

    def shut(self) -> None:
        """Wait until a fork may be made, and let nothing begin from then on."""
        self._changed.acquire()
        self._forks += 1
        while (seconds := self._seconds_to_wait()) > 0:
            self._changed.wait(seconds)

    def _seconds_to_wait(self) -> float:
        me, now = threading.get_ident(), time.monotonic()
        under_way = (*self._works.values(), *self._turns.values())
        return max((end - now for thread, end in under_way if thread != me), default=0.0)

    def open(self) -> None:
        """The fork has been made."""
        self._forks -= 1
        self._changed.notify_all()
        self._changed.release()


_gate = _Gate()


def _before_fork() -> None:
    _gate.shut()


def _after_fork_in_parent() -> None:
    _gate.open()


def _after_fork_in_child() -> None:
    global _gate  # noqa: PLW0603 - the parent's is for the parent's threads
    _gate = _Gate()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
_used: Final[set[int]] = set()


@contextmanager
def holding_forks() -> Iterator[None]:
    """While inside, a fork waits. For what happens a few times in a process, such as imports."""
    with _gate.work():
        yield


@contextmanager
def taking_turns_with_forks() -> Iterator[None]:
    """While inside, a fork waits; and who wants to enter waits for a fork. For what happens all the time."""
    with _gate.turn():
        yield


@contextmanager
def first_use(thing: object, seconds: float) -> Iterator[None]:
    """While a thing is used for the first time, which imports its SDK and logs in, a fork waits.

    Args:
        thing: What is used.
        seconds: After so many it has been given up, and counts no more.
    """
    if id(thing) in _used:
        yield
        return
    with _gate.work(seconds):
        yield
    _used.add(id(thing))
