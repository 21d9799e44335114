"""pydantic's ValidationError, made anew without what was put in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, get_args
from urllib.parse import unquote

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError
from pydantic_core.core_schema import ErrorType

from secretsource.redaction import MASK, SHORTEST, Values, inside, texts_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_BETWEEN_WORDS: Final = re.compile(r"[\s'\"`=(),;]+|\.\.\.")
_BEFORE_OWN: Final = ("Value error, ", "Assertion failed, ")
_PYDANTICS_OWN: Final = frozenset(get_args(ErrorType))


def without_input(
    error: ValidationError, inputs: Collection[object], declared: Collection[str] = ()
) -> ValidationError:
    """The same error with every input taken out: of `str`, `repr`, `errors()`, `json()`, and of its context.

    Args:
        error: pydantic's own.
        inputs: All that was put in, so that a validator's own message which quotes a value can be masked too.
        declared: The names that types declare. Other keys of tables are input, also where they say where an error is.
    """
    values = Values(inputs)
    keys = {key for data in inputs for key in _keys_in(data)} - set(declared)
    details = [_detail(item, values, keys) for item in error.errors(include_url=False)]
    return ValidationError.from_exception_data(error.title, details, hide_input=True)


def _keys_in(data: object) -> Iterator[object]:
    if isinstance(data, dict):
        yield from data
    for child in inside(data):
        yield from _keys_in(child)


def _detail(item: Any, values: Values, keys: Collection[object]) -> InitErrorDetails:
    context = item.get("ctx", {})
    quoted = _quoted(item)
    texts = [form for text in texts_in(quoted) for form in (text, text.lower(), text.upper(), unquote(text))]
    own = Values(texts, shortest=1)

    def mask(text: object) -> str:
        return _without_parts(own.mask(values.mask(str(text))), texts) if quoted else str(text)

    shown = {key: value if isinstance(value, int | float) else mask(value) for key, value in context.items()}
    says, message = _split(item)
    kind = PydanticCustomError(item["type"], says + mask(message), shown or None)
    return InitErrorDetails(type=kind, loc=_loc(item, keys), input=MASK)


def _without_parts(message: str, texts: Collection[str]) -> str:
    """A message without the words in it that are parts of what was put in: many a validator quotes no more of it."""
    words = {word for word in _BETWEEN_WORDS.split(message) if len(word) >= SHORTEST and word != MASK}
    for word in sorted(words, key=len, reverse=True):
        if any(word in text for text in texts):
            message = message.replace(word, MASK)
    return message


def _split(item: Any) -> tuple[str, str]:
    """What pydantic says before a validator's own message, and that."""
    before = next((text for text in _BEFORE_OWN if item["msg"].startswith(text)), "")
    return before, item["msg"].removeprefix(before)


def _loc(item: Any, keys: Collection[object]) -> tuple[int | str, ...]:
    """Where the error is; a key of a table that no type declares is masked, but where it itself is what is wrong."""
    kept = len(item["loc"]) if item["type"] == "extra_forbidden" else 0
    return tuple(
        MASK if isinstance(part, str) and part in keys and position != kept else part
        for position, part in enumerate(item["loc"], 1)
    )


def _quoted(item: Any) -> Sequence[object]:
    """What a message may quote. pydantic's own say what is expected, not what came, but for a few that do."""
    context = item.get("ctx", {})
    if "tag" in context:
        return [context["tag"]]
    return [item.get("input")] if "error" in context or item["type"] not in _PYDANTICS_OWN else []
