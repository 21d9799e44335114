"""Drivers of memory://, each with a fault that the suite has to find."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Mapping, Sequence

from secretsource.backend import Advice, Outcome, SecretValue
from secretsource.backends.memory import MemoryBackend
from secretsource.clock import Deadline
from secretsource.ref import Ref

Answers = Mapping[Ref, SecretValue | Exception]


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
        fetch = super().fetch_many
        return {ref: value for one in refs for ref, value in fetch([one], deadline).items()}


class AsksTwice(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        super().fetch_many(refs, deadline)
        return super().fetch_many(refs, deadline)


class TriesAgain(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        again = any(isinstance(answer, Exception) for answer in answers.values())
        return super().fetch_many(refs, deadline) if again else answers


class IsConfounded(MemoryBackend):
    def advise(self, error: Exception) -> Advice:
        return Advice(f"it answers {error.code}")  # type: ignore[attr-defined]  # that is the fault


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


class LogsApart(MemoryBackend):
    """By a logger that is made at the first lookup, and passes nothing on."""

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        log = logging.getLogger("shelf.apart")
        log.propagate = False
        log.debug("read", extra={"values": [getattr(value, "raw", None) for value in answers.values()]})
        return answers


class LogsInFew(MemoryBackend):
    """By a logger that is told to say little, until somebody looks for a fault."""

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        answers = super().fetch_many(refs, deadline)
        _few.debug("read %s", *(getattr(value, "raw", None) for value in answers.values()))
        return answers


_few = logging.getLogger("shelf.few")
_few.setLevel(logging.WARNING)


class TellsInItsAdvice(MemoryBackend):
    def advise(self, error: Exception) -> Advice:
        return Advice(f"not usable: {self._contents.versions}")


class AnswersUnasked(MemoryBackend):
    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Answers:
        return {**super().fetch_many(refs, deadline), Ref("memory", "other"): SecretValue("other")}
