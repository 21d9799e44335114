"""`dotenv://`: .env files as python-dotenv reads them, and what is wrong with one said clearly."""

from __future__ import annotations

import os
import time
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from dotenv import dotenv_values
from hypothesis import example, given, settings
from hypothesis import strategies as st

import secretsource
from secretsource import ResolutionError, Settings, SettingsConfigDict
from secretsource.backend import Outcome, SecretValue
from secretsource.backends.dotenv import DotenvBackend, DotenvWarning, read_dotenv
from secretsource.backends.file import UnfitFile
from secretsource.clock import Deadline
from secretsource.ref import Ref
from tests.files import failing

MIB = 1024 * 1024
SECONDS = 3.0  # of this process's own time, for what takes a hundredth of it where it is linear, and minutes where not

SCRAPS = [
    *("A", "B", "AB", "export ", "export", "=", " = ", "==", "#", " #", "# c", "'", '"', "\\", "\\'", '\\"', "\\n"),
    *("${A}", "${B}", "${NO}", "${NO:-x y}", "${A:-x}", "${NO:-${B}}", "${A:x}", "${", "}", "$A", "$", ":", ":-", "{"),
    *(" ", "\t", "\n", "\r\n", "\r", "\n\n", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u2028", "é", "x", "1", ".", "-"),
]
TEXTS = st.lists(st.sampled_from(SCRAPS), max_size=40).map("".join)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C.D", "'E F'", "export G", " H", "i"]), st.sampled_from(["=", " = ", ""]), TEXTS
    ),
    max_size=6,
).map(lambda lines: "\n".join("".join(line) for line in lines))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples."""
    return tmp_path_factory.mktemp("dotenv") / ".env"


@given(text=TEXTS | LINES)
@example(text="A=1\nB=${A}${A}\nA=2\nC=${B}-${A}")
@example(text="A\nB=${A:-x}")
@example(text="A=\"one\ntwo\" # c\nB='${A}'\nC= # c\nD=#c")
@settings(max_examples=500, deadline=None)
def test_it_reads_what_python_dotenv_reads(scratch: Path, text: str) -> None:
    """Every file has the same names, values and order, with interpolation and without."""
    scratch.write_bytes(text.encode())
    with mock.patch.dict(os.environ, {"B": "of the environment"}), warnings.catch_warnings():
        warnings.simplefilter("ignore", DotenvWarning)
        for interpolate in (True, False):
            expected = dotenv_values(scratch, interpolate=interpolate, encoding="utf-8")
            assert list(read_dotenv(scratch, interpolate=interpolate).items()) == list(expected.items())


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / ".env"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def answer_of(ref: str) -> SecretValue | Exception:
    parsed = Ref.parse(ref).document
    return DotenvBackend().fetch_many([parsed], Deadline(1))[parsed]


def failure(path: Path) -> tuple[Outcome, str | None, str | None]:
    answer, backend = answer_of(f"dotenv://{path}#A"), DotenvBackend()
    assert isinstance(answer, Exception)
    advice = backend.advise(answer)
    return backend.classify(answer), advice.detail, advice.hint


def test_the_document_is_the_whole_file(tmp_path: Path) -> None:
    """A mapping from name to text; a name without `=` has no value, so it is not in there."""
    path = write(tmp_path, "A=1\nB=\nC\n")
    answer = answer_of(f"dotenv://{path}#A")
    assert isinstance(answer, SecretValue)
    assert answer.raw == {"A": "1", "B": ""}
    assert answer.created is not None


def test_read_dotenv_keeps_names_without_a_value(tmp_path: Path) -> None:
    """As None, for those who care."""
    assert read_dotenv(write(tmp_path, "A=1\nC\n")) == {"A": "1", "C": None}


def test_interpolation_can_be_turned_off(tmp_path: Path) -> None:
    """`?interpolate=false` leaves `${NAME}` as it is."""
    path = write(tmp_path, "A=1\nB=pa${A}ss\n")
    on, off = answer_of(f"dotenv://{path}#B"), answer_of(f"dotenv://{path}?interpolate=false#B")
    assert isinstance(on, SecretValue)
    assert isinstance(off, SecretValue)
    assert (on.raw, off.raw) == ({"A": "1", "B": "pa1ss"}, {"A": "1", "B": "pa${A}ss"})


def test_nothing_is_put_into_the_environment(tmp_path: Path) -> None:
    """Children of this process do not inherit what is in the file."""
    before = dict(os.environ)
    read_dotenv(write(tmp_path, "SHOP_PASSWORD=not-a-real-secret\n"))
    assert dict(os.environ) == before


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    """Some editors put one there."""
    assert read_dotenv(write(tmp_path, b"\xef\xbb\xbfA=1\n")) == {"A": "1"}


def test_another_encoding_can_be_named(tmp_path: Path) -> None:
    """For those who have always had it so."""
    assert read_dotenv(write(tmp_path, "A=é\n".encode("latin-1")), encoding="latin-1") == {"A": "é"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\n= not-a-real-secret\nB=2\n", "2"),
        ("A=1\n\n\n  'not-a-real-secret\nB=2\n", "4"),
        ("A=1\n\n# comment\nA 'not-a-real-secret\nB=2", "4"),
        ('A=1\r\n\r\n"x" y not-a-real-secret\r\nB=2', "3"),
        ("A=1\nB=2\n" + "= x\n" * 7, "3, 4, 5, 6, 7 and 2 more"),
    ],
)
def test_a_bad_line_is_a_warning_that_names_it(text: str, line: str, tmp_path: Path) -> None:
    """The warning has the file and the line, never the text; the good lines count."""
    path = write(tmp_path, text)
    with pytest.warns(DotenvWarning) as caught:
        assert read_dotenv(path) == {"A": "1", "B": "2"}
    assert [str(one.message) for one in caught] == [f"{path}, line {line}: not NAME=VALUE, ignored"]


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """Every name in it is, so a chain goes on."""
    assert failure(tmp_path / ".env")[0] is Outcome.MISSING


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"A=caf\xe9\n", "not utf-8 text"),
        (b"A=1\0\n", "not utf-8 text"),
        (b"A=1\n" + b"#" * MIB, "larger than 1 MiB"),
        (b"A=1\n" * 20_001, "over 20,000 lines"),
        (b"A=x" + b" " * 501 + b"y", "over 500 blanks in a row"),
        (b"A=" + b"x" * 1000 + b"\nB=" + b"${A}" * 1100, "its variables expand to more than 1 MiB"),
    ],
)
def test_a_file_that_is_no_env_file_is_invalid(content: bytes, detail: str, tmp_path: Path) -> None:
    """It says what is wrong, and shows none of the content."""
    assert failure(write(tmp_path, content)) == (Outcome.INVALID, detail, None)


def test_what_is_no_file_is_invalid_at_once(tmp_path: Path) -> None:
    """A folder is not read, and a FIFO does not block."""
    os.mkfifo(tmp_path / "fifo")
    assert failure(tmp_path) == (Outcome.INVALID, "a directory, not a file", None)
    assert failure(tmp_path / "fifo") == (Outcome.INVALID, "not a regular file", None)


@pytest.mark.parametrize(("outcome", "hint"), [(Outcome.DENIED, None), (Outcome.INVALID, "chmod o-w")])
def test_rights_are_looked_at(outcome: Outcome, hint: str | None, open_folder: Path) -> None:
    """A file that this user may not read is DENIED; one that everybody may write to is INVALID."""
    path = write(open_folder, "A=1\n")
    with failing(path, outcome):
        found = failure(path)
    assert (found[0], found[2]) == (outcome, hint)


def test_no_frame_goes_along_with_an_error(tmp_path: Path) -> None:
    """An error that is handed back holds no frames, whose variables would hold the whole file."""
    path = write(tmp_path, b"A=not-a-real-secret\xe9")
    answer = answer_of(f"dotenv://{path}#A")
    assert isinstance(answer, UnfitFile)
    assert (answer.__traceback__, answer.__context__, answer.__cause__) == (None, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"A{number}=value {number} # comment\n" for number in range(19_000)),
        "".join(f"A{number}=${{A{number - 1}:-x}}\n" for number in range(19_000)),
        "A=" + "${" * 400_000 + ":}",
        "A=" + "${:" * 300_000 + "}",
        "A=" + "}" * 900_000,
        'A="' + "x" * 900_000,
        "A='" + "\\" * 900_000,
        "A=" + "\\" * 900_000,
        "A=" + (" " * 499 + "#x") * 1900,
        "A=1#" + (" " * 499 + "x") * 1900,
        "".join(f"'{number}\n" for number in range(19_000)),
        "A=x\n" + "".join(f"A=${{A}}${{A}}{number}\n" for number in range(17)),
    ],
    ids=lambda text: text[:12],
)
def test_no_file_takes_long(text: str, tmp_path: Path) -> None:
    """Time grows with the file's length, whatever is in it."""
    path, before = write(tmp_path, text), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DotenvWarning)
        read_dotenv(path)
    assert time.process_time() - before < SECONDS


