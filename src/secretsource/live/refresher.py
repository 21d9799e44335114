"""One thread per process does all refreshing. It sleeps until the next is due."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Final, Protocol

from secretsource.access import CACHE
from secretsource.concurrency import Task

if TYPE_CHECKING:
    from collections.abc import Collection

    from secretsource.cache import Key

_LONGEST_SLEEP: Final = 3_600.0
"""Seconds. A wall clock that is set, or a machine that was suspended, is noticed at the latest after this."""


class Refreshable(Protocol):
    """What the refresher looks after."""

    @property
    def due(self) -> float | None:
        """When it wants to be refreshed, by the monotonic clock; None while it is being refreshed."""

    @property
    def secrets(self) -> Collection[Key]:
        """The secrets that it reads."""

    def claim(self) -> None:
        """It is about to be refreshed, and not due meanwhile."""

    def refresh_due(self) -> None:
        """Refresh what is due. Does not raise."""

    def refresh_now(self) -> None:
        """Refresh everything. Does not raise."""

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

    def secrets(self) -> set[Key]:
        """The secrets that any live object reads."""
        with self._changed:
            return {key for live in self._lives for key in live.secrets}

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
            for live in ready:
                live.claim()
        return [task for live in ready if (task := _started(live)) is not None]

    def refresh_all(self) -> None:
        """Refresh every live object now, for tests; what goes wrong is in their health."""
        with self._changed:
            lives = list(self._lives)
        for live in lives:
            live.refresh_now()

    def after_fork(self) -> None:
        """In a forked child: the thread is gone, so start another if there is anything to look after."""
        lives = list(self._lives)
        self._lives = weakref.WeakSet()  # the parent may have been in the middle of looking through the other
        self._reset()
        for live in lives:
            live.after_fork()
            self.add(live)


def _started(live: Refreshable) -> Task[None] | None:
    try:
        return Task(live.refresh_due, name="secretsource-refresh")
    except RuntimeError:  # there can be no more threads at the moment, which must not end this one
        live.refresh_due()
        return None


REFRESHER: Final = Refresher()
"""The one refresher of this process."""

os.register_at_fork(after_in_child=REFRESHER.after_fork)
