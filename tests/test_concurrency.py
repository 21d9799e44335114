"""Daemon threads under a deadline, and things that belong to one process."""

from __future__ import annotations

import asyncio
import os
import threading
from contextvars import ContextVar

import pytest

from secretsource.clock import Deadline
from secretsource.concurrency import PerProcess, Task, _Crew, each, in_background


def test_each_calls_once_for_each_item_and_keeps_errors_apart() -> None:
    """An item's error is its result."""

    def call(item: int) -> int:
        return 10 // item

    results = each(call, [0, 1, 2], Deadline(10))
    assert (results[1], results[2]) == (10, 5)
    assert isinstance(results[0], ZeroDivisionError)
    assert each(call, [5], Deadline(10)) == {5: 2}
    assert each(call, [], Deadline(10)) == {}


def test_each_takes_what_would_end_a_thread_for_an_error_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Without its text, which a thread would print."""

    def call(item: int) -> int:
        if item:
            raise SystemExit("a value")
        return item

    results = each(call, [0, 1], Deadline(10))
    assert (results[0], repr(results[1])) == (0, "RuntimeError('a SystemExit ended the call')")
    assert capsys.readouterr().err == ""


def test_each_runs_several_at_a_time_and_no_more_than_allowed() -> None:
    """Four workers meet at a gate for four; a fifth item waits its turn."""
    gate, running, most = threading.Barrier(4), 0, 0
    lock = threading.Lock()

    def call(item: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(10)
        with lock:
            running -= 1

    each(call, list(range(8)), Deadline(10), workers=4)
    assert most == 4


def test_each_makes_do_with_the_threads_that_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there can be no more of them, those there are make all the calls."""
    start, started = threading.Thread.start, threading.Semaphore(2)

    def start_two(thread: threading.Thread) -> None:
        if not started.acquire(blocking=False):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr("secretsource.concurrency._crew", _Crew())
    monkeypatch.setattr(threading.Thread, "start", start_two)
    assert each(str, list(range(8)), Deadline(10)) == {number: str(number) for number in range(8)}


def test_each_is_back_by_the_deadline() -> None:
    """What hangs is left behind, what is done is kept."""
    release = threading.Event()

    def call(item: str) -> str:
        if item == "stuck":
            release.wait(60)
        return item

    results = each(call, ["stuck", "fine"], Deadline(0.2))
    release.set()
    assert results["fine"] == "fine"
    assert isinstance(results["stuck"], TimeoutError)


def test_a_task_carries_its_result_or_its_error() -> None:
    """To whoever waits for it."""
    fine = Task(lambda: 1)
    failing = Task(lambda: 1 // 0)
    assert fine.wait(10)
    assert failing.wait(10)
    assert fine.result() == 1
    with pytest.raises(ZeroDivisionError):
        failing.result()


def test_a_thread_is_used_again() -> None:
    """It does not end with its call: one that ends as the process forks can leave a lock of OpenSSL's locked."""
    crew, idents = _Crew(), []
    for _ in range(3):
        crew.run(lambda: idents.append(threading.get_ident()))
        while not crew.idle:
            threading.Event().wait(0.001)
    assert len(set(idents)) == 1 < len(idents)


def test_a_thread_that_is_left_behind_is_not_used_again() -> None:
    """Another one takes its place."""
    crew, release, done = _Crew(), threading.Event(), threading.Event()
    crew.run(lambda: release.wait(60))
    crew.run(done.set)
    assert done.wait(10)
    release.set()


def test_a_forked_child_has_threads_of_its_own() -> None:
    """The parent's idle ones are not there."""
    assert each(lambda item: item, [1, 2], Deadline(10)) == {1: 1, 2: 2}
    child = os.fork()
    if child == 0:
        os._exit(0 if each(lambda item: item, [1, 2], Deadline(5)) == {1: 1, 2: 2} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_a_call_leaves_in_its_context_is_gone_for_the_next() -> None:
    """As it would be in a thread of its own."""
    variable: ContextVar[str] = ContextVar("variable", default="clean")
    crew, found = _Crew(), []

    def call() -> None:
        found.append(variable.get())
        variable.set("soiled")

    for _ in range(2):
        crew.run(call)
        while not crew.idle:
            threading.Event().wait(0.001)
    assert found == ["clean", "clean"]


def test_something_is_made_once_for_all_threads() -> None:
    """Sixty-four that come at the same time get the same one; another key is not held up."""
    pool: PerProcess[str, object] = PerProcess()
    made, gate = [], threading.Event()

    def make() -> object:
        gate.wait(10)
        made.append(object())
        return made[-1]

    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(pool.get("a", make))) for _ in range(64)]
    for thread in threads:
        thread.start()
    assert pool.get("b", lambda: "other") == "other"
    gate.set()
    for thread in threads:
        thread.join(10)
    assert len(made) == 1
    assert set(map(id, got)) == {id(made[0])}


def test_what_could_not_be_made_is_tried_again() -> None:
    """The error is the maker's own, with no trace of the looking up."""
    pool: PerProcess[str, int] = PerProcess()
    with pytest.raises(ZeroDivisionError) as caught:
        pool.get("a", lambda: 1 // 0)
    assert caught.value.__context__ is None
    assert pool.get("a", lambda: 2) == 2


def test_things_can_be_dropped_and_drained() -> None:
    """One by one, only if it still is the one that is meant; or all."""
    pool: PerProcess[str, object] = PerProcess()
    first = pool.get("a", object)
    pool.drop("a", object())
    assert pool.get("a", object) is first
    pool.drop("a", first)
    assert pool.get("a", object) is not first
    assert len(pool.drain()) == 1
    assert pool.drain() == []


def test_a_forked_child_finds_none_of_its_parents_things() -> None:
    """Nor a lock that was held."""
    pool: PerProcess[str, int] = PerProcess()
    pool.get("a", lambda: 1)
    with pool._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if pool.get("a", lambda: 2) == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.get("a", lambda: 3) == 1


def test_an_event_loop_goes_on_while_a_call_runs() -> None:
    """And gets its result or its error."""
    release = threading.Event()

    async def both() -> tuple[object, object]:
        waiting = asyncio.ensure_future(in_background(lambda: release.wait(10)))
        await asyncio.sleep(0)
        release.set()
        return await asyncio.gather(waiting, in_background(lambda: 1 // 0), return_exceptions=True)

    first, second = asyncio.run(both())
    assert first is True
    assert isinstance(second, ZeroDivisionError)
