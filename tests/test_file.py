"""`file://`: regular files with one secret each."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from secretsource.backend import DENIED_OR_HIDDEN, Outcome, SecretValue
from secretsource.backends._files import OUTCOMES
from secretsource.backends.file import FileBackend, UnfitFile, read_secret_file
from secretsource.clock import Deadline
from secretsource.ref import Ref
from tests.files import failing

MIB = 1024 * 1024


def answer_of(ref: str) -> SecretValue | Exception | None:
    parsed = Ref.parse(ref)
    return FileBackend().fetch_many([parsed], Deadline(1)).get(parsed)


def raw(ref: str) -> object:
    answer = answer_of(ref)
    assert isinstance(answer, SecretValue)
    return answer.raw


def failure(ref: str) -> tuple[Outcome, str | None, str | None]:
    answer, backend = answer_of(ref), FileBackend()
    assert isinstance(answer, Exception)
    advice = backend.advise(answer)
    return backend.classify(answer), advice.detail, advice.hint


@pytest.mark.parametrize(
    ("content", "stripped"),
    [
        (b"value\n", "value"),
        (b"value\r\n", "value"),
        (b"value", "value"),
        (b"value\n\n", "value\n"),
        (b"value\r\n\r\n", "value\r\n"),
        (b"value\r", "value\r"),
        (b"  value \t\n", "  value \t"),
        (b"\n", ""),
        (b"", ""),
        (b"\xff\xfe\r\n", b"\xff\xfe"),
    ],
)
def test_one_line_end_goes(content: bytes, stripped: str | bytes, tmp_path: Path) -> None:
    """One line end at the end is taken off, and nothing else; `?strip=false` keeps that too."""
    (tmp_path / "secret").write_bytes(content)
    kept = raw(f"file://{tmp_path}/secret?strip=false")
    assert raw(f"file://{tmp_path}/secret") == raw(f"file://{tmp_path}/secret?strip=true") == stripped
    assert (kept.encode() if isinstance(kept, str) else kept) == content


def test_text_comes_as_text_and_the_rest_as_bytes(tmp_path: Path) -> None:
    """UTF-8 is text, be it with a byte order mark or a NUL; anything else is bytes."""
    contents = [b"caf\xc3\xa9", b"\xef\xbb\xbfmarked", b"with\0nul", b"caf\xe9"]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).write_bytes(content)
    assert [raw(f"file://{tmp_path}/{number}") for number in range(4)] == [
        "café",
        "\ufeffmarked",
        "with\0nul",
        b"caf\xe9",
    ]


def test_kubernetes_swaps_a_whole_folder(tmp_path: Path) -> None:
    """A mounted secret is a link to a link; after the swap of `..data` the new value is read."""
    for number in (1, 2):
        (tmp_path / f"..2026_{number}").mkdir()
        (tmp_path / f"..2026_{number}" / "password").write_text(f"value {number}")
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / "password").symlink_to("..data/password")
    before = raw(f"file://{tmp_path}/password")
    (tmp_path / "..data_tmp").symlink_to("..2026_2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert (before, raw(f"file://{tmp_path}/password")) == ("value 1", "value 2")


def test_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`~` is the user's own folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "secret").write_text("value")
    assert raw("file://~/secret") == "value"


def test_a_relative_path_starts_in_the_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As everywhere else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("value")
    assert raw("file://secret") == "value"


def test_it_tells_when_the_file_was_written(tmp_path: Path) -> None:
    """`created` is the file's time of writing, aware."""
    (tmp_path / "secret").write_text("value")
    os.utime(tmp_path / "secret", (0, 1_700_000_000))
    assert read_secret_file(tmp_path / "secret").created == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize("path", ["absent", "file/below"])
def test_a_file_that_is_not_there_is_missing(path: str, tmp_path: Path) -> None:
    """So is one below something that is no folder."""
    (tmp_path / "file").touch()
    assert failure(f"file://{tmp_path}/{path}")[0] is Outcome.MISSING


def test_a_dangling_link_is_missing(tmp_path: Path) -> None:
    """A link to nowhere leads to nothing."""
    (tmp_path / "link").symlink_to("nowhere")
    assert failure(f"file://{tmp_path}/link")[0] is Outcome.MISSING


