"""Other extensions, the real ones, take the values as they are; and none shows a password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import psycopg
import pytest
from flask import Flask
from flask_limiter import Limiter
from flask_login import LoginManager, login_required, login_user
from flask_mail import Mail, Message
from flask_sqlalchemy import SQLAlchemy
from flask_wtf.csrf import CSRFProtect, generate_csrf
from pydantic import BaseModel, PostgresDsn, SecretStr
from sqlalchemy import event, text
from sqlalchemy.engine import make_url

from secretsource import Change, From, Settings, SettingsConfigDict
from secretsource.flask import SecretSource, secrets_changed
from secretsource.testing import Stores
from secretsource.testing.leaks import everything_logged
from tests.flask.shop import CANARY
from tests.flask.smtp import SmtpServer, smtp_server
from tests.servers.postgres import Postgres


def shown_by(*things: object) -> str:
    """All that can be seen of something without asking for a value."""
    return "".join(f"{thing!r}{thing}{getattr(thing, '__dict__', '')!r}" for thing in things)


@pytest.fixture
def mail_server() -> Iterator[SmtpServer]:
    """A mail server with one user."""
    with smtp_server("shop", f"{CANARY}-1") as server:
        yield server


class MailSettings(Settings):
    """All of it out of one secret, the number too."""

    model_config = SettingsConfigDict(chain=("vault://kv/mail",))
    mail_server: str
    mail_port: int
    mail_username: str
    mail_password: SecretStr
    mail_default_sender: str = "shop@example.org"


def mail_secret(server: SmtpServer) -> dict[str, object]:
    """What the store holds."""
    host, login = {"mail_server": "127.0.0.1", "mail_port": server.port}, {"mail_username": server.username}
    return {**host, **login, "mail_password": server.password}


def test_flask_mail_sends_and_follows_a_rotation(secretsource: Stores, mail_server: SmtpServer) -> None:
    """It copies its settings when it is initialised, so it is initialised again when they have changed."""
    secretsource.set("vault://kv/mail", mail_secret(mail_server))
    app, mail = Flask("app"), Mail()
    SecretSource(app, MailSettings)
    mail.init_app(app)

    @secrets_changed.connect_via(app)
    def follow(sender: Flask, change: Change[MailSettings]) -> None:
        mail.init_app(sender)

    def send(subject: str) -> None:
        with app.app_context():
            mail.send(Message(subject, recipients=["a@example.org"], body="hello"))

    with everything_logged() as logged:
        send("first")
        mail_server.password = f"{CANARY}-2"
        secretsource.rotate("vault://kv/mail", mail_secret(mail_server))
        send("second")
    assert [message.partition("Subject: ")[2].split("\n")[0] for message in mail_server.messages] == ["first", "second"]
    assert mail_server.refused == 0
    assert CANARY not in shown_by(app.config, app.extensions["mail"], mail) + "".join(logged)


class Login(BaseModel):
    """Who the app is to its database."""

    username: str
    password: SecretStr


class DatabaseSettings(Settings):
    """An address with a password in it, and options that hold a number."""

    model_config = SettingsConfigDict(chain=("vault://kv/db",))
    sqlalchemy_database_uri: PostgresDsn | str
    sqlalchemy_engine_options: dict[str, Any]
    login: Annotated[Login, From("vault://kv/login")] = Login(username="", password=SecretStr(""))


def test_flask_sqlalchemy_opens_a_file(secretsource: Stores, tmp_path: Path) -> None:
    """SQLite, with an address out of a store."""
    uri = f"sqlite:///{tmp_path}/{CANARY}.db"
    secretsource.set("vault://kv/db", {"sqlalchemy_database_uri": uri, "sqlalchemy_engine_options": {"echo": True}})
    app, db = Flask("app"), SQLAlchemy()
    SecretSource(app, DatabaseSettings)
    db.init_app(app)
    with app.app_context():
        assert db.session.execute(text("SELECT 1")).scalar() == 1
        assert db.engine.echo is True
        db.session.remove()
        db.engine.dispose()
    assert (tmp_path / f"{CANARY}.db").exists()
    assert CANARY not in repr(app.config)


def test_flask_sqlalchemy_logs_in_to_postgres_and_follows_a_rotation(secretsource: Stores, postgres: Postgres) -> None:
    """Its engine logs in with what there is at that moment: a refused password is fetched anew."""
    user, old, new = "flask_user", f"{CANARY}-1", f"{CANARY}-2"
    postgres.make_user(user, old)
    uri = f"postgresql+psycopg://{user}:{old}@127.0.0.1:{postgres.port}/postgres"
    options = {"pool_size": 2, "pool_pre_ping": True}
    secretsource.set("vault://kv/db", {"sqlalchemy_database_uri": uri, "sqlalchemy_engine_options": options})
    secretsource.set("vault://kv/login", {"username": user, "password": old})
    app, db = Flask("app"), SQLAlchemy()
    secrets = SecretSource(app, DatabaseSettings)
    db.init_app(app)
    with app.app_context():
        log_in_with(secrets, db)

    @app.get("/who")
    def who() -> str:
        return str(db.session.execute(text("SELECT current_user")).scalar())

    client = app.test_client()
    with everything_logged() as logged:
        assert client.get("/who").text == user
        secretsource.set("vault://kv/login", {"username": user, "password": new})
        postgres.set_password(user, new)
        postgres.hang_up_on(user)
        assert client.get("/who").text == user
    with app.app_context():
        assert db.engine.pool.size() == 2  # type: ignore[attr-defined]  # a QueuePool
        assert CANARY not in shown_by(app.config, db.engine, db) + repr(app.extensions)
        db.engine.dispose()
    assert CANARY not in "".join(logged)
    assert make_url(app.config["SQLALCHEMY_DATABASE_URI"]).password == old


def log_in_with(secrets: SecretSource[DatabaseSettings], db: SQLAlchemy) -> None:
    """As the page on Flask has it."""
    live = secrets.live

    @event.listens_for(db.engine, "do_connect")
    @live.retry_on(psycopg.OperationalError)
    def log_in(dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> Any:
        login = live.current.login
        known = {"user": login.username, "password": login.password.get_secret_value()}
        return dialect.connect(*arguments, **options | known)


class WebSettings(Settings):
    """What extensions around sessions read."""

    model_config = SettingsConfigDict(chain=("vault://kv/web",))
    secret_key: SecretStr
    ratelimit_storage_uri: str = "memory://"
    ratelimit_default: str = "3 per day"
    wtf_csrf_secret_key: SecretStr
    remember_cookie_samesite: str = "Lax"


class User:
    """The only user, as Flask-Login wants one."""

    is_authenticated = is_active = True

    def get_id(self) -> str:
        return "1"


def web_app() -> Flask:
    """An app with a login, a form and a limit."""
    app, login = Flask("app"), LoginManager()
    SecretSource(app, WebSettings)
    login.init_app(app)
    CSRFProtect(app)
    Limiter(lambda: "everybody", app=app)
    login.user_loader(lambda name: User())

    @app.get("/login")
    def enter() -> str:
        login_user(User(), remember=True)
        return str(generate_csrf())

    @app.route("/secret", methods=["GET", "POST"])
    @login_required
    def secret() -> str:
        return "only for users"

    return app


def test_login_forms_and_limits_work_and_outlive_a_rotation(secretsource: Stores) -> None:
    """Flask-Login keeps its session; a form that was open stays good where its key is one of its own."""
    web = {"secret_key": f"{CANARY}-1", "wtf_csrf_secret_key": f"{CANARY}-forms"}
    secretsource.set("vault://kv/web", web)
    app = web_app()
    client = app.test_client()
    token = client.get("/login").text
    assert client.post("/secret").status_code == 400
    secretsource.rotate("vault://kv/web", {**web, "secret_key": f"{CANARY}-2"})
    answers = [client.post("/secret", data={"csrf_token": token}).status_code for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert CANARY not in repr(app.config)


def test_what_is_remembered_beyond_the_session_ends_with_its_key(secretsource: Stores) -> None:
    """Flask-Login signs that with SECRET_KEY alone."""
    web = {"secret_key": f"{CANARY}-1", "wtf_csrf_secret_key": f"{CANARY}-forms"}
    secretsource.set("vault://kv/web", web)
    app = web_app()
    first = app.test_client()
    first.get("/login")
    remembered = first.get_cookie("remember_token")
    assert remembered is not None
    for expected, key in ((200, 2), (401, 3)):
        later = app.test_client()
        later.set_cookie("remember_token", remembered.value)
        assert later.get("/secret").status_code == expected
        secretsource.rotate("vault://kv/web", {**web, "secret_key": f"{CANARY}-{key}"})
