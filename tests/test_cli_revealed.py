"""Values as the command line prints them: plain, with secrets in clear."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import AnyUrl, BaseModel, PostgresDsn, RootModel, Secret, SecretBytes, SecretStr
from pydantic.dataclasses import dataclass

from secretsource.cli.output import as_output
from secretsource.cli.revealed import revealed
from secretsource.document import dump_json


class Level(Enum):
    LOW = "low"


class Inner(BaseModel):
    password: SecretStr
    host: str | None = None


class Hosts(RootModel[list[str]]):
    pass


@dataclass
class Point:
    x: int
    key: SecretStr


@dataclasses.dataclass
class Plain:
    key: SecretStr


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("text", "text"),
        (SecretStr("a"), "a"),
        (SecretBytes(b"\xff"), b"\xff"),
        (Secret[int](7), "7"),
        (None, ""),
        (True, "true"),
        (1.5, "1.5"),
        (Level.LOW, "low"),
        ([SecretStr("a"), None], '["a", null]'),
        ({Level.LOW: {"b": SecretBytes(b"c")}}, '{"low": {"b": "c"}}'),
        (Inner(password=SecretStr("a")), '{"password": "a", "host": null}'),
        (Hosts(["a"]), '["a"]'),
        (Point(1, SecretStr("a")), '{"x": 1, "key": "a"}'),
        (Plain(SecretStr("a")), '{"key": "a"}'),
        ({"a"}, '["a"]'),
        (PostgresDsn("postgres://u:p@h/d"), "postgres://u:p@h/d"),
        (AnyUrl("https://h/"), "https://h/"),
        (datetime(2026, 1, 31, tzinfo=UTC), "2026-01-31T00:00:00Z"),
        (Path("a") / "b", "a/b"),
        (Decimal("1.10"), "1.10"),
        (complex(1, 2), "1+2j"),
    ],
)
def test_a_value_is_printed_plainly(value: Any, printed: str | bytes) -> None:
    """Text and bytes as they are, nothing for None, JSON for the rest."""
    assert as_output(revealed(value)) == printed


def test_what_is_printed_can_be_read_back() -> None:
    """Text of any kind in JSON, also with quotes and line ends."""
    text = 'a "quoted" line\nwith é and \u2028'
    assert (
        Inner.model_validate_json(dump_json(revealed(Inner(password=SecretStr(text))))).password.get_secret_value()
        == text
    )
