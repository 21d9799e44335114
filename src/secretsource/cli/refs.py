"""Refs given on the command line: all asked for at once, and without a settings class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from secretsource.access import CACHE, Access
from secretsource.clock import Deadline
from secretsource.document import as_text
from secretsource.errors import ConfigurationError, InvalidRef, Outcome, Problem, joined
from secretsource.question import Question, Step
from secretsource.ref import Ref
from secretsource.registry import BUILT_IN, unknown_backend
from secretsource.resolver import resolve
from secretsource.source import PLACEHOLDERS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from secretsource.backend import Backend
    from secretsource.cli.target import Target
    from secretsource.settings.explanation import Resolution

TIMEOUT: Final = 10.0  # seconds
_ABSENT: Final = "it does not exist"


def ask(texts: Sequence[str], target: Target) -> Mapping[str, Question]:
    """Ask for refs; the answered question of each.

    Args:
        texts: The refs.
        target: Whose class may have backends of its own.

    Raises:
        ConfigurationError: Some are no refs, or nobody answers to their schemes; a line for each.
    """
    own = _own_backends(texts, target)
    questions = {
        text: Question((text,), [Step(ref, (ref.key,) if ref.key else ())], _printable)
        for text, ref in _parsed(texts, own).items()
    }
    resolve(list(questions.values()), Access(own=own), Deadline(TIMEOUT, CACHE.clock))
    return questions


def _parsed(texts: Sequence[str], own: Collection[str]) -> Mapping[str, Ref]:
    refs: dict[str, Ref] = {}
    faults: list[ConfigurationError] = []
    for text in texts:
        try:
            refs[text] = Ref.parse(text, schemes=own)
            _refuse_source(text)
        except ConfigurationError as error:
            faults.append(error)
    unknown = [unknown_backend(ref.scheme, own) for ref in refs.values()]
    if faults := [*faults, *(fault for fault in unknown if fault is not None)]:
        raise joined(faults)
    return refs


def _refuse_source(text: str) -> None:
    """Refuse a placeholder, which would be asked for literally; `%7Bname%7D` is how that is written."""
    for word in PLACEHOLDERS:
        if f"{{{word}}}" in text:
            raise InvalidRef(f"{{{word}}} is a placeholder, so this is a source and not a ref: {text}")


def _printable(value: object) -> object:
    """The value, if it can be written: bytes can, and text that is text."""
    if not isinstance(value, bytes):
        as_text(value)
    return value


def read(texts: Sequence[str], target: Target) -> tuple[dict[str, object], Sequence[Problem]]:
    """The values of refs, and what is wrong with those that have none. Arguments and errors are those of `ask`."""
    values: dict[str, object] = {}
    problems = []
    for text, question in ask(texts, target).items():
        answer: Any = question.answer
        if answer.outcome is Outcome.FOUND:
            values[text] = answer.value
        else:
            last = question.trail[-1]
            ref = None if last.ref == question.steps[0].ref else last.ref
            problems.append(Problem(text, answer.outcome, ref, last.detail or _ABSENT, answer.hint))
    return values, problems


def resolutions_of(texts: Sequence[str], target: Target) -> Sequence[Resolution]:
    """Where refs lead to, without their values. Arguments and errors are those of `ask`."""
    return [_resolution(text, question) for text, question in ask(texts, target).items()]


def _resolution(text: str, question: Question) -> Resolution:
    from secretsource.settings.explanation import Resolution

    answer: Any = question.answer
    ref = question.trail[-1].ref
    known = None if answer.entry is None else answer.entry.value
    return Resolution(
        field=text,
        outcome=answer.outcome,
        ref=ref,
        backend=None if answer.outcome is Outcome.MISSING else ref.scheme,
        version=known and known.version,
        created=known and known.created,
        expires=known and known.expires,
        trail=tuple(question.trail),
    )


def _own_backends(texts: Sequence[str], target: Target) -> Mapping[str, Backend]:
    """The backends of the settings class; it is only imported for a scheme that is not built in."""
    if all(text.partition("://")[0].lower() in BUILT_IN for text in texts):
        return {}
    settings_cls = target.find_settings_class()
    if settings_cls is None:
        return {}
    from secretsource.settings.config import load_config

    return load_config(settings_cls).backends
