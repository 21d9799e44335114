"""Daemon threads under a deadline, and things that belong to one process.

A `ThreadPoolExecutor` joins its threads when the interpreter exits, so one call that hangs in an SDK would hold up the
exit. These threads are left behind instead.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import weakref
from contextvars import Context
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from secretsource.clock import Deadline

_BUSY, _IDLE = "secretsource", "secretsource-idle"  # names of threads
_MOST_IDLE = 64  # threads
_MOMENT = 60.0  # seconds; the call has ended, only its last line may still be running

T = TypeVar("T")
G = TypeVar("G", bound="Hashable")
K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class _Crew:
    """Daemon threads that wait for their next call.

    They do not end after one: a thread that has spoken TLS ends under a lock of OpenSSL's, and in a child that is
    forked at that moment the lock stays locked, and its first connection hangs. Forking right after a load is what
    preloading servers do.
    """

    def __init__(self) -> None:
        self.idle: list[SimpleQueue[Callable[[], object]]] = []

    def run(self, call: Callable[[], object]) -> None:
        """Have one of them make this call; a new one, if none is idle."""
        try:
            calls = self.idle.pop()
        except IndexError:
            calls = SimpleQueue()
            threading.Thread(target=self._work, args=(calls,), name=_IDLE, daemon=True).start()
        calls.put(call)

    def _work(self, calls: SimpleQueue[Callable[[], object]]) -> None:
        thread = threading.current_thread()
        while True:
            call = calls.get()
            thread.name = _BUSY
            Context().run(call)  # what an SDK leaves in context variables ends with the call, as with a thread
            del call
            thread.name = _IDLE
            if len(self.idle) >= _MOST_IDLE:
                return
            self.idle.append(calls)


_crew = _Crew()


class Task(Generic[T]):
    """A call that runs in a daemon thread; in one of its own, if that is to have a name."""

    def __init__(self, call: Callable[[], T], *, name: str | None = None) -> None:
        self._call = call
        self._done = threading.Event()
        self._result: T
        self.error: BaseException | None = None
        if name is None:
            _crew.run(self._run)
        else:
            threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:  # noqa: BLE001 - carried to the one who waits
            self.error = error
        finally:
            del self._call
            self._done.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the call, at most so long. Whether it has ended."""
        return self._done.wait(seconds)

    def result(self) -> T:
        """What the call returned, or its error. Only after `wait` said True."""
        if self.error is not None:
            raise self.error
        return self._result


def each(
    call: Callable[[K], T], items: Sequence[K], deadline: Deadline, *, workers: int = 32
) -> dict[K, T | Exception]:
    """Call once for each item, several at a time, and be back by the deadline.

    Returns:
        For each item what the call returned, or the error it raised; TimeoutError where it was not done in time.
    """
    if len(items) <= 1:
        return {item: _attempt(call, item) for item in items}
    results = _Round(call, items, deadline, workers).results()
    return {item: results[item] if item in results else TimeoutError("no answer in time") for item in items}


def each_group(
    call: Callable[[G, Sequence[K]], Mapping[K, T | Exception]], groups: Mapping[G, Sequence[K]], deadline: Deadline
) -> dict[K, T | Exception]:
    """Call once for each group of items, as `each` does. The failure of a group is the answer to each of its items."""
    results: dict[K, T | Exception] = {}
    for group, answer in each(lambda group: call(group, groups[group]), list(groups), deadline).items():
        results |= dict.fromkeys(groups[group], answer) if isinstance(answer, Exception) else answer
    return results


class _Round(Generic[K, T]):
    """Calls for many items.

    Each thread brings in the next one. Were all of them started at once, they would take turns in composing their
    requests, and the first would be sent when the last is.
    """

    def __init__(self, call: Callable[[K], T], items: Sequence[K], deadline: Deadline, workers: int) -> None:
        self._call, self._deadline, self._helpers = call, deadline, workers - 1
        self._waiting = list(reversed(items))
        self._left = len(items)
        self._results: dict[K, T | Exception] = {}
        self._changed = threading.Condition()

    def results(self) -> dict[K, T | Exception]:
        """Make the calls; what there is of results when all are done, or at the deadline."""
        _crew.run(self._work)
        with self._changed:
            self._changed.wait_for(lambda: not self._left, timeout=self._deadline.remaining())
            return dict(self._results)

    def _work(self) -> None:
        while not self._deadline.expired:
            with self._changed:
                if not self._waiting:
                    return
                item = self._waiting.pop()
                needs_help = bool(self._waiting) and self._helpers > 0
                self._helpers -= needs_help
            if needs_help:
                with contextlib.suppress(RuntimeError):  # there can be no more threads at the moment: these do it all
                    _crew.run(self._work)
            result = _attempt(self._call, item)
            with self._changed:
                self._results[item] = result
                self._left -= 1
                if not self._left:
                    self._changed.notify_all()


def _attempt(call: Callable[[K], T], item: K) -> T | Exception:
    try:
        return call(item)
    except Exception as error:  # noqa: BLE001 - an item's error is its result; the caller classifies it
        return error
    except BaseException as error:  # noqa: BLE001 - a thread would print it, and it may hold a value
        return RuntimeError(f"a {type(error).__name__} ended the call")


class PerProcess(Generic[K, V]):
    """Things made once per key and process, such as clients: a forked child finds none of its parent's.

    Sockets that two processes share deliver one's answer to the other, and a lock that was held during the fork is
    held for ever; so the child gets a new lock and makes everything anew.
    """

    def __init__(self) -> None:
        self._reset()
        _everywhere.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._making: dict[K, threading.Lock] = {}
        self._made: dict[K, V] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The thing for this key; made first where there is none, by one thread while the others wait.

        A `make` that hangs holds up nobody who wants another key.
        """
        if key in self._made:
            return self._made[key]
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            if key not in self._made:
                self._made[key] = make()
            return self._made[key]

    def drop(self, key: K, thing: V | None = None) -> None:
        """Forget the thing for this key (only if it still is `thing`, where one is given)."""
        with self._lock:
            if thing is None or self._made.get(key) is thing:
                self._made.pop(key, None)

    def things(self) -> list[V]:
        """What has been made so far."""
        with self._lock:
            return list(self._made.values())

    def drain(self) -> list[V]:
        """Take out everything, for closing it."""
        with self._lock:
            things = list(self._made.values())
            self._made.clear()
            return things


_everywhere: weakref.WeakSet[PerProcess[Any, Any]] = weakref.WeakSet()
_left_behind: list[object] = []  # a parent's clients are never finalised in the child: that could speak on its sockets


def _after_fork() -> None:
    _crew.idle.clear()  # threads are not forked
    for pool in list(_everywhere):
        _left_behind.append(pool._made)  # noqa: SLF001 - same module
        pool._reset()  # noqa: SLF001 - same module


os.register_at_fork(after_in_child=_after_fork)


def in_event_loop() -> bool:
    """Whether this is a thread with a running event loop, which must not be kept waiting."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001 - it is the documented way


async def in_background(call: Callable[[], T]) -> T:
    """Await a call that runs in a daemon thread, with the caller's context."""
    import asyncio
    import contextvars

    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    context = contextvars.copy_context()

    def run() -> T:
        try:
            return context.run(call)
        finally:
            with contextlib.suppress(RuntimeError):  # the loop may be closed by now: nobody waits any more
                loop.call_soon_threadsafe(ended.set)

    task = Task(run)
    await ended.wait()
    task.wait(_MOMENT)
    return task.result()
