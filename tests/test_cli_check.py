"""`secretsource check`: everything that is wrong, at once; what a deployment waits for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from secretsource import Outcome
from secretsource.backends.memory import MemoryBackend
from secretsource.testing.leaks import Canary
from tests.commandline import CommandLine, lines

SHOP = """
class Database(BaseModel):
    username: str
    password: SecretStr

class ShopSettings(Settings):
    model_config = SettingsConfigDict(
        env_nested_delimiter="__",
        chain={"development": ("env://", "dotenv://.env"), "production": ("env://", "memory://shop", "vault://kv/shop")},
    )
    debug: bool = False
    secret_key: SecretStr
    stripe_key: Annotated[SecretStr, From("memory://pay")]
    database: Annotated[Database, From(never="vault")]
"""


@pytest.fixture
def shop(command_line: CommandLine) -> CommandLine:
    command_line.define(SHOP)
    return command_line


def test_all_is_well_in_a_line(shop: CommandLine) -> None:
    """How many fields there are, and where they come from."""
    (shop.folder / ".env").write_text("SECRET_KEY=a\nDATABASE__USERNAME=b\nDATABASE__PASSWORD=c\n")
    MemoryBackend().set("pay", "d")
    result = shop("check")
    told = "ok: ShopSettings, profile development: 5 fields, 3 from dotenv, 1 from memory, 1 by default\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, told, "")


def test_every_problem_has_a_line_and_they_come_at_once(shop: CommandLine) -> None:
    """Missing, invalid and failed ones alike; the store that failed decides on the exit status."""
    MemoryBackend().fail("pay", Outcome.DENIED)
    result = shop.run("check", DEBUG="maybe", SECRET_KEY="x")
    assert (result.returncode, result.stdout) == (1, b"")
    MemoryBackend().fail("pay", Outcome.DENIED)
    result_here = shop("check")
    told = lines(result_here.stderr)
    assert result_here.exit_code == 3
    assert [line.split(":")[0] for line in told[:-1]] == [
        "stripe_key",
        "secret_key",
        "database.username",
        "database.password",
    ]
    assert told[-1] == "4 problems in ShopSettings"


def test_what_is_missing_or_invalid_is_told_without_the_value(shop: CommandLine) -> None:
    """Where it was found, what is wrong with it, and where was searched for what is not there."""
    canary = Canary()
    result = shop.run("check", DEBUG=canary.value, SECRET_KEY=canary.value, DATABASE__USERNAME=canary.value)
    told, password = result.stderr.decode(), "DATABASE__PASSWORD"
    assert result.returncode == 1
    assert lines(told) == [
        "debug: INVALID env://DEBUG: Input should be a valid boolean, unable to interpret input",
        "stripe_key: MISSING: searched memory://pay (MISSING)",
        f"database.password: MISSING: searched env://{password} (MISSING), dotenv://.env#{password} (MISSING)",
        "3 problems in ShopSettings",
    ]
    assert not canary.is_in(told)


def test_a_validators_own_words_do_not_show_the_value(command_line: CommandLine) -> None:
    """Also in a class that is a plain BaseSettings."""
    canary = Canary()
    for base in ("Settings", "BaseSettings"):
        command_line.define(f"""
            from pydantic_settings import BaseSettings

            class ShopSettings({base}):
                secret_key: str

                @field_validator("secret_key")
                @classmethod
                def check(cls, value: str) -> str:
                    raise ValueError(f"not good: {{value}}")
        """)
        result = command_line.run("check", SECRET_KEY=canary.value)
        assert (result.returncode, len(lines(result.stderr.decode()))) == (1, 2)
        assert "not good" in result.stderr.decode()
        assert not canary.is_in(result.stderr.decode())


def test_a_validator_of_the_whole_class_is_told_under_its_name(command_line: CommandLine) -> None:
    """There is no field to name."""
    command_line.define("""
        class ShopSettings(Settings):
            @model_validator(mode="after")
            def refuse(self) -> "ShopSettings":
                raise ValueError("never good")
    """)
    assert lines(command_line("check").stderr)[0] == "ShopSettings: INVALID: Value error, never good"


@pytest.mark.parametrize("error", ["RuntimeError", "KeyError", "SystemExit", "BrokenPipeError"])
@pytest.mark.parametrize("base", ["Settings", "BaseSettings"])
def test_an_error_of_a_validators_own_kind_is_an_invalid_value(
    command_line: CommandLine, base: str, error: str
) -> None:
    """Exit status 1, with the class, the kind and the line: its text may hold the value."""
    canary = Canary()
    command_line.define(f"""
        from pydantic_settings import BaseSettings

        class ShopSettings({base}):
            secret_key: str

            @field_validator("secret_key")
            @classmethod
            def check(cls, value: str) -> str:
                raise {error}(value)
    """)
    result = command_line.run("check", SECRET_KEY=canary.value)
    assert (result.returncode, result.stdout) == (1, b"")
    assert lines(result.stderr.decode()) == [
        f"ShopSettings: INVALID: {error} in {command_line.module}.py, line 15",
        "1 problem in ShopSettings",
    ]


def test_a_store_that_a_validator_asks_is_no_invalid_value(command_line: CommandLine) -> None:
    """Its failure is told as that of any other: exit status 3."""
    command_line.define("""
        import secretsource

        class ShopSettings(Settings):
            name: str = Field(default_factory=lambda: secretsource.get("memory://name"))

        MemoryBackend().fail("name", Outcome.DENIED)
    """)
    for arguments in (["check"], ["get", "name"]):
        result = command_line(*arguments)
        assert (result.exit_code, len(lines(result.stderr))) == (3, 1)


def test_text_that_pydantic_settings_cannot_read_is_an_invalid_value(command_line: CommandLine) -> None:
    """A list that is no JSON, in a class without a chain."""
    command_line.define("""
        class ShopSettings(Settings):
            hosts: list[str]
    """)
    result = command_line.run("check", HOSTS="no JSON")
    assert (result.returncode, result.stdout) == (1, b"")
    assert lines(result.stderr.decode())[0] == "hosts: INVALID: its text cannot be read (EnvSettingsSource)"


def test_a_wrong_declaration_is_no_wrong_value(shop: CommandLine) -> None:
    """Exit status 2: nothing was asked."""
    result = shop("check", "--chain", "env:// valt://kv/shop envz://")
    assert result.exit_code == 2
    assert [line.partition("; ")[2] for line in lines(result.stderr)] == [
        "did you mean 'vault'?",
        "did you mean 'env'?",
    ]


def test_a_store_that_is_down_is_not_taken_for_a_missing_value(shop: CommandLine) -> None:
    """Exit status 3, with what to do about it."""
    result = shop.run(
        "check", "--profile", "production", SECRET_KEY="", VAULT_ADDR="http://127.0.0.1:9", VAULT_TOKEN="t"
    )
    assert result.returncode == 3
    assert "UNAVAILABLE vault://kv/shop" in result.stderr.decode()


def test_a_value_that_is_good_but_odd_is_warned_of(command_line: CommandLine) -> None:
    """It does not stop a deployment."""
    command_line.define("""
        from secretsource import SecretValue

        class Expired(MemoryBackend):
            def fetch_many(self, refs, deadline):
                return {ref: SecretValue("x", warning="expired on 2026-01-31") for ref in refs}

        class ShopSettings(Settings):
            model_config = SettingsConfigDict(backends={"old": Expired({})}, chain=("old://x/",))
            secret_key: str
    """)
    result = command_line("check")
    assert (result.exit_code, result.stderr) == (0, "warning: secret_key: old://x/secret_key: expired on 2026-01-31\n")


# offline


def test_offline_asks_no_store(shop: CommandLine) -> None:
    """The class and the refs of all its profiles are looked at, and nothing else."""
    result = shop("check", "--offline")
    told = "ok: ShopSettings, profiles development, production: 5 fields, no store was asked\n"
    assert (result.exit_code, result.stdout, result.stderr) == (0, told, "")
    assert MemoryBackend().calls == ()


def test_offline_finds_what_is_wrong_in_any_profile(command_line: CommandLine) -> None:
    """All of it, so that a test run on a developer's machine guards production."""
    command_line.define("""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(
                chain={"development": ("env://",), "production": ("vault://kv", "aws-sm://a?regin=x", "other://x")},
            )
            name: str
    """)
    result = command_line("check", "--offline")
    assert result.exit_code == 2
    for fault in ("the location of vault is mount/path", "unknown option 'regin'"):
        assert any(fault in line for line in lines(result.stderr))
    assert command_line("check", "--offline", "--profile", "development").exit_code == 0
    assert "no backend for other://" in command_line("check", "--offline", "--chain", "other://x").stderr


