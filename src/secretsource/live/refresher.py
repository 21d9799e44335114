"""One thread per process does all refreshing. It sleeps until the next is due."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final, Protocol

from secretsource.access import CACHE
from secretsource.concurrency import Task

_LONGEST_SLEEP: Final = 3_600.0
"""Seconds. A wall clock that is set, or a machine that was suspended, is noticed at the latest after this."""


class Refreshable(Protocol):
    """What the refresher looks after."""

    @property
    def due(self) -> float | None:
        """When it wants to be refreshed, by the monotonic clock; None while it is being refreshed."""

    def refresh_due(self) -> None:
        """Refresh what is due. Does not raise."""

    def after_fork(self) -> None:
        """In a forked child: let go of what another thread of the parent held."""


class Refresher:
    """Wakes when the next live object is due, and has it refreshed in a thread of its own.

    So a store that hangs holds up nobody else's refresh. Live objects are held weakly: one that is dropped is
    forgotten.
    """

    def __init__(self) -> None:
        self._lives: weakref.WeakSet[Refreshable] = weakref.WeakSet()
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, live: Refreshable) -> None:
        """Look after a live object from now on."""
        with self._changed:
            self._lives.add(live)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="secretsource-refresher", daemon=True)
                self._thread.start()
            self._changed.notify()

    def remove(self, live: Refreshable) -> None:
        """Look after it no more."""
        with self._changed:
            self._lives.discard(live)

    def wake(self) -> None:
        """Look again at what is due: a live object has new times."""
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        changed = self._changed
        while True:
            with changed:
                seconds = self.seconds_to_next()
                if seconds > 0:
                    changed.wait(min(seconds, _LONGEST_SLEEP))
            self.refresh_due()

    def seconds_to_next(self) -> float:
        """Seconds until something is due."""
        now = CACHE.clock.monotonic()
        with self._changed:
            dues = [due for live in self._lives if (due := live.due) is not None]
        return min((max(0.0, due - now) for due in dues), default=_LONGEST_SLEEP)

    def refresh_due(self) -> list[Task[None]]:
        """Start what is due now, each in a thread of its own."""
        now = CACHE.clock.monotonic()
        with self._changed:
            ready = [live for live in self._lives if (due := live.due) is not None and due <= now]
        return [Task(live.refresh_due, name="secretsource-refresh") for live in ready]

    def after_fork(self) -> None:
        """In a forked child: the thread is gone, so start another if there is anything to look after."""
        lives = list(self._lives)
        self._reset()
        for live in lives:
            live.after_fork()
            self.add(live)


REFRESHER: Final = Refresher()
"""The one refresher of this process."""

os.register_at_fork(after_in_child=REFRESHER.after_fork)
