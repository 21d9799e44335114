"""The extension under `flask run`, with its reloader, as a developer has it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.flask.shop import CANARY
from tests.servers.openbao import free_port

PATIENCE = 30.0  # seconds
SITE = """
import os
from flask import Flask
from pydantic import SecretStr
from secretsource import Settings, SettingsConfigDict
from secretsource.flask import SecretSource

class Shop(Settings):
    model_config = SettingsConfigDict(chain=("env://", "dotenv://.env"))
    debug: bool = False
    word: SecretStr

secrets = SecretSource[Shop]()

def create_app():
    app = Flask(__name__)
    secrets.init_app(app, Shop)

    @app.get("/")
    def index():
        word = app.config["WORD"]
        assert word == secrets.current.word.get_secret_value()
        return {"process": os.getpid(), "word": word, "debug": app.debug}

    return app
"""


@dataclass
class Site:
    """One that runs, and its files."""

    folder: Path
    port: int
    log: Path

    def write(self, env: str) -> None:
        """Write `.env`, and have the reloader start the app anew."""
        (self.folder / ".env").write_text(env)
        (self.folder / "site_.py").write_text(f"{SITE}\n# {time.monotonic()}\n")

    def get(self) -> tuple[int, Any]:
        """What it answers: from JSON, or as text where it is none; status 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            with connection.getresponse() as answer:
                text = answer.read().decode()
                return answer.status, json.loads(text) if text.startswith("{") else text
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def until(self, is_so: Callable[[int, Any], bool]) -> Any:
        """Ask until the answer is so, and hand it back."""
        end = time.monotonic() + PATIENCE
        while not is_so(*(answer := self.get())):
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)
        return answer[1]


def command(*options: str) -> list[str]:
    """Flask's own program."""
    return [sys.executable, "-m", "flask", "--app", "site_", "run", *options]


def environ() -> Mapping[str, str]:
    """Flask is to leave `.env` to us: what it puts into the environment it does not change at a reload."""
    return {**os.environ, "FLASK_SKIP_DOTENV": "1"}


@contextmanager
def running(folder: Path, env: str, *options: str) -> Iterator[Site]:
    """Run the site until the end of the block, with its reloader's child."""
    site = Site(folder, free_port(), folder / "log")
    site.write(env)
    with site.log.open("wb") as log:
        process = subprocess.Popen(
            command(f"--port={site.port}", *options),
            cwd=folder,
            env=environ(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield site
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)


def test_a_reload_comes_up_with_the_settings_of_that_moment(tmp_path: Path) -> None:
    """One that cannot load them says so at each request, shows no value, and is mended by the next."""
    with running(tmp_path, f"WORD={CANARY}-1", "--debug") as site:
        first = site.until(lambda status, _: status == 200)
        assert (first["word"], first["debug"]) == (f"{CANARY}-1", True)
        site.write(f"WORD={CANARY}-2")
        second = site.until(lambda status, answer: status == 200 and answer["process"] != first["process"])
        assert (second["word"], second["debug"]) == (f"{CANARY}-2", True)
        site.write(f"WORD={CANARY}-3\nDEBUG={CANARY}")
        page = site.until(lambda status, _: status == 500)
        assert "Input should be a valid boolean" in page
        site.write(f"WORD={CANARY}-4")
        assert site.until(lambda status, _: status == 200)["word"] == f"{CANARY}-4"
        assert CANARY not in page + site.log.read_text()


@pytest.mark.parametrize("options", [(), ("--reload",), ("--debug",)], ids=["plain", "reload", "debug"])
def test_settings_that_cannot_be_loaded_stop_flask_run_at_its_start(tmp_path: Path, options: tuple[str, ...]) -> None:
    """With one error that ends in what is missing, and an exit status; with the reloader, too."""
    (tmp_path / "site_.py").write_text(SITE)
    (tmp_path / ".env").write_text("")
    line = command(f"--port={free_port()}", *options)
    done = subprocess.run(
        line, cwd=tmp_path, env=environ(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.splitlines()[-1] == "word: searched env://WORD (MISSING), dotenv://.env#WORD (MISSING)"


def test_the_server_with_threads_and_without_has_them(tmp_path: Path) -> None:
    """Without a reloader there is one process, and one load."""
    for options in ((), ("--without-threads",)):
        with running(tmp_path, f"WORD={CANARY}", *options) as site:
            assert site.until(lambda status, _: status == 200)["word"] == CANARY
