"""The Flask extension: `app.config` filled, masked, and following rotation; and extensions that take it as it is."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from flask import Flask, render_template_string, session
from pydantic import BaseModel, PostgresDsn, SecretBytes, SecretStr

from secretsource import ConfigurationError, From, Outcome, ResolutionError, Settings, SettingsConfigDict
from secretsource.flask import SecretSource, secrets_changed
from secretsource.testing import Stores

CANARY = "not-a-real-password"


class Database(BaseModel):
    """A nested model."""

    username: str
    password: SecretStr


class Shop(Settings):
    """An app's settings."""

    model_config = SettingsConfigDict(chain=("env://", "vault://kv/shop"))
    secret_key: SecretStr
    debug_toolbar: bool = False
    database: Database
    dsn: PostgresDsn
    pin: int
    words: list[str]
    raw: Annotated[SecretBytes, From("vault://kv/raw#raw")] = SecretBytes(b"")


@pytest.fixture
def stores(secretsource: Stores) -> Stores:
    """Stores with a shop's secrets."""
    secretsource.set(
        "vault://kv/shop",
        json.dumps(
            {
                "secret_key": f"{CANARY}-key-1",
                "database": {"username": "u1", "password": f"{CANARY}-1"},
                "dsn": f"postgresql://u:{CANARY}@localhost/db",
                "pin": 987654,
                "words": [CANARY],
            }
        ),
    )
    return secretsource


def make_app(secrets: SecretSource[Shop], **options: Any) -> Flask:
    """An application factory."""
    app = Flask(__name__)
    secrets.init_app(app, Shop, **options)

    @app.get("/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/config")
    def config() -> str:
        return render_template_string("{{ config }} {{ config.DATABASE }}")

    return app


def test_fields_are_in_the_config_in_upper_case(stores: Stores) -> None:
    """Nested models as dicts, secrets as text that is text for everybody but `repr`."""
    app = make_app(SecretSource())
    assert app.config["DATABASE"]["password"] == f"{CANARY}-1"
    assert app.config["DSN"] == f"postgresql://u:{CANARY}@localhost/db"
    assert (app.config["PIN"], app.config["WORDS"], app.config["DEBUG_TOOLBAR"]) == (987654, [CANARY], False)
    assert isinstance(app.config["SECRET_KEY"], str)
    assert json.loads(json.dumps(app.config["DATABASE"]))["password"] == f"{CANARY}-1"


def test_no_secret_shows_in_the_config(stores: Stores) -> None:
    """Not in its repr, not in a template that prints it."""
    app = make_app(SecretSource())
    shown = repr(app.config) + str(app.config) + app.test_client().get("/config").text
    assert CANARY not in shown
    assert "987654" not in shown
    assert "u1" not in shown


def test_settings_are_typed_and_the_current_apps_own(stores: Stores) -> None:
    """Several apps in one process, each with its own class and keys."""

    class Other(Settings):
        model_config = SettingsConfigDict(chain=("vault://kv/other",))
        name: str

    stores.set("vault://kv/other#name", "other")
    secrets: SecretSource[Shop] = SecretSource()
    one, two = make_app(secrets), Flask("two")
    others = SecretSource(two, Other, prefix="X_")
    with one.app_context():
        assert secrets.current.database.username == "u1"
        assert secrets.health().ok
    with two.app_context():
        assert others.current.name == two.config["X_NAME"] == "other"
    assert "X_NAME" not in one.config
    with Flask("three").app_context(), pytest.raises(ConfigurationError, match="init_app"):
        _ = secrets.current


def test_keys_limit_or_map_the_fields(stores: Stores) -> None:
    """A name that is no field is refused."""
    limited = make_app(SecretSource(), keys=["secret_key", "dsn"], prefix="SHOP_")
    assert {key for key in limited.config if key.startswith("SHOP_")} == {"SHOP_SECRET_KEY", "SHOP_DSN"}
    mapped = make_app(SecretSource(), keys={"dsn": "SQLALCHEMY_DATABASE_URI"})
    assert mapped.config["SQLALCHEMY_DATABASE_URI"].startswith("postgresql://")
    assert "DATABASE" not in mapped.config
    with pytest.raises(ConfigurationError, match="nothing"):
        make_app(SecretSource(), keys=["nothing"])


