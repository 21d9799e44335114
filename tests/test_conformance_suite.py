"""The suite itself: a driver with a fault fails the test that is there for it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.memory import MemoryBackend
from secretsource.errors import SecretNotFound
from secretsource.testing import Ability, BackendConformance
from secretsource.testing.leaks import Canary, all_of
from secretsource.testing.processes import Child, imported_with
from tests.conformance import faulty, test_memory


class Suite(test_memory.TestMemory):
    """The harness of memory://, with a driver that has a fault. Its name keeps pytest from collecting it."""

    cannot: ClassVar[Mapping[Ability, str]] = {}
    kind: type[MemoryBackend] = MemoryBackend

    def slow(self, name: str, seconds: float) -> AbstractContextManager[None]:
        """As the driver of a store that keeps it waiting would find it, at once."""
        return self.failing(name, Outcome.UNAVAILABLE)

    def make_backend(self) -> MemoryBackend:
        return self.kind()


FAULTY: list[tuple[type[MemoryBackend], str, tuple[object, ...]]] = [
    (faulty.Strips, "test_a_value_comes_back_unchanged", ("padded ", Ability.WHITESPACE)),
    (faulty.TakesEmptyForAbsent, "test_empty_is_not_absent", ()),
    (faulty.TakesFailuresForAbsent, "test_failures_are_told_apart", (Ability.CUT,)),
    (faulty.TakesFailuresForAbsent, "test_failures_in_mid_life_are_told_apart", (Ability.DENIED,)),
    (faulty.TakesTheUnknownForAbsent, "test_an_unknown_error_is_unavailable", ()),
    (faulty.TakesTheUnknownForAbsent, "test_the_core_raises_the_failure_s_error", (Ability.UNAUTHENTICATED,)),
    (faulty.TakesLateForAbsent, "test_without_time_nothing_is_missing", ()),
    (faulty.FailsAsAWhole, "test_one_refused_name_does_not_spoil_the_others", (Ability.DENIED,)),
    (faulty.ForgetsTheVersion, "test_a_pinned_version_stays", ()),
    (faulty.ForgetsTheVersion, "test_the_version_is_told", ()),
    (faulty.CallsForNothing, "test_an_empty_batch_makes_no_call", ()),
    (faulty.CallsWhenMade, "test_making_one_makes_no_call", ()),
    (faulty.IsConfounded, "test_an_unknown_error_is_unavailable", ()),
    (faulty.TakesFailuresForAbsent, "test_a_late_answer_is_no_absent_one", ()),
    (faulty.AsksTwice, "test_one_secret_takes_one_call", ()),
    (faulty.TriesAgain, "test_a_failure_is_not_tried_again", (Ability.THROTTLED,)),
    (faulty.TriesAgain, "test_a_failure_is_not_tried_again", (Ability.CUT,)),
    (faulty.AsksOneByOne, "test_a_batch_saves_calls", ()),
    (faulty.MixesUpABatch, "test_a_batch_equals_its_singles", ()),
    (faulty.Remembers, "test_a_changed_value_is_seen", ()),
    (faulty.Remembers, "test_what_was_removed_is_missing", ()),
    (faulty.SharesABuffer, "test_eight_threads_get_their_own", ()),
    (faulty.SharesAConnection, "test_forked_processes_get_their_own", ()),
    (faulty.IsGoneWhenClosed, "test_it_may_be_closed_twice_and_used_again", ()),
    (faulty.ShowsItself, "test_no_repr_shows_a_value", ()),
    (faulty.TellsInItsAdvice, "test_no_advice_shows_a_value", (Ability.INVALID,)),
    (faulty.TellsInItsAdvice, "test_the_core_raises_the_failure_s_error", (Ability.INVALID,)),
    (faulty.AnswersUnasked, "test_what_was_never_there_is_missing", ()),
]


@pytest.mark.parametrize(
    ("kind", "test", "arguments"), FAULTY, ids=[f"{row[0].__name__}-{row[1][5:]}" for row in FAULTY]
)
def test_a_fault_is_caught(kind: type[MemoryBackend], test: str, arguments: tuple[object, ...]) -> None:
    """A driver with this fault fails this test."""
    suite = Suite()
    suite.kind = kind
    run = getattr(suite, test)
    with pytest.raises((AssertionError, AttributeError, SecretNotFound)):
        run(*arguments)
    for backend in suite.made:
        backend.close()


@pytest.mark.parametrize("kind", [faulty.Logs, faulty.LogsApart, faulty.LogsInFew])
def test_a_log_is_caught(capfd: pytest.CaptureFixture[str], kind: type[MemoryBackend]) -> None:
    """A driver that logs a value at DEBUG fails the test for it, whoever its logger tells."""
    suite = Suite()
    suite.kind = kind
    with pytest.raises(AssertionError):
        suite.test_nothing_is_logged_or_printed(capfd)


def test_loggers_are_afterwards_as_they_were(capfd: pytest.CaptureFixture[str]) -> None:
    """Their levels, their handlers, and how records are made."""
    apart = logging.getLogger("shelf.few")
    apart.setLevel(logging.ERROR)
    before = (apart.level, list(apart.handlers), logging.root.level, logging.getLogRecordFactory())
    Suite().test_nothing_is_logged_or_printed(capfd)
    assert (apart.level, apart.handlers, logging.root.level, logging.getLogRecordFactory()) == before


