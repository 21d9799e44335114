"""JSON in secrets: strict, walked by key, and never quoted in an error."""

from __future__ import annotations

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretsource.document import (
    ABSENT,
    MAX_BYTES,
    Number,
    as_bytes,
    as_text,
    dump_json,
    natural,
    parse_json,
    pick,
)
from secretsource.errors import InvalidSecret

CANARY = "not-a-real-password"
DEEP = 10_000

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_json_comes_back_as_it_was(value: object) -> None:
    """What the standard library writes is read the same, and writing it again changes nothing."""
    document = parse_json(json.dumps(value))
    assert natural(document) == value
    assert natural(parse_json(dump_json(document))) == value


def test_a_number_keeps_its_text() -> None:
    """`1.10` is a version for somebody; as a number it is still 1.1."""
    document = parse_json('{"a": 1.10, "b": 1e5, "c": 12345678901234567890}')
    assert [str(document[key]) for key in "abc"] == ["1.10", "1e5", "12345678901234567890"]
    assert natural(document) == {"a": 1.1, "b": 1e5, "c": 12345678901234567890}
    assert dump_json(document) == '{"a": 1.10, "b": 1e5, "c": 12345678901234567890}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f'{{"a": "{CANARY}", "a": "x"}}', "key given twice"),
        (f'["{CANARY}", NaN]', "NaN"),
        (f'["{CANARY}", -Infinity]', "Infinity"),
        (f'["{CANARY}"', "not JSON"),
        (CANARY, "not JSON"),
        ("", "not JSON"),
        (f"<html>{CANARY}</html>", "not JSON"),
        ("[" * DEEP + "]" * DEEP, "deeper than 32"),
        ('{"a":' * 33 + "1" + "}" * 33, "deeper than 32"),
        (b"\xff" + CANARY.encode(), "not text"),
        ('"' + "x" * MAX_BYTES + '"', "1 MiB"),
        ('"' + "ü" * (MAX_BYTES // 2) + '"', "1 MiB"),
    ],
)
def test_what_is_no_decent_json_is_refused_without_quoting_it(text: str | bytes, reason: str) -> None:
    """The reason is said; the text is in neither the message nor the context."""
    with pytest.raises(InvalidSecret, match=reason) as caught:
        parse_json(text)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_32_levels_are_allowed() -> None:
    """The limit is where it is said to be."""
    assert parse_json('{"a":' * 31 + "[]" + "}" * 31)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("a", {"b": {"c": 1}, "b/c": 2}),
        ("a/b", {"c": 1}),
        ("a/b/c", 2),
        ("x/y", "literal wins"),
        ("list/1", "second"),
        ("list/2/deep", "yes"),
        ("list/7", ABSENT),
        ("list/one", ABSENT),
        ("a/nothing", ABSENT),
        ("nothing", ABSENT),
        ("null", None),
        ("a/b/c/d", ABSENT),
    ],
)
def test_a_key_walks_json_and_a_literal_key_wins(key: str, found: object) -> None:
    """Objects by name, lists by position; what is null is there."""
    document = {
        "a": {"b": {"c": 1}, "b/c": 2},
        "x": {"y": "walked"},
        "x/y": "literal wins",
        "list": ["first", "second", {"deep": "yes"}],
        "null": None,
    }
    assert pick(document, key) == found


def test_values_become_text_or_bytes() -> None:
    """Text stays, bytes are UTF-8, the rest is JSON."""
    assert as_text("ü") == as_text("ü".encode()) == "ü"
    assert as_text(Number("1.10")) == "1.10"
    assert type(as_text(Number("1.10"))) is str
    assert [as_text(value) for value in (True, None, {"a": [1]})] == ["true", "null", '{"a": [1]}']
    assert as_bytes(b"\xff") == b"\xff"
    assert as_bytes("ü") == "ü".encode()


@pytest.mark.parametrize("value", [b"\xff\xfe", "\ud800"])
def test_what_is_not_text_is_refused(value: str | bytes) -> None:
    """Bytes that are not UTF-8 and lone surrogates are no text, and no context holds them."""
    with pytest.raises(InvalidSecret, match="not text") as caught:
        as_text(value)
    assert caught.value.__context__ is None
