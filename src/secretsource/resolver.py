"""Chains -> rounds -> batches -> outcomes.

Every question has steps: the places to look, in order. In each round all open questions look at their current step;
the secrets that they need are grouped by backend and asked for at once, one `fetch_many` a backend, all backends at
the same time, and what is wanted twice is read once. Only a question that heard MISSING takes its next step.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from secretsource.access import Reply
from secretsource.cache import Entry, Failure
from secretsource.document import ABSENT, as_text, pick
from secretsource.errors import BackendError, ConfigurationError, InvalidRef, InvalidSecret, Outcome
from secretsource.ref import Ref

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from secretsource.access import Access
    from secretsource.clock import Deadline

POINTER: Final = "ref+"
_DEVELOPMENT: Final = ("env", "dotenv")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One place that was searched for one field.

    Attributes:
        ref: Where.
        outcome: What it came to.
        milliseconds: How long the store took; 0 for what was in the cache or the process.
        detail: What else there is to say, or None. Never a value.
    """

    ref: Ref
    outcome: Outcome
    milliseconds: float
    detail: str | None = None


class WholePointer(str):
    """A pointer that stands for the whole model that a leaf is in."""

    __slots__ = ()


class Names(Protocol):
    """A source that goes by a field's names instead of a ref: the environment, or a `.env`."""

    def find(self, path: tuple[str, ...]) -> tuple[Ref, object]:
        """Where the leaf is or would be, and its value or ABSENT.

        Raises:
            InvalidSecret: There is something, and it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Step:
    """One place to look: a ref with the keys that may hold the value, or a source that goes by names."""

    ref: Ref
    keys: tuple[str, ...] = ()
    names: str | None = None
    """The name of a source that goes by names, see `Access.names`."""


@dataclass(slots=True, eq=False)
class Question:
    """One value that is wanted.

    Attributes:
        path: The leaf's path.
        steps: Where to look, in order.
        accept: Makes what was found fit the field; raises InvalidSecret where it cannot.
        inside: Where the leaf is inside what a pointer to its whole model leads to.
    """

    path: tuple[str, ...]
    steps: Sequence[Step]
    accept: Callable[[object], object] = lambda value: value
    inside: str = ""
    # how far it has got
    position: int = 0
    pointed: Step | None = None
    trail: list[Attempt] = field(default_factory=list)
    setback: Failure | None = None
    setback_ref: Ref | None = None
    answer: Answer | None = None

    @property
    def step(self) -> Step | None:
        """Where to look now, or None when there is nowhere left."""
        if self.pointed is not None:
            return self.pointed
        return self.steps[self.position] if self.position < len(self.steps) else None

    def forget_value(self) -> None:
        """Let go of the value, once it is where it belongs."""
        if self.answer is not None:
            self.answer.value = None

    def advance(self) -> None:
        """Go on to the next place."""
        self.pointed = None
        self.position += 1


@dataclass(slots=True, repr=False, eq=False)
class Answer:
    """What a question came to.

    Attributes:
        outcome: FOUND, MISSING (every place said so), or what stopped it.
        value: What was found.
        ref: The ref that answered or failed.
        entry: The cache's entry that it came from, where it came from a store.
        cached: Whether the store was not asked for it this time.
        detail: Why it failed.
        hint: What to do next.
        setback: A failure that was passed over on the way (`on_denied="next"`, `on_unavailable="next"`).
    """

    outcome: Outcome
    value: object = None
    ref: Ref | None = None
    entry: Entry | None = None
    cached: bool = False
    detail: str | None = None
    hint: str | None = None
    setback: Failure | None = None
    setback_ref: Ref | None = None


def resolve(questions: Sequence[Question], access: Access, deadline: Deadline) -> None:
    """Answer every question, at the latest at the deadline. The answers are left in the questions.

    Raises:
        ConfigurationError: An unknown backend, a missing SDK: wrong before anything is asked.
    """
    open_ones = list(questions)
    while open_ones:
        for question in open_ones:
            _look_nearby(question, access)
        open_ones = [question for question in open_ones if question.answer is None]
        if open_ones:
            _ask_stores(open_ones, access, deadline)
            open_ones = [question for question in open_ones if question.answer is None]


def _look_nearby(question: Question, access: Access) -> None:
    """Take all the steps that need no round trip, up to the first that does."""
    while question.answer is None:
        step = question.step
        if step is None:
            _give_up(question, access)
        elif question.setback is not None and _forbidden_after(question.setback, step, access):
            question.advance()
        elif step.names is not None:
            _look_up_names(question, step, access.names[step.names], access)
        elif access.backend(step.ref.scheme).local:
            _hear(question, step, Reply(access.read_local(step.ref)), access)
        else:
            return


def _forbidden_after(setback: Failure, step: Step, access: Access) -> bool:
    """In production, a store that is down never hands over to a development source."""
    return access.production and setback.outcome.transient and step.ref.scheme in _DEVELOPMENT


def _give_up(question: Question, access: Access) -> None:
    setback = question.setback
    if setback is not None and access.production and setback.outcome.transient:
        question.answer = Answer(setback.outcome, ref=question.setback_ref, detail=setback.detail, hint=setback.hint)
    else:
        question.answer = Answer(Outcome.MISSING, setback=setback, setback_ref=question.setback_ref)


def _look_up_names(question: Question, step: Step, names: Names, access: Access) -> None:
    try:
        ref, value = names.find(question.path)
    except BackendError as error:
        failure = Failure(error.outcome, error.args[0], error.hint)
        _fail(question, error.ref or step.ref, failure, access, 0.0)
        return
    if value is ABSENT:
        _miss(question, ref, 0.0, None)
    elif isinstance(value, str) and value.startswith(POINTER):
        _point(question, ref, value)
    else:
        question.trail.append(Attempt(ref, Outcome.FOUND, 0.0))
        question.answer = Answer(Outcome.FOUND, value, ref)


def _point(question: Question, ref: Ref, text: str) -> None:
    """A value in env or .env that begins with `ref+` is a pointer. It is followed once, and its text never quoted."""
    try:
        target = Ref.parse(text.removeprefix(POINTER))
    except ConfigurationError as error:
        known = not isinstance(error, InvalidRef)
        target, detail = None, str(error) if known else "begins with 'ref+', and what follows is not a ref"
    if target is None:
        question.trail.append(Attempt(ref, Outcome.INVALID, 0.0, detail))
        question.answer = Answer(
            Outcome.INVALID, ref=ref, detail=detail, hint="a pointer is written ref+scheme://location#key"
        )
        return
    question.trail.append(Attempt(ref, Outcome.FOUND, 0.0, f"points to {target}"))
    keys = [target.key] if target.key is not None else []
    if isinstance(text, WholePointer):
        keys.append(question.inside)
    key = "/".join(keys) if keys else None
    question.pointed = Step(target.with_key(key), () if key is None else (key,))


def _ask_stores(questions: Sequence[Question], access: Access, deadline: Deadline) -> None:
    """One round: every open question's current secret, grouped by backend, all asked for at once."""
    results = access.fetch([question.step.ref for question in questions if question.step], deadline)
    for question in questions:
        step = question.step
        if step is not None:
            _hear(question, step, results[step.ref], access)


