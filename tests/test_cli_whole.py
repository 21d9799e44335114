"""`secretsource get` prints the value that the application gets, also where other fields have a say in it."""

from __future__ import annotations

import json
from textwrap import dedent, indent

import pytest

from secretsource import Outcome
from secretsource.backends.memory import MemoryBackend
from secretsource.testing.leaks import Canary
from tests.commandline import CommandLine, lines

SHOP = """
from pydantic import AfterValidator, DirectoryPath, PrivateAttr

def join(value: str, info: ValidationInfo) -> str:
    return f"{value} of {info.data['user']}"

class Database(BaseModel):
    user: str
    password: SecretStr
    INNER

class ShopSettings(Settings):
    model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("memory://shop",))
    user: Annotated[str, From("memory://user")]
    password: str
    database: Database
    OUTER
"""
OUTER = {
    "a validator of the class, before": """
        @model_validator(mode="before")
        @classmethod
        def change(cls, data: dict[str, Any]) -> dict[str, Any]:
            return {**data, "password": f"{data['password']} of {data['user']}"}
    """,
    "a validator of the class, around": """
        @model_validator(mode="wrap")
        @classmethod
        def change(cls, data: dict[str, Any], handler: Any) -> Any:
            return handler({**data, "password": f"{data['password']} of {data['user']}"})
    """,
    "a validator of the class, after": """
        @model_validator(mode="after")
        def change(self) -> "ShopSettings":
            self.password += f" of {self.user}"
            return self
    """,
    "a validator of the field that takes info": """
        @field_validator("password")
        @classmethod
        def change(cls, value: str, info: ValidationInfo) -> str:
            return join(value, info)
    """,
    "one in its annotation": """
        password: Annotated[str, AfterValidator(join)]
    """,
    "a default's factory": """
        password: Annotated[str, From(name="other")] = Field(default_factory=lambda data: f"p of {data['user']}")
    """,
    "model_post_init": """
        _own: int = PrivateAttr(default=1)

        def model_post_init(self, context: Any) -> None:
            self.password += f" of {self.user}"
    """,
    "__init__": """
        def __init__(self, **values: Any) -> None:
            super().__init__(**values)
            self.password += f" of {self.user}"
    """,
}
INNER = {
    "a validator of the model": """
        @model_validator(mode="after")
        def change(self) -> "Database":
            self.password = SecretStr(f"{self.password.get_secret_value()} of {self.user}")
            return self
    """,
    "a validator of its field that takes info": """
        @field_validator("password")
        @classmethod
        def change(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
            return SecretStr(join(value.get_secret_value(), info))
    """,
}
AROUND = """
    @field_validator("database", mode="after")
    @classmethod
    def change(cls, value: Database) -> Database:
        return value.model_copy(update={"password": SecretStr("changed")})
"""


@pytest.fixture
def shop(command_line: CommandLine) -> CommandLine:
    MemoryBackend().set("shop", json.dumps({"password": "p", "database": {"user": "u2", "password": "p2"}}))
    MemoryBackend().set("user", "u1")
    return command_line


def define(shop: CommandLine, *, outer: str = "", inner: str = "") -> None:
    shop.define(
        SHOP.replace("    INNER", indent(dedent(inner), "    ")).replace("    OUTER", indent(dedent(outer), "    "))
    )


@pytest.mark.parametrize("outer", OUTER.values(), ids=OUTER)
def test_whatever_the_class_does_to_a_field_is_done(shop: CommandLine, outer: str) -> None:
    """The value is that of the loaded settings."""
    define(shop, outer=outer)
    result = shop("get", "password")
    assert (result.exit_code, result.stdout) == (0, "p of u1\n"), result.stderr
    assert json.loads(shop("get", "--format", "json", "password").stdout) == {"password": "p of u1"}


@pytest.mark.parametrize("inner", INNER.values(), ids=INNER)
def test_so_it_is_with_a_field_of_a_nested_model(shop: CommandLine, inner: str) -> None:
    """By its path as well as inside of the model; and the model as a whole needs nothing else."""
    define(shop, inner=inner)
    assert shop("get", "database.password").stdout == "p2 of u2\n"
    MemoryBackend().fail("user", Outcome.DENIED)
    assert json.loads(shop("get", "database").stdout) == {"user": "u2", "password": "p2 of u2"}


def test_a_dataclass_is_a_nested_model_too(shop: CommandLine) -> None:
    """A field of it needs nothing else, unless its `__post_init__` has a say."""
    outer = """
        from pydantic.dataclasses import dataclass

        @dataclass
        class Account:
            user: str
            password: str
            POST_INIT

        database: Account
    """
    define(shop, outer=outer.replace("POST_INIT", "def __post_init__(self): self.password += '!'"))
    assert shop("get", "database.password").stdout == "p2!\n"
    define(shop, outer=outer.replace("POST_INIT", ""))
    MemoryBackend().fail("user", Outcome.DENIED)
    assert shop.run("get", "database.password", "--chain", "env://", DATABASE__PASSWORD="p3").stdout == b"p3\n"


def test_a_validator_of_a_nested_model_as_a_whole_counts_for_what_is_in_it(shop: CommandLine) -> None:
    """It makes the model's fields what they are."""
    define(shop, outer=AROUND)
    assert shop("get", "database.password").stdout == "changed\n"


def test_else_nothing_but_what_is_named_is_asked_for(shop: CommandLine) -> None:
    """A validator that sees the field alone, and private attributes, need no other field; nor do pydantic's types."""
    outer = """
        _own: int = PrivateAttr(default=1)
        folder: Annotated[DirectoryPath, From("file://folder")]

        @field_validator("password")
        @classmethod
        def change(cls, value: str) -> str:
            return value.upper()
    """
    define(shop, outer=outer, inner=INNER["a validator of the model"])
    (shop.folder / "folder").write_text(str(shop.folder))
    assert shop("get", "password", "folder").stdout == f"P\n{shop.folder}\n"
    assert MemoryBackend().calls == (("shop",),)


def test_what_fails_of_the_others_is_told_with_why_it_matters(shop: CommandLine) -> None:
    """A line each, and the exit status of the worst."""
    MemoryBackend().set("shop", json.dumps({"password": "p", "database": {"user": "u2"}}))
    MemoryBackend().fail("user", Outcome.DENIED)
    define(shop, outer=OUTER["a validator of the field that takes info"])
    result = shop("get", "password")
    assert (result.exit_code, result.stdout) == (3, "")
    user, password = lines(result.stderr)
    assert user.startswith("user: DENIED memory://user: ")
    assert password.startswith("database.password: MISSING memory://shop#database/password: ")
    for line in (user, password):
        assert line.endswith("password can only be told with all of ShopSettings)")


def test_a_class_that_cannot_be_made_has_no_value_to_print(shop: CommandLine) -> None:
    """Neither the validator's own kind of error nor its place names the field, so the class stands there."""
    canary = Canary()
    outer = """
        @model_validator(mode="after")
        def refuse(self) -> "ShopSettings":
            raise RuntimeError(self.password)
    """
    MemoryBackend().set("shop", json.dumps({"password": canary.value, "database": {"user": "u", "password": "p"}}))
    define(shop, outer=outer)
    result = shop("get", "password")
    assert (result.exit_code, result.stdout, len(lines(result.stderr))) == (1, "", 1)
    assert result.stderr.startswith(f"ShopSettings: INVALID: RuntimeError in {shop.module}.py, line ")
    assert not canary.is_in(result.stderr)
