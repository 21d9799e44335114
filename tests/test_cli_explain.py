"""`secretsource explain`: where each value comes from, in a table that fits, and never a value."""

from __future__ import annotations

import json
import re
from importlib import import_module

import pytest

from secretsource import Outcome, explain
from secretsource.backends.memory import MemoryBackend
from secretsource.testing.leaks import Canary
from tests.commandline import CommandLine, lines, on_terminal

SHOP = """
class Database(BaseModel):
    username: str
    password: SecretStr
    host: str = "localhost"

class ShopSettings(Settings):
    model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("env://", "memory://prod/shop"))
    debug: bool = False
    secret_key: SecretStr
    stripe_key: Annotated[SecretStr, From("memory://pay#stripe-key")]
    smtp_password: Annotated[SecretStr, From(name="mail/password")]
    database: Annotated[Database, From("memory://arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/shop-db")]
"""
FILL = """
STORE = MemoryBackend()
STORE.set("prod/shop", '{"secret_key": "not-a-real-key"}', version="d3b07384-d113-49c3-a7f1-58a6c0b9f0e1")
STORE.set("arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/shop-db", '{"username": "u", "password": "p"}')
STORE.fail("pay", Outcome.DENIED)
"""
ARN = "memory://arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/shop-db"
TERMINAL_CODE = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture
def shop(command_line: CommandLine) -> CommandLine:
    command_line.define(SHOP + FILL)
    return command_line


def test_each_field_has_a_row_that_tells_where_its_value_is_from(shop: CommandLine) -> None:
    """On a pipe it is one line a field, however long, so that grep finds all of it."""
    title, head, *rows = lines(shop("explain").stdout)
    assert title == "ShopSettings, profile development"
    assert head.split() == ["FIELD", "OUTCOME", "FROM", "VERSION", "NOT", "IN", "NOTE"]
    assert [row.split()[:3] for row in rows] == [
        ["debug", "default", "env,"],
        ["secret_key", "found", "memory://prod/shop#secret_key"],
        ["stripe_key", "DENIED", "memory://pay#stripe-key"],
        ["smtp_password", "MISSING", "not"],
        ["database.username", "found", f"{ARN}#username"],
        ["database.password", "found", f"{ARN}#password"],
        ["database.host", "default", "memory"],
    ]
    assert rows[3].endswith("not in env://SMTP_PASSWORD, memory://prod/shop#mail/password")


def test_no_value_is_shown_in_any_form(shop: CommandLine) -> None:
    """Neither in the table nor in its JSON, of found values as little as of those that are good for nothing."""
    canary = Canary()
    shop.define(SHOP + FILL + f"STORE.set('prod/shop', '{{\"secret_key\": \"{canary.value}\"}}')")
    for arguments in (["explain"], ["explain", "secret_key"], ["explain", "--format", "json"]):
        result = shop.run(*arguments, DEBUG=canary.value)
        assert not canary.is_in((result.stdout + result.stderr).decode())


def test_the_exit_status_tells_of_the_worst_field(command_line: CommandLine) -> None:
    """0 if every field has a value, 1 if one is missing, 3 if a store failed."""
    command_line.define("""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(chain=("memory://shop",))
            name: str
    """)
    assert command_line("explain").exit_code == 1
    MemoryBackend().set("shop", '{"name": "x"}')
    assert command_line("explain").exit_code == 1, "that it is missing is remembered for a while"


def test_json_is_that_of_the_explanation(shop: CommandLine) -> None:
    """What a program reads is what `explain(...).to_dict()` gives a Python one."""
    result = shop("explain", "--format", "json")
    told = json.loads(result.stdout)
    assert (told["settings"], told["profile"]) == ("ShopSettings", "development")
    fields = {field["field"]: field for field in told["fields"]}
    assert fields["stripe_key"]["outcome"] == "DENIED"
    assert [attempt["outcome"] for attempt in fields["secret_key"]["trail"]] == ["MISSING", "FOUND"]


def test_named_fields_alone_are_asked_for_and_all_that_was_tried_is_told(shop: CommandLine) -> None:
    """`explain FIELD` shows each place in the order of the chain, with its outcome."""
    result = shop("explain", "smtp_password", "database")
    _, _, *rows = lines(result.stdout)
    assert [row.split()[0] for row in rows[:4]] == [
        "smtp_password",
        "database.username",
        "database.password",
        "database.host",
    ]
    trail = rows[rows.index("smtp_password") + 1 :]
    assert [line.split()[0] for line in trail] == ["OUTCOME", "missing", "missing"]
    assert "env://SMTP_PASSWORD" in trail[1]
    assert ("pay",) not in MemoryBackend().calls


