"""Small files that hold secrets, read so that nothing hangs, and nothing is taken for a secret that is none."""

# ruff: noqa: PTH111, PTH116 - pathlib takes no flags for opening, and costs more to import than all of this
from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from secretsource.backend import DENIED_OR_HIDDEN, Advice, Outcome, SecretValue
from secretsource.document import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from secretsource.ref import Ref

# A FIFO would block without O_NONBLOCK; O_NOCTTY and O_BINARY keep a terminal and Windows out of it.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class UnfitFile(Exception):
    """There is something at the path, and it cannot be used; or more is asked for than a file has.

    Attributes:
        detail: What is wrong, without any of its content.
        hint: What to do, or None.
    """

    def __init__(self, detail: str, hint: str | None = None) -> None:
        self.detail = detail
        self.hint = hint
        super().__init__(detail)


def read_file(path: str | os.PathLike[str]) -> tuple[bytes, os.stat_result]:
    """Read a regular file of 1 MiB at most; `~` is expanded, symbolic links are followed.

    Raises:
        OSError: It is not there, or cannot be read.
        UnfitFile: It is a directory, a FIFO or a device, larger than that, or everybody may write to it.
    """
    name = os.path.expanduser(path)
    _refuse_unfit(os.stat(name))  # before the opening, which alone sets some devices going
    descriptor = os.open(name, _FLAGS)
    try:
        status = os.fstat(descriptor)
        _refuse_unfit(status)  # what was opened may be another file by now
        content = _read_up_to(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > MAX_BYTES:
        raise UnfitFile("larger than 1 MiB")
    return content, status


def _refuse_unfit(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnfitFile("a directory, not a file" if stat.S_ISDIR(status.st_mode) else "not a regular file")
    if os.name == "posix" and status.st_mode & stat.S_IWOTH:
        raise UnfitFile("everybody on this machine may write to it", "chmod o-w")


def _read_up_to(descriptor: int, limit: int) -> bytes:
    chunks = []
    while limit and (chunk := os.read(descriptor, limit)):
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)


def modified(status: os.stat_result) -> datetime:
    """When the file was last written."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(status.st_mtime, UTC)


def read_secret_file(path: str | os.PathLike[str], *, strip: bool = True) -> SecretValue:
    """Read a file that holds one secret: as text where it is UTF-8, else as bytes.

    Args:
        path: The file; `~` is expanded.
        strip: Whether one line end at the end of the file is taken off, as editors and `echo` leave one there.

    Raises:
        OSError: It is not there, or cannot be read.
        UnfitFile: It is no regular file, larger than 1 MiB, or everybody may write to it.
    """
    content, status = read_file(path)
    if strip and content.endswith(b"\n"):
        content = content[: -2 if content.endswith(b"\r\n") else -1]
    try:
        return SecretValue(content.decode(), created=modified(status))
    except UnicodeDecodeError:
        return SecretValue(content, created=modified(status))


def read_each(refs: Sequence[Ref], read: Callable[[Ref], SecretValue | None]) -> Mapping[Ref, SecretValue | Exception]:
    """Read one file a ref; what goes wrong with one is the answer for that one. None stands for "not there"."""
    answers: dict[Ref, SecretValue | Exception] = {}
    for ref in refs:
        try:
            if ref.options:
                _refuse_version(ref)
            answer = read(ref)
        except (OSError, UnfitFile) as error:
            answers[ref] = error.with_traceback(None)  # its frames may hold what had been read so far
        else:
            if answer is not None:
                answers[ref] = answer
    return answers


def _refuse_version(ref: Ref) -> None:
    if "version" in ref.options:
        raise UnfitFile(f"{ref.scheme} has no versions", "leave ?version= out")


def advice_on(error: Exception) -> Advice:
    """What there is to say about an error of this module: the system's words for it, or ours."""
    if isinstance(error, UnfitFile):
        return Advice(error.detail, error.hint)
    if isinstance(error, PermissionError) and not os.path.lexists(error.filename or ""):
        return Advice(DENIED_OR_HIDDEN, "this user may not look into the folder")
    return Advice(error.strerror if isinstance(error, OSError) else None)


def outcome_of(error: Exception) -> Outcome:
    """What an error of this module means for the lookup."""
    return next((outcome for kind, outcome in OUTCOMES.items() if isinstance(error, kind)), Outcome.UNAVAILABLE)


OUTCOMES: Final[Mapping[type[Exception], Outcome]] = {
    UnfitFile: Outcome.INVALID,
    FileNotFoundError: Outcome.MISSING,
    NotADirectoryError: Outcome.MISSING,
    PermissionError: Outcome.DENIED,
    OSError: Outcome.UNAVAILABLE,
}