def _hear(question: Question, step: Step, reply: Reply, access: Access) -> None:
    """Take in what a store said about a question's current step."""
    result, milliseconds = reply.result, reply.milliseconds
    if isinstance(result, Failure):
        _fail(question, step.ref, result, access, milliseconds)
        return
    if result.value is None:
        _miss(question, step.ref, milliseconds, result.detail)
        return
    try:
        ref, value = _extract(step, result)
        pointer = _is_pointer(step.ref, value)
        if value is not ABSENT and not pointer:
            value = question.accept(value)
    except BackendError as error:
        _fail(question, step.ref, Failure(error.outcome, error.args[0], error.hint), access, milliseconds)
        return
    if value is ABSENT:
        _miss(question, step.ref, milliseconds, f"the secret has no key {step.ref.key!r}")
    elif pointer:
        _point(question, ref, as_text(value))
    else:
        detail = result.value.warning or ("from the cache" if reply.cached else None)
        question.trail.append(Attempt(ref, Outcome.FOUND, milliseconds, detail))
        question.answer = Answer(Outcome.FOUND, value, ref, result, reply.cached)


def _is_pointer(ref: Ref, value: object) -> bool:
    return isinstance(value, str) and value.startswith(POINTER) and ref.scheme in _DEVELOPMENT


def _extract(step: Step, entry: Entry) -> tuple[Ref, object]:
    """The step's value out of the whole secret: by the first key that is there."""
    assert entry.value is not None  # noqa: S101 - for mypy; the caller has looked
    if not step.keys:
        return step.ref, _decoded(step.ref, entry.value.raw)
    document = entry.document()
    if not isinstance(document, Mapping | list):
        msg = "the secret is not a JSON object, so it has no keys"
        raise InvalidSecret(msg, hint="leave the #key out to take the secret whole")
    for key in step.keys:
        if (found := pick(document, key)) is not ABSENT:
            return (step.ref if key == step.ref.key else step.ref.with_key(key)), _decoded(step.ref, found)
    return step.ref, ABSENT


def _decoded(ref: Ref, value: object) -> object:
    """Undo what the option `encoding` says was done to the value."""
    if "encoding" not in ref.options:
        return value
    decoded = None
    with suppress(ValueError):  # its context may hold the value: it ends here
        decoded = b64decode(value, validate=True) if isinstance(value, str | bytes) else None
    if decoded is None:
        msg = "not base64, as the option encoding=base64 says"
        raise InvalidSecret(msg)
    return decoded


def _miss(question: Question, ref: Ref, milliseconds: float, detail: str | None) -> None:
    question.trail.append(Attempt(ref, Outcome.MISSING, milliseconds, detail))
    question.advance()


def _fail(question: Question, ref: Ref, failure: Failure, access: Access, milliseconds: float) -> None:
    question.trail.append(Attempt(ref, failure.outcome, milliseconds, failure.detail))
    if access.goes_on_after(failure.outcome):
        question.setback = question.setback or failure
        question.setback_ref = question.setback_ref or ref
        question.advance()
    else:
        question.answer = Answer(failure.outcome, ref=ref, detail=failure.detail, hint=failure.hint)
