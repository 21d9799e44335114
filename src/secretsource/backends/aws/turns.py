"""Requests are composed one after the other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Turns:
    """Lets one thread at a time compose and sign its request; sending and waiting are done together.

    Threads that compose at once only take the interpreter's lock from each other, and none of their requests leaves
    early. As a context manager it takes a turn, which ends with `give`, at the latest at the end of the block.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = threading.local()

    def give(self, **_: object) -> None:
        """The request is ready: let the next thread go on. For the SDK's event `before-send`."""
        if getattr(self._mine, "taken", False):
            self._mine.taken = False
            self._lock.release()

    def __enter__(self) -> Self:
        self._lock.acquire()
        self._mine.taken = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.give()
