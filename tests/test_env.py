"""`env://`: the variable of exactly this name, or the file that NAME_FILE points to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secretsource.backend import Outcome, SecretValue
from secretsource.backends.env import EnvBackend
from secretsource.clock import Deadline
from secretsource.ref import Ref
from tests.files import failing


def read(name: str) -> SecretValue | Exception | None:
    ref = Ref("env", name)
    return EnvBackend().fetch_many([ref], Deadline(1)).get(ref)


def raw(name: str) -> object:
    answer = read(name)
    assert isinstance(answer, SecretValue)
    return answer.raw


def outcome(name: str) -> Outcome:
    answer = read(name)
    assert isinstance(answer, Exception)
    return EnvBackend().classify(answer)


@pytest.mark.parametrize("other", ["shop_debug", "SHOP_DEBUG_", "Shop_Debug"])
def test_the_name_is_taken_exactly(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that differs in case or in a character is another name."""
    monkeypatch.setenv(other, "on")
    assert read("SHOP_DEBUG") is None


def test_bytes_that_are_not_utf8_come_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python holds as surrogates is given back as the bytes that it was."""
    monkeypatch.setitem(os.environb, b"SHOP_KEY", b"\xff\xfe\x80key")
    assert raw("SHOP_KEY") == b"\xff\xfe\x80key"


def test_a_file_variable_gives_the_content_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NAME_FILE names a file whose content, without its one line end, is the value of NAME."""
    (tmp_path / "password").write_text("not-a-real-secret\n\n")
    monkeypatch.setenv("SHOP_PASSWORD_FILE", str(tmp_path / "password"))
    assert raw("SHOP_PASSWORD") == "not-a-real-secret\n"


def test_the_variable_itself_comes_before_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where NAME is set, even to nothing, NAME_FILE is not looked at."""
    monkeypatch.setenv("SHOP_PASSWORD_FILE", str(tmp_path / "not-there"))
    monkeypatch.setenv("SHOP_PASSWORD", "")
    assert raw("SHOP_PASSWORD") == ""


def test_an_empty_file_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NAME_FILE that is set to nothing names no file: NAME is missing."""
    monkeypatch.setenv("SHOP_PASSWORD_FILE", "")
    assert read("SHOP_PASSWORD") is None


@pytest.mark.parametrize("path", ["not-there", "file/below"])
def test_a_dangling_file_variable_is_invalid(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody meant to give a value: that its file is not there does not make it MISSING."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("SHOP_PASSWORD_FILE", str(tmp_path / path))
    assert outcome("SHOP_PASSWORD") is Outcome.INVALID
    answer = read("SHOP_PASSWORD")
    assert isinstance(answer, Exception)
    advice = EnvBackend().advise(answer)
    assert advice.detail == "SHOP_PASSWORD_FILE names a file that is not there"
    assert advice.hint == "mount that file, or unset SHOP_PASSWORD_FILE"


@pytest.mark.parametrize("expected", [Outcome.DENIED, Outcome.INVALID])
def test_a_file_that_cannot_be_used_says_why(
    expected: Outcome, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of NAME_FILE is held to what every secret file is held to."""
    (open_folder / "password").write_text("not-a-real-secret")
    monkeypatch.setenv("SHOP_PASSWORD_FILE", str(open_folder / "password"))
    with failing(open_folder / "password", expected):
        assert outcome("SHOP_PASSWORD") is expected


def test_it_is_local_and_not_secret() -> None:
    """Variables need neither cache nor thread, and are not masked for where they come from."""
    assert (EnvBackend.local, EnvBackend.secret) == (True, False)


def test_a_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a variable that is not set: which version is meant nobody can tell."""
    monkeypatch.setenv("SHOP_KEY", "v")
    refs = [Ref("env", name, {"version": "1"}) for name in ("SHOP_KEY", "SHOP_NOT_THERE")]
    answers = EnvBackend().fetch_many(refs, Deadline(1)).values()
    assert [EnvBackend().classify(answer) for answer in answers if isinstance(answer, Exception)] == [
        Outcome.INVALID,
        Outcome.INVALID,
    ]
