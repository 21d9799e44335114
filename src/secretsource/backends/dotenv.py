"""`dotenv://PATH#NAME`: a variable in a `.env` file, which is never put into the process's environment."""

from __future__ import annotations

import io
import os
import re
import warnings
from typing import TYPE_CHECKING, Final

from secretsource.backend import Advice, Backend, Outcome, SecretValue
from secretsource.backends._files import UnfitFile, advice_on, modified, outcome_of, read_each, read_file
from secretsource.document import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dotenv.parser import Binding

    from secretsource.clock import Deadline
    from secretsource.ref import Ref

    Pairs = Iterable[tuple[str, str | None]]

# What most statements are: NAME=text, or NAME="text" without a backslash. python-dotenv's parser, which all others are
# left to, takes them in the same way and ten times as long.
_PLAIN: Final = re.compile(
    r"([^\s=#'][^\s=#]*)="
    r"(?:([^\s'\"#][^\n#]*)|(\"[^\"\\]*\"|'[^'\\]*')[^\S\n]*(?:#[^\n]*)?)?"
    r"(?:\n|\Z)"
)
_NOTHING: Final = re.compile(r"(?:\s+|#[^\n]*)*")  # blank lines and comments

_BLANKS: Final = re.compile(r"[^\S\n]{2,}")
_MOST_BLANKS: Final = 500  # that parser takes the square of a run of blanks to look for a comment after it
_MOST_LINES: Final = 20_000
_SHOWN: Final = 5  # bad lines that a warning names


class DotenvWarning(UserWarning):
    """A statement in a `.env` file that is not `NAME=VALUE`; the others count."""


class DotenvBackend(Backend):
    """Reads a `.env` file as python-dotenv does: `export`, quotes, several lines, comments, `${NAME}`.

    `${NAME}` means a variable further up in the file, else one of the environment; `?interpolate=false` leaves it as
    it is. The secret is the whole file, a mapping from name to text; a name without `=` has no value, and is missing.
    A relative path starts in the working directory.
    """

    scheme = "dotenv"
    options = frozenset({"interpolate"})
    local = True
    secret = False

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:  # noqa: ARG002 - a local file does not keep anybody waiting
        """Read each file. A file that is not there comes as its FileNotFoundError."""
        return read_each(refs, _document)

    def classify(self, error: Exception) -> Outcome:
        """By the table in `_files`."""
        return outcome_of(error)

    def advise(self, error: Exception) -> Advice:
        """What is wrong with the file, and what to do."""
        return advice_on(error)


def _document(ref: Ref) -> SecretValue:
    content, status = read_file(ref.location)
    charset = ref.options.get("charset", "utf-8")
    values = _values(ref.location, content, charset, interpolate=ref.options.get("interpolate") != "false")
    given = {name: text for name, text in values.items() if text is not None}
    return SecretValue(given, created=modified(status))


def read_dotenv(
    path: str | os.PathLike[str], *, interpolate: bool = True, encoding: str = "utf-8"
) -> dict[str, str | None]:
    """Read a `.env` file: name -> text, in the order of the file; None for a name without `=`.

    Args:
        path: The file; `~` is expanded.
        interpolate: Whether `${NAME}` and `${NAME:-default}` are filled in: from further up in the file, else from
            the environment.
        encoding: How the file is encoded.

    Raises:
        OSError: It is not there, or cannot be read.
        UnfitFile: It is no regular file, larger than 1 MiB, not text, or everybody may write to it.

    Warns:
        DotenvWarning: A statement is not `NAME=VALUE`; the warning names its line.
    """
    content, _ = read_file(path)
    return _values(os.fspath(path), content, encoding, interpolate=interpolate)


def _values(path: str, content: bytes, encoding: str, *, interpolate: bool) -> dict[str, str | None]:
    pairs = _parse(path, _decode(content, encoding))
    return _interpolate(pairs) if interpolate else dict(pairs)


def _decode(content: bytes, encoding: str) -> str:
    known, text = True, "\0"
    try:
        text = content.decode(encoding)
    except LookupError:
        known = False
    except UnicodeError:  # it holds the content: it ends here
        pass
    if not known:
        raise UnfitFile(f"there is no charset {encoding!r}")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise UnfitFile(f"not {encoding} text")
    if text.count("\n") > _MOST_LINES:
        raise UnfitFile(f"over {_MOST_LINES:,} lines")
    if any(len(run) > _MOST_BLANKS for run in _BLANKS.findall(text)):
        raise UnfitFile(f"over {_MOST_BLANKS} blanks in a row")
    return text


def _parse(path: str, text: str) -> Pairs:
    parse, bad = None, []
    start = _skip(text, 0)
    while start < len(text):
        if plain := _PLAIN.match(text, start):
            yield plain[1], (plain[2] or "").rstrip() if plain[3] is None else plain[3][1:-1]
            start = _skip(text, plain.end())
            continue
        parse = parse or _parser(text)
        binding, end = parse(start)
        if binding.key is not None:
            yield binding.key, binding.value
        elif binding.error:
            bad.append(start)
        start = _skip(text, end)
    if bad:
        _warn(path, [_line_of(text, start) for start in bad[:_SHOWN]], len(bad))


def _skip(text: str, start: int) -> int:
    """Where the next statement begins."""
    nothing = _NOTHING.match(text, start)
    return nothing.end() if nothing else start


def _parser(text: str) -> Callable[[int], tuple[Binding, int]]:
    """python-dotenv's parser, for a statement at a place of the text. To import it costs as much as a small program."""
    from dotenv.parser import Reader, parse_binding

    reader = Reader(io.StringIO(text))

    def parse(start: int) -> tuple[Binding, int]:
        reader.position.chars = start
        return parse_binding(reader), reader.position.chars

    return parse


def _line_of(text: str, start: int) -> int:
    rest = text[start:]
    return text.count("\n", 0, start + len(rest) - len(rest.lstrip())) + 1


def _warn(path: str, lines: Sequence[int], count: int) -> None:
    """Tell where the bad statements are, and nothing of them: a secret may be what is wrong."""
    shown = ", ".join(map(str, lines)) + (f" and {count - len(lines)} more" if count > len(lines) else "")
    warnings.warn(f"{path}, line {shown}: not NAME=VALUE, ignored", DotenvWarning, stacklevel=2)


def _interpolate(pairs: Pairs) -> dict[str, str | None]:
    """Fill variables in, once through the file: python-dotenv copies the whole environment for each value."""
    values: dict[str, str | None] = {}
    room = MAX_BYTES  # a few lines can ask for more than any memory holds
    for name, text in pairs:
        if text is None or "${" not in text:
            values[name] = text
            continue
        pieces = []
        for piece in _expand(text, values):
            pieces.append(piece)
            room -= len(piece)
            if room < 0:
                raise UnfitFile("its variables expand to more than 1 MiB")
        values[name] = "".join(pieces)
    return values


def _expand(text: str, values: Mapping[str, str | None]) -> Iterator[str]:
    *closed, rest = text.split("}")
    for piece in closed:
        start = _opening(piece)
        if start < 0:
            yield piece + "}"
            continue
        yield piece[:start]
        name, _, default = piece[start + 2 :].partition(":-")
        yield (values[name] if name in values else os.environ.get(name, default)) or ""
    yield rest


def _opening(piece: str) -> int:
    """Where in a text that a `}` follows its variable begins, or -1. A colon in one is only good as `:-`."""
    start = piece.find("${")
    while start >= 0:
        colon = piece.find(":", start + 2)
        if colon < 0 or piece.startswith(":-", colon):
            return start
        start = piece.find("${", colon)
    return -1
