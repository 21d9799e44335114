"""Leases and logins: prolonged in time; leases are given back at the end."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from secretsource.backend import Leasing, Upkeep
from secretsource.clock import Deadline
from secretsource.concurrency import Task
from secretsource.errors import BackendError, Outcome
from secretsource.telemetry import note_lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from secretsource.backend import Backend, Lease
    from secretsource.cache import CachePolicy, Entry, Key, MemoryCache
    from secretsource.clock import Clock
    from secretsource.ref import Ref

_UPKEEP_WITHIN: Final = 5.0  # seconds; a renewal that hangs holds up no snapshot for longer
_log: Final = logging.getLogger("secretsource.live")
_SHARE: Final = 2  # a half of the time there is; the other is for reading anew what could not be prolonged


def prolong_leases(lessors: Mapping[Key, Backend], cache: MemoryCache, policy: CachePolicy, deadline: Deadline) -> None:
    """Prolong the leases that are past two thirds, all at the same time.

    A lease that the store will not prolong, or only by little, is spent: its secret is then read anew. Where the store
    is down it is read anew as well, and both are tried again until the lease ends.

    Args:
        lessors: The secrets, each with its backend.
        cache: Where they are.
        policy: How they are kept.
        deadline: By when this, and reading them, has to be done.
    """
    inner = deadline.sooner(deadline.remaining() / _SHARE)
    renewals = []
    for key, entry in cache.leases_due(lessors, policy).items():
        if entry.lease is not None and isinstance(lessors[key], Leasing):
            renewals.append(_Renewal(key, entry, lessors[key], cache, inner))
    for renewal in renewals:
        renewal.settle(inner)


class _Renewal:
    """One lease's renewal on its way."""

    def __init__(self, key: Key, entry: Entry, backend: Backend, cache: MemoryCache, deadline: Deadline) -> None:
        assert isinstance(backend, Leasing)  # noqa: S101 - for mypy; the caller has looked
        assert entry.lease is not None  # noqa: S101 - the same
        self._key, self._entry, self._backend, self._cache = key, entry, backend, cache
        self._monotonic, self._wall = cache.clock.monotonic(), cache.clock.time()
        self._task = Task(partial(backend.renew_lease, key.document, entry.lease, deadline))

    def settle(self, deadline: Deadline) -> None:
        """Wait for it, and have the cache know what came of it."""
        outcome, lease = self._outcome(deadline)
        if lease is not None or not outcome.transient:
            self._cache.prolong(self._key, self._entry, lease, self._monotonic, self._wall)
        milliseconds = (self._cache.clock.monotonic() - self._monotonic) * 1000
        note_lookup(self._key.document, (), outcome, None, milliseconds, refresh=True)

    def _outcome(self, deadline: Deadline) -> tuple[Outcome, Lease | None]:
        if not self._task.wait(deadline.remaining()):
            return Outcome.UNAVAILABLE, None
        error = self._task.error
        if error is None:
            return Outcome.FOUND, self._task.result()
        if isinstance(error, BackendError):
            return error.outcome, None
        return (self._backend.classify(error) if isinstance(error, Exception) else Outcome.INVALID), None


def revoke_leases(lessors: Mapping[Key, Backend], cache: MemoryCache, deadline: Deadline) -> None:
    """Give leases back, all at the same time, and forget the values that came with them.

    What a parent process has read stays: it is in use there.
    """
    tasks: list[tuple[Ref, Task[None]]] = []
    for key, backend in lessors.items():
        if not isinstance(backend, Leasing) or not (leases := cache.leases(key)):
            continue
        cache.drop(key)
        revoke = partial(backend.revoke_lease, key.document)
        tasks += [(key.document, Task(partial(revoke, lease, deadline))) for lease in leases]
    for document, task in tasks:
        if not task.wait(deadline.remaining()) or task.error is not None:
            _log.warning("a lease was not given back, and ends by itself: %s", document)


def tend(backends: Iterable[Backend], clock: Clock) -> list[float]:
    """Have backends prolong their logins, all at the same time.

    Returns:
        For each that wants to be called again, in how many seconds.
    """
    deadline = Deadline(_UPKEEP_WITHIN, clock)
    tasks = [Task(partial(backend.upkeep, deadline)) for backend in backends if isinstance(backend, Upkeep)]
    answers = [_tended(task, deadline) for task in tasks]
    return [seconds for seconds in answers if seconds is not None]


def _tended(task: Task[float | None], deadline: Deadline) -> float | None:
    """What a backend said, or soon, where it said nothing of use: its reads tell what is wrong."""
    return task.result() if task.wait(deadline.remaining()) and task.error is None else _UPKEEP_WITHIN
