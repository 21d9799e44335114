"""Logging in and out: who may, how often, and what a browser is told to keep."""

import re
import time
from base64 import urlsafe_b64encode
from http import HTTPStatus
from secrets import token_bytes

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from iris import passwords
from iris.database import User, session

from secretsource.testing import Stores

PASSWORD = "not-a-real-password"
REFERRER = {"Referer": "https://localhost/"}
KEY = "azure-kv://iris-vault/secret-key"


def log_in(browser: FlaskClient, name: str, password: str, **more: str) -> tuple[int, str]:
    answer = browser.post("/login", data={"name": name, "password": password, **more})
    return answer.status_code, re.sub('value="[^"]+"', "", answer.text)


def field_of(browser: FlaskClient, page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(page).text)
    return found[1] if found else ""


def cookie_of(browser: FlaskClient) -> str:
    cookie = browser.get_cookie("__Host-session")
    return cookie.value if cookie else ""


def test_an_unknown_name_and_a_wrong_password_look_the_same(
    browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are equal to the byte, and as much is hashed for the one as for the other."""
    hashed: list[str] = []
    real = passwords._hasher  # noqa: SLF001 - what it is asked shows how long it takes

    class Noting:
        def verify(self, known: str, password: str) -> bool:
            hashed.append(known)
            return real.verify(known, password)

    monkeypatch.setattr(passwords, "_hasher", Noting())
    assert log_in(browser, "viewer", "wrong") == log_in(browser, "nobody", "wrong")
    assert len(hashed) == len({"viewer", "nobody"})


def test_passwords_are_kept_as_argon2_hashes(app: Flask) -> None:
    """Each with a salt of its own: two who have the same password do not have the same hash."""
    with app.app_context():
        known = [user.password_hash for user in session.query(User)]
    assert all(text.startswith("$argon2id$v=19$") for text in known)
    assert len(set(known)) == len(known)


def test_a_hash_is_made_anew_when_hashing_has_become_more_costly(
    app: Flask, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next login, the only moment at which the password is there."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    assert log_in(browser, "viewer", PASSWORD)[0] == HTTPStatus.FOUND
    with app.app_context():
        known = {user.name: user.password_hash for user in session.query(User)}
    assert ",t=2," in known["viewer"]
    assert ",t=1," in known["admin"]


def test_the_sixth_try_within_a_minute_is_turned_away(browser: FlaskClient) -> None:
    """Even with the right password; another name, and the same name from elsewhere, are not held up."""
    tries = [log_in(browser, "viewer", "wrong")[0] for _ in range(5)]
    assert tries == [HTTPStatus.UNAUTHORIZED] * 5
    status, page = log_in(browser, "viewer", PASSWORD)
    assert status == HTTPStatus.TOO_MANY_REQUESTS
    assert "Wait a minute" in page
    assert log_in(browser, "admin", PASSWORD)[0] == HTTPStatus.FOUND
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    data = {"name": "viewer", "password": PASSWORD}
    assert browser.post("/login", data=data, headers=elsewhere).status_code == HTTPStatus.FOUND


def test_one_address_cannot_try_every_name(browser: FlaskClient) -> None:
    """Thirty a minute, whoever is tried."""
    tries = [log_in(browser, f"user{number}", "wrong")[0] for number in range(31)]
    assert tries == [HTTPStatus.UNAUTHORIZED] * 30 + [HTTPStatus.TOO_MANY_REQUESTS]


def test_a_client_cannot_choose_its_address(browser: FlaskClient) -> None:
    """Of what it claims, only what our own proxy has added is believed: the last."""
    claimed = [{"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.1"} for number in range(6)]
    tries = [browser.post("/login", data={"name": "viewer"}, headers=headers) for headers in claimed]
    assert tries[-1].status_code == HTTPStatus.TOO_MANY_REQUESTS


def test_the_session_is_another_one_after_the_login(browser: FlaskClient) -> None:
    """What somebody planted before it is gone; only the page that was wanted is remembered."""
    with browser.session_transaction() as cookie:
        cookie["planted"] = "by somebody"
    assert browser.get("/status").location == "/login"
    answer = browser.post("/login", data={"name": "admin", "password": PASSWORD})
    assert answer.location == "/status"
    with browser.session_transaction() as cookie:
        assert "planted" not in cookie


@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_a_link_cannot_choose_where_a_login_leads(browser: FlaskClient, onward: str) -> None:
    """Where to go on is in the signed cookie, and taken from nowhere else."""
    browser.get("/status", query_string={"next": onward})
    answer = browser.post("/login", query_string={"next": onward}, data={"name": "admin", "password": PASSWORD})
    assert answer.location == "/status"


def test_a_copy_of_the_cookie_is_worth_nothing_after_the_logout(app: Flask, admin: FlaskClient) -> None:
    """Logging out ends the session on the server, too."""
    thief = app.test_client()
    thief.set_cookie("__Host-session", cookie_of(admin))
    assert thief.get("/status").status_code == HTTPStatus.OK
    assert admin.post("/logout").location == "/"
    assert thief.get("/status").location == "/login"
    assert admin.get("/status").location == "/login"


def test_a_link_cannot_log_anybody_out(admin: FlaskClient) -> None:
    """It takes a form."""
    assert admin.get("/logout").status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert admin.get("/status").status_code == HTTPStatus.OK


@pytest.mark.parametrize("path", ["/", "/login", "/logout"])
def test_a_form_of_another_site_is_refused(app: Flask, admin: FlaskClient, path: str) -> None:
    """Every form needs the token that is in our pages."""
    app.config["WTF_CSRF_ENABLED"] = True
    answer = admin.post(path, data={"name": "admin", "password": PASSWORD})
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "CSRF" in answer.text


def test_our_own_forms_are_accepted(app: Flask, browser: FlaskClient) -> None:
    """With the token that is in them."""
    app.config["WTF_CSRF_ENABLED"] = True
    data = {"name": "admin", "password": PASSWORD, "csrf_token": field_of(browser, "/login")}
    assert browser.post("/login", data=data, headers=REFERRER).status_code == HTTPStatus.FOUND
    answer = browser.post("/logout", data={"csrf_token": field_of(browser, "/")}, headers=REFERRER)
    assert answer.status_code == HTTPStatus.FOUND


def test_the_cookie_is_for_this_host_over_https_and_for_no_script(browser: FlaskClient) -> None:
    """And other sites' forms do not send it along."""
    header = browser.post("/login", data={"name": "admin", "password": PASSWORD}).headers["Set-Cookie"]
    assert header.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(header.split("; "))
    assert "Domain" not in header


def test_browsers_are_told_to_be_careful(browser: FlaskClient) -> None:
    """HTTPS for good, nothing from elsewhere in a page, no page in a frame, nothing kept."""
    headers = browser.get("/login").headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_sessions_survive_a_new_key(stores: Stores, admin: FlaskClient) -> None:
    """Cookies under the old key are accepted, and new ones are signed with the new."""
    stores.rotate(KEY, "not-a-real-secret-key-000000000002")
    assert admin.get("/status").status_code == HTTPStatus.OK


def test_a_form_that_is_open_survives_a_new_key(app: Flask, stores: Stores, admin: FlaskClient) -> None:
    """And the one after it; what is opened from then on is signed with the new one."""
    app.config["WTF_CSRF_ENABLED"] = True
    opened = field_of(admin, "/")
    for number in (2, 3):
        stores.rotate(KEY, f"not-a-real-secret-key-00000000000{number}")
        for field in (opened, field_of(admin, "/")):
            flower = {"sepal_length": 5, "sepal_width": 3, "petal_length": 1, "petal_width": 1, "csrf_token": field}
            assert admin.post("/", data=flower, headers=REFERRER).status_code == HTTPStatus.OK
    assert "not-a-real" not in repr(app.config)


def test_a_cookie_under_a_key_that_was_never_ours_is_not_accepted(app: Flask, browser: FlaskClient) -> None:
    """However well it is made."""
    forger = Flask("forger")
    forger.secret_key = urlsafe_b64encode(token_bytes(32)).decode()
    with app.app_context():
        session_id = session.query(User).filter_by(name="admin").one().session_id
    signer = forger.session_interface.get_signing_serializer(forger)  # type: ignore[attr-defined]  # it is there
    browser.set_cookie("__Host-session", signer.dumps({"_user_id": session_id, "_fresh": True}))
    assert browser.get("/status").location == "/login"


def test_a_session_ends_after_eight_hours(admin: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if its cookie is kept longer."""
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 8 * 3600 + 2)
    assert admin.get("/status").location == "/login"
