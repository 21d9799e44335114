"""From a fresh checkout to a running app, for development: `python -m iris.start`."""

import argparse
import base64
import os
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from sqlalchemy import select
from werkzeug.serving import make_server

from iris import model_file
from iris.app import create_app
from iris.commands import add_user
from iris.database import User, create_tables, session
from iris.settings import KEY_BYTES, IrisSettings
from iris.train import train


def write_dotenv() -> None:
    """Fill in .env.example with new random keys."""
    text = re.sub(r"^IRIS_\w+=$", _with_key, Path(".env.example").read_text(), flags=re.MULTILINE)
    with os.fdopen(os.open(".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    print("Wrote .env, with new random keys.")


def _with_key(name: re.Match[str]) -> str:
    return name[0] + base64.b64encode(os.urandom(KEY_BYTES)).decode()


def train_if_needed(settings: IrisSettings) -> None:
    """Train where there is no model; and where its key is gone with an old .env, so that nobody can read it."""
    if settings.model_file.exists():
        with suppress(model_file.UnknownKeyError):
            model_file.read(settings.model_file, settings.model_keys)
            return
    train(settings)
    print(f"Trained the model, and wrote it encrypted to {settings.model_file}.")


def add_first_admin() -> None:
    if session.scalar(select(User)) is None:
        password = secrets.token_urlsafe(12)
        add_user("admin", "admin", password)
        print(f"Log in as admin with the password {password} (it is shown this once).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default=8000, type=int)
    where = parser.parse_args()
    if os.environ.get("SECRETSOURCE_PROFILE", "development") != "development":
        sys.exit("This is for development. In production: gunicorn -c deploy/gunicorn.conf.py wsgi:app")
    if not Path(".env").exists():
        write_dotenv()
    train_if_needed(IrisSettings.load())
    app = create_app()
    with app.app_context():
        create_tables()
        add_first_admin()
    server = make_server(where.host, where.port, app, threaded=True)
    print(f"Iris is on http://{where.host}:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
