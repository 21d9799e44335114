"""The app, made of its parts."""

from flask import Flask

from iris import api, commands, database, errors, logs, model, pages, status, web
from iris.extensions import csrf, limiter, login_manager, secrets
from iris.settings import IrisSettings


def create_app() -> Flask:
    """Make the app. It does not start where a setting is missing or a store does not answer."""
    app = Flask("iris")
    logs.init_app(app)
    secrets.init_app(app, IrisSettings, keys=["secret_key"])  # nothing that Flask does not need goes into app.config
    with app.app_context():
        web.init_app(app, secrets.current)
        database.init_app(app, secrets.live)
        model.init_app(app, secrets.live)
    for extension in (login_manager, csrf, limiter, errors, commands):
        extension.init_app(app)
    csrf.exempt(api.blueprint)  # it goes by tokens, which no browser sends by itself
    for blueprint in (pages.blueprint, api.blueprint, status.blueprint, secrets.readiness("/ready")):
        app.register_blueprint(blueprint)
    return app
