"""The command line on classes that choose their sources, and on fields that share a place."""

from __future__ import annotations

import pytest

from secretsource.backends.memory import MemoryBackend
from tests.commandline import CommandLine, lines

SHOP = """
from pydantic_settings import BaseSettings
from secretsource import ChainSettingsSource

class ShopSettings(BaseSettings):
    variable: str = "by default"
    token: SecretStr

    @classmethod
    def settings_customise_sources(cls, settings_cls, env_settings, **others):
        return env_settings, ChainSettingsSource(settings_cls, chain=("memory://shop", *OTHERS))
"""


@pytest.fixture
def shop(command_line: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("VARIABLE", "v")
    MemoryBackend().set("shop", '{"token": "t"}')
    command_line.define("OTHERS = ()\n" + SHOP)
    return command_line


def test_a_class_that_chooses_its_sources_is_told_of_as_it_is_loaded(shop: CommandLine) -> None:
    """By each command."""
    assert shop("get", "token", "variable").stdout == "t\nv\n"
    assert shop("check").stdout.endswith(": 2 fields, 1 from env, 1 from memory\n")
    explained = shop("explain", "token")
    assert explained.exit_code == 0
    assert [line.split()[:3] for line in lines(explained.stdout)[2:]] == [["token", "found", "memory://shop#token"]]


def test_its_chains_are_checked_offline(command_line: CommandLine) -> None:
    """No other chain counts."""
    command_line.define('OTHERS = ("nowhere://x", "vault://kv/shop?nonsense=1")\n' + SHOP)
    result = command_line("check", "--offline")
    assert result.exit_code == 2
    assert all(word in line for word, line in zip(("nowhere", "nonsense"), lines(result.stderr), strict=True))


def test_fields_in_one_list_are_told_one_by_one(command_line: CommandLine) -> None:
    """By their places in it, whatever is in the others."""
    command_line.define("""
    from pydantic import AliasPath

    class ShopSettings(Settings):
        model_config = SettingsConfigDict(chain=("memory://shop",))
        first: str = Field("d", validation_alias=AliasPath("pair", 0))
        second: str = Field(validation_alias=AliasPath("pair", 1))
    """)
    MemoryBackend().set("shop", '{"second": "found"}')
    assert command_line("get", "second").stdout == "found\n"
    assert command_line("get", "first", "second").stdout == "d\nfound\n"
