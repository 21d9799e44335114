"""A fork waits for what a child could not live with.

A child has none of its parent's threads, but every lock that they held at that moment, and holds it for ever: that of a
module that was being imported, or of a login in the making. So a fork waits a little until such work has ended.
"""

from __future__ import annotations

import logging  # noqa: F401 - its own lock for forks is taken after our wait only if it was registered before
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE: Final = 5.0
"""Seconds that a fork waits at most. Then it goes on, come what may."""


class _Gate:
    """Lets a fork pass while nothing is under way that it would have to wait for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._works = self._turns = self._forks = 0

    @contextmanager
    def work(self) -> Iterator[None]:
        """What happens a few times in a process. It never waits: a fork may be waiting for what it is part of."""
        with self._changed:
            self._works += 1
        try:
            yield
        finally:
            with self._changed:
                self._works -= 1
                self._changed.notify_all()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """What happens all the time. It waits for a fork that waits, so that the fork gets its turn."""
        with self._changed:
            self._changed.wait_for(lambda: not self._forks or self._works)
            self._turns += 1
        try:
            yield
        finally:
            with self._changed:
                self._turns -= 1
                self._changed.notify_all()

    def shut(self) -> None:
        """Wait until a fork may be made, and let nothing begin from then on."""
        self._changed.acquire()
        self._forks += 1
        self._changed.wait_for(lambda: not self._works and not self._turns, PATIENCE)

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
def first_use(thing: object) -> Iterator[None]:
    """While a thing is used for the first time, which imports its SDK and logs in, a fork waits."""
    if id(thing) in _used:
        yield
        return
    with _gate.work():
        yield
    _used.add(id(thing))
