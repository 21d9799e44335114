"""What a settings module prints is not what the command was asked for: it goes to stderr."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.commandline import CommandLine, lines

PRINTING = """
import atexit, io, logging, sys

print("module")
logging.basicConfig(stream=sys.stdout, format="%(message)s")
atexit.register(print, "end")

def make() -> str:
    print("factory")
    return "made"

class ShopSettings(Settings):
    name: str = "x"
    made: str = Field(default_factory=make)

    @field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        print("validator")
        logging.warning("log")
        return value
"""
WRAPPING = """
import io, sys

sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", line_buffering=True)
print("module")

class ShopSettings(Settings):
    name: str
"""


def test_get_prints_the_value_and_nothing_else(command_line: CommandLine) -> None:
    """Whatever the module, a validator, a factory, a log or an exit handler has to say; and none of it is lost."""
    command_line.define(PRINTING)
    result = command_line.run("get", "name", "made", NAME="value")
    assert result.stdout == b"value\nmade\n"
    assert lines(result.stderr.decode()) == ["module", "validator", "log", "factory", "end"]


def test_the_json_of_explain_is_json(command_line: CommandLine) -> None:
    """A program reads it."""
    command_line.define(PRINTING)
    result = command_line.run("explain", "--format", "json")
    assert json.loads(result.stdout)["settings"] == "ShopSettings"
    assert b"module" in result.stderr


@pytest.mark.parametrize("options", [[], ["--offline"]])
def test_check_says_its_one_line(command_line: CommandLine, options: list[str]) -> None:
    """With and without a load."""
    command_line.define(PRINTING)
    result = command_line.run("check", *options, NAME="value")
    assert len(lines(result.stdout.decode())) == 1
    assert result.stdout.startswith(b"ok: ShopSettings")
    assert (b"validator" in result.stderr) == (not options)


def test_a_module_may_put_a_stdout_of_its_own_in_place(command_line: CommandLine) -> None:
    """It wraps stderr then, and what has to be told afterwards still arrives there."""
    command_line.define(WRAPPING)
    assert command_line.run("get", "name", NAME="value").stdout == b"value\n"
    result = command_line.run("get", "name")
    assert (result.returncode, result.stdout) == (1, b"")
    module, missing = lines(result.stderr.decode())
    assert (module, missing.partition(":")[0]) == ("module", "name")


def test_without_a_stderr_nothing_changes(command_line: CommandLine) -> None:
    """The value comes alone."""
    command_line.define(PRINTING)
    closed = "import os, sys; os.close(2); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    program = "from secretsource.cli import main; main()"
    command = [sys.executable, "-c", closed, "-c", program, "get", "made"]
    result = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, **command_line.named}, check=False)
    assert (result.returncode, result.stdout) == (0, b"made\n")
