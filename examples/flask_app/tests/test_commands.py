"""The commands for those who run the app."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from iris.database import Base, Token, User, session

PASSWORD = "another-not-real-password"


def run(app: Flask, *arguments: str, typed: str = "") -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=list(arguments), input=typed)
    return result.exit_code, result.output


def names(app: Flask) -> set[str]:
    with app.app_context():
        return {user.name for user in session.query(User)}


def test_a_user_is_added_with_a_password_that_is_typed(app: Flask, browser: FlaskClient) -> None:
    """Twice, without being shown: an argument could be seen by everybody on the machine."""
    status, output = run(app, "users", "add", "ada", "--role", "viewer", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert status == 0
    assert PASSWORD not in output
    assert browser.post("/login", data={"name": "ada", "password": PASSWORD}).location == "/"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["users", "add", "ada"], "12 characters or more"),
        (["users", "add", "admin"], "there is a user admin already"),
        (["users", "add", "ada", "--role", "king"], "'king' is not one of"),
        (["users", "remove", "ada"], "there is no user ada"),
        (["tokens", "add", "ada"], "there is no user ada"),
        (["tokens", "add", "admin", "--days", "0"], "0 is not in the range 1<=x<=366"),
        (["tokens", "add", "admin", "--days", "99999999"], "99999999 is not in the range 1<=x<=366"),
        (["tokens", "revoke", "0"], "there is no token 0"),
    ],
)
def test_what_cannot_be_done_is_told(app: Flask, arguments: list[str], told: str) -> None:
    """In one line, and nothing is changed."""
    status, output = run(app, *arguments, typed="short\nshort\n")
    assert status > 0
    assert told in output
    assert names(app) == {"viewer", "admin"}
    with app.app_context():
        assert session.query(Token).count() == 0


def test_another_password_ends_all_sessions(app: Flask, admin: FlaskClient) -> None:
    """Whoever had the old one is out."""
    assert run(app, "users", "password", "admin", typed=f"{PASSWORD}\n{PASSWORD}\n")[0] == 0
    assert admin.get("/status").location == "/login"


def test_a_token_is_shown_once_and_can_be_revoked(app: Flask, browser: FlaskClient) -> None:
    """By its number."""
    _, text = run(app, "tokens", "add", "viewer")
    header = {"Authorization": f"Bearer {text.strip()}"}
    number = browser.get("/api/whoami", headers=header).get_json()["token"]
    _, listed = run(app, "users", "list")
    assert f"viewer, viewer\n    token {number}, until " in listed
    assert text.strip() not in listed
    assert run(app, "tokens", "revoke", number) == (0, "")
    assert "error" in browser.get("/api/whoami", headers=header).get_json()


def test_a_user_is_removed_with_his_tokens(app: Flask) -> None:
    """None is left behind."""
    run(app, "tokens", "add", "viewer")
    assert run(app, "users", "remove", "viewer")[0] == 0
    assert names(app) == {"admin"}
    with app.app_context():
        assert session.query(Token).count() == 0


def test_tables_are_created_once(app: Flask) -> None:
    """And left alone from then on."""
    Base.metadata.drop_all(app.extensions["iris.engine"])
    for _ in range(2):
        assert run(app, "create-tables") == (0, "")
    assert names(app) == set()
