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
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from secretsource.backend import Advice, Outcome, SecretValue
from secretsource.backends.memory import MemoryBackend
from secretsource.clock import Deadline
from secretsource.errors import SecretNotFound
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from secretsource.testing.leaks import Canary, all_of
from secretsource.testing.processes import Child, imported_with
from tests.conformance import test_memory

Answers = Mapping[Ref, SecretValue | Exception]


class Suite(test_memory.TestMemory):
    """The harness of memory://, with a driver that has a fault. Its name keeps pytest from collecting it."""

    kind: type[MemoryBackend] = MemoryBackend

    def make_backend(self) -> MemoryBackend:
        return self.kind()


class Strips(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        return {ref: SecretValue(value.raw.strip()) for ref, value in answers.items()}  # type: ignore[union-attr]


class TakesEmptyForAbsent(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        return {ref: value for ref, value in answers.items() if isinstance(value, Exception) or value.raw}


class TakesFailuresForAbsent(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        return {ref: value for ref, value in answers.items() if not isinstance(value, Exception)}


class TakesTheUnknownForAbsent(MemoryBackend):
    def classify(self, error: Exception) -> Outcome:
        return Outcome.MISSING


class TakesLateForAbsent(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        return {} if deadline.expired else super().fetch_many(refs, deadline)


class FailsAsAWhole(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return answers


class ForgetsTheVersion(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        newest = super().fetch_many([Ref(ref.scheme, ref.location) for ref in refs], deadline)
        return {ref: newest[Ref(ref.scheme, ref.location)] for ref in refs}


class CallsForNothing(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        return super().fetch_many(refs or [Ref("memory", "ping")], deadline) if not refs else {}


class CallsWhenMade(MemoryBackend):
    def __init__(self) -> None:
        super().__init__()
        self.fetch_many([Ref("memory", "ping")], Deadline(1))


class AsksOneByOne(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        return {ref: value for one in refs for ref, value in super().fetch_many([one], deadline).items()}


class MixesUpABatch(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        return (
            dict(zip(refs, answers.values(), strict=False))
            if len(refs) < 26
            else dict(zip(reversed(refs), answers.values(), strict=False))
        )


class Remembers(MemoryBackend):
    def __init__(self) -> None:
        super().__init__()
        self.known: dict[Ref, SecretValue | Exception] = {}

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        self.known.update(super().fetch_many([ref for ref in refs if ref not in self.known], deadline))
        return {ref: self.known[ref] for ref in refs if ref in self.known}


class SharesABuffer(MemoryBackend):
    """Threads write what they ask for into one place, and read it there when the others have done so too."""

    def __init__(self) -> None:
        super().__init__()
        self.together = threading.Barrier(8, timeout=0.3)

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        self.asked = refs
        with contextlib.suppress(threading.BrokenBarrierError):
            self.together.wait()
        return dict(zip(refs, super().fetch_many(self.asked, deadline).values(), strict=True))


class SharesAConnection(MemoryBackend):
    """A forked child hears what its parent asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.owner = os.getpid()

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        if os.getpid() == self.owner:
            self.asked = refs
        return dict(zip(refs, super().fetch_many(self.asked, deadline).values(), strict=False))


class IsGoneWhenClosed(MemoryBackend):
    closed = False

    def close(self) -> None:
        self.closed = True

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        return dict.fromkeys(refs, OSError("closed")) if self.closed else super().fetch_many(refs, deadline)


class ShowsItself(MemoryBackend):
    def __repr__(self) -> str:
        return f"Memory({self._contents.versions})"


class Logs(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        logging.getLogger("shelf").debug("read %s", *(getattr(value, "raw", None) for value in answers.values()))
        return answers


class TellsInItsAdvice(MemoryBackend):
    def advise(self, error: Exception) -> Advice:
        return Advice(f"not usable: {self._contents.versions}")


class AnswersUnasked(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        return {**super().fetch_many(refs, deadline), Ref("memory", "other"): SecretValue("other")}


FAULTY: list[tuple[type[MemoryBackend], str, tuple[object, ...]]] = [
    (Strips, "test_a_value_comes_back_unchanged", ("padded ", Ability.WHITESPACE)),
    (TakesEmptyForAbsent, "test_empty_is_not_absent", ()),
    (TakesFailuresForAbsent, "test_failures_are_told_apart", (Ability.CUT,)),
    (TakesFailuresForAbsent, "test_failures_in_mid_life_are_told_apart", (Ability.DENIED,)),
    (TakesTheUnknownForAbsent, "test_an_unknown_error_is_unavailable", ()),
    (TakesTheUnknownForAbsent, "test_the_core_raises_the_failure_s_error", (Ability.UNAUTHENTICATED,)),
    (TakesLateForAbsent, "test_without_time_nothing_is_missing", ()),
    (FailsAsAWhole, "test_one_refused_name_does_not_spoil_the_others", (Ability.DENIED,)),
    (ForgetsTheVersion, "test_a_pinned_version_stays", ()),
    (ForgetsTheVersion, "test_the_version_is_told", ()),
    (CallsForNothing, "test_an_empty_batch_makes_no_call", ()),
    (CallsWhenMade, "test_making_one_makes_no_call", ()),
    (AsksOneByOne, "test_a_batch_saves_calls", ()),
    (MixesUpABatch, "test_a_batch_equals_its_singles", ()),
    (Remembers, "test_a_changed_value_is_seen", ()),
    (Remembers, "test_what_was_removed_is_missing", ()),
    (SharesABuffer, "test_eight_threads_get_their_own", ()),
    (SharesAConnection, "test_forked_processes_get_their_own", ()),
    (IsGoneWhenClosed, "test_it_may_be_closed_twice_and_used_again", ()),
    (ShowsItself, "test_no_repr_shows_a_value", ()),
    (TellsInItsAdvice, "test_no_advice_shows_a_value", (Ability.INVALID,)),
    (TellsInItsAdvice, "test_the_core_raises_the_failure_s_error", (Ability.INVALID,)),
    (AnswersUnasked, "test_what_was_never_there_is_missing", ()),
]


@pytest.mark.parametrize(
    ("kind", "test", "arguments"), FAULTY, ids=[f"{row[0].__name__}-{row[1][5:]}" for row in FAULTY]
)
def test_a_fault_is_caught(kind: type[MemoryBackend], test: str, arguments: tuple[object, ...]) -> None:
    """A driver with this fault fails this test."""
    suite = Suite()
    suite.kind = kind
    with pytest.raises((AssertionError, SecretNotFound)):
        getattr(suite, test)(*arguments)
    for backend in suite.made:
        backend.close()


def test_a_log_is_caught(capfd: pytest.CaptureFixture[str]) -> None:
    """A driver that logs a value at DEBUG fails the test for it."""
    suite = Suite()
    suite.kind = Logs
    with pytest.raises(AssertionError):
        suite.test_nothing_is_logged_or_printed(capfd)


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

    with pytest.raises(TypeError, match="name it in `cannot`"):
        Forgetful().test_failures_are_told_apart(Ability.DENIED)


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
    suite.kind = Strips
    with pytest.raises(AssertionError, match="'padded' == 'padded '"):
        suite.test_a_value_comes_back_unchanged("padded ", Ability.WHITESPACE)


def test_importing_the_package_needs_no_pytest() -> None:
    """Helpers for programs under test come without it; the suite alone imports it."""
    code = "import sys, secretsource.testing; print('pytest' in sys.modules, secretsource.testing.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False ['Ability', 'BackendConformance', 'Stores', 'override']\n"
