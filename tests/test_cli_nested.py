"""`check` and `get` where nothing is found of a nested model, or it is None."""

from __future__ import annotations

import pytest

from secretsource import Outcome
from secretsource.backends.memory import MemoryBackend
from tests.commandline import CommandLine, lines

SHOP = """
class Pin(BaseModel):
    user: str = "u"
    pin: int = 0

class Key(BaseModel):
    text: SecretStr
    days: int = 4

class Account(BaseModel):
    key: Key | None = None
    name: str = "n"

class Bank(BaseModel):
    iban: str
    key: Key
    spare: Key | None = None
    pin: Pin

class ShopSettings(Settings):
    model_config = SettingsConfigDict(chain=("env://",), env_nested_delimiter="__")
    FIELD
"""
SEARCHED_FOR_PIN = "MISSING: searched env://PIN__USER (MISSING); searched env://PIN__PIN (MISSING)"


def shop(command_line: CommandLine, field: str) -> CommandLine:
    command_line.define(SHOP.replace("FIELD", field))
    return command_line


@pytest.mark.parametrize("command", [("check",), ("get", "pin")])
def test_a_missing_model_whose_fields_all_have_defaults_is_itself_what_is_missing(
    command_line: CommandLine, command: tuple[str, ...]
) -> None:
    """It is named by its path, with every place that was searched for a part of it."""
    result = shop(command_line, "pin: Pin")(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert lines(result.stderr)[0] == f"pin: {SEARCHED_FOR_PIN}"


@pytest.mark.parametrize("command", [("check",), ("get", "bank")])
def test_of_a_missing_model_what_is_required_all_the_way_has_a_line_each(
    command_line: CommandLine, command: tuple[str, ...]
) -> None:
    """Also a model in it that is required while its fields are not; nothing of a model in it that may be left out."""
    result = shop(command_line, "bank: Bank")(*command)
    assert result.exit_code == 1
    assert [line.partition(":")[0] for line in lines(result.stderr)][:3] == ["bank.iban", "bank.key.text", "bank.pin"]
    assert "spare" not in result.stderr


def test_what_lacks_a_part_is_not_missing_but_invalid(command_line: CommandLine) -> None:
    """An item of a list that has been found."""
    result = shop(command_line, "keys: list[Key] = []").run("check", KEYS='[{"days": 1}]')
    assert lines(result.stderr.decode())[0] == "keys.0.text: INVALID env://KEYS: Field required"


def test_a_field_under_an_alias_inside_of_a_list_is_missing_where_the_list_is(command_line: CommandLine) -> None:
    """Its place is a part of something else, and it is a field all the same."""
    command_line.define("""
        from pydantic import AliasPath

        class ShopSettings(Settings):
            model_config = SettingsConfigDict(chain=("env://",))
            name: str = Field(validation_alias=AliasPath("NAMES", 0))
    """)
    assert lines(command_line("check").stderr)[0] == "name: MISSING: searched env://NAMES (MISSING)"


# None


@pytest.mark.parametrize("validated_whole", [False, True])
def test_inside_of_a_model_that_is_none_only_what_may_be_none_has_a_value(
    command_line: CommandLine, *, validated_whole: bool
) -> None:
    """It is None too, and printed as nothing; of any other field the text says which model is None."""
    validator = "\n    @model_validator(mode='after')\n    def as_it_is(self) -> 'ShopSettings': return self"
    shop(command_line, "account: Account | None = None" + validator * validated_whole)
    result = command_line("get", "account.key")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "\n", "")
    for field, model in {"account.name": "account", "account.key.days": "account.key"}.items():
        result = command_line("get", "account.key", field)
        told = f"{field}: MISSING: {model} is None\n"
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", told)


def test_a_field_is_told_by_its_path_where_the_model_around_it_cannot_be_made(command_line: CommandLine) -> None:
    """Once, although the error comes out of the outermost model that has a default."""
    shop(command_line, "account: Account | None = None")
    result = command_line.run("get", "account.key.days", ACCOUNT__KEY="{}")
    told = b"account.key.text: MISSING: searched env://ACCOUNT__KEY__TEXT (MISSING)\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, b"", told)


def test_a_source_that_failed_weighs_more_than_none(command_line: CommandLine) -> None:
    """Its exit status is that of the command."""
    shop(command_line, "account: Account | None = None")
    MemoryBackend().fail("shop", Outcome.DENIED)
    result = command_line("get", "account.key.days", "--chain", "memory://shop")
    assert result.exit_code == 3
    assert "DENIED memory://shop" in result.stderr


def test_what_several_names_lack_is_told_once(command_line: CommandLine) -> None:
    """The model and a field in it lack the same."""
    shop(command_line, "key: Key")
    result = command_line("get", "key", "key.text")
    assert (result.exit_code, len(lines(result.stderr))) == (1, 1)