def test_the_last_of_a_name_counts(tmp_path: Path) -> None:
    """A later line takes the place of an earlier one, and what was filled in before stays."""
    assert read_dotenv(write(tmp_path, "A=1\nB=${A}\nA=2\n")) == {"A": "2", "B": "1"}


def test_the_file_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In `${NAME}`, a line further up counts before a variable of the process."""
    monkeypatch.setenv("A", "outside")
    monkeypatch.setenv("Z", "outside")
    assert read_dotenv(write(tmp_path, "B=${A}\nA=inside\nC=${A}\nD=${Z}\n")) == {
        "B": "outside",
        "A": "inside",
        "C": "inside",
        "D": "outside",
    }


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    """By the ref's charset, the class's `env_file_encoding`, or what the caller says."""
    file = tmp_path / "latin.env"
    file.write_bytes("NAME=Zoë\n".encode("latin-1"))

    class S(Settings):
        model_config = SettingsConfigDict(chain=(f"dotenv://{file}?charset=latin-1",))
        name: str

    class ByConfig(S):
        model_config = SettingsConfigDict(chain=(f"dotenv://{file}",), env_file_encoding="latin-1")

    class ByCaller(S):
        model_config = SettingsConfigDict(chain=(f"dotenv://{file}",))

    called: Any = ByCaller
    assert [S().name, ByConfig().name, called(_env_file_encoding="latin-1").name] == ["Zoë"] * 3
    assert secretsource.get(f"dotenv://{file}?charset=latin-1#NAME") == "Zoë"
    with pytest.raises(ResolutionError, match="not utf-8 text"):
        called()
    with pytest.raises(ResolutionError, match="there is no charset 'klingon'"):
        called(_env_file_encoding="klingon")