def test_an_ability_that_is_not_there_is_skipped_with_its_reason() -> None:
    """What a store cannot do is skipped, and the report says why."""

    class Modest(Suite):
        cannot: ClassVar[Mapping[Ability, str]] = {Ability.BINARY: "it is a shelf for letters"}

    with pytest.raises(pytest.skip.Exception, match="BINARY: it is a shelf for letters"):
        Modest().test_bytes_come_back_as_bytes()


def test_a_failure_that_the_harness_cannot_make_has_to_be_named() -> None:
    """A harness without `failing` fails, rather than passing what it did not try."""

    class Forgetful(Suite):
        failing = BackendConformance.failing  # type: ignore[assignment]  # back to the one that fails

    with pytest.raises(TypeError, match=r"Forgetful has no failing\(.*name Ability.DENIED in `cannot`"):
        Forgetful().test_failures_are_told_apart(Ability.DENIED)


def test_slowness_and_calls_have_to_be_named_as_well() -> None:
    """By the name of the ability that they are for."""

    class Forgetful(Suite):
        slow = BackendConformance.slow
        calls = BackendConformance.calls  # and to the one that counts none

    with pytest.raises(TypeError, match=r"Forgetful has no slow\(.*name Ability.SLOW in `cannot`"):
        Forgetful().test_a_late_answer_is_no_absent_one()
    with pytest.raises(TypeError, match=r"Forgetful has no calls\(\).*name Ability.BATCH in `cannot`"):
        Forgetful().test_a_batch_saves_calls()


def test_slowness_that_keeps_nobody_waiting_is_none() -> None:
    """Else a harness would pass what it did not try."""

    class Hasty(Suite):
        def slow(self, name: str, seconds: float) -> AbstractContextManager[None]:
            return contextlib.nullcontext()

    with pytest.raises(AssertionError, match="keeps nobody waiting"):
        Hasty().test_a_late_answer_is_no_absent_one()


HALF = """
from secretsource.testing import BackendConformance

class {name}(BackendConformance):
    def make_backend(self): ...
    def put(self, name, value): ...
    def delet(self, name): ...
"""


def test_a_suite_with_a_method_missing_is_no_green_run(tmp_path: Path) -> None:
    """Pytest passes over an abstract class, so it has to fail before: with the names of what is missing."""
    (tmp_path / "test_shelf.py").write_text(HALF.format(name="TestShelf"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "test_shelf.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout
    assert "TypeError: TestShelf has no ref, delete: fill in what is missing" in done.stdout


@pytest.mark.parametrize("name", ["Shelves", "AbstractTest"])
def test_a_base_of_suites_may_leave_methods_to_them(name: str) -> None:
    """Pytest does not take it for a test."""
    exec(HALF.format(name=name), {})


def test_a_suite_may_be_put_together_of_parts() -> None:
    """What a base leaves open another one may fill in."""

    class Shelves(BackendConformance):
        make_backend = Suite.make_backend

    class TestShelf(Shelves, Suite): ...

    assert TestShelf.ref is Suite.ref


def test_what_is_imported_is_seen() -> None:
    """A driver whose module imports an SDK is told by that SDK's name."""
    assert imported_with(asyncio.Future, ["asyncio", "hvac"]) == ["asyncio"]


def test_a_canary_is_found_in_any_writing() -> None:
    """Plain, in hex, and in base64 at every offset."""
    canary = Canary()
    raw = canary.value.encode()
    texts = [canary.value, raw.hex(), *(base64.b64encode(b"x" * n + raw).decode() for n in range(3))]
    assert [canary.is_in(f"<{text}>") for text in texts] == [True] * 5
    assert not canary.is_in("canary")


def test_a_canary_is_found_anywhere_in_an_error() -> None:
    """In its text, its attributes, its context, and the variables of its frames."""
    canary = Canary()

    def fail(held: str) -> None:
        raise ValueError(len(held))

    def fail_with_context() -> None:
        try:
            fail(canary.value)
        except ValueError:
            raise KeyError("other") from None

    with pytest.raises(KeyError) as caught:
        fail_with_context()
    assert canary.is_in(all_of(caught.value))


def test_a_child_that_hangs_is_ended() -> None:
    """A forked child that does not answer is killed, and said to hang."""
    child = Child(lambda: str(threading.Event().wait()))
    assert child.result(0.05) == "hung"
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_a_failure_shows_what_was_compared() -> None:
    """The suite's assertions are rewritten by pytest, as those of a test file are."""
    suite = Suite()
    suite.kind = faulty.Strips
    with pytest.raises(AssertionError, match="'padded' == 'padded '"):
        suite.test_a_value_comes_back_unchanged("padded ", Ability.WHITESPACE)


def test_importing_the_package_needs_no_pytest() -> None:
    """Helpers for programs under test come without it; the suite alone imports it."""
    code = "import sys, secretsource.testing; print('pytest' in sys.modules, secretsource.testing.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False ['Ability', 'BackendConformance', 'Stores', 'override']\n"
