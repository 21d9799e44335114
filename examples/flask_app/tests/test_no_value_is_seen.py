"""A canary in the place of every secret, password and token: nothing shows it, whatever happens."""

import base64
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from iris import commands, tokens
from iris.app import create_app
from iris.database import create_tables, session
from iris.extensions import secrets
from iris.settings import IrisSettings
from iris.train import train

import secretsource as library
from secretsource.testing import Stores
from secretsource.testing.leaks import Canary, all_of, everything_logged

FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


class Birds(list[Canary]):
    """Many canaries."""

    def new(self) -> str:
        self.append(Canary())
        return self[-1].value + "0" * (32 - len(self[-1].value))

    def seen_in(self, text: str) -> bool:
        return any(bird.is_in(text) for bird in self)


@pytest.fixture
def birds(stores: Stores) -> Birds:
    """One in each store."""
    birds = Birds()
    stores.set("azure-kv://iris-vault/secret-key", birds.new())
    stores.set("aws-sm://production/iris", {"token_pepper": birds.new(), "token_pepper_previous": birds.new()})
    stores.set("gcp-sm://iris-project/model_key", base64.b64encode(birds.new().encode()).decode())
    stores.set("gcp-sm://iris-project/model_key_previous", base64.b64encode(birds.new().encode()).decode())
    return birds


@pytest.fixture
def app(birds: Birds) -> Iterator[Flask]:  # noqa: ARG001 - it reads them
    """The app as it is."""
    train(IrisSettings.load())
    app = create_app()
    app.config.update(PREFERRED_URL_SCHEME="https")
    yield app
    with app.app_context():
        secrets.live.close()
    app.extensions["iris.engine"].dispose()


@pytest.fixture
def told() -> Iterator[list[str]]:
    """All that is logged, down to DEBUG, with what the records carry."""
    with everything_logged() as texts:
        yield texts


def test_no_page_log_or_header_shows_a_value(app: Flask, birds: Birds, told: list[str]) -> None:
    """Of those who do all that there is to be done, and all that can go wrong."""
    password = birds.new()
    with app.app_context():
        create_tables()
        _, token = tokens.issue(commands.add_user("admin", "admin", password), days=1)
        session.commit()
    bearer = {"Authorization": f"Bearer {token}"}
    app.config["WTF_CSRF_ENABLED"] = False
    browser = app.test_client()
    answers = [
        browser.post("/login", data={"name": "admin", "password": password}),
        browser.post("/login", data={"name": password, "password": password}),
        *(browser.get(path) for path in ("/", "/login", "/status", "/ready", "/nothing", "/logout")),
        browser.post("/", data=FLOWER),
        browser.post("/", data={**FLOWER, "petal_width": password}),
        *(browser.get(f"/api/{name}", headers=bearer) for name in ("whoami", "model", "nothing")),
        browser.post("/api/predict", json={**FLOWER, "petal_width": password}, headers=bearer),
        browser.post("/api/predict", data=password, headers=bearer),
        *(browser.post("/login", data={"name": password, "password": password}) for _ in range(6)),
        browser.post("/logout"),
    ]
    seen = "".join(f"{answer.status} {answer.headers} {answer.text}" for answer in answers)
    assert {answer.status_code for answer in answers} == {200, 302, 400, 401, 404, 405, 415, 429}
    assert not birds.seen_in(seen.replace(f'value="{password}"', ""))  # its own form, sent back to who filled it in
    assert told
    assert not birds.seen_in("".join(told))
    assert token.split("_", 2)[2] not in seen + "".join(told)


def test_no_repr_shows_a_value(app: Flask, birds: Birds) -> None:
    """Nor does what explains where the values come from."""
    with app.app_context():
        current = secrets.current
        things = [current, current.database_login, secrets.live, app.config, app.extensions, library.explain(current)]
    shown = "".join(f"{thing!r} {thing}" for thing in things)
    output = [app.test_cli_runner().invoke(args=["secrets", name]).output for name in ("explain", "check")]
    assert "azure-kv" in output[0]
    assert not birds.seen_in(shown + "".join(output))


def test_no_error_shows_a_value(birds: Birds, stores: Stores, app: Flask) -> None:
    """Not those that stop the start: a value that is not good enough, a model under another key."""
    for ref, value in (("aws-sm://production/iris#token_pepper", birds[0].value), (MODEL_KEY, birds.new())):
        stores.rotate(ref, value)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it shows nothing
            create_app()
        assert not birds.seen_in(all_of(caught.value))
    with app.app_context():
        assert "token_pepper" in str(secrets.health())
        assert not birds.seen_in(str(secrets.health()))


MODEL_KEY = "gcp-sm://iris-project/model_key"


def test_a_view_that_fails_shows_nothing(app: Flask, birds: Birds, told: list[str]) -> None:
    """Even if a secret is in its error: the page is the same for every error, and the log has it masked."""

    @app.get("/fails")
    def fails() -> str:
        raise RuntimeError(f"with {secrets.current.secret_key.get_secret_value()}")

    output = io.StringIO()
    handler = logging.StreamHandler(output)
    app.logger.addHandler(handler)
    answer = app.test_client().get("/fails")
    app.logger.removeHandler(handler)
    assert "Internal Server Error" in answer.text
    assert "RuntimeError: with **********" in output.getvalue()
    assert not birds.seen_in(answer.text + output.getvalue())
    assert told


def test_a_database_that_is_down_shows_nothing(
    birds: Birds, stores: Stores, app: Flask, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    """Neither the password of its login nor what was asked of it."""
    stores.rotate("vault://kv/iris#database_login", {"username": "iris", "password": birds.new()})
    monkeypatch.setenv("IRIS_DATABASE_URL", "postgresql+psycopg://127.0.0.1:9/iris")
    other = create_app()
    other.config["WTF_CSRF_ENABLED"] = False
    name = birds.new()
    answer = other.test_client().post("/login", data={"name": name, "password": birds.new()})
    with other.app_context():
        secrets.live.close()
    assert "Internal Server Error" in answer.text
    assert "OperationalError" in "".join(told)
    assert not birds.seen_in("".join(told) + answer.text)
    assert Path("iris.model").exists()
    assert app
