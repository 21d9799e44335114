"""The example app's database: its password rotates under load, and no request fails."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from iris import tokens
from iris.app import create_app
from iris.commands import add_user
from iris.database import create_tables, session
from iris.extensions import secrets
from iris.settings import IrisSettings
from iris.train import train

from secretsource import Live
from secretsource.testing.leaks import everything_logged
from tests.load import Load, until
from tests.servers.openbao import OpenBao
from tests.servers.postgres import Postgres

THREADS = 8
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


@dataclass
class Rotation:
    """A database with a user of its own, whose password is in Vault.

    Attributes:
        path: Of the secret.
        user: Who the app is, and the database's name.
        passwords: All that there were.
    """

    vault: OpenBao
    postgres: Postgres
    user: str = field(default_factory=lambda: f"iris_{uuid4().hex[:8]}")
    passwords: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store()
        self.postgres.make_user(self.user, self.passwords[-1])
        with self.postgres.connect() as connection:
            connection.autocommit = True
            name = psycopg.sql.Identifier(self.user)
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))

    @property
    def path(self) -> str:
        return f"kv/{self.user}"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://127.0.0.1:{self.postgres.port}/{self.user}"

    def store(self, user: str = "") -> None:
        """Put another login into Vault."""
        self.passwords.append(f"not-a-real-password-{uuid4().hex}")
        login = {"username": user or self.user, "password": self.passwords[-1]}
        self.vault.call("POST", f"kv/data/{self.user}", {"data": {"database_login": login}})

    def change(self) -> None:
        """Tell the database what Vault has."""
        self.postgres.set_password(self.user, self.passwords[-1])


@pytest.fixture
def rotation(openbao: OpenBao, postgres: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Rotation:
    """The environment says where they are, and has all other secrets itself."""
    if "kv/" not in openbao.call("GET", "sys/mounts"):
        openbao.mount("kv")
    rotation = Rotation(openbao, postgres)
    variables = {
        **openbao.environ,
        "SECRETSOURCE_PROFILE": "production",
        "SECRETSOURCE_CHAIN": f"env:// vault://{rotation.path}",
        "IRIS_DATABASE_URL": rotation.url,
        "IRIS_MODEL_FILE": str(tmp_path / "iris.model"),
        "IRIS_MODEL_KEY": base64.b64encode(b"not-a-real-model-key-00000000001").decode(),
        "IRIS_SECRET_KEY": "not-a-real-secret-key-000000000001",
        "IRIS_TOKEN_PEPPER": "not-a-real-token-pepper-0000000001",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return rotation


@pytest.fixture
def app(rotation: Rotation) -> Iterator[Flask]:
    """The app with its tables."""
    train(IrisSettings.load())
    app = create_app()
    assert rotation.passwords
    with app.app_context():
        create_tables()
        live = secrets.live
    yield app
    live.close()
    app.extensions["iris.engine"].dispose()


@pytest.fixture
def live(app: Flask) -> Live[IrisSettings]:
    """The app's settings."""
    with app.app_context():
        return secrets.live


class Predicting(Load):
    """Threads that ask for predictions, with a connection to the database of its own for each request.

    Attributes:
        token: What they come with.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        with app.app_context():
            _, text = tokens.issue(add_user("viewer", "viewer", "not-a-real-password"), days=1)
            session.commit()
        app.extensions["iris.engine"].pool._recycle = 0  # each request logs in anew
        self.token = {"Authorization": f"Bearer {text}"}
        super().__init__(*[self.predict] * THREADS)

    def predict(self) -> None:
        answer = self.app.test_client().post("/api/predict", json=FLOWER, headers=self.token)
        assert answer.status_code == 200, answer.text


def sessions_of(postgres: Postgres, user: str) -> int:
    """How many connections a user has."""
    return len(postgres.run("SELECT 1 FROM pg_stat_activity WHERE usename = {}", user))


def test_who_is_refused_finds_the_new_password_in_vault(
    rotation: Rotation, app: Flask, live: Live[IrisSettings]
) -> None:
    """Each request logs in anew while the password changes ten times; the app hears of it by being refused."""
    with Predicting(app) as load:
        load.go_on()
        for _ in range(10):
            rotation.store()
            rotation.change()
            until(lambda: live.current.database_login.password.get_secret_value() == rotation.passwords[-1])
            load.go_on()
    assert load.failures == []


def test_the_app_may_hear_of_it_before_the_database(
    rotation: Rotation, app: Flask, live: Live[IrisSettings], caplog: pytest.LogCaptureFixture
) -> None:
    """Until the database knows the new password, the one before is good."""
    with Predicting(app) as load:
        load.go_on()
        for _ in range(5):
            rotation.store()
            live.refresh(force=True)
            load.go_on()
            rotation.change()
            load.go_on()
    assert load.failures == []
    assert "refuses the new login" in caplog.text


def test_old_connections_are_replaced_where_two_users_take_turns(
    rotation: Rotation, app: Flask, live: Live[IrisSettings], postgres: Postgres
) -> None:
    """None is left to the one who was before."""
    first, other = rotation.user, f"{rotation.user}_b"
    with Predicting(app) as load:
        load.go_on()
        rotation.store(other)
        postgres.make_user(other, rotation.passwords[-1])
        with postgres.connect() as connection:
            names = psycopg.sql.Identifier(first), psycopg.sql.Identifier(other)
            connection.execute(psycopg.sql.SQL("GRANT {} TO {}").format(*names))
        live.refresh(force=True)
        until(lambda: sessions_of(postgres, first) == 0)
        load.go_on()
        assert sessions_of(postgres, other) > 0
    assert load.failures == []


def test_another_secret_s_change_leaves_the_connections_alone(
    rotation: Rotation, app: Flask, live: Live[IrisSettings], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only another login replaces them."""
    client = app.test_client()
    assert client.post("/login", data={"name": "nobody"}).status_code == 400
    with app.app_context():
        add_user("viewer", "viewer", "not-a-real-password")
    before = postgres.run("SELECT pid FROM pg_stat_activity WHERE usename = {}", rotation.user)
    monkeypatch.setenv("IRIS_TOKEN_PEPPER", "not-a-real-token-pepper-0000000002")
    assert live.refresh(force=True) is not None
    with app.app_context():
        add_user("another", "viewer", "not-a-real-password")
    assert postgres.run("SELECT pid FROM pg_stat_activity WHERE usename = {}", rotation.user) == before


def test_no_log_shows_a_password(rotation: Rotation, app: Flask, postgres: Postgres) -> None:
    """Not when it rotates, nor when the database lets nobody in; that is an error, and not told to who asks."""
    with everything_logged() as told:
        with Predicting(app) as load:
            load.go_on()
            rotation.store()
            rotation.change()
            load.go_on()
        assert load.failures == []
        postgres.set_password(rotation.user, "not-a-real-password-of-somebody-else")
        app.extensions["iris.engine"].dispose()
        answer = app.test_client().get("/api/whoami", headers=load.token)
    assert answer.status_code == 500
    text = "".join(told) + answer.text
    assert "OperationalError" in text
    assert not [password for password in rotation.passwords if password in text]
    assert load.token["Authorization"].split("_", 2)[2] not in text