def test_the_config_follows_rotation_and_listeners_are_told(stores: Stores) -> None:
    """All at once; the signal comes afterwards, with the app and the change."""
    app = make_app(SecretSource())
    told: list[tuple[Flask, tuple[str, ...], str]] = []

    def listen(sender: Flask, change: Any) -> None:
        told.append((sender, change.fields, sender.config["DATABASE"]["username"]))

    with secrets_changed.connected_to(listen, app):
        stores.rotate("vault://kv/shop", json.dumps({**shop(stores), "database": {"username": "u2", "password": "p2"}}))
    assert app.config["DATABASE"] == {"username": "u2", "password": "p2"}
    assert told == [(app, ("database.username", "database.password"), "u2")]


def shop(stores: Stores) -> dict[str, Any]:
    """What the shop's secret holds now."""
    held: Any = stores._contents["vault", "kv/shop"][0]
    found: dict[str, Any] = json.loads(held)
    return found


def test_sessions_survive_a_rotation_of_the_secret_key(stores: Stores) -> None:
    """The old key is kept as a fallback, for a few rotations."""
    app = make_app(SecretSource())
    client = app.test_client()
    for number in range(1, 6):
        assert client.get("/count").text == str(number)
        stores.rotate("vault://kv/shop", json.dumps({**shop(stores), "secret_key": f"{CANARY}-key-{number + 1}"}))
    assert client.get("/count").text == "6"
    assert app.config["SECRET_KEY_FALLBACKS"] == [f"{CANARY}-key-{number}" for number in (5, 4, 3)]
    assert CANARY not in repr(app.config)


def test_an_app_whose_settings_fail_does_not_start(stores: Stores) -> None:
    """At once, with the errors of the library."""
    stores.fail("vault://kv/shop", Outcome.DENIED)
    with pytest.raises(ResolutionError, match="DENIED"):
        make_app(SecretSource())


def test_it_is_initialised_once(stores: Stores) -> None:
    """A second time is a mistake, and an app needs a class."""
    app = make_app(SecretSource())
    with pytest.raises(ConfigurationError, match="already"):
        SecretSource(app, Shop)
    with pytest.raises(ConfigurationError, match="settings class"):
        SecretSource(Flask("x"))


def test_a_readiness_route_tells_of_an_outage(stores: Stores) -> None:
    """200 while all is well, 503 while something is stale, and no names in either."""
    secrets: SecretSource[Shop] = SecretSource()
    app = make_app(secrets)
    app.register_blueprint(secrets.readiness("/ready"))
    client = app.test_client()
    assert (client.get("/ready").status_code, client.get("/ready").json) == (200, {"ok": True, "stale": 0})
    stores.fail("vault://kv/shop", Outcome.UNAVAILABLE)
    with app.app_context():
        secrets.live.refresh(force=True)
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert "vault" not in answer.text


def test_the_commands_are_flasks_own(stores: Stores) -> None:
    """`flask secrets get|explain|check` know the app's class."""
    app = make_app(SecretSource())
    runner = app.test_cli_runner()
    assert runner.invoke(args=["secrets", "get", "database.username"]).output == "u1\n"
    assert "vault://kv/shop#secret_key" in runner.invoke(args=["secrets", "explain"]).output
    assert runner.invoke(args=["secrets", "check"]).exit_code == 0
    assert runner.invoke(args=["secrets", "get", "nothing"]).exit_code == 2


def test_async_views_read_the_same_settings(stores: Stores) -> None:
    """In Flask's async views, too."""
    secrets: SecretSource[Shop] = SecretSource()
    app = make_app(secrets)

    async def view() -> str:
        return secrets.current.database.username

    app.add_url_rule("/async", view_func=view)
    assert app.test_client().get("/async").text == "u1"
