"""Errors -> lines on stderr and an exit status. No traceback, and never a value."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from secretsource.errors import Outcome, Problem

EXIT_INVALID: Final = 1
"""A value is missing or invalid."""
EXIT_USAGE: Final = 2
"""Wrong usage or configuration."""
EXIT_BACKEND: Final = 3
"""A backend failed."""
EXIT_INTERRUPTED: Final = 130  # as a shell tells of SIGINT
_EXIT_PIPE_CLOSED: Final = 141  # as a shell tells of SIGPIPE

T = TypeVar("T")


class Failed(click.ClickException):
    """A command could not do its work.

    Args:
        lines: What to tell, a line for each thing that is wrong.
        status: The exit status.
    """

    def __init__(self, lines: Sequence[str], status: int) -> None:
        self.lines = [printable(line) for line in lines]
        self.status = status
        super().__init__("\n".join(self.lines))

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # click declares it a class variable, and only reads it
        """The exit status."""
        return self.status

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the lines to stderr."""
        for line in self.lines:
            click.echo(line, file=file, err=True)


def printable(text: str) -> str:
    """The text on one line, with every control character escaped: it goes to somebody's terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def counted(count: int, word: str) -> str:
    """How many of something: `1 field`, `2 fields`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def show_warning(  # noqa: PLR0913, PLR0917 - it is the signature of `warnings.showwarning`
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,  # noqa: ARG001
    line: object = None,  # noqa: ARG001
) -> None:
    """Show a Python warning in one line; the text of somebody else's is left out, as it may hold a value."""
    ours = category.__module__.startswith("secretsource.")
    text = str(message) if ours else f"{category.__name__} in {_shown(filename)}, line {lineno}"
    click.echo(f"warning: {printable(text)}", err=True)


def wrong(fault: str) -> Failed:
    """Wrong usage or configuration; a line for each line of the text."""
    return Failed([f"secretsource: {line}" for line in fault.splitlines()], EXIT_USAGE)


def failed(problems: Sequence[Problem], summary: str | None = None) -> Failed:
    """Fields that could not be had."""
    lines = list(dict.fromkeys(map(str, problems)))
    status = max(exit_status(problem.outcome) for problem in problems)
    return Failed([*lines, summary] if summary else lines, status)


def exit_status(outcome: Outcome) -> int:
    """The exit status that tells of an outcome."""
    if outcome.name == "FOUND":
        return 0
    return EXIT_INVALID if outcome.name in ("MISSING", "INVALID") else EXIT_BACKEND


def report(work: Callable[[], T]) -> T:
    """Do the work of a command, and turn whatever goes wrong into a click exception that tells of it."""
    ending: Exception
    try:
        return work()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        ending = click.exceptions.Exit(EXIT_INTERRUPTED)
    except BrokenPipeError as error:
        ending = unwritable(error)
    except Exception as error:  # noqa: BLE001 - what is not told here would be a traceback
        ending = _told(error)
    raise ending  # outside the handlers: the context of what click gets may hold a value


def unwritable(error: OSError) -> Failed:
    """How to end where stdout takes no more. What is still in its buffer goes nowhere: Python flushes it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return Failed([], _EXIT_PIPE_CLOSED)
    return wrong(f"cannot write to stdout: {error.strerror}")


def _told(error: Exception) -> Failed:
    from secretsource.errors import BackendError, ResolutionError, SecretSourceError

    if isinstance(error, ResolutionError):
        return failed(error.problems, str(error).partition("\n")[0])
    if isinstance(error, BackendError):
        return Failed([str(error)], exit_status(error.outcome))
    if isinstance(error, SecretSourceError):
        return wrong(str(error))
    return Failed([f"secretsource: unexpected {type(error).__name__} {where(error)}"], EXIT_BACKEND)


def where(error: BaseException) -> str:
    """Where an error comes from: `in settings.py, line 12`. Its text is left out: it may hold a value."""
    from traceback import walk_tb

    if isinstance(error, SyntaxError):
        return f"in {_shown(error.filename or '?')}, line {error.lineno}"
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    own = [place for place in places if not _is_foreign(place[0])]
    file, line = (own or places)[-1]
    return f"in {_shown(file)}, line {line}"


def _is_foreign(file: str) -> bool:
    from pathlib import Path

    return "site-packages" in file or file.startswith(
        ("<", str(Path(os.__file__).parent), str(Path(__file__).parents[1]))
    )


def _shown(file: str) -> str:
    """A path without what lies above the current folder."""
    from contextlib import suppress
    from pathlib import Path

    path = Path(file)
    with suppress(ValueError, Failed):  # it lies elsewhere, or there is no current folder
        return str(path.relative_to(current_folder()))
    return path.name


def current_folder() -> Path:
    """The current folder.

    Raises:
        Failed: It has been deleted.
    """
    from pathlib import Path

    try:
        return Path.cwd()
    except FileNotFoundError:
        pass
    raise wrong("the current folder does not exist any more")
