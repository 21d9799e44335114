"""Chains -> rounds -> batches -> outcomes.

Every question has steps: the places to look, in order. In each round all open questions look at their current step;
the secrets that they need are grouped by backend and asked for at once, one `fetch_many` a backend, all backends at
the same time, and what is wanted twice is read once. Only a question that heard MISSING takes its next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secretsource import grammar
from secretsource.cache import Entry, Failure, Reply
from secretsource.document import ABSENT, as_text
from secretsource.errors import BackendError, InvalidRef, Outcome, UnknownBackend
from secretsource.extraction import ends_in_null, extract
from secretsource.question import POINTER, Answer, Attempt, Question, Step, Verbatim, WholePointer
from secretsource.ref import Ref
from secretsource.source import PLACEHOLDERS
from secretsource.telemetry import is_anybody_watching, note_cache_hit, note_lookup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from secretsource.access import Access
    from secretsource.clock import Deadline
    from secretsource.question import Names

_DEVELOPMENT: Final = ("env", "dotenv")


def resolve(questions: Iterable[Question], access: Access, deadline: Deadline) -> None:
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
    elif isinstance(value, str) and value.startswith(POINTER) and not isinstance(value, Verbatim):
        _point(question, ref, value, access)
    else:
        question.trail.append(Attempt(ref, Outcome.FOUND, 0.0))
        question.answer = Answer(Outcome.FOUND, value, ref)


def _point(question: Question, ref: Ref, text: str, access: Access) -> None:
    """A value in env or .env that begins with `ref+` is a pointer. It is followed once, and its text never quoted."""
    target: Ref | None = None
    try:
        target = _target(text.removeprefix(POINTER), access)
    except InvalidRef:
        detail = "begins with 'ref+', and what follows is not a ref"
    except UnknownBackend as error:
        target, detail = None, str(error)
    if target is None:
        question.trail.append(Attempt(ref, Outcome.INVALID, 0.0, detail))
        question.answer = Answer(Outcome.INVALID, ref=ref, detail=detail, hint=_how_to_point(text))
        return
    question.trail.append(Attempt(ref, Outcome.FOUND, 0.0, f"points to {target}"))
    question.pointed = _step_at(target, question, text.depth if isinstance(text, WholePointer) else None)


def _target(text: str, access: Access) -> Ref:
    """Where a pointer leads: a ref of a backend that there is, and no source for many fields."""
    if any(f"{{{word}}}" in text for word in PLACEHOLDERS):
        msg = "a pointer takes no placeholder"
        raise InvalidRef(msg)
    target = Ref.parse(text, schemes=access.own)
    access.backend(target.scheme)
    return target


def _how_to_point(text: str) -> str:
    written = "a pointer is written ref+scheme://location#key"
    scheme = text.removeprefix(POINTER).partition("://")[0]
    if scheme not in grammar.SCHEMES:
        return written
    options = ", ".join(sorted(grammar.COMMON_OPTIONS | grammar.rules(scheme).options))
    return f"{written}; for {scheme} the location is {grammar.rules(scheme).shape}, and the options are {options}"


def _step_at(target: Ref, question: Question, depth: int | None) -> Step:
    """Where a pointer leads: to the leaf's own value, or to that of the model at that depth of its path."""
    if depth is None:
        return Step(target, () if target.key is None else (target.key,))
    rest, model = question.path[depth:], target.key or ""
    key = "/".join([model, *rest] if model else rest)
    return Step(target.with_key(key), (key,), model, question.below[depth - 1 :], question.judged)


def _ask_stores(questions: Sequence[Question], access: Access, deadline: Deadline) -> None:
    """One round: every open question's current secret, grouped by backend, all asked for at once."""
    by_secret: dict[Ref, list[Question]] = {}
    for question in questions:
        by_secret.setdefault(question.place.ref.document, []).append(question)
    replies = access.fetch([question.place.ref for question in questions], deadline)
    watched = is_anybody_watching()
    for document, together in by_secret.items():
        reply = _usable(replies[together[0].place.ref], together, access)
        if not access.closed and (watched or isinstance(reply.result, Failure) or reply.setback is not None):
            _note(document, together, reply, access)
        for question in together:
            _hear(question, question.place, reply, access)


