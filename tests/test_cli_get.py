"""`secretsource get`: values and nothing else, of what is named and nothing else."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from secretsource import Outcome
from secretsource.backends.memory import MemoryBackend
from secretsource.testing.leaks import Canary
from tests.commandline import PROGRAM, CommandLine, lines, on_terminal

SHOP = """
class Database(BaseModel):
    username: str
    password: SecretStr
    port: int = 5432

class ShopSettings(Settings):
    model_config = SettingsConfigDict(
        env_prefix="SHOP_",
        env_nested_delimiter="__",
        chain={"development": ("env://", "dotenv://.env"), "production": ("env://", "memory://shop")},
    )
    debug: bool = False
    secret_key: SecretStr
    sentry_dsn: str | None = None
    hosts: list[str] = ["localhost"]
    signing_key: Annotated[bytes, From("memory://signing-key")]
    database: Database
"""


@pytest.fixture
def shop(command_line: CommandLine) -> CommandLine:
    command_line.define(SHOP)
    MemoryBackend().set("shop", json.dumps({"secret_key": "not-a-real-key", "database": {"username": "shop"}}))
    return command_line


# refs


def test_a_refs_value_is_printed_with_a_newline_and_nothing_else(shop: CommandLine) -> None:
    """What a script reads is the value alone."""
    MemoryBackend().set("mail", " not-a-real-password ")
    result = shop("get", "memory://mail")
    assert (result.exit_code, result.stdout, result.stderr) == (0, " not-a-real-password \n", "")


def test_several_values_come_in_the_order_in_which_they_were_asked_for(shop: CommandLine) -> None:
    """One line for each, also where one is asked for twice."""
    MemoryBackend().set("a", "1")
    MemoryBackend().set("b", "2")
    assert shop("get", "memory://b", "memory://a", "memory://b").stdout == "2\n1\n2\n"


def test_refs_are_asked_for_in_one_go(shop: CommandLine) -> None:
    """Two secrets of one store are one call to its driver."""
    MemoryBackend().set("a", "1")
    MemoryBackend().set("b", "2")
    shop("get", "memory://a", "memory://b")
    assert MemoryBackend().calls == (("a", "b"),)


def test_a_part_of_a_secret_that_is_no_text_comes_as_json(shop: CommandLine) -> None:
    """An object as an object, a number as it is written in the secret."""
    MemoryBackend().set("shop", '{"limits": {"a": 1.10}, "ports": [1, 2], "debug": true}')
    result = shop("get", "memory://shop#limits", "memory://shop#ports", "memory://shop#debug", "memory://shop#limits/a")
    assert lines(result.stdout) == ['{"a": 1.10}', "[1, 2]", "true", "1.10"]


def test_json_is_one_object(shop: CommandLine) -> None:
    """`--format json` says which value is whose."""
    MemoryBackend().set("a", "é\n")
    MemoryBackend().set("key", b"\xff\x00")
    result = shop("get", "--format", "json", "memory://a", "memory://key")
    assert json.loads(result.stdout) == {"memory://a": "é\n", "memory://key": "/wA="}


def test_json_is_json_whatever_is_in_the_text(command_line: CommandLine) -> None:
    """A variable that is not UTF-8 is half characters in Python, and their escapes in JSON."""
    command_line.define("""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(chain=("env://",))
            names: list[str]
    """)
    command = [*PROGRAM, "get", "--format", "json", "names"]
    environ = {**os.environb, b"SECRETSOURCE_SETTINGS": command_line.settings.encode(), b"NAMES": b'["\xff\xc3\xa9"]'}
    result = subprocess.run(command, capture_output=True, env=environ, check=True)
    assert json.loads(result.stdout.decode()) == {"names": ["\udcff\xe9"]}


def test_bytes_and_text_reach_a_pipe_as_they_are(shop: CommandLine) -> None:
    """Binary secrets are not decoded, and text is UTF-8 whatever the locale says."""
    (shop.folder / "binary").write_bytes(b"\xff\x00\x1b[31m")
    (shop.folder / "text").write_text("pässwörd \x1b[31m\u202e", encoding="utf-8")
    refs = [f"file://{shop.folder}/binary", f"file://{shop.folder}/text"]
    result = shop.run("get", *refs, LC_ALL="C", PYTHONIOENCODING="ascii")
    assert (result.stdout, result.stderr) == (b"\xff\x00\x1b[31m\n" + "pässwörd \x1b[31m\u202e\n".encode(), b"")


def test_a_terminal_is_not_steered_by_a_value(shop: CommandLine) -> None:
    """On a terminal, control characters are shown instead of obeyed; lines stay lines."""
    (shop.folder / "text").write_bytes(b"one\ntwo\x1b[2J\x9b\xff")
    status, shown = on_terminal("get", f"file://{shop.folder}/text")
    assert (status, shown) == (0, "one\r\ntwo\\x1b[2J\\x9b\\xff\r\n")


@pytest.mark.parametrize("command", ["get", "explain"])
def test_a_source_is_not_taken_for_a_ref(shop: CommandLine, command: str) -> None:
    """Nobody is asked for a secret that is called `{name}`; one that is can be had by its percent-encoding."""
    MemoryBackend().set("{name}", "odd")
    result = shop(command, "memory://{name}", "memory://shop#{path}")
    assert (result.exit_code, result.stdout, MemoryBackend().calls) == (2, "", ())
    assert lines(result.stderr) == [
        "secretsource: {name} is a placeholder, so this is a source and not a ref: memory://{name}",
        "secretsource: {path} is a placeholder, so this is a source and not a ref: memory://shop#{path}",
    ]
    assert shop(command, "memory://%7Bname%7D").exit_code == 0


@pytest.mark.usefixtures("memory_keyring")
@pytest.mark.parametrize("location", ["env://PATH", "dotenv://.env#A", "file://a", "keyring://shop/a"])
def test_a_version_of_what_has_none_is_invalid(shop: CommandLine, location: str) -> None:
    """The newest is not what was asked for; so it is too where there is nothing at all."""
    (shop.folder / "a").write_text("1")
    (shop.folder / ".env").write_text("A=1")
    place, sign, key = location.partition("#")
    result = shop("get", f"{place}?version=3{sign}{key}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(f": INVALID: {place.partition(':')[0]} has no versions (leave ?version= out)\n")


def test_a_missing_ref_is_a_line_on_stderr(shop: CommandLine) -> None:
    """Exit status 1, and nothing on stdout."""
    result = shop("get", "env://SHOP_NOT_THERE")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "env://SHOP_NOT_THERE: MISSING: it does not exist\n"


def test_all_problems_come_at_once_and_no_value_with_them(shop: CommandLine) -> None:
    """A script that reads lines never gets them shifted by one that is missing."""
    MemoryBackend().set("a", "1")
    MemoryBackend().fail("b", Outcome.DENIED)
    result = shop("get", "memory://a", "memory://b", "env://NOT_THERE", "secret_key")
    assert (result.exit_code, result.stdout) == (3, "")
    assert [line.split(":")[0] for line in lines(result.stderr)] == ["secret_key", "memory", "env"]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.FOUND])
def test_the_exit_status_tells_a_missing_value_from_a_failed_store(shop: CommandLine, outcome: Outcome) -> None:
    """1 for what is missing or invalid, 3 for everything that a store may fail with."""
    MemoryBackend().fail("pay", outcome)
    result = shop("get", "memory://pay")
    assert result.exit_code == (1 if outcome in (Outcome.MISSING, Outcome.INVALID) else 3)


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        ("valt://kv/shop#key", "did you mean 'vault'?"),
        ("vault://kv", "the location of vault is mount/path"),
        ("vault://user:not-a-real-password@kv/shop", "takes no credentials"),
        ("other://x", "there is no backend for other://"),
    ],
)
def test_a_bad_ref_is_wrong_usage(shop: CommandLine, ref: str, told: str) -> None:
    """Exit status 2, and what is wrong in a line."""
    result = shop("get", ref)
    assert (result.exit_code, result.stdout, len(lines(result.stderr))) == (2, "", 1)
    assert told in result.stderr
    assert "not-a-real-password" not in result.stderr


def test_a_scheme_of_the_classs_own_is_known(command_line: CommandLine) -> None:
    """`backends=` of the settings class counts for refs too."""
    command_line.define("""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(backends={"second": MemoryBackend({"a": "1"})}, chain=("second://",))
    """)
    assert command_line("get", "second://a").stdout == "1\n"


def test_a_ref_of_a_store_that_is_built_in_needs_no_class(shop: CommandLine) -> None:
    """One that cannot be imported does no harm."""
    assert shop.run("get", "env://SHOP_KEY", SECRETSOURCE_SETTINGS="not_there:X", SHOP_KEY="x").stdout == b"x\n"


# fields


def test_a_field_comes_from_the_first_source_that_has_it(shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain of the profile, secrets in clear."""
    (shop.folder / ".env").write_text("SHOP_SECRET_KEY=from-dotenv\n")
    assert shop("get", "secret_key").stdout == "from-dotenv\n"
    assert shop("get", "secret_key", "--profile", "production").stdout == "not-a-real-key\n"
    monkeypatch.setenv("SHOP_SECRET_KEY", "from-env")
    assert shop("get", "secret_key", "--profile", "production").stdout == "from-env\n"


