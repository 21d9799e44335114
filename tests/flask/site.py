"""The site that the tests run under gunicorn: it tells what its worker follows, and counts in its sessions."""

from __future__ import annotations

import os
import time

from flask import Flask, session
from pydantic import BaseModel, SecretStr

from secretsource import CachePolicy, Settings, SettingsConfigDict
from secretsource.flask import SecretSource

PLACE = "secret/flask-site"


class Login(BaseModel):
    """User and password are of one version."""

    username: str
    password: SecretStr


class Site(Settings):
    """What all workers follow."""

    model_config = SettingsConfigDict(
        chain=(f"vault://{PLACE}",), cache=CachePolicy(ttl=float(os.environ.get("TTL", "300")))
    )
    secret_key: SecretStr
    login: Login
    port: int


secrets = SecretSource[Site]()


def create_app() -> Flask:
    """Make the app; with gunicorn's `--preload` in the process that forks the workers."""
    app = Flask(__name__)
    secrets.init_app(app, Site)
    app.register_blueprint(secrets.readiness())

    @app.get("/current")
    def current() -> list[object]:
        before, login = time.monotonic(), app.config["LOGIN"]
        after = time.monotonic()
        return [os.environ["WORKER"], login["username"], login["password"], before, after]

    @app.get("/async")
    async def asynchronous() -> list[object]:
        login = secrets.current.login
        return [os.environ["WORKER"], login.username, login.password.get_secret_value()]

    @app.get("/count")
    def count() -> list[object]:
        session["count"] = session.get("count", 0) + 1
        return [os.environ["WORKER"], session["count"]]

    return app
