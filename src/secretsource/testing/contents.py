"""What a test puts into a secret, as a store would hold it."""

from __future__ import annotations

from typing import Any

from secretsource.document import dump_json, parse_json
from secretsource.errors import InvalidSecret


def whole(value: object) -> str | bytes | dict[str, Any]:
    """A whole secret: text and bytes as they are, a table as a table, anything else as JSON text.

    Raises:
        TypeError: It is none of that.
    """
    if isinstance(value, str | bytes):
        return value
    document = _as_json(value)
    return document if isinstance(document, dict) else dump_json(document)


def with_key(held: object, key: str, value: object) -> dict[str, Any]:
    """The secret with a key of it set; what is no object has none so far.

    Raises:
        TypeError: The value is none that JSON can hold.
    """
    changed: dict[str, Any] = _as_json(_put(_keys(held), key, value))
    return changed


def _keys(held: object) -> dict[str, Any]:
    """The keys of a secret, also where it was put in as the text of a JSON object."""
    if isinstance(held, str | bytes):
        try:
            held = parse_json(held)
        except InvalidSecret:
            held = None
    return held if isinstance(held, dict) else {}


def _put(table: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    """Where a ref with this key looks: under the literal key, or inside the object that a first part of it names."""
    cut = -1 if key in table else key.rfind("/")
    while cut > 0:
        head, rest = key[:cut], key[cut + 1 :]
        if isinstance(inner := table.get(head), dict):
            return {**table, head: _put(inner, rest, value)}
        cut = key.rfind("/", 0, cut)
    return {**table, key: value}


def _as_json(value: object) -> Any:
    """A copy of a document, as it is read back from a store."""
    try:
        return parse_json(dump_json(value))
    except InvalidSecret as error:
        fault = str(error.args[0])
    except RecursionError:
        fault = "it holds itself"
    except TypeError as error:  # json's, which names the kind of what it cannot write
        fault = str(error)
    raise TypeError(f"only text, or bytes for a whole secret, and what can be JSON is put in: {fault}")