def test_values_are_those_that_the_application_would_get(shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted as the field's type converts, and told as JSON where they are no text."""
    monkeypatch.setenv("SHOP_DEBUG", "on")
    monkeypatch.setenv("SHOP_HOSTS", '["a", "b"]')
    MemoryBackend().set("signing-key", b"\xff\x00")
    result = shop("get", "debug", "hosts", "sentry_dsn", "signing_key")
    assert result.stdout_bytes == b'true\n["a", "b"]\n\n\xff\x00\n'


def test_a_default_is_printed_like_a_value(shop: CommandLine) -> None:
    """The application would run with it."""
    assert shop("get", "debug", "hosts").stdout == 'false\n["localhost"]\n'


def test_a_nested_model_comes_as_json_and_its_leaves_by_their_path(shop: CommandLine) -> None:
    """`database` is all of it, `database.port` one of it."""
    variables = {"SHOP_DATABASE__USERNAME": "shop", "SHOP_DATABASE__PASSWORD": "not-a-real-password"}
    result = shop.run("get", "database", "database.password", "database.port", **variables)
    whole, password, port = result.stdout.decode().splitlines()
    assert json.loads(whole) == {"username": "shop", "password": "not-a-real-password", "port": 5432}
    assert (password, port) == ("not-a-real-password", "5432")


def test_only_what_is_named_is_asked_for(shop: CommandLine) -> None:
    """A field's command needs no right to read the others."""
    MemoryBackend().fail("shop", Outcome.DENIED)
    MemoryBackend().set("signing-key", "not-a-real-key")
    assert shop("get", "signing_key", "--profile", "production").stdout == "not-a-real-key\n"
    assert MemoryBackend().calls == (("signing-key",),)


def test_the_fields_own_validators_run(command_line: CommandLine) -> None:
    """With its alias, and without the other fields."""
    command_line.define("""
        from pydantic_settings import NoDecode

        class Inner(BaseModel):
            name: str
            other: str

            @field_validator("name")
            @classmethod
            def shout(cls, value: str) -> str:
                return value.upper()

        class ShopSettings(Settings):
            model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("env://",), str_strip_whitespace=True)
            hosts: Annotated[list[str], NoDecode] = Field(alias="SHOP_HOSTS")
            inner: Inner
            plain: str

            @field_validator("hosts", mode="before")
            @classmethod
            def split(cls, value: str) -> list[str]:
                return value.split(",")
    """)
    result = command_line.run("get", "hosts", "inner.name", "plain", SHOP_HOSTS="a,b", INNER__NAME="x", PLAIN=" y ")
    assert lines(result.stdout.decode()) == ['["a", "b"]', "X", "y"], result.stderr


def test_a_nested_model_with_a_default_is_only_known_whole(command_line: CommandLine) -> None:
    """Its leaf is that of the default object as long as nothing else of it is given."""
    command_line.define("""
        class Mail(BaseModel):
            host: str = "localhost"
            port: int = 25

        class ShopSettings(Settings):
            model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("env://",))
            mail: Mail = Mail(host="mail.example")
    """)
    assert command_line.run("get", "mail.host").stdout == b"mail.example\n"
    assert command_line.run("get", "mail.host", MAIL__PORT="587").stdout == b"localhost\n"


def test_a_missing_field_tells_where_was_searched(shop: CommandLine) -> None:
    """Every place of the chain, in its order."""
    MemoryBackend().set("shop", "{}")
    result = shop("get", "--profile", "production", "database")
    assert (result.exit_code, result.stdout) == (1, "")
    username, password = lines(result.stderr)
    assert username.startswith("database.username: MISSING: searched env://SHOP_DATABASE__USERNAME (MISSING), memory")
    assert password.startswith("database.password: MISSING")


def test_an_invalid_field_tells_what_is_expected_and_not_what_came(shop: CommandLine) -> None:
    """Neither pydantic's input nor a validator's text shows the value."""
    canary = Canary()
    result = shop.run("get", "debug", "database.port", SHOP_DEBUG=canary.value, SHOP_DATABASE__PORT=canary.value)
    debug, port = lines(result.stderr.decode())
    assert result.returncode == 1
    assert debug.startswith("debug: INVALID env://SHOP_DEBUG: Input should be a valid boolean")
    assert port.startswith("database.port: INVALID env://SHOP_DATABASE__PORT: Input should be a valid integer")
    assert not canary.is_in(result.stderr.decode())


@pytest.mark.parametrize("error", ["KeyError", "SystemExit"])
def test_a_validator_that_fails_in_its_own_way_is_told_by_name_and_line(command_line: CommandLine, error: str) -> None:
    """Its text may hold the value, and is left out."""
    canary = Canary()
    command_line.define(f"""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(chain=("env://",))
            first: str
            second: str

            @field_validator("second")
            @classmethod
            def check(cls, value: str) -> str:
                raise {error}(value)
    """)
    result = command_line.run("get", "second", SECOND=canary.value)
    assert result.returncode == 1
    assert result.stderr.decode() == f"second: INVALID: {error} in {command_line.module}.py, line 15\n"
    assert not canary.is_in(result.stderr.decode())


@pytest.mark.parametrize("name", ["secretkey", "database.pasword", "database.password.x", "", "Database"])
def test_an_unknown_field_is_wrong_usage(shop: CommandLine, name: str) -> None:
    """With the nearest name that there is."""
    result = shop("get", name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"ShopSettings has no field {name!r}" in result.stderr
    assert ("did you mean" in result.stderr) == bool(name)


def test_a_class_with_sources_of_its_own_is_loaded_as_it_is(command_line: CommandLine) -> None:
    """Its values do not come through the chain alone, so the class itself has to say."""
    command_line.define("""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(chain=("env://",))
            secret_key: SecretStr

            @classmethod
            def settings_customise_sources(cls, settings_cls, **sources):
                return (lambda: {"secret_key": "from-elsewhere"},)
    """)
    assert command_line("get", "secret_key").stdout == "from-elsewhere\n"


# the settings class


def test_a_field_without_a_class_is_wrong_usage(shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names every way to say which class."""
    result = shop.run("get", "secret_key", SECRETSOURCE_SETTINGS="")
    assert result.returncode == 2
    for way in (b"--settings MODULE:CLASS", b"SECRETSOURCE_SETTINGS", b"[tool.secretsource]"):
        assert way in result.stderr


def test_the_nearest_pyproject_names_the_class(shop: CommandLine) -> None:
    """Also from a folder below, and what it names is importable."""
    (shop.folder / "pyproject.toml").write_text(f'[tool.secretsource]\nsettings = "{shop.settings}"\n')
    below = shop.folder / "a" / "b"
    below.mkdir(parents=True)
    command = [*PROGRAM, "get", "debug"]
    result = subprocess.run(command, cwd=below, capture_output=True, check=False)
    assert (result.returncode, result.stdout) == (0, b"false\n")


def test_the_option_goes_before_the_environment_and_that_before_the_project(shop: CommandLine) -> None:
    """The nearest says."""
    for name, default in (("shop_option", "option"), ("shop_variable", "variable"), ("shop_project", "project")):
        shop.define(f"class ShopSettings(Settings):\n    name: str = {default!r}", module=name)
    (shop.folder / "pyproject.toml").write_text('[tool.secretsource]\nsettings = "shop_project:ShopSettings"\n')
    variable = {"SECRETSOURCE_SETTINGS": "shop_variable:ShopSettings"}
    assert shop.run("get", "name", SECRETSOURCE_SETTINGS="").stdout == b"project\n"
    assert shop.run("get", "name", **variable).stdout == b"variable\n"
    assert shop.run("get", "--settings", "shop_option:ShopSettings", "name", **variable).stdout == b"option\n"


@pytest.mark.parametrize("text", ["[tool.secretsource\n", "tool = 1\n", "\xff"])
def test_a_broken_pyproject_is_told(shop: CommandLine, text: str) -> None:
    """In a line, not as a traceback of the TOML parser."""
    (shop.folder / "pyproject.toml").write_bytes(text.encode("latin-1"))
    result = shop.run("get", "secret_key", SECRETSOURCE_SETTINGS="")
    assert (result.returncode, len(lines(result.stderr.decode()))) == (2, 1)
    assert b"pyproject.toml" in result.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("shop", "is named MODULE:CLASS"),
        (":ShopSettings", "is named MODULE:CLASS"),
        ("not_there:ShopSettings", "there is no module 'not_there'"),
        ("json.not_there:ShopSettings", "there is no module 'json.not_there'"),
        ("json:loads", "json:loads is no settings class"),
        ("{module}:ShopSetings", "did you mean 'ShopSettings'?"),
        ("{module}:made", "is a settings object; name its class, Small"),
    ],
)
def test_a_class_that_is_not_there_is_told_of(command_line: CommandLine, settings: str, told: str) -> None:
    """What was looked for, and the nearest that there is."""
    command_line.define("""
        class ShopSettings(Settings):
            name: str = ""

        class Small(Settings):
            pass

        made = Small()
    """)
    result = command_line("get", "--settings", settings.format(module=command_line.module), "name")
    assert (result.exit_code, len(lines(result.stderr))) == (2, 1)
    assert told in result.stderr


def test_a_module_may_make_its_settings_when_it_is_imported(shop: CommandLine) -> None:
    """The command asks for what is named all the same, and the import asks for nothing."""
    shop.define(SHOP + "\nsettings = ShopSettings()\nraise RuntimeError('not reached')\n")
    MemoryBackend().set("signing-key", "not-a-real-key")
    assert shop("get", "signing_key", "--profile", "production").stdout == "not-a-real-key\n"
    assert MemoryBackend().calls == (("signing-key",),)


def test_a_package_may_make_its_settings_when_it_is_imported(command_line: CommandLine) -> None:
    """Also where another module of it does so than the one that is named."""
    package = command_line.folder / command_line.module
    package.mkdir()
    (package / "__init__.py").write_text("from . import app\n")
    (package / "app.py").write_text("from .settings import ShopSettings\nsettings = ShopSettings()\n")
    command_line.define(SHOP, module=f"{command_line.module}/settings")
    MemoryBackend().set("signing-key", "not-a-real-key")
    named = f"{command_line.module}.settings:ShopSettings"
    assert command_line("get", "signing_key", "--settings", named).stdout == "not-a-real-key\n"
    assert MemoryBackend().calls == (("signing-key",),)


def test_a_module_may_give_up_without_its_settings(command_line: CommandLine) -> None:
    """As many a program does that cannot start."""
    command_line.define("""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(chain=("env://",))
            name: str = "x"

        try:
            settings = ShopSettings()
        except Exception:
            raise SystemExit("cannot start")
    """)
    assert command_line("get", "name").stdout == "x\n"


def test_what_has_to_be_loaded_before_the_class_is_there_is_loaded(command_line: CommandLine) -> None:
    """A class that is defined with the help of other settings needs them."""
    command_line.define("""
        class Base(Settings):
            model_config = SettingsConfigDict(chain=("env://",))
            name: str = "base"

        base = Base()

        class ShopSettings(Settings):
            name: str = base.name
    """)
    assert command_line("get", "name").stdout == "base\n"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise RuntimeError('{canary}')", "cannot be imported: RuntimeError in {module}.py, line 6"),
        ("def broken(:\n    key = '{canary}'", "cannot be imported: SyntaxError in {module}.py, line 6"),
        ("import not_there_at_all", "it needs 'not_there_at_all', which is not installed"),
        ("raise SystemExit('{canary}')", "cannot be imported: SystemExit in {module}.py, line 6"),
        ("class S(BaseModel):\n    key = '{canary}'", "cannot be imported: PydanticUserError in {module}.py, line 6"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_of_without_its_words(
    command_line: CommandLine, source: str, told: str
) -> None:
    """The kind of error and its line: the text of somebody else's error may hold a value."""
    canary = Canary()
    command_line.define(source.format(canary=canary.value))
    result = command_line.run("get", "secret_key")
    assert (result.returncode, result.stdout, len(lines(result.stderr.decode()))) == (2, b"", 1)
    assert told.format(module=command_line.module) in result.stderr.decode()
    assert not canary.is_in(result.stderr.decode())


# options


def test_options_may_stand_before_the_command(shop: CommandLine) -> None:
    """As with git."""
    assert shop("--profile", "production", "get", "secret_key").stdout == "not-a-real-key\n"


def test_a_chain_of_the_command_line_replaces_that_of_the_class(shop: CommandLine) -> None:
    """Its sources are separated by blanks."""
    MemoryBackend().set("elsewhere", '{"secret_key": "other"}')
    assert shop("get", "secret_key", "--chain", "env:// memory://elsewhere").stdout == "other\n"


def test_options_leave_the_environment_as_it_was(shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold for the run alone, which matters to a framework that runs commands in its own process."""
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "development")
    shop("get", "debug", "--profile", "production", "--chain", "env://")
    assert os.environ["SECRETSOURCE_PROFILE"] == "development"
    assert "SECRETSOURCE_CHAIN" not in os.environ


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["get"], "Missing argument"),
        (["get", "--profile", "", "x"], "'--profile': it is empty"),
        (["get", "--profile", "prodction", "debug"], "there is no profile 'prodction'; did you mean 'production'?"),
        (["get", "--chain", "env:// valt://x", "debug"], "did you mean 'vault'?"),
        (["get", "--format", "xml", "debug"], "'--format'"),
        (["got"], "there is no command 'got'; did you mean 'get'?"),
        (["--bad"], "No such option"),
    ],
)
def test_wrong_usage_is_one_line(shop: CommandLine, arguments: list[str], told: str) -> None:
    """Exit status 2, and no page of help that hides the mistake."""
    result = shop(*arguments)
    assert (result.exit_code, result.stdout, len(lines(result.stderr))) == (2, "", 1)
    assert told in result.stderr


# the program


def test_without_a_command_the_help_is_shown(command_line: CommandLine) -> None:
    """As it is with `--help`, but that nothing was done."""
    result = command_line()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "explain  Show where each value comes from.\n" in result.stderr


@pytest.mark.parametrize("size", [10, 500_000])
def test_a_reader_that_stops_reading_is_no_error(shop: CommandLine, size: int) -> None:
    """`| head -1` shows no traceback, neither now nor when Python ends; the status is that of SIGPIPE."""
    (shop.folder / "large").write_text("x" * size)
    command = [*PROGRAM, "get", f"file://{shop.folder}/large"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_value_that_nobody_could_read_is_not_printed_into_nothing(shop: CommandLine) -> None:
    """A closed stdout is told of, as wrong usage."""
    command = f"{shlex.join([*PROGRAM, 'get', f'file://{shop.folder}/{shop.module}.py'])} >&-"
    result = subprocess.run(command, shell=True, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr) == (2, b"secretsource: stdout is closed\n")


def test_an_interrupt_ends_the_program_without_a_traceback(command_line: CommandLine) -> None:
    """Exit status 130, as shells have it."""
    command_line.define("""
        import pathlib, time

        class Slow(MemoryBackend):
            def fetch_many(self, refs, deadline):
                pathlib.Path("asked").touch()
                time.sleep(60)

        class ShopSettings(Settings):
            model_config = SettingsConfigDict(backends={"slow": Slow({})}, chain=("slow://x",), timeout=60)
            secret_key: str
    """)
    environ = {**os.environ, "SECRETSOURCE_SETTINGS": command_line.settings}
    command = [*PROGRAM, "get", "secret_key"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
        _wait_for(command_line.folder / "asked")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (130, b"")


def _wait_for(file: Path) -> None:
    end = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < end, "the command never asked its store"
        time.sleep(0.01)


def test_a_bug_is_told_of_without_a_traceback(shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kind and its line, as its text may hold a value."""

    def broken(*_: object) -> None:
        raise RuntimeError("not-a-real-key")

    monkeypatch.setattr("secretsource.cli.refs.resolve", broken)
    result = shop("get", "memory://a")
    line = broken.__code__.co_firstlineno + 1
    assert result.exit_code == 3
    assert lines(result.stderr) == [f"secretsource: unexpected RuntimeError in {Path(__file__).name}, line {line}"]


def test_a_warning_is_one_line(shop: CommandLine) -> None:
    """Without the line of code that Python adds."""
    (shop.folder / ".env").write_text("NOT A VARIABLE\nA=1\n")
    result = shop.run("get", "dotenv://.env#A")
    assert (result.stdout, result.stderr) == (b"1\n", b"warning: .env, line 1: not NAME=VALUE, ignored\n")


def test_somebody_elses_warning_is_told_without_its_words(command_line: CommandLine) -> None:
    """They may hold a value."""
    canary = Canary()
    command_line.define(f"""
        import warnings

        warnings.warn("{canary.value}", RuntimeWarning)

        class ShopSettings(Settings):
            name: str = "x"
    """)
    result = command_line.run("get", "name")
    told = f"warning: RuntimeWarning in {command_line.module}.py, line 9\n"
    assert (result.stdout, result.stderr.decode()) == (b"x\n", told)


def test_no_error_steers_the_terminal(command_line: CommandLine) -> None:
    """A problem is one line, whatever a validator has to say."""
    command_line.define(r"""
        class ShopSettings(Settings):
            name: str = Field(default="x", validate_default=True)

            @field_validator("name")
            @classmethod
            def check(cls, value: str) -> str:
                raise ValueError("not\x1b[2J\ngood")
    """)
    result = command_line("get", "name")
    assert result.stderr == "name: INVALID: Value error, not\\x1b[2J\\ngood\n"


def test_a_ref_is_had_without_what_only_classes_need(shop: CommandLine) -> None:
    """pydantic, asyncio and the like take longer to import than all the rest together."""
    code = f"import sys; sys.argv[1:] = ['get', 'env://HOME']; import atexit; atexit.register(lambda: print(*(\
{{'pydantic', 'asyncio', 'rich', 'importlib.metadata', 'dotenv', 'secretsource.settings'}} & set(sys.modules)), \
file=sys.stderr)); {PROGRAM[-1]}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stderr.strip() == b""


def test_help_and_version_need_click_alone() -> None:
    """They start as fast as click does."""
    for option in ("--help", "--version"):
        code = f"import sys; sys.argv[1:] = ['{option}']; import atexit; atexit.register(lambda: print(*(name for name \
in sys.modules if name.startswith('secretsource.') and not name.startswith('secretsource.cli')), file=sys.stderr)); \
{PROGRAM[-1]}"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        assert result.stderr.strip() == b""
        assert result.stdout


def test_without_its_extra_the_program_says_what_to_install() -> None:
    """The script is there in every installation, click is not."""
    code = "import sys; sys.modules['click'] = None; from secretsource.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert lines(result.stderr) == ["secretsource: the command line needs click: pip install 'secretsource[cli]'"]


def test_all_that_is_wrong_with_names_and_refs_is_told_at_once(shop: CommandLine) -> None:
    """A line each."""
    fields = shop("get", "nothing", "secret_key", "databse")
    assert fields.exit_code == 2
    assert [line.split("'")[1] for line in lines(fields.stderr)] == ["nothing", "databse"]
    refs = shop("get", "aws-sm://a?x=1", "env://HOME", "nowhere://x", "vaul://x")
    assert refs.exit_code == 2
    assert len(lines(refs.stderr)) == 3


def test_text_that_is_none_is_told(command_line: CommandLine) -> None:
    """Half a character cannot be written."""
    result = command_line.run("get", "env://J#a", J='{"a": "\\ud800"}')
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"env://J#a: INVALID: not text" in result.stderr


def test_a_current_folder_that_is_gone_is_told(command_line: CommandLine) -> None:
    """In a line."""
    script = f"import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); {PROGRAM[2]}"
    done = subprocess.run(
        [sys.executable, "-c", script, "check"], cwd=command_line.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert lines(done.stderr) == ["secretsource: the current folder does not exist any more"]
