"""A shell session that is shown while it runs, and in which nothing may come out otherwise than expected."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from shutil import get_terminal_size
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 100  # where nobody says how wide the output is read


@dataclass
class Session:
    """Runs commands in a folder, in an environment that has nothing of the user's own but PATH.

    Attributes:
        folder: The current folder of the commands, and their home.
        variables: Their environment.
        unexpected: What came out otherwise.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        on_terminal = sys.stdout.isatty()
        width = min(get_terminal_size().columns, 160) if on_terminal else WIDTH
        scripts = sysconfig.get_path("scripts")
        self.variables |= {"HOME": str(self.folder), "COLUMNS": str(width)}
        self.variables["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
        if on_terminal and not os.environ.get("NO_COLOR"):
            self.variables["FORCE_COLOR"] = "1"

    def say(self, text: str) -> None:
        """Tell what comes next, as a comment."""
        print(self._styled("36", f"\n# {text}"), flush=True)

    def export(self, name: str, value: str, shown: str | None = None) -> None:
        """Set a variable for the commands that follow."""
        self.variables[name] = value
        self._show_command(f"export {name}={shown or shlex.quote(value)}")

    def show(self, file: str) -> None:
        """Show a file."""
        self._show_command(f"cat {file}")
        print((self.folder / file).read_text(encoding="utf-8").rstrip(), flush=True)

    def tell(self, text: str) -> None:
        """Say what came out of something that is no command."""
        print(text, flush=True)

    def run(self, command: str, *expected: str, status: int = 0) -> None:
        """Run a command, and show it with what it prints.

        Args:
            command: As it would be typed.
            expected: What has to be in its output.
            status: What it has to end with.
        """
        self._show_command(command)
        finished = subprocess.run(
            shlex.split(command), cwd=self.folder, env=self.variables, text=True, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        print(finished.stdout.rstrip(), flush=True)
        if finished.returncode:
            print(self._styled("2", f"(exit status {finished.returncode})"), flush=True)
        if finished.returncode != status:
            self.unexpected.append(f"{command}: exit status {finished.returncode} instead of {status}")
        self.unexpected += [f"{command}: no {text!r} in its output" for text in expected if text not in finished.stdout]

    def _show_command(self, command: str) -> None:
        print(self._styled("1", f"$ {command}"), flush=True)

    def _styled(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if "FORCE_COLOR" in self.variables else text
