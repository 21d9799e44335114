"""The app as it is in production, with stores of the test's own: no real one is asked."""

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from iris import passwords, tokens
from iris.app import create_app
from iris.commands import add_user
from iris.database import User, create_tables, session
from iris.extensions import secrets
from iris.settings import IrisSettings
from iris.train import train

from secretsource.testing import Stores

PASSWORD = "not-a-real-password"
SECRETS = {
    "azure-kv://iris-vault/secret-key": "not-a-real-secret-key-000000000001",
    "aws-sm://production/iris#token_pepper": "not-a-real-token-pepper-0000000001",
    "gcp-sm://iris-project/model_key": base64.b64encode(b"not-a-real-model-key-00000000001").decode(),
}


@pytest.fixture(autouse=True)
def _of_this_test_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a .env, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("IRIS_", "SECRETSOURCE_")):
            monkeypatch.delenv(name)


@pytest.fixture
def stores(secretsource: Stores, monkeypatch: pytest.MonkeyPatch) -> Stores:
    """Each secret where it is in production."""
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "production")
    for ref, value in SECRETS.items():
        secretsource.set(ref, value)
    return secretsource


@pytest.fixture
def app(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:  # noqa: ARG001 - it reads them
    """The app with a viewer and an admin, over HTTPS. Forms need no CSRF token but where a test turns that on again."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    train(IrisSettings.load())
    app = create_app()
    app.config.update(PREFERRED_URL_SCHEME="https", WTF_CSRF_ENABLED=False)
    with app.app_context():
        create_tables()
        for role in ("viewer", "admin"):
            add_user(role, role, PASSWORD)
    yield app
    with app.app_context():
        secrets.live.close()
    app.extensions["iris.engine"].dispose()


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    """Somebody who is not logged in."""
    return app.test_client()


def _logged_in(app: Flask, name: str) -> FlaskClient:
    browser = app.test_client()
    assert browser.post("/login", data={"name": name, "password": PASSWORD}).location == "/"
    return browser


@pytest.fixture
def viewer(app: Flask) -> FlaskClient:
    """A viewer who is logged in."""
    return _logged_in(app, "viewer")


@pytest.fixture
def admin(app: Flask) -> FlaskClient:
    """An admin who is logged in."""
    return _logged_in(app, "admin")


@pytest.fixture
def bearer(app: Flask) -> Callable[[str], dict[str, str]]:
    """The header with a new token of a user."""

    def issue(name: str) -> dict[str, str]:
        with app.app_context():
            user = session.query(User).filter_by(name=name).one()
            _, text = tokens.issue(user, days=1)
            session.commit()
        return {"Authorization": f"Bearer {text}"}

    return issue
