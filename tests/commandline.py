"""The command line, run in this process or in one of its own, in a folder of the test's own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from secretsource.cli import main

PROGRAM = [sys.executable, "-c", "from secretsource.cli import main; main(prog_name='secretsource')"]

HEAD = """
from typing import Annotated, Any
from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator, model_validator
from secretsource import From, Outcome, Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend
"""


@dataclass(frozen=True)
class CommandLine:
    """A folder with a settings module in it, and the program that runs there.

    Attributes:
        folder: The current folder.
        module: The name of the module that `define` writes.
    """

    folder: Path
    module: str

    @property
    def settings(self) -> str:
        return f"{self.module}:ShopSettings"

    @property
    def named(self) -> Mapping[str, str]:
        """The variable that names the class."""
        return {"SECRETSOURCE_SETTINGS": self.settings}

    def define(self, source: str, *, module: str | None = None) -> str:
        """Write a module; what its tests need of secretsource and pydantic is imported. Returns MODULE:CLASS."""
        name = module or self.module
        (self.folder / f"{name}.py").write_text(HEAD + textwrap.dedent(source))
        return f"{name}:ShopSettings"

    def __call__(self, *arguments: str) -> Result:
        """Run in this process, with the class of `define`."""
        return CliRunner().invoke(main, arguments, env=self.named)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
        """Run in a process of its own."""
        environ = {**os.environ, **self.named, **variables}
        return subprocess.run([*PROGRAM, *arguments], capture_output=True, env=environ, timeout=60, check=False)


@pytest.fixture
def command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """The command line in an empty folder. The modules that it imports are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield CommandLine(tmp_path, f"shop_{tmp_path.name}")
    for name in set(sys.modules) - before:
        if name.startswith("shop"):
            del sys.modules[name]


def lines(text: str) -> Sequence[str]:
    """The lines of what was printed."""
    return text.splitlines()


def on_terminal(*arguments: str, columns: int = 80, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run in a process of its own on a terminal; its exit status, and what the terminal got."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    environ = {**os.environ, "TERM": "xterm", **(variables or {})}
    with subprocess.Popen([*PROGRAM, *arguments], stdout=slave, stderr=slave, stdin=slave, env=environ) as process:
        os.close(slave)
        shown = b""
        with suppress(OSError):  # Linux's way to say that the other end is closed
            while chunk := os.read(master, 4096):
                shown += chunk
    os.close(master)
    return process.returncode, shown.decode()