def test_offline_tells_which_sdk_is_not_installed(shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the exact command that installs it."""
    monkeypatch.setattr("secretsource.cli.offline.find_spec", lambda name: None)
    result = shop("check", "--offline")
    assert result.exit_code == 2
    assert "pip install 'secretsource[vault]'" in result.stderr


def test_offline_imports_no_sdk(shop: CommandLine) -> None:
    """That it is installed can be seen without."""
    chain = "vault://kv/shop aws-sm://shop azure-kv://shop gcp-sm://project keyring://shop"
    code = (
        "import sys, atexit; sys.argv[1:] = ['check', '--offline', '--chain', sys.argv[1]]; "
        "sdks = {'hvac', 'boto3', 'botocore', 'azure.identity', 'azure.core', 'grpc', 'google.auth', 'keyring'}; "
        "atexit.register(lambda: print(sorted(sdks & set(sys.modules)), file=sys.stderr)); "
        "from secretsource.cli import main; main()"
    )
    environ = {**os.environ, "SECRETSOURCE_SETTINGS": shop.settings}
    result = subprocess.run([sys.executable, "-c", code, chain], capture_output=True, env=environ, check=False)
    assert (result.returncode, result.stderr.strip()) == (0, b"[]"), result.stderr


def test_one_field_is_counted_as_one(command_line: CommandLine) -> None:
    """With a store and without."""
    command_line.define("class ShopSettings(Settings): name: str = 'x'")
    assert command_line("check").stdout == "ok: ShopSettings, profile development: 1 field, 1 by default\n"
    assert command_line("check", "--offline").stdout == "ok: ShopSettings, 1 field, no store was asked\n"


def test_offline_tells_which_profiles_it_has_checked(shop: CommandLine) -> None:
    """One, where the option or the variable names it."""
    told = "ok: ShopSettings, profile production: 5 fields, no store was asked\n"
    assert shop("check", "--offline", "--profile", "production").stdout == told
    assert shop.run("check", "--offline", SECRETSOURCE_PROFILE="production").stdout.decode() == told


SHELF = """
from secretsource import Backend

class Shelf(Backend):
    scheme = "shelf"
    options = frozenset({"colour"})

    def fetch_many(self, refs, deadline):
        raise AssertionError("it was asked")

    classify = fetch_many
"""


@pytest.fixture
def shelf(shop: CommandLine) -> CommandLine:
    """What pip leaves behind of a package with a backend."""
    about = shop.folder / "shop_shelf-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: shop_shelf\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[secretsource.backends]\nshelf = shop_shelf:Shelf\n")
    (shop.folder / "shop_shelf.py").write_text(SHELF)
    return shop


def test_offline_checks_the_options_of_a_plug_in(shelf: CommandLine) -> None:
    """It alone knows them: a line for each mistake, and not for each field."""
    assert shelf.run("check", "--offline", "--chain", "shelf://{name}?colour=red").returncode == 0
    result = shelf.run("check", "--offline", "--chain", "shelf://{name}?bogus=1")
    (told,) = lines(result.stderr.decode())
    assert (result.returncode, result.stdout) == (2, b"")
    assert told.startswith("secretsource: unknown option 'bogus' in shelf://")
    assert told.endswith("shelf knows case, colour, encoding, ttl, version")


def test_offline_checks_the_options_of_a_backend_of_the_classs_own(command_line: CommandLine) -> None:
    """As it does those of a plug-in."""
    command_line.define("""
        class ShopSettings(Settings):
            model_config = SettingsConfigDict(backends={"own": MemoryBackend({})}, chain=("own://{name}?bogus=1",))
            name: str
    """)
    result = command_line("check", "--offline")
    told = "unknown option 'bogus' in own://name?bogus=1; own knows case, encoding, ttl, version"
    assert (result.exit_code, result.stderr) == (2, f"secretsource: {told}\n")


def test_offline_tells_of_a_plug_in_that_cannot_be_imported(shelf: CommandLine) -> None:
    """In a line, although its refs have no option that would have to be checked."""
    (shelf.folder / "shop_shelf.py").write_text("raise RuntimeError('not for you')")
    result = shelf.run("check", "--offline", "--chain", "shelf://{name}")
    (told,) = lines(result.stderr.decode())
    assert result.returncode == 2
    assert told.startswith("secretsource: the backend for shelf:// cannot be imported")
