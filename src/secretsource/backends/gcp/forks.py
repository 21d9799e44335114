"""gRPC and forks: gRPC's C core does not outlive a fork.

A child that opens a channel of its own may hang, fail or crash, depending on gRPC's release and its environment. One
that was forked in the midst of a call may hang before it gets anywhere. So a fork waits for reads to end, and in the
child the default is REST, which needs nothing of gRPC. The parent's channel is left alone, by both: to close it just
before a fork can hang the fork.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_WAIT: Final = 1.0
"""Seconds that a fork waits for reads under way to end."""


class _Gate:
    """Keeps forks and reads apart."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reads = 0
        self._forks = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While inside, a fork waits; while one is under way, so does this."""
        with self._changed:
            self._changed.wait_for(lambda: not self._forks)
            self._reads += 1
        try:
            yield
        finally:
            with self._changed:
                self._reads -= 1
                self._changed.notify_all()

    def shut(self) -> None:
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not self._reads, _WAIT)

    def open(self) -> None:
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()


_gate = _Gate()
_forked_from_grpc = False


@contextmanager
def reading_over_grpc() -> Iterator[None]:
    """While inside, a fork waits."""
    with _gate.reading():
        yield


def forked_from_grpc() -> bool:
    """Whether this process was forked from one that had gRPC loaded, by us or by anybody."""
    return _forked_from_grpc


def _before_fork() -> None:
    _gate.shut()


def _after_fork_in_parent() -> None:
    _gate.open()


def _after_fork_in_child() -> None:
    global _gate, _forked_from_grpc  # noqa: PLW0603 - facts about this process
    _gate = _Gate()
    _forked_from_grpc = "grpc" in sys.modules


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
