"""Values and tables on stdout."""

from __future__ import annotations

import atexit
import json
import math
import os
import sys
from collections.abc import Mapping
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Final, TextIO

import click

from secretsource.cli.failures import unwritable, wrong
from secretsource.document import dump_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_KEPT: Final = "\n\t"
_NARROWEST: Final = 40
_in_use: Final[list[object]] = []  # what a module puts around stdout would close it when nobody refers to it any more


@contextmanager
def prints_go_to(stream: TextIO | None) -> Iterator[None]:
    """Let what others print go elsewhere while their code runs: stdout is for what the command was asked for."""
    with redirect_stdout(stream):
        try:
            yield
        finally:
            _in_use.extend((stream, sys.stdout))
            atexit.register(_end_on_stderr)  # before the handlers that they have registered meanwhile


def _end_on_stderr() -> None:
    sys.stdout = sys.stderr


@contextmanager
def _stdout() -> Iterator[None]:
    """Tell what is wrong with stdout, if something is.

    Raises:
        Failed: Nothing can be written to it.
        BrokenPipeError: Nobody reads it any more.
    """
    if sys.stdout is None:
        raise wrong("stdout is closed")
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        ending = unwritable(error)
    else:
        return
    raise ending  # outside the handler, as all that click gets


def write(text: str | bytes) -> None:
    """Write text and a newline to stdout: as it is, but on a terminal with its control characters escaped.

    A pipe gets the very bytes, text as UTF-8.
    """
    raw = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
    with _stdout():
        if _is_terminal():
            click.echo(harmless(raw.decode(errors="backslashreplace")))
            return
        sys.stdout.flush()  # what somebody has printed before goes before
        sys.stdout.buffer.write(raw + b"\n")
        sys.stdout.flush()


def write_lines(lines: Iterable[str]) -> None:
    """Write lines that may be coloured: on a terminal they are; NO_COLOR and FORCE_COLOR say otherwise."""
    by_itself = _is_terminal() and os.environ.get("TERM") != "dumb"
    colour = not os.environ.get("NO_COLOR") and (by_itself or bool(os.environ.get("FORCE_COLOR")))
    with _stdout():
        for line in lines:
            click.echo(line, color=colour)


def room() -> int | None:
    """How many characters a line of a table may have: what COLUMNS says, or the terminal; on a pipe any number."""
    if not _is_terminal() and not os.environ.get("COLUMNS"):
        return None
    from shutil import get_terminal_size

    return max(_NARROWEST, get_terminal_size().columns)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def harmless(text: str) -> str:
    """The text with the control characters escaped that could steer a terminal."""
    return "".join(char if char.isprintable() or char in _KEPT else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def as_output(value: object) -> str | bytes:
    """A value as it is printed: text and bytes as they are, None as nothing, anything else as JSON."""
    if value is None:
        return ""
    if isinstance(value, float):
        value = jsonable(value)
    return value if isinstance(value, str | bytes) else as_json(value)


def as_json(value: object) -> str:
    """A value as JSON. Half a character, which a variable that is not UTF-8 is read as, is an escape of JSON in it."""
    return dump_json(jsonable(value)).encode(errors="backslashreplace").decode()


def jsonable(value: object) -> object:
    """The value as JSON can have it: bytes as text, or as base64 where they are not UTF-8; `"NaN"`, `"Infinity"`."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            from base64 import b64encode

            return b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)  # which is no JSON; as text, it is what pydantic writes and reads
    if isinstance(value, Mapping):
        return {key: jsonable(inner) for key, inner in value.items()}
    return [jsonable(inner) for inner in value] if isinstance(value, list | tuple) else value
