"""The same Flask app twice: with a plain `app.config`, and with secretsource's. gunicorn runs both in one worker.

The path says which: `/plain/...` or `/ours/...`. Two processes would differ by more than the two apps do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, current_app, session
from pydantic import PostgresDsn, SecretStr

from secretsource import Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend
from secretsource.flask import SecretSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

VALUES: Final = {
    "secret_key": "not-a-real-key",
    "stripe_key": "not-a-real-stripe-key",
    "smtp_password": "not-a-real-password",
    "dsn": "postgresql://shop:not-a-real-password@localhost/shop",
}


class Shop(Settings):
    """What our side has; the plain one has the same values under the same keys."""

    model_config = SettingsConfigDict(chain=("memory://shop",))
    secret_key: SecretStr
    stripe_key: SecretStr
    smtp_password: SecretStr
    dsn: PostgresDsn


secrets = SecretSource[Shop]()


def plain_app() -> Flask:
    """An app with plain values in a plain config."""
    app = Flask(__name__)
    app.config.from_mapping({key.upper(): value for key, value in VALUES.items()})
    return _with_views(app)


def our_app() -> Flask:
    """The same with a SecretSource; it has one view more, for the typed settings."""
    MemoryBackend().set("shop", json.dumps(VALUES))
    app = Flask(__name__)
    secrets.init_app(app, Shop)

    @app.get("/typed")
    def typed() -> str:
        settings = secrets.current
        _ = settings.stripe_key, settings.smtp_password, settings.dsn
        return "done"

    return _with_views(app)


def _with_views(app: Flask) -> Flask:
    @app.get("/config")
    def config() -> str:
        known = current_app.config
        _ = known["STRIPE_KEY"], known["SMTP_PASSWORD"], known["DSN"]
        return "done"

    @app.get("/session")
    def counted() -> str:
        session["count"] = session.get("count", 0) + 1
        known = current_app.config
        _ = known["STRIPE_KEY"], known["SMTP_PASSWORD"], known["DSN"]
        return "done"

    return app


def application() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Both, for gunicorn; `/current` tells that they are there."""
    apps = {"plain": plain_app().wsgi_app, "ours": our_app().wsgi_app}

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        _, side, *rest = environ["PATH_INFO"].split("/")
        if side == "current":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(sorted(apps)).encode()]
        environ["PATH_INFO"] = f"/{'/'.join(rest)}"
        return apps[side](environ, start_response)

    return serve
