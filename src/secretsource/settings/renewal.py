"""A load that renews settings there are: which values it may keep where a newer one could not be had."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from secretsource.cache import KEEPS, Failure
from secretsource.errors import Outcome
from secretsource.question import Answer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from secretsource.access import Access
    from secretsource.cache import Renew
    from secretsource.question import Question
    from secretsource.ref import Ref

Path = tuple[str, ...]

current_renewal: ContextVar[Renewal | None] = ContextVar("current_renewal", default=None)
"""The renewal that a load in the making is part of."""

_VANISHED = "the store does not have it any more, and a default must not stand in for it"


@dataclass(slots=True, repr=False, eq=False)
class Renewal:
    """What a renewing load brings along, and what it finds.

    Attributes:
        renew: What to ask the stores for.
        stage: The AWS stage to read instead of the current one, or None.
        before: The answers that the present settings were made of.
        served: Whether these may still be served: none was denied or has become too old.
        answers: The answers that the new ones were made of.
        stale: Why a field has kept its value, by path.
        access: How the stores were reached.
    """

    renew: Renew
    before: Mapping[Path, Answer] = field(default_factory=dict)
    stage: str | None = None
    served: bool = True
    answers: dict[Path, Answer] = field(default_factory=dict)
    stale: dict[Path, Failure] = field(default_factory=dict)
    access: Access | None = None

    def settle(self, questions: Collection[Question], beside: Mapping[Path, Answer], access: Access) -> None:
        """Put the value of before in the place of each failure that must not change it; note every answer.

        The source that supplies a field does not change because of an error elsewhere; fields of one secret stay
        together; and a default does not stand in for what a store had, but where it says that there is none.

        Args:
            questions: The leaves' questions, answered.
            beside: What was found beside the leaves, such as a model that is null.
            access: How the stores were reached.
        """
        self.access = access
        kept = {question.path: why for question in questions if (why := self._keeps(question)) is not None}
        documents = {_document(self.before[path]) for path in kept}
        for question in questions:
            old = self.before.get(question.path)
            if question.path in kept or (old is not None and old.ref is not None and _document(old) in documents):
                why = kept.get(question.path) or next(iter(kept.values()))
                question.answer = replace(self.before[question.path], stale=why)
            elif old is not None and _has_vanished(old, question.answer) and not _is_told(question.path, beside):
                question.answer = Answer(Outcome.MISSING, ref=old.ref, detail=_VANISHED)
        self._note(questions)
        self.answers |= {path: replace(answer) for path, answer in beside.items()}

    def _keeps(self, question: Question) -> Failure | None:
        """Why a question keeps the answer of before, or None."""
        old, new = self.before.get(question.path), question.answer
        if old is None or old.outcome is not Outcome.FOUND or new is None:
            return None
        if new.outcome in (Outcome.FOUND, Outcome.MISSING):
            return None
        elsewhere = new.ref is not None and _document(old) != new.ref.document
        keeps = elsewhere or (new.outcome in KEEPS and self._may_serve_on(old))
        return Failure(new.outcome, new.detail or "no reason given", new.hint) if keeps else None

    def _may_serve_on(self, old: Answer) -> bool:
        """Whether a value may outlast an outage also where the cache does not hold it, as with `ttl=0`."""
        if not self.served or old.entry is None or self.access is None:
            return False
        return old.entry.age(self.access.cache.clock) < old.entry.usable_for(self.access.policy)

    def _note(self, questions: Iterable[Question]) -> None:
        for question in questions:
            if question.answer is not None:
                self.answers[question.path] = replace(question.answer)
                if question.answer.stale is not None:
                    self.stale[question.path] = question.answer.stale


def _document(answer: Answer) -> Ref | None:
    return None if answer.ref is None else answer.ref.document


def _is_told(path: Path, beside: Mapping[Path, Answer]) -> bool:
    """Whether a source has a model around a leaf, and not the leaf."""
    return any(path[:depth] in beside for depth in range(1, len(path)))


def _has_vanished(old: Answer, new: Answer | None) -> bool:
    """Whether what a store had is now nowhere."""
    return old.entry is not None and new is not None and new.outcome is Outcome.MISSING
