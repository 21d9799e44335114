"""BackendConformance: the suite that every backend passes, a third party's too.

class TestShelf(BackendConformance):
    cannot = {Ability.VERSIONS: "the shelf keeps the newest value only"}

    def make_backend(self): ...
    def ref(self, name, *, version=None): ...
    def put(self, name, value): ...
    def delete(self, name): ...
    def failing(self, name, outcome): ...
    def slow(self, name, seconds): ...
    def calls(self): ...
"""

# ruff: noqa: S101 - a suite is made of assertions
from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

import secretsource
from secretsource.backend import Advice, Outcome, SecretValue
from secretsource.clock import Deadline
from secretsource.errors import error_for
from secretsource.testing.calls import CountsCalls
from secretsource.testing.harness import FAULTS, SECONDS, SEVERAL, Ability, answering
from secretsource.testing.leaks import Canary, all_of, everything_logged
from secretsource.testing.processes import KNOWN_SDKS, Child, imported_with
from secretsource.testing.values import VALUES

if TYPE_CHECKING:
    from secretsource.backend import Backend
    from secretsource.ref import Ref

__all__ = ["Ability", "BackendConformance"]

THREADS: Final = 8
READS: Final = 40
BRIEF: Final = 0.5  # seconds


class BackendConformance(CountsCalls):
    """Subclass it as `Test...` with the methods of the harness filled in, and every test below runs on your store."""

    # values

    @pytest.mark.parametrize(("value", "ability"), VALUES.values(), ids=VALUES)
    def test_a_value_comes_back_unchanged(self, value: str, ability: Ability | None) -> None:
        """Text stays text: it is not stripped, cast, expanded or normalised."""
        if ability is not None:
            self.need(ability)
        assert self.read(self.new_backend(), self.stored(value)) == value

    def test_bytes_come_back_as_bytes(self) -> None:
        """A binary secret is bytes, whatever is in it."""
        self.need(Ability.BINARY)
        value = b"\x00\xff\xfe\x80" + bytes(range(256)) + b"\r\n"
        assert self.read(self.new_backend(), self.stored(value)) == value

    def test_empty_is_not_absent(self) -> None:
        """An empty value is a value."""
        self.need(Ability.EMPTY)
        assert self.read(self.new_backend(), self.stored("")) == ""

    def test_a_changed_value_is_seen(self) -> None:
        """The driver keeps nothing: caching is the core's."""
        backend, name = self.new_backend(), self.stored("first")
        before = self.read(backend, name)
        self.put(name, "second")
        assert (before, self.read(backend, name)) == ("first", "second")

    # outcomes

    def test_what_was_never_there_is_missing(self) -> None:
        """An absent name is MISSING, so that a chain goes on."""
        assert self.read(self.new_backend(), self.new_name()) is Outcome.MISSING

    def test_what_was_removed_is_missing(self) -> None:
        """A removed name is MISSING from the next call on."""
        backend, name = self.new_backend(), self.stored("value")
        before = self.read(backend, name)
        self.delete(name)
        assert (before, self.read(backend, name)) == ("value", Outcome.MISSING)

    @pytest.mark.parametrize("ability", FAULTS, ids=lambda ability: ability.name)
    def test_failures_are_told_apart(self, ability: Ability) -> None:
        """Each failure has its own outcome, none is mistaken for MISSING, and it ends with its cause."""
        self.need(ability)
        backend, name = self.new_backend(), self.stored("value")
        with self.failing(name, FAULTS[ability]):
            failed = self.read(backend, name)
        assert (failed, self.read(backend, name)) == (FAULTS[ability], "value")

    @pytest.mark.parametrize("ability", FAULTS, ids=lambda ability: ability.name)
    def test_failures_in_mid_life_are_told_apart(self, ability: Ability) -> None:
        """They are the same for a backend that is logged in and connected."""
        self.need(ability)
        backend, name = self.new_backend(), self.stored("value")
        before = self.read(backend, name)
        with self.failing(name, FAULTS[ability]):
            failed = self.read(backend, name)
        assert (before, failed, self.read(backend, name)) == ("value", FAULTS[ability], "value")

    @pytest.mark.parametrize("ability", [Ability.DENIED, Ability.INACTIVE], ids=lambda ability: ability.name)
    def test_one_refused_name_does_not_spoil_the_others(self, ability: Ability) -> None:
        """In a batch, what is refused and what is absent leave the rest as it is."""
        self.need(ability)
        good, bad, absent = self.stored("good"), self.stored("bad"), self.new_name()
        with self.failing(bad, FAULTS[ability]):
            answers = self.ask(self.new_backend(), self.ref(bad), self.ref(absent), self.ref(good))
        assert answers == [FAULTS[ability], Outcome.MISSING, "good"]

    def test_an_unknown_error_is_unavailable(self) -> None:
        """What the driver does not know never counts as absent, and does not confound it."""
        backend, error = self.new_backend(), RuntimeError("unheard of")
        assert backend.classify(error) is Outcome.UNAVAILABLE
        assert isinstance(backend.advise(error), Advice)

    def test_without_time_nothing_is_missing(self) -> None:
        """When the deadline has passed, a secret is either found or UNAVAILABLE, never MISSING."""
        backend, ref = self.new_backend(), self.ref(self.stored("value"))
        assert self.ask(backend, ref, seconds=0)[0] in ("value", Outcome.UNAVAILABLE)

    def test_a_late_answer_is_no_absent_one(self) -> None:
        """A store that keeps the driver waiting past the deadline has not said MISSING. A driver may wait for it."""
        self.need(Ability.SLOW)
        backend, name = self.new_backend(), self.stored("value")
        before, deadline = self.read(backend, name), Deadline(BRIEF)
        with self.slow(name, SECONDS):
            late = self.ask(backend, self.ref(name), seconds=BRIEF)[0]
            assert deadline.expired or late != "value", "slow() keeps nobody waiting"
        assert (before, self.read(backend, name)) == ("value", "value")
        assert late in ("value", Outcome.UNAVAILABLE, Outcome.THROTTLED)

    # versions

    def test_a_pinned_version_stays(self) -> None:
        """A ref with a version gives that version, one without gives the newest, in one batch."""
        self.need(Ability.VERSIONS)
        name = self.new_name()
        first, second = self.put(name, "first"), self.put(name, "second")
        assert None is not first != second is not None
        refs = self.ref(name, version=first), self.ref(name), self.ref(name, version=second)
        assert self.ask(self.new_backend(), *refs) == ["first", "second", "second"]

    def test_the_version_is_told(self) -> None:
        """With a value comes the version that was read."""
        self.need(Ability.VERSIONS)
        backend, name = self.new_backend(), self.new_name()
        first, second = self.put(name, "first"), self.put(name, "second")
        refs = [self.ref(name, version=first).document, self.ref(name).document]
        answers = backend.fetch_many(refs, Deadline(SECONDS))
        assert [getattr(answers[ref], "version", None) for ref in refs] == [first, second]

    def test_times_have_a_zone(self) -> None:
        """The times that come with a value are aware."""
        (value,) = self.fetch(self.new_backend(), [self.ref(self.stored("value"))]).values()
        assert isinstance(value, SecretValue)
        assert all(time.tzinfo is not None for time in (value.created, value.expires) if time is not None)

    # batches

    def test_a_batch_equals_its_singles(self) -> None:
        """Many at once, twice the same and an absent one among them, come back as each does alone."""
        refs = [self.ref(self.stored(f"value {number}")) for number in range(SEVERAL)]
        refs = [*refs, self.ref(self.new_name()), refs[3], refs[0]]
        backend = self.new_backend()
        together = self.ask(backend, *refs)
        assert together == [f"value {number}" for number in range(SEVERAL)] + [Outcome.MISSING, "value 3", "value 0"]
        assert together == [self.ask(backend, ref)[0] for ref in refs]

    # processes and threads

    def test_making_one_imports_no_sdk(self) -> None:
        """The SDK is imported at the first lookup; so a backend that is never asked costs nothing."""
        assert imported_with(type(self.new_backend()), {*KNOWN_SDKS, *self.sdk}) == []

    def test_eight_threads_get_their_own(self) -> None:
        """Threads that share a backend each get the value that they asked for."""
        backend = self.new_backend()
        values = {self.ref(self.stored(f"thread {number}")): f"thread {number}" for number in range(THREADS)}
        start, wrong = threading.Barrier(THREADS), ["not done"] * THREADS

        def work(number: int, ref: Ref) -> None:
            start.wait(SECONDS)
            wrong[number] = self._misread(backend, ref, values[ref])

        threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in enumerate(values)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(READS * SECONDS)
        assert wrong == [""] * THREADS

    def test_forked_processes_get_their_own(self) -> None:
        """A parent and its children, forked from a warm backend, read at once, and each gets its own value."""
        self.need(Ability.FORK)
        backend = self.new_backend()
        mine, *theirs = [(self.ref(self.stored(f"process {number}")), f"process {number}") for number in range(3)]
        self.ask(backend, mine[0], *(ref for ref, _ in theirs))
        start, go = os.pipe()
        children = [Child(partial(self._misread_from, start, backend, *own)) for own in theirs]
        os.write(go, bytes(len(children)))
        wrong = self._misread(backend, *mine)
        assert [wrong, *(child.result(60) for child in children)] == ["", "", ""]
        os.close(start)
        os.close(go)

    def _misread_from(self, start: int, backend: Backend, ref: Ref, value: str) -> str:
        """Read once all are forked: a handshake of a server in this process, cut by a fork, would hang the child."""
        os.read(start, 1)
        return self._misread(backend, ref, value)

    def _misread(self, backend: Backend, ref: Ref, value: str) -> str:
        """Read many times; what was got in place of the value, or an empty string."""
        answers = (self.ask(backend, ref)[0] for _ in range(READS))
        return next((repr(answer) for answer in answers if answer != value), "")

    def test_it_may_be_closed_twice_and_used_again(self) -> None:
        """Closing lets go of clients, and of nothing else."""
        backend, name = self.new_backend(), self.stored("value")
        backend.close()
        before = self.read(backend, name)
        backend.close()
        backend.close()
        assert (before, self.read(backend, name)) == ("value", "value")

    # leaks

    def test_no_repr_shows_a_value(self) -> None:
        """Not the backend's, not the answer's, not the mapping's that it comes in."""
        canary, backend = Canary(), self.new_backend()
        ref = self.ref(self.stored(canary.value)).document
        answers = backend.fetch_many([ref], Deadline(SECONDS))
        shown = [repr(backend), str(backend), repr(answers), str(answers[ref]), repr(backend.identity(ref))]
        assert not [text for text in shown if canary.is_in(text)]

    def test_nothing_is_logged_or_printed(self, capfd: pytest.CaptureFixture[str]) -> None:
        """No value is in any log, down to DEBUG, nor on standard output, whether the lookup succeeds or fails."""
        canary, backend = Canary(), self.new_backend()
        name = self.stored(canary.value)
        with everything_logged() as texts:
            assert self.ask(backend, self.ref(name), self.ref(self.new_name()))[0] == canary.value
            for ability in self.can(*FAULTS):
                with self.failing(name, FAULTS[ability]):
                    self.read(backend, name)
        assert not [text for text in (*texts, *capfd.readouterr()) if canary.is_in(text)]

    @pytest.mark.parametrize("ability", FAULTS, ids=lambda ability: ability.name)
    def test_no_advice_shows_a_value(self, ability: Ability) -> None:
        """What a driver has to say about an error is in words of its own."""
        self.need(ability)
        canary, backend = Canary(), self.new_backend()
        name = self.stored(canary.value)
        with self.failing(name, FAULTS[ability]):
            (error,) = self.fetch(backend, [self.ref(name)]).values()
        assert isinstance(error, Exception)
        advice = backend.advise(error)
        assert isinstance(advice, Advice)
        assert not canary.is_in(repr(advice))

    # through the core

    def test_the_core_gives_the_value(self) -> None:
        """`secretsource.get` has it, and raises SecretNotFound for what is not there."""
        backend, ref, absent = self.new_backend(), self.ref(self.stored("value")), self.ref(self.new_name())
        with answering(backend):
            assert secretsource.get(str(ref)) == "value"
            with pytest.raises(secretsource.SecretNotFound):
                secretsource.get(str(absent))

    @pytest.mark.parametrize("ability", FAULTS, ids=lambda ability: ability.name)
    def test_the_core_raises_the_failure_s_error(self, ability: Ability) -> None:
        """It names the ref, comes with no cause or context, and shows no value: not even in its frames' variables."""
        self.need(ability)
        canary, backend = Canary(), self.new_backend()
        name = self.stored(canary.value)
        ref = self.ref(name)
        with (
            self.failing(name, FAULTS[ability]),
            answering(backend),
            pytest.raises(error_for(FAULTS[ability])) as caught,
        ):
            secretsource.get(str(ref))
        error = caught.value
        assert (error.ref, error.__cause__, error.__context__) == (ref, None, None)
        assert not canary.is_in(all_of(error))
