"""The logs: who did what, from where, and how it went. Never what was sent."""

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from iris.logs import JsonLines

from secretsource.testing import Stores

Bearer = Callable[[str], dict[str, str]]
FLOWER = {"sepal_length": 5.123, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
SENT, PASSWORD = "not-a-real-value", "not-a-real-password"


@pytest.fixture
def lines(app: Flask, caplog: pytest.LogCaptureFixture) -> Callable[[str], list[dict[str, Any]]]:  # noqa: ARG001 - it logs
    """What a log has said in this test, as a program would read it."""
    caplog.clear()

    def of(log: str) -> list[dict[str, Any]]:
        return [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == log]

    return of


Lines = Callable[[str], list[dict[str, Any]]]


def test_every_request_is_a_line(lines: Lines, browser: FlaskClient, bearer: Bearer) -> None:
    """With who, from where, the route, the status and the time it took."""
    answer = browser.get("/api/whoami", headers=bearer("viewer"))
    (line,) = lines("iris.access")
    assert line["who"].startswith("viewer/")
    assert (line["origin"], line["method"], line["route"]) == ("127.0.0.1", "GET", "/api/whoami")
    assert line["status"] == answer.status_code
    assert line["ms"] > 0
    assert line["request"] == answer.headers["X-Request-ID"]


def test_nothing_that_was_sent_is_logged(
    lines: Lines, browser: FlaskClient, bearer: Bearer, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a path, a query, a form, a header, nor in JSON; and no password that was typed in the wrong field."""
    header = bearer("viewer")
    browser.get(f"/{SENT}", query_string={"password": SENT}, headers={"Referer": f"https://localhost/{SENT}"})
    browser.post("/login", query_string={SENT: SENT}, data={"name": SENT, "password": SENT}, headers={"X-Test": SENT})
    browser.post("/api/predict", json={**FLOWER, SENT: SENT}, headers=header)
    browser.post("/api/predict", json=FLOWER, headers=header)
    browser.get("/api/whoami", headers={"Authorization": f"Bearer {SENT}"})
    told = caplog.text + "".join(str(vars(record)) for record in caplog.records) + str(lines("iris.access"))
    assert SENT not in told
    assert str(FLOWER["sepal_length"]) not in told
    assert header["Authorization"].split("_", 2)[2] not in told


def test_what_somebody_has_to_answer_for_is_in_the_audit_log(
    lines: Lines, browser: FlaskClient, viewer: FlaskClient, admin: FlaskClient, bearer: Bearer
) -> None:
    """Logins, failed ones too, logouts, predictions, refusals, and who looked at the status page."""
    browser.post("/login", data={"name": "viewer", "password": SENT})
    browser.post("/login", data={"name": "viewer", "password": PASSWORD})
    browser.get("/api/whoami")
    browser.post("/api/predict", json=FLOWER, headers=bearer("viewer"))
    viewer.post("/", data=FLOWER)
    viewer.get("/status")
    admin.get("/status")
    admin.post("/logout")
    told = [(line["event"], line["outcome"], line["who"].partition("/")[0]) for line in lines("iris.audit")]
    assert told == [
        ("login", "refused", "-"),
        ("login", "ok", "viewer"),
        ("token", "refused", "-"),
        ("prediction", "ok", "viewer"),
        ("prediction", "ok", "viewer"),
        ("role", "refused", "viewer"),
        ("status seen", "ok", "admin"),
        ("logout", "ok", "admin"),
    ]
    assert all(line["origin"] == "127.0.0.1" and line["time"].endswith("+00:00") for line in lines("iris.audit"))


def test_a_login_that_is_turned_away_is_told(lines: Lines, browser: FlaskClient) -> None:
    """So that somebody sees who is being tried."""
    for _ in range(6):
        browser.post("/login", data={"name": "viewer", "password": SENT})
    assert lines("iris.audit")[-1]["outcome"] == "limited"
    assert [line.get("user") for line in lines("iris.audit")] == ["viewer"] * 5 + [None]


def test_a_secret_that_changes_is_told(lines: Lines, stores: Stores) -> None:
    """Which field, and which version; by the app and by secretsource."""
    stores.rotate("azure-kv://iris-vault/secret-key", "not-a-real-secret-key-000000000002")
    (line,) = lines("iris.audit")
    assert (line["event"], line["fields"]) == ("secrets changed", ["secret_key"])
    assert line["versions"] == {"secret_key": "2"}
    assert "change" in {line["event"] for line in lines("secretsource.audit")}


def test_the_request_s_number_is_the_proxy_s(browser: FlaskClient) -> None:
    """If it is a number; nobody can write into the log with it."""
    given = "0123456789abcdef" * 2
    assert browser.get("/login", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given
    for odd in ("short", "x" * 32, f"{given}0"):
        answer = browser.get("/login", headers={"X-Request-ID": odd})
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])
        assert answer.headers["X-Request-ID"] != odd


def test_a_record_is_one_line_whatever_is_in_it() -> None:
    """Nobody can add a line of his own, and a traceback stays with its record."""
    error = ValueError("one\ntwo")
    about = {"msg": "three\nfour", "who": "five\nsix", "exc_info": (ValueError, error, None)}
    text = JsonLines().format(logging.makeLogRecord(about))
    assert "\n" not in text
    assert json.loads(text)["who"] == "five\nsix"
    assert "ValueError: one\ntwo" in json.loads(text)["exception"]
