"""Masks: in running text, in logs of every kind, and in the SDKs' own wire logs."""

from __future__ import annotations

import base64
import io
import json
import logging
import logging.handlers
import queue
import threading
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel, RootModel, SecretStr, create_model

from secretsource import Settings
from secretsource.redaction import MASK, MaskedStr, Values, quiet, redact_logs, remember
from secretsource.settings.leaves import leaves_by_path

CANARY = 'not-a-real "p@ss/word"\n+ünd'


def encoded(value: str) -> dict[str, str]:
    """A value in the shapes in which it turns up in logs."""
    raw = value.encode()
    return {
        "raw": value,
        "repr": repr(value),
        "bytes": repr(raw),
        "json": json.dumps({"v": value}),
        "json, unescaped": json.dumps({"v": value}, ensure_ascii=False),
        "url": quote(value, safe=""),
        "hex": raw.hex(),
        **{f"base64 at {n}": base64.b64encode(b"x" * n + raw + b"yz").decode() for n in range(3)},
        "base64url": base64.urlsafe_b64encode(raw).decode(),
    }


@pytest.mark.parametrize("shape", encoded(CANARY))
def test_a_value_is_masked_in_every_shape(shape: str) -> None:
    """Quoted, escaped or encoded, it does not get through."""
    text = f"before {encoded(CANARY)[shape]} after"
    masked = Values([CANARY]).mask(text)
    assert MASK in masked
    assert masked.startswith("before ")
    for piece in (CANARY, repr(CANARY)[1:-1], base64.b64encode(CANARY.encode()).decode()[4:20], CANARY.encode().hex()):
        assert piece not in masked


def test_a_longer_value_is_masked_before_one_inside_it() -> None:
    """What is left of the longer one would tell something."""
    assert Values(["abcdef", "abcdef-and-more"]).mask("abcdef-and-more") == MASK


def test_values_inside_tables_and_wrappers_are_masked() -> None:
    """Whatever was put in is looked through."""
    values = Values([{"a": ["first-value", b"second-value"], "n": 123456789, "flag": True}])
    assert values.mask("first-value second-value 123456789 True") == f"{MASK} {MASK} {MASK} True"


class Login(BaseModel):
    """A model with a secret in it."""

    username: str
    password: SecretStr


@pytest.mark.parametrize("kind", [Login | str, list[SecretStr], dict[str, Login], RootModel[list[Login]]])
def test_a_secret_inside_a_type_makes_its_field_one(kind: Any) -> None:
    """A union, a list or a table from the environment is one value, and masked in logs like a single secret."""
    settings_cls: type[Settings] = create_model("S", __base__=Settings, field=(kind, ...), other=(list[str], ...))
    assert [leaf.sensitive for leaf in leaves_by_path(settings_cls).values()] == [True, False]


def test_short_values_do_not_blot_out_words() -> None:
    """A value of fewer than five characters is left alone in running text."""
    assert Values(["on", "prod"]).mask("on production") == "on production"


def test_values_show_none_of_themselves() -> None:
    """Not in their repr either."""
    assert CANARY not in repr(Values([CANARY]))


def test_masked_text_is_text_but_for_its_repr() -> None:
    """It equals, hashes, concatenates and serialises as the text."""
    text = MaskedStr("not-a-real-password")
    assert repr(text) == repr(MASK)
    assert f"{[text]}" == f"['{MASK}']"
    assert text == "not-a-real-password"
    assert json.dumps({"x": text}) == '{"x": "not-a-real-password"}'


class Collecting(logging.Handler):
    """A handler that keeps the final texts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


def test_logs_are_masked_in_their_final_text() -> None:
    """Message, arguments, traceback and extra fields; handlers there are, and handlers added later."""
    there, later = Collecting(), Collecting()
    there.setFormatter(logging.Formatter("%(message)s %(secret)s", defaults={"secret": "-"}))
    logger = logging.getLogger("tests.redaction")
    logging.root.addHandler(there)
    redact_logs()
    redact_logs()
    logging.root.addHandler(later)
    try:
        remember(CANARY)
        logger.warning("got %s", CANARY, extra={"secret": CANARY})
        try:
            int(CANARY)
        except ValueError:
            logger.exception("failed")
    finally:
        logging.root.removeHandler(there)
        logging.root.removeHandler(later)
    text = "\n".join(there.texts + later.texts)
    assert CANARY not in text
    assert text.count(MASK) >= 5
    assert "Traceback" in text


def test_loggers_that_do_not_propagate_are_masked_too() -> None:
    """An SDK may have a logger with a handler of its own."""
    stream = io.StringIO()
    wire = logging.getLogger("tests.wire")
    wire.propagate = False
    wire.setLevel(logging.DEBUG)
    wire.addHandler(logging.StreamHandler(stream))
    redact_logs()
    remember(CANARY)
    wire.debug("body: %s", json.dumps({"SecretString": CANARY}))
    assert MASK in stream.getvalue()
    assert "p@ss" not in stream.getvalue()


def test_a_queue_carries_masked_records() -> None:
    """A handler that hands records to another thread or process hands on masked text."""
    records: queue.Queue[logging.LogRecord] = queue.Queue()
    logger = logging.getLogger("tests.queue")
    logger.propagate = False
    redact_logs()
    logger.addHandler(logging.handlers.QueueHandler(records))
    remember("not-a-real-password")
    logger.error("got %s", "not-a-real-password")
    assert "not-a-real-password" not in records.get_nowait().getMessage()


def test_wire_logs_are_quiet_while_we_ask(caplog: pytest.LogCaptureFixture) -> None:
    """Only for this thread, only for these loggers, and only below WARNING."""
    caplog.set_level(logging.DEBUG)
    wire = logging.getLogger("tests.sdk.wire")
    with quiet("tests.sdk"):
        wire.debug("a value")
        wire.warning("a warning")
        logging.getLogger("tests.other").debug("another's")
        other = threading.Thread(target=lambda: wire.debug("another thread"))
        other.start()
        other.join()
    wire.debug("afterwards")
    assert [record.message for record in caplog.records] == ["a warning", "another's", "another thread", "afterwards"]
