"""What the commands write: where stdout takes nothing, and where a value is no JSON."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping

import pytest

from tests.commandline import PROGRAM, CommandLine

COMMANDS = [
    ["get", "name"],
    ["get", "--format", "json", "name"],
    ["explain"],
    ["explain", "--format", "json"],
    ["check"],
    ["check", "--offline"],
]
HELP = [["--help"], ["--version"]]
ODD = """
class Limits(BaseModel):
    most: float = float("inf")
    rates: list[float] = [float("-inf"), 0.5]

class ShopSettings(Settings):
    rate: float = float("nan")
    limits: Limits = Limits()
"""


def run_into(place: str, command_line: CommandLine, arguments: list[str]) -> tuple[int, bytes]:
    """The exit status of a command whose stdout leads there, and what it says."""
    command_line.define("class ShopSettings(Settings): name: str = 'x'")
    words = shlex.join([*PROGRAM, *arguments, *(["--settings", command_line.settings] * (arguments not in HELP))])
    result = subprocess.run(f"{words} {place}", shell=True, stderr=subprocess.PIPE, check=False)
    return result.returncode, result.stderr


@pytest.mark.parametrize("arguments", [*COMMANDS, *HELP], ids=" ".join)
def test_a_full_disk_is_told_of_in_a_line(command_line: CommandLine, arguments: list[str]) -> None:
    """What was asked for has not been written, so it is no success; and no traceback, also not when Python ends."""
    told = b"secretsource: cannot write to stdout: No space left on device\n"
    assert run_into(">/dev/full", command_line, arguments) == (2, told)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_closed_stdout_is_told_of_in_a_line(command_line: CommandLine, arguments: list[str]) -> None:
    """Nobody could have read what was asked for."""
    assert run_into(">&-", command_line, arguments) == (2, b"secretsource: stdout is closed\n")


def refuse(constant: str) -> None:
    raise AssertionError(constant)


@pytest.mark.parametrize(
    ("field", "value"),
    {"rate": "NaN", "limits": {"most": "Infinity", "rates": ["-Infinity", 0.5]}, "limits.most": "Infinity"}.items(),
)
def test_a_number_that_json_has_not_is_text_in_it(
    command_line: CommandLine, field: str, value: str | Mapping[str, object]
) -> None:
    """As pydantic writes and reads it."""
    command_line.define(ODD)
    printed = command_line("get", "--format", "json", field).stdout
    assert json.loads(printed, parse_constant=refuse) == {field: value}
    plain = command_line("get", field).stdout.strip()
    assert plain == value or json.loads(plain, parse_constant=refuse) == value
