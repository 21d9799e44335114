"""One refresh for all who ask at the same time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class _Flight(Generic[T]):
    """A refresh on its way."""

    def __init__(self, *, force: bool) -> None:
        self.force = force
        self.thread = threading.get_ident()
        self.landed = threading.Event()
        self.result: T | None = None
        self.error: BaseException | None = None


class Flights(Generic[T]):
    """The first who asks does it, the others wait for the outcome.

    Who asks by force does not share what is done without.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: _Flight[T] | None = None

    @property
    def forced(self) -> bool:
        """Whether one by force is on its way."""
        flight = self._current
        return flight is not None and flight.force

    def share(self, call: Callable[[], T], *, force: bool) -> tuple[T | None, bool]:
        """The outcome of the call on its way, or of one's own where there is none; and whether it was one's own.

        Raises:
            Exception: One's own call's error. Who only waited gets None.
        """
        with self._lock:
            flight = self._current
            mine = flight is None or (force and not flight.force)
            if flight is None or mine:
                flight = self._current = _Flight(force=force)
        if mine:
            self._fly(flight, call)
        elif flight.thread != threading.get_ident():  # else a signal's handler asks, in the midst of one's own
            flight.landed.wait()
        if flight.error is not None and mine:
            raise flight.error
        return flight.result, mine

    def _fly(self, flight: _Flight[T], call: Callable[[], T]) -> None:
        try:
            flight.result = call()
        except BaseException as error:  # noqa: BLE001 - raised to the one who flew
            flight.error = error
        finally:
            with self._lock:
                if self._current is flight:
                    self._current = None
            flight.landed.set()
