"""A step's value out of the whole secret: by its key, or by the names that lead through a model's value."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from secretsource.document import ABSENT, NotAnObject, as_text, enter, pick
from secretsource.errors import InvalidSecret

if TYPE_CHECKING:
    from secretsource.cache import Entry
    from secretsource.question import Step
    from secretsource.ref import Ref


def extract(step: Step, entry: Entry) -> tuple[Ref, object]:
    """The step's value and the ref that names it; ABSENT where the secret has no such key.

    Raises:
        InvalidSecret: The secret cannot be read as what the step takes it for.
    """
    assert entry.value is not None  # noqa: S101 - for mypy; the caller has looked
    raw = entry.value.raw
    if not step.keys:
        return step.ref, _decoded(step.ref, raw)
    if step.model == "" and (
        _is_encoded(step.ref, raw) or (len(step.below) <= step.judged and not _may_be_object(raw))
    ):
        return _inside_model(step, raw)
    document = entry.document()
    if not isinstance(document, Mapping | list):
        msg = "the secret is not a JSON object, so it has no keys"
        raise InvalidSecret(msg, hint=None if step.model == "" else "leave the #key out to take the secret whole")
    return _inside_document(step, document)


def _inside_document(step: Step, document: object) -> tuple[Ref, object]:
    aliased = any(len(keys) > 1 for keys in step.below)
    for way in (_by_model, _by_key) if aliased else (_by_key, _by_model):
        ref, value = way(step, document)
        if value is not ABSENT:
            return ref, value
    return step.ref, ABSENT


def _by_key(step: Step, document: object) -> tuple[Ref, object]:
    for key in step.keys:
        if (value := pick(document, key)) is not ABSENT:
            return (step.ref if key == step.ref.key else step.ref.with_key(key)), _decoded(step.ref, value)
    return step.ref, ABSENT


def _by_model(step: Step, document: object) -> tuple[Ref, object]:
    """A model's leaf that is not simply under its fields' names."""
    model = ABSENT if step.model is None else pick(document, step.model) if step.model else document
    return (step.ref, ABSENT) if model is ABSENT else _inside_model(step, model)


def _inside_model(step: Step, value: object) -> tuple[Ref, object]:
    """A leaf out of its model's value, by its fields' aliases or names. A ref leads no further than to JSON text."""
    encoded = _is_encoded(step.ref, value)
    value = _decoded(step.ref, value) if encoded else value
    path = [step.model] if step.model else []
    opaque = isinstance(value, str | bytes)
    for remaining, keys in zip(range(len(step.below), 0, -1), step.below, strict=True):
        try:
            key, value = enter(value, keys)
        except NotAnObject:
            if remaining > step.judged:
                raise
            value = ABSENT
        if value is ABSENT:
            return step.ref, ABSENT
        if not opaque:
            path.append(key)
        opaque = opaque or isinstance(value, str | bytes)
    return step.ref.with_key("/".join(path) or None), value if encoded else _decoded(step.ref, value)


def _may_be_object(raw: object) -> bool:
    return not isinstance(raw, str | bytes) or as_text(raw).lstrip().startswith("{")


def ends_in_null(step: Step, entry: Entry) -> bool:
    """Whether a leaf is not there because a model around it is null."""
    value: object = ABSENT
    with suppress(InvalidSecret):  # such as the text of a model that is encoded, or that its own validator judges
        value = entry.document() if step.below else ABSENT
        value = pick(value, step.model) if step.model else value
        for keys in step.below:
            if value is None or value is ABSENT:
                break
            _, value = enter(value, keys)
        else:
            return False
    return value is None


def _is_encoded(ref: Ref, value: object) -> bool:
    return "encoding" in ref.options and isinstance(value, str | bytes)


def _decoded(ref: Ref, value: object) -> object:
    """Undo what the option `encoding` says was done to the value."""
    if "encoding" not in ref.options:
        return value
    from base64 import b64decode

    decoded = None
    with suppress(ValueError):  # its context may hold the value: it ends here
        decoded = b64decode(value, validate=True) if isinstance(value, str | bytes) else None
    if decoded is None:
        msg = "not base64, as the option encoding=base64 says"
        raise InvalidSecret(msg)
    return decoded
