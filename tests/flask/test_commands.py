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
    """The app is made without its settings, so a store that is down and holds other fields does no harm."""
    done = flask("secrets", "get", "secret_key", SECRET_KEY=CANARY)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{CANARY}\n", "")


def test_check_reports_what_keeps_the_app_from_starting(flask: Flask) -> None:
    """A line for each field and the exit status of the library's own command; the factory does not see the error."""
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


TWO = """
from flask import Flask
from secretsource.flask import SecretSource
from site_ import SecretStr, Settings, SettingsConfigDict, Shop

class Admin(Settings):
    model_config = SettingsConfigDict(chain=("vault://kv/admin",))
    token: SecretStr

admin = Flask("admin")
SecretSource(admin, Admin)

def make_shop():
    app, helper = Flask("app"), Flask("helper")
    SecretSource(helper, Admin)
    SecretSource(app, Shop)
    return app

def make_broken():
    app = make_shop()
    print(app.config["SECRET_KEY"] + "...")
    return app

app = make_shop()
"""


@pytest.mark.parametrize(("app", "name"), [("two", "Shop"), ("two:make_shop()", "Shop"), ("two:admin", "Admin")])
def test_of_several_apps_it_is_the_one_that_was_named(flask: Flask, tmp_path: Path, app: str, name: str) -> None:
    """Whichever comes first in the module, or in a factory; and no store of the others is asked."""
    (tmp_path / "two.py").write_text(TWO)
    assert flask("secrets", "check", app=app, SECRET_KEY=CANARY).stderr.endswith(f"in {name}\n")
    if name == "Shop":
        done = flask("secrets", "get", "secret_key", app=app, SECRET_KEY=CANARY)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{CANARY}\n", "")


def test_an_app_that_the_module_does_not_have_is_told_of(flask: Flask, tmp_path: Path) -> None:
    """It is not taken for one of those it has."""
    (tmp_path / "two.py").write_text(TWO)
    done = flask("secrets", "check", app="two:nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing" in done.stderr


def test_where_the_making_ends_early_it_is_the_app_that_was_made_last(flask: Flask, tmp_path: Path) -> None:
    """It is made without its settings, so it may fail of that. Where another may be meant, a line says so."""
    (tmp_path / "two.py").write_text(TWO)
    done = flask("secrets", "get", "secret_key", app="two:make_broken()", SECRET_KEY=CANARY)
    assert (done.returncode, done.stdout) == (0, f"{CANARY}\n")
    assert done.stderr == (
        "warning: this is about Shop, as the app could not be made whole (TypeError in two.py, line 21); "
        "--settings names another class\n"
    )
    (tmp_path / "one.py").write_text("from site_ import create_app\napp = create_app()\napp.config['URL']\n")
    done = flask("secrets", "get", "secret_key", app="one", SECRET_KEY=CANARY)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{CANARY}\n", "")


@pytest.mark.parametrize(
    ("line", "told"),
    [("raise ImportError", ""), ("SecretSource(app, Shop)", "initialised"), ("SecretSource(Flask('x'), 1)", "derived")],
)
def test_a_mistake_in_the_making_is_told_of(flask: Flask, tmp_path: Path, line: str, told: str) -> None:
    """What has nothing to do with the settings that are not there."""
    imports = "from site_ import *\napp = create_app()"
    (tmp_path / "one.py").write_text(f"{imports}\n{line}\n")
    done = flask("secrets", "get", "secret_key", app="one", SECRET_KEY=CANARY)
    assert (done.returncode, done.stdout) == ((2, "") if told else (0, f"{CANARY}\n"))
    assert told in done.stderr
    assert "Traceback" not in done.stderr


EARLY = """
from flask import Flask
from secretsource.flask import SecretSource
from site_ import Database, SecretStr, Settings, SettingsConfigDict

class Early(Settings):
    model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("env://", "dotenv://.env"))
    secret_key: SecretStr
    port: int

def create_app():
    settings = Early.load()
    app = Flask("app")
    SecretSource(app, Early)
    return app
"""


def test_an_app_that_loads_its_settings_itself_is_checked_no_less(flask: Flask, tmp_path: Path) -> None:
    """What is missing or invalid in them is told as ever, though `init_app` is never reached."""
    (tmp_path / "early.py").write_text(EARLY)
    (tmp_path / "module.py").write_text("from early import *\nsettings = Early()\napp = create_app()\n")
    for app in ("early", "module"):
        done = flask("secrets", "check", app=app, PORT="no number")
        assert (done.returncode, done.stdout) == (1, "")
        assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["secret_key:", "port:", "2"]
        assert "no number" not in done.stderr
        assert flask("secrets", "get", "port", app=app, PORT="80").stdout == "80\n"


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
