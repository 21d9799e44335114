"""`flask secrets get|explain|check`: the library's commands for the app's class, also where the app cannot start."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from secretsource.testing import Stores
from tests.flask.shop import CANARY, make_app

Flask = Callable[..., subprocess.CompletedProcess[str]]

SITE = """
from flask import Flask
from pydantic import BaseModel, SecretStr
from secretsource import Settings, SettingsConfigDict
from secretsource.flask import SecretSource

class Database(BaseModel):
    username: str
    password: SecretStr

class Shop(Settings):
    model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("env://", "vault://kv/shop"))
    secret_key: SecretStr
    database: Database

secrets = SecretSource[Shop]()

def create_app():
    app = Flask(__name__)
    try:
        secrets.init_app(app, Shop)
    except Exception as error:
        print("the factory saw", type(error).__name__)
        raise
    print("the app was made")
    return app
"""
GIVEN = {"SECRET_KEY": CANARY, "DATABASE__USERNAME": "u1", "DATABASE__PASSWORD": CANARY}


@pytest.fixture
def flask(tmp_path: Path) -> Flask:
    """Flask's own program in a folder with a site, and with nothing in the environment but what is given."""
    (tmp_path / "site_.py").write_text(SITE)

    def run(*arguments: str, app: str = "site_", **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flask", "--app", app, *arguments]
        environ = {**os.environ, "VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": "t", **environ}
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    return run


def test_the_commands_are_the_apps_own(stores: Stores) -> None:
    """They know its class, in a test's runner too."""
    runner = make_app().test_cli_runner()

    def run(*arguments: str) -> Result:
        return runner.invoke(args=["secrets", *arguments])

    assert run("get", "database.username").output == "u1\n"
    assert "vault://kv/shop#secret_key" in run("explain").output
    assert CANARY not in run("explain").output
    assert run("check").exit_code == 0
    assert run("get", "nothing").exit_code == 2


def test_a_field_is_printed_and_nothing_else_is_asked_for(flask: Flask) -> None:
    """No app is made for it, so a store that is down and holds other fields does no harm."""
    done = flask("secrets", "get", "secret_key", SECRET_KEY=CANARY)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{CANARY}\n", "")


def test_check_reports_what_keeps_the_app_from_starting(flask: Flask) -> None:
    """A line for each field and the exit status of the library's own command; the factory is not run to its error."""
    done = flask("secrets", "check", SECRET_KEY=CANARY)
    assert (done.returncode, done.stdout) == (3, "")
    told = done.stderr.splitlines()
    assert [line.partition(" vault://")[0] for line in told[:-1]] == [
        "database.username: UNAVAILABLE",
        "database.password: UNAVAILABLE",
    ]
    assert told[-1] == "2 problems in Shop"


def test_explain_tells_where_each_value_comes_from_and_which_does_not(flask: Flask) -> None:
    """Some can be had and others cannot: it shows both."""
    done = flask("secrets", "explain", SECRET_KEY=CANARY)
    assert done.returncode == 3
    assert "env://SECRET_KEY" in done.stdout
    assert "UNAVAILABLE" in done.stdout
    assert CANARY not in done.stdout + done.stderr


def test_all_is_well(flask: Flask) -> None:
    """The options of the library's program are there, too."""
    done = flask("secrets", "check", **GIVEN)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "ok: Shop, profile development: 3 fields, 3 from env\n"
    assert flask("secrets", "check", "--offline").stdout.startswith("ok: Shop")
    assert flask("secrets", "check", "--chain", "env://").returncode == 1


def test_an_app_at_the_top_of_a_module_is_no_different(flask: Flask, tmp_path: Path) -> None:
    """As `wsgi.py` has one."""
    (tmp_path / "wsgi.py").write_text("from site_ import create_app\napp = create_app()\n")
    assert flask("secrets", "get", "secret_key", app="wsgi", SECRET_KEY=CANARY).stdout == f"{CANARY}\n"
    assert flask("secrets", "get", "secret_key", app="site_:create_app()", SECRET_KEY=CANARY).stdout == f"{CANARY}\n"


def test_a_script_that_has_made_its_app_already(flask: Flask, tmp_path: Path) -> None:
    """Flask's group in a program of the user's own."""
    script = "from flask.cli import FlaskGroup\nfrom site_ import create_app\napp = create_app()\n"
    (tmp_path / "manage.py").write_text(f"{script}FlaskGroup(create_app=lambda: app)()\n")
    environ = {**os.environ, **GIVEN, "PYTHONPATH": str(tmp_path / "plugin")}
    command = [sys.executable, "manage.py", "secrets", "get", "secret_key"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["the app was made", CANARY]


def test_other_commands_of_flask_get_a_whole_app(flask: Flask) -> None:
    """And die of what keeps it from starting."""
    assert "the app was made" in flask("routes", **GIVEN).stdout
    assert flask("routes").returncode == 1
    assert "secrets  Where the app's settings come from." in flask("--help", **GIVEN).stdout


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("app = __import__('flask').Flask(__name__)", "it calls no init_app"),
        ("x = 1 / 0", "unexpected ZeroDivisionError in other.py, line 1"),
        ("x = 1", "Failed to find Flask application"),
    ],
)
def test_an_app_that_has_no_settings_is_told_of(flask: Flask, tmp_path: Path, source: str, told: str) -> None:
    """In a line, without a traceback."""
    (tmp_path / "other.py").write_text(textwrap.dedent(source))
    done = flask("secrets", "check", app="other")
    assert done.returncode in (2, 3)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_commands_cost_other_commands_of_flask_next_to_nothing() -> None:
    """Flask loads them whatever it is asked to do: they import neither pydantic nor a store's SDK."""
    code = "import sys, flask.cli; before = set(sys.modules); import secretsource.cli.in_flask; "
    code += "print('pydantic' in sys.modules, len(set(sys.modules) - before) < 40)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
