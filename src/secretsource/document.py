"""Secrets that hold JSON: read strictly, walked by key, and never quoted in an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from secretsource.errors import InvalidSecret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 32
_DIGITS_OF_A_POSITION: Final = 7
MOST_DIGITS: Final = 4_000
"""Python itself makes no whole number of more than 4,300."""


class Number(str):
    """A JSON number that keeps its text: `1.10` stays `1.10` in a `str` field."""

    __slots__ = ()

    def native(self) -> int | float:
        """The number itself, as `json.loads` would have it."""
        return int(self) if self.lstrip("-").isdigit() else float(self)


class _Absent:
    """Stands for "there is no such key", which is not the same as null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


def check_size(raw: str | bytes) -> None:
    """Refuse what is larger than any secret.

    Raises:
        InvalidSecret: It is over 1 MiB.
    """
    if len(raw) > MAX_BYTES or (
        isinstance(raw, str) and not raw.isascii() and len(raw.encode(errors="replace")) > MAX_BYTES
    ):
        msg = "larger than 1 MiB"
        raise InvalidSecret(msg)


def parse_json(text: str | bytes) -> Any:
    """Read JSON strictly: no duplicate keys, no NaN, 32 levels and 1 MiB at most. Numbers come as `Number`.

    Raises:
        InvalidSecret: It is not such JSON. Neither the message nor the context holds the text.
    """
    check_size(text)
    fault = ""
    document = None
    try:
        document = _DECODER.decode(text if isinstance(text, str) else text.decode())
    except _Refused as error:
        fault = str(error)
    except RecursionError:
        fault = _TOO_DEEP
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError hold the text: they end here
        fault = (
            f"not JSON (line {error.lineno}, column {error.colno})"
            if isinstance(error, json.JSONDecodeError)
            else "not text"
        )
    if not fault and _deeper_than(document, MAX_DEPTH):
        fault = _TOO_DEEP
    if fault:
        raise InvalidSecret(fault)
    return document


_TOO_DEEP: Final = f"JSON nested deeper than {MAX_DEPTH} levels"


class _Refused(Exception):
    """JSON that the standard decoder would accept, and we do not."""


def _refuse_constant(name: str) -> NoReturn:
    msg = f"JSON with {name}, which is not JSON"
    raise _Refused(msg)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        msg = "JSON with a key given twice"
        raise _Refused(msg)
    return table


def _whole_number(text: str) -> Number:
    if len(text) > MOST_DIGITS:
        msg = f"a number of more than {MOST_DIGITS:,} digits"
        raise _Refused(msg)
    return Number(text)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_int=_whole_number, parse_float=Number, parse_constant=_refuse_constant
)


def _deeper_than(document: object, levels: int) -> bool:
    layer: Sequence[object] = [document]
    for _ in range(levels + 1):
        layer = [child for node in layer for child in _children(node)]
        if not layer:
            return False
    return True


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def dump_json(document: object) -> str:
    """Write a document back as JSON text, numbers as they were."""
    if isinstance(document, Number):
        return str(document)
    if isinstance(document, Mapping):
        pairs = (f"{json.dumps(str(key), ensure_ascii=False)}: {dump_json(value)}" for key, value in document.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(document, list | tuple):
        return "[" + ", ".join(map(dump_json, document)) + "]"
    return json.dumps(document, ensure_ascii=False)


def natural(document: object) -> object:
    """The document with its numbers as Python numbers, as `json.loads` gives it."""
    if isinstance(document, Number):
        return document.native()
    if isinstance(document, Mapping):
        return {key: natural(value) for key, value in document.items()}
    return [natural(value) for value in document] if isinstance(document, list) else document


def pick(document: object, key: str) -> object:
    """Walk a document: `a/b` is `b` inside `a`; a literal key `a/b` wins; a list is walked by position.

    Returns:
        What is there, or ABSENT.
    """
    if isinstance(document, Mapping):
        if key in document:
            return document[key]
        return _pick_inside(document, key)
    if isinstance(document, list):
        position, _, rest = key.partition("/")
        if position.isdecimal() and len(position) <= _DIGITS_OF_A_POSITION and int(position) < len(document):
            return pick(document[int(position)], rest) if rest else document[int(position)]
    return ABSENT


def _pick_inside(document: Mapping[str, object], key: str) -> object:
    """Try each place to cut the key, longest head first, as a key inside may itself hold a slash."""
    cut = key.rfind("/")
    while cut > 0:
        head, rest = key[:cut], key[cut + 1 :]
        if head in document and (found := pick(document[head], rest)) is not ABSENT:
            return found
        cut = key.rfind("/", 0, cut)
    return ABSENT


class NotAnObject(InvalidSecret):
    """What is there is not an object with a model's fields."""


def enter(value: object, keys: Sequence[str]) -> tuple[str, object]:
    """Go into a model's value: by the first of these keys that is there. JSON text is read.

    Returns:
        The key, and what is there or ABSENT; which is also what is inside of null.

    Raises:
        NotAnObject: It is no object, which is not the same as an absent key.
        InvalidSecret: It is text that begins as one, and is none.
    """
    if isinstance(value, str | bytes) and as_text(value).lstrip().startswith("{"):
        value = parse_json(value)
    if value is None:
        return keys[0], ABSENT
    if not isinstance(value, Mapping):
        msg = "what is there is not an object with the model's fields"
        raise NotAnObject(msg)
    found = ((key, pick(value, key)) for key in keys)
    return next((pair for pair in found if pair[1] is not ABSENT), (keys[0], ABSENT))


def as_text(value: object) -> str:
    """A value as text: as it stands, or as JSON where it is not text.

    Raises:
        InvalidSecret: It is bytes that are not UTF-8, or holds a lone surrogate.
    """
    if type(value) is str and value.isascii():  # most are, and it saves a tenth of a load
        return value
    text: str | None = None
    try:
        text = (
            str(value, "utf-8")
            if isinstance(value, bytes)
            else str(value)
            if isinstance(value, str)
            else dump_json(value)
        )
        text.encode()
    except UnicodeError:  # it holds the value: it ends here
        text = None
    if text is None:
        msg = "not text: the bytes are not UTF-8"
        raise InvalidSecret(msg, hint="take it as bytes, or see the option encoding=base64")
    return text


def as_bytes(value: object) -> bytes:
    """A value as bytes: as it stands, or its text as UTF-8.

    Raises:
        InvalidSecret: It is text that holds a lone surrogate.
    """
    return value if isinstance(value, bytes) else as_text(value).encode()
