"""A shop: its settings, what its store holds, and its application factory."""

from __future__ import annotations

import json
from typing import Annotated, Any

from flask import Flask, render_template_string, session
from pydantic import BaseModel, PostgresDsn, SecretBytes, SecretStr, computed_field

from secretsource import From, Settings, SettingsConfigDict
from secretsource.flask import SecretSource

CANARY = "not-a-real-password"
SHOP = "vault://kv/shop"


class Database(BaseModel):
    """A nested model."""

    username: str
    password: SecretStr
    port: int = 5432


class Shop(Settings):
    """An app's settings."""

    model_config = SettingsConfigDict(chain=("env://", SHOP))
    secret_key: SecretStr
    debug_toolbar: bool = False
    database: Database
    dsn: PostgresDsn
    pin: int
    words: list[str]
    raw: Annotated[SecretBytes, From("vault://kv/raw#raw")] = SecretBytes(b"")

    @computed_field
    def login(self) -> str:
        """User and password in one."""
        return f"{self.database.username}:{self.database.password.get_secret_value()}"


def stored(version: int = 1, **others: Any) -> str:
    """What the store holds in a version; with other values for some of the fields."""
    return json.dumps(
        {
            "secret_key": f"{CANARY}-key-{version}",
            "database": {"username": f"u{version}", "password": f"{CANARY}-{version}", "port": 5433},
            "dsn": f"postgresql://u:{CANARY}@localhost/db",
            "pin": 987654,
            "words": [CANARY],
            **others,
        }
    )


def make_app(secrets: SecretSource[Shop] | None = None, **options: Any) -> Flask:
    """An application factory."""
    app = Flask(__name__)
    (secrets or SecretSource[Shop]()).init_app(app, Shop, **options)

    @app.get("/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/config")
    def config() -> str:
        return render_template_string("{{ config }} {{ config.DATABASE }} {{ config.items() }}")

    return app


def forged(app: Flask) -> Any:
    """A client with a cookie that nobody has signed."""
    client = app.test_client()
    client.set_cookie("session", "eyJjb3VudCI6OTl9.aaaaaa.not-a-real-signature")
    return client