def test_a_link_that_bites_its_tail_is_unavailable(tmp_path: Path) -> None:
    """What the system cannot make sense of is not taken for absent."""
    (tmp_path / "link").symlink_to("link")
    assert failure(f"file://{tmp_path}/link")[0] is Outcome.UNAVAILABLE


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    """A FIFO does not block, a device is not opened, a socket and a folder are not read."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        found = [failure(f"file://{path}") for path in (tmp_path / "fifo", tmp_path / "socket", "/dev/zero")]
    assert found == [(Outcome.INVALID, "not a regular file", None)] * 3
    assert failure(f"file://{tmp_path}/folder") == (Outcome.INVALID, "a directory, not a file", None)


def test_a_fifo_that_takes_the_file_s_place_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is what was opened, not what was there a moment before."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    seen = (tmp_path / "file").stat()
    monkeypatch.setattr(os, "stat", lambda _: seen)
    with pytest.raises(UnfitFile, match="not a regular file"):
        read_secret_file(tmp_path / "fifo")


@pytest.mark.parametrize(("size", "fits"), [(MIB, True), (MIB + 1, False), (2 * MIB, False)])
def test_a_file_is_at_most_one_mebibyte(size: int, fits: bool, tmp_path: Path) -> None:
    """A larger one is INVALID."""
    (tmp_path / "secret").write_bytes(b"x" * size)
    if fits:
        assert raw(f"file://{tmp_path}/secret") == "x" * size
    else:
        assert failure(f"file://{tmp_path}/secret") == (Outcome.INVALID, "larger than 1 MiB", None)


def test_the_size_is_checked_at_the_read() -> None:
    """A file that does not say how large it is, as those in /proc, is read up to the limit and no further."""
    assert isinstance(raw("file:///proc/self/status"), str)


def test_a_file_that_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    """Anybody could have put the secret there; the hint says what to do."""
    (tmp_path / "secret").write_text("value")
    (tmp_path / "secret").chmod(0o602)
    assert failure(f"file://{tmp_path}/secret") == (
        Outcome.INVALID,
        "everybody on this machine may write to it",
        "chmod o-w",
    )


def test_a_file_that_may_not_be_read_is_told_from_a_folder_that_hides_it(open_folder: Path) -> None:
    """In a folder that may not be searched, nobody can tell whether there is such a file."""
    (open_folder / "secret").write_text("value")
    folder = open_folder / "closed"
    folder.mkdir()
    with failing(open_folder / "secret", Outcome.DENIED):
        assert failure(f"file://{open_folder}/secret") == (Outcome.DENIED, "Permission denied", None)
    with failing(folder, Outcome.DENIED):
        outcome, detail, hint = failure(f"file://{folder}/secret")
    assert (outcome, detail) == (Outcome.DENIED, DENIED_OR_HIDDEN)
    assert "folder" in str(hint)


def test_one_bad_file_does_not_spoil_the_others(tmp_path: Path) -> None:
    """Each ref has its own answer."""
    (tmp_path / "good").write_text("value")
    refs = [Ref("file", str(tmp_path / name)) for name in ("good", "absent")] + [Ref("file", str(tmp_path))]
    good, absent, folder = FileBackend().fetch_many(refs, Deadline(1)).values()
    assert isinstance(good, SecretValue)
    assert [type(absent), type(folder)] == [FileNotFoundError, UnfitFile]


def test_no_frame_goes_along_with_an_error(tmp_path: Path) -> None:
    """An error that is handed back holds no frames, whose variables could hold the content."""
    (tmp_path / "secret").write_bytes(b"x" * 2 * MIB)
    answer = answer_of(f"file://{tmp_path}/secret")
    assert isinstance(answer, UnfitFile)
    assert answer.__traceback__ is None


def test_every_error_of_the_system_has_an_outcome() -> None:
    """The table has a row for OSError, so for all of its kinds, and MISSING only for what is really absent."""
    missing = {kind for kind, outcome in OUTCOMES.items() if outcome is Outcome.MISSING}
    assert missing == {FileNotFoundError, NotADirectoryError}
    for kind in (kind for kind in OSError.__subclasses__() if kind.__module__ == "builtins"):
        expected = {
            FileNotFoundError: Outcome.MISSING,
            NotADirectoryError: Outcome.MISSING,
            PermissionError: Outcome.DENIED,
        }.get(kind, Outcome.UNAVAILABLE)
        assert FileBackend().classify(kind.__new__(kind)) is expected


def test_a_version_is_refused_and_the_other_options_are_not(tmp_path: Path) -> None:
    """A file has one version, and which it is nobody can tell."""
    (tmp_path / "a").write_text("v\n")
    assert raw(f"file://{tmp_path}/a?strip=false") == "v\n"
    assert failure(f"file://{tmp_path}/a?version=1") == (Outcome.INVALID, "file has no versions", "leave ?version= out")