def test_refs_are_explained_too(shop: CommandLine) -> None:
    """With or without a settings class."""
    MemoryBackend().set("a", "1", version="7")
    result = shop.run("explain", "env://NOT_THERE", "env://HOME", SECRETSOURCE_SETTINGS="")
    assert result.returncode == 1
    assert [line.split() for line in lines(result.stdout.decode())] == [
        ["OUTCOME", "FROM"],
        ["MISSING", "env://NOT_THERE"],
        ["found", "env://HOME"],
    ]
    assert lines(shop("explain", "memory://a").stdout)[1].split() == ["found", "memory://a", "7"]


def test_a_pointer_is_told_of(shop: CommandLine) -> None:
    """The value's own place stands in the row; how one gets there, beside it."""
    result = shop.run("explain", "secret_key", SECRET_KEY="ref+memory://prod/shop#secret_key")
    assert "by way of env://SECRET_KEY" in result.stdout.decode()


@pytest.mark.parametrize("columns", [60, 80, 110, 160])
def test_the_table_fits_the_terminal(shop: CommandLine, columns: int) -> None:
    """No line is longer, but for one that is a ref and nothing else: that one stays whole, so that it can be copied."""
    _, shown = on_terminal("explain", columns=columns, variables=shop.named)
    shown = TERMINAL_CODE.sub("", shown)
    for line in lines(shown):
        assert len(line) <= columns or line.strip().startswith(ARN)
    for ref in ("memory://prod/shop#secret_key", f"{ARN}#password", "memory://pay#stripe-key"):
        assert ref in shown


def test_the_more_room_the_more_is_told(shop: CommandLine) -> None:
    """The version is shortened, as it is on terminals; it goes where there is no room for it, the ref never."""
    plain = {**shop.named, "NO_COLOR": "1"}
    narrow, wide = (on_terminal("explain", columns=columns, variables=plain)[1] for columns in (60, 160))
    assert "VERSION" not in narrow
    assert "d3b07384 " in wide
    assert "d3b07384-" not in wide


def test_a_terminal_gets_colours_unless_it_does_not_want_them(shop: CommandLine) -> None:
    """NO_COLOR and TERM=dumb are heeded; a pipe gets none unless FORCE_COLOR asks for them."""
    assert TERMINAL_CODE.search(on_terminal("explain", variables=shop.named)[1])
    for unwanted in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert not TERMINAL_CODE.search(on_terminal("explain", variables={**shop.named, **unwanted})[1])
    assert not TERMINAL_CODE.search(shop.run("explain").stdout.decode())
    assert TERMINAL_CODE.search(shop.run("explain", FORCE_COLOR="1").stdout.decode())
    assert not TERMINAL_CODE.search(shop.run("explain", FORCE_COLOR="1", NO_COLOR="1").stdout.decode())


def test_what_holds_for_several_fields_is_said_once(command_line: CommandLine) -> None:
    """One store that is down is one note, not one for each of its fields."""
    command_line.define("""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(chain=("memory://some-secret-of-quite-some-length",))
            first: str
            second: str

        MemoryBackend().fail("some-secret-of-quite-some-length", Outcome.UNAVAILABLE)
    """)
    status, shown = on_terminal("explain", columns=80, variables={**command_line.named, "NO_COLOR": "1"})
    assert status == 3
    assert [line.split()[0] for line in lines(shown)[2:]] == ["first", "second", "told"]


def test_an_unknown_field_is_wrong_usage(shop: CommandLine) -> None:
    """As for `get`."""
    result = shop("explain", "secretkey")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'secret_key'?" in result.stderr


def test_it_tells_of_a_class_what_the_library_tells(shop: CommandLine) -> None:
    """The command and `secretsource.explain` read the same plan."""
    told = json.loads(shop("explain", "--format", "json").stdout)["fields"]
    by_library = list(explain(import_module(shop.module).ShopSettings))
    assert [(field["field"], field["outcome"], field["ref"]) for field in told] == [
        (each.field, each.outcome.name, None if each.ref is None else str(each.ref)) for each in by_library
    ]
    assert {each.outcome for each in by_library} == {Outcome.FOUND, Outcome.MISSING, Outcome.DENIED}
