"""Who is told of changes: in their order, by one thread at a time."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from secretsource.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from secretsource.live.report import Change

S = TypeVar("S", bound=Settings)

_log: Final = logging.getLogger("secretsource.live")


class Callbacks(Generic[S]):
    """What is called after a change.

    A change that comes while an earlier one is being told waits for its turn, and whoever brought it does not: so a
    callback may block, refresh, or wait for a thread that refreshes, and none hears of an older change last.
    """

    def __init__(self) -> None:
        self._callbacks: list[Callable[[Change[S]], object]] = []
        self._untold: deque[Change[S]] = deque()
        self._being_told: tuple[int, Change[S]] | None = None  # in which thread
        self.after_fork()

    def after_fork(self) -> None:
        """In a forked child: what another thread was telling is told here as well, with the next refresh.

        Where it is a callback that forked, the child is still inside it, and goes on with it.
        """
        self._telling = threading.Lock()
        if self._being_told is not None and self._being_told[0] != threading.get_ident():
            self._untold.appendleft(self._being_told[1])
        self._being_told = None

    def add(self, callback: Callable[[Change[S]], object]) -> None:
        """Tell this one too, from now on."""
        self._callbacks.append(callback)

    def note(self, change: Change[S]) -> None:
        """Have a change told, after those before it."""
        self._untold.append(change)

    def tell(self) -> None:
        """Tell what is untold; unless another thread, or a caller further up, is at it already."""
        telling = self._telling
        while self._untold and telling.acquire(blocking=False):
            try:
                while self._untold:
                    change = self._untold.popleft()
                    self._being_told = threading.get_ident(), change
                    self._call_all(change)
            finally:
                self._being_told = None
                telling.release()

    def _call_all(self, change: Change[Any]) -> None:
        end: BaseException | None = None
        for callback in list(self._callbacks):
            try:
                callback(change)
            except Exception:  # noqa: BLE001 - it is the user's code, and harms nobody
                _log.exception("an on_change callback failed")
            except BaseException as error:  # noqa: BLE001 - it wants to end the thread, which comes after the others
                end = error
        if end is not None:
            raise end
