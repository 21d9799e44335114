"""`flask secrets`: what the app's own module prints, and how it fails, is kept apart from values."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from secretsource.testing.leaks import Canary
from tests.commandline import lines

Flask = Callable[..., subprocess.CompletedProcess[str]]

APP = """
import atexit, io, logging, sys

sys.stdout.reconfigure(encoding="utf-8")
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
logging.basicConfig(stream=sys.stdout)
atexit.register(print, "end")
print("module")

from flask import Flask
from pydantic import field_validator
from secretsource import Settings
from secretsource.flask import SecretSource

class Shop(Settings):
    name: str

    @field_validator("name")
    @classmethod
    def check(cls, value):
        logging.warning("log")
        print("validator")
        return value

app = Flask(__name__)
SecretSource(app, Shop)
"""


@pytest.fixture
def flask(tmp_path: Path) -> Flask:
    """Flask's own program, with an app of this source."""

    def run(source: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "shop.py").write_text(source)
        command = [sys.executable, "-m", "flask", "--app", "shop", "secrets", *arguments]
        environ = {**os.environ, **environ}
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    return run


def test_the_value_comes_alone(flask: Flask) -> None:
    """Whatever the app does with its stdout; what a validator prints is on stderr."""
    done = flask(APP, "get", "name", NAME="value")
    assert (done.returncode, done.stdout) == (0, "value\n")
    assert lines(done.stderr) == ["validator", "end"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise SystemExit('{canary}')", "unexpected SystemExit in shop.py, line 1: the app cannot be made"),
        ("raise ValueError('{canary}')", "unexpected ValueError in shop.py, line 1: the app cannot be made"),
        (
            "raise ImportError('{canary}')",
            "While importing 'shop', an ImportError was raised: ImportError in shop.py, line 1",
        ),
        (
            "x = '{canary}'",
            "Failed to find Flask application or factory in module 'shop'. Use 'shop:name' to specify one.",
        ),
    ],
)
def test_an_app_that_cannot_be_made_is_told_of_in_a_line(flask: Flask, source: str, told: str) -> None:
    """As wrong configuration, and without its own words, which may hold a value."""
    canary = Canary()
    done = flask(source.format(canary=canary.value), "check")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"secretsource: {told}\n")