def _note(document: Ref, questions: Sequence[Question], reply: Reply, access: Access) -> None:
    """Tell whoever watches what was asked, or what came out of the cache."""
    result = reply.result
    entry = result if isinstance(result, Entry) else None
    if reply.cached:
        if entry is not None:
            note_cache_hit(document, age=entry.age(access.cache.clock), stale=reply.setback is not None)
        return
    found = Outcome.MISSING if entry is None or entry.value is None else Outcome.FOUND
    failure = reply.setback or (result if isinstance(result, Failure) else None)
    version = entry.value.version if entry is not None and entry.value is not None and failure is None else None
    outcome = found if failure is None else failure.outcome
    fields = (question.path for question in questions)
    note_lookup(document, fields, outcome, version, reply.milliseconds, refresh=access.renew != "expired")


def _usable(reply: Reply, together: Sequence[Question], access: Access) -> Reply:
    """The reply, or the one before it where a new secret is no use to one of its fields: all change together."""
    entry = reply.result
    if not isinstance(entry, Entry) or entry.previous is None:
        return reply
    before = entry.previous
    earlier = [_fault(question, before) for question in together]
    faults = [
        fault for question, old in zip(together, earlier, strict=True) if (fault := _new_fault(question, entry, old))
    ]
    if not faults:
        entry.previous = None
        return reply
    fault = faults[0]
    clock, policy = access.cache.clock, access.policy
    grace = policy.negative_ttl if fault.outcome is Outcome.MISSING else policy.max_stale
    worked = all(old is None or old.outcome is Outcome.MISSING for old in earlier)
    if not worked or entry.seen_for(clock) >= grace or before.age(clock) >= before.usable_for(policy):
        return reply
    return Reply(before, reply.milliseconds, reply.cached, fault)


def _new_fault(question: Question, entry: Entry, old: Failure | None) -> Failure | None:
    """Why a new secret is no use to a field. That a key is not there is none where it was not before, or is told so."""
    fault = _fault(question, entry)
    if fault is None or fault.outcome is not Outcome.MISSING:
        return fault
    was_missing = old is not None and old.outcome is Outcome.MISSING
    return None if was_missing or ends_in_null(question.place, entry) else fault


def _fault(question: Question, entry: Entry) -> Failure | None:
    step = question.place
    try:
        _, value = extract(step, entry)
        if value is ABSENT:
            return Failure(Outcome.MISSING, f"the new secret has no key {step.ref.key!r}")
        question.accept(value)
    except BackendError as error:
        return Failure(error.outcome, error.args[0], error.hint)
    return None


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
        ref, value = extract(step, result)
        pointer = question.pointed is None and _is_pointer(step.ref, value)  # what a pointer leads to is none
        if value is not ABSENT and not pointer:
            value = question.accept(value)
    except BackendError as error:
        _fail(question, step.ref, Failure(error.outcome, error.args[0], error.hint), access, milliseconds)
        return
    if value is ABSENT:
        _miss(question, step.ref, milliseconds, f"the secret has no key {step.ref.key!r}")
    elif pointer:
        _point(question, ref, as_text(value), access)
    else:
        question.trail.append(Attempt(ref, Outcome.FOUND, milliseconds, _remark(result.value.warning, reply)))
        question.answer = Answer(Outcome.FOUND, value, ref, result, reply.cached, stale=reply.setback)


def _remark(warning: str | None, reply: Reply) -> str | None:
    if reply.setback is not None:
        return f"the last good value; a newer one could not be had: {reply.setback.outcome}: {reply.setback.detail}"
    return warning or ("from the cache" if reply.cached else None)


def _is_pointer(ref: Ref, value: object) -> bool:
    return ref.scheme in _DEVELOPMENT and isinstance(value, str) and value.startswith(POINTER)


def _miss(question: Question, ref: Ref, milliseconds: float, detail: str | None) -> None:
    question.trail.append(Attempt(ref, Outcome.MISSING, milliseconds, detail))
    question.advance()


def _fail(question: Question, ref: Ref, failure: Failure, access: Access, milliseconds: float) -> None:
    question.trail.append(Attempt(ref, failure.outcome, milliseconds, failure.detail))
    if access.goes_on_after(failure.outcome):
        if question.setback is None or (failure.outcome.transient and not question.setback.outcome.transient):
            question.setback, question.setback_ref = failure, ref  # an outage weighs more: in production it stays
        question.advance()
    else:
        question.answer = Answer(failure.outcome, ref=ref, detail=failure.detail, hint=failure.hint)
