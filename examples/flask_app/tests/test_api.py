"""The API: tokens, who may do what, and what a program is told."""

import hmac
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from iris.database import Token, session

from secretsource.testing import Stores

Bearer = Callable[[str], dict[str, str]]
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
PEPPER, PREVIOUS = "aws-sm://production/iris#token_pepper", "aws-sm://production/iris#token_pepper_previous"
LONG = "1" * 20_000
OLD, NEW = "not-a-real-token-pepper-0000000001", "not-a-real-token-pepper-0000000002"


def digests(app: Flask) -> set[str]:
    with app.app_context():
        return {token.digest for token in session.query(Token)}


@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer ", "Bearer nonsense", "Basic dmlld2VyOng=", f"Bearer iris_{'0' * 16}_{'A' * 43}"],
    ids=["none", "bare", "empty", "nonsense", "another-kind", "unknown"],
)
def test_without_a_good_token_nothing_is_told(browser: FlaskClient, header: str | None) -> None:
    """401, in JSON, with the way in which to come back."""
    answer = browser.get("/api/whoami", headers={"Authorization": header} if header else {})
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.get_json() == {"error": "A valid token is needed: Authorization: Bearer ..."}


def test_a_token_with_one_letter_changed_is_refused(browser: FlaskClient, bearer: Bearer) -> None:
    """Even in the last place."""
    text = bearer("viewer")["Authorization"]
    for place in (-1, -22, -43):
        other = "A" if text[place] != "A" else "B"
        changed = text[:place] + other + (text[place + 1 :] if place != -1 else "")
        answer = browser.get("/api/whoami", headers={"Authorization": changed})
        assert answer.status_code == HTTPStatus.UNAUTHORIZED


def test_a_token_tells_whose_it_is(browser: FlaskClient, bearer: Bearer) -> None:
    """Name, role, number and end; not the token."""
    header = bearer("viewer")
    told = browser.get("/api/whoami", headers=header).get_json()
    assert (told["name"], told["role"]) == ("viewer", "viewer")
    assert told["token"] in header["Authorization"]
    assert header["Authorization"].split("_", 2)[2] not in str(told)


def test_a_viewer_predicts_and_an_admin_sees_more(browser: FlaskClient, bearer: Bearer) -> None:
    """An admin may do all that a viewer may."""
    statuses = {
        name: [
            browser.post("/api/predict", json=FLOWER, headers=bearer(name)).status_code,
            browser.get("/api/model", headers=bearer(name)).status_code,
        ]
        for name in ("viewer", "admin")
    }
    assert statuses == {
        "viewer": [HTTPStatus.OK, HTTPStatus.FORBIDDEN],
        "admin": [HTTPStatus.OK, HTTPStatus.OK],
    }


def test_pages_go_by_roles_as_well(browser: FlaskClient, viewer: FlaskClient, admin: FlaskClient) -> None:
    """Nobody, a viewer and an admin at the status page."""
    assert browser.get("/status").location == "/login"
    assert viewer.get("/status").status_code == HTTPStatus.FORBIDDEN
    assert admin.get("/status").status_code == HTTPStatus.OK
    assert viewer.post("/", data=FLOWER).status_code == HTTPStatus.OK


def test_a_cookie_is_no_token(viewer: FlaskClient) -> None:
    """The API has no form, and needs no CSRF token: it does not go by what a browser sends by itself."""
    assert viewer.post("/api/predict", json=FLOWER).status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("sent", "field", "told"),
    [
        ({**FLOWER, "petal_width": "wide"}, "petal_width", "valid number"),
        ({**FLOWER, "petal_width": -1}, "petal_width", "greater than 0"),
        ({**FLOWER, "petal_width": "nan"}, "petal_width", "finite number"),
        ({**FLOWER, "colour": 1}, "colour", "not permitted"),
        ({"sepal_length": 1}, "petal_width", "required"),
        ([1, 2, 3, 4], "", "valid dictionary"),
    ],
)
def test_bad_input_is_told_by_its_field(
    browser: FlaskClient, bearer: Bearer, sent: object, field: str, told: str
) -> None:
    """400, and what is wrong with which measurement."""
    answer = browser.post("/api/predict", json=sent, headers=bearer("viewer"))
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert told in answer.get_json()["fields"][field]


@pytest.mark.parametrize("sent", ["[" * 8000, '{"a":' * 2500], ids=["lists", "objects"])
def test_what_is_nested_too_deeply_is_bad_input(
    browser: FlaskClient, bearer: Bearer, caplog: pytest.LogCaptureFixture, sent: str
) -> None:
    """As every other JSON that cannot be read: no failure of ours, and no traceback in the log."""
    answer = browser.post("/api/predict", data=sent, content_type="application/json", headers=bearer("viewer"))
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert list(answer.get_json()) == ["error"]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/api/nothing", {}, HTTPStatus.NOT_FOUND),
        ("/api/whoami", {"json": {}}, HTTPStatus.METHOD_NOT_ALLOWED),
        ("/api/predict", {"data": "{", "content_type": "application/json"}, HTTPStatus.BAD_REQUEST),
        ("/api/predict", {"data": "x"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        (
            "/api/predict",
            {"data": LONG, "content_type": "application/json"},
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ),
    ],
)
def test_errors_are_json(
    browser: FlaskClient, bearer: Bearer, path: str, options: dict[str, object], status: HTTPStatus
) -> None:
    """A program is never sent a page."""
    answer = browser.post(path, headers=bearer("viewer"), **options)
    assert answer.status_code == status
    assert list(answer.get_json()) == ["error"]


def test_a_token_is_kept_nowhere(bearer: Bearer) -> None:
    """The database has its hash alone."""
    text = bearer("viewer")["Authorization"].removeprefix("Bearer ")
    assert text.split("_", 2)[2].encode() not in Path("iris.db").read_bytes()


def test_tokens_are_compared_in_constant_time(
    browser: FlaskClient, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hmac.compare_digest, and by nothing else."""
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def compare(left: str, right: str) -> bool:
        compared.append((left, right))
        return real(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    text = bearer("viewer")["Authorization"]
    for sent, status in ((text, HTTPStatus.OK), (text[:-4] + "AAAA", HTTPStatus.UNAUTHORIZED)):
        assert browser.get("/api/whoami", headers={"Authorization": sent}).status_code == status
    assert [left == right for left, right in compared] == [True, False]


def test_a_token_ends(app: Flask, browser: FlaskClient, bearer: Bearer) -> None:
    """At its time; and when it is revoked, at once."""
    header = bearer("viewer")
    with app.app_context():
        session.query(Token).one().expires = int(time.time()) - 1
        session.commit()
    assert browser.get("/api/whoami", headers=header).status_code == HTTPStatus.UNAUTHORIZED


def test_tokens_survive_a_new_pepper(app: Flask, stores: Stores, browser: FlaskClient, bearer: Bearer) -> None:
    """Who comes back while the old one is still there is hashed under the new one from then on."""
    header, late = bearer("viewer"), bearer("admin")
    before = digests(app)
    stores.set(PREVIOUS, OLD)
    stores.rotate(PEPPER, NEW)
    assert browser.get("/api/whoami", headers=header).status_code == HTTPStatus.OK
    assert len(digests(app) - before) == 1
    stores.rotate(PREVIOUS, NEW)
    assert browser.get("/api/whoami", headers=header).status_code == HTTPStatus.OK
    assert browser.get("/api/whoami", headers=late).status_code == HTTPStatus.UNAUTHORIZED
