"""The model's file: only who has the key can read it, and nobody can change it."""

import os
import stat
from pathlib import Path

import pytest
from iris import model_file
from iris.model_file import ModelFileError, UnknownKeyError

KEY, OTHER = os.urandom(32), os.urandom(32)
CONTENT = b"not a real model"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """With the key among several, whose id is told."""
    model_file.write(tmp_path / "m", CONTENT, KEY)
    assert model_file.read(tmp_path / "m", [OTHER, KEY]) == (CONTENT, model_file.key_id(KEY))


def test_the_file_is_for_its_owner_and_shows_nothing(tmp_path: Path) -> None:
    """The content is not in it, and nothing else is left beside it."""
    model_file.write(tmp_path / "m", CONTENT, KEY)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert CONTENT not in (tmp_path / "m").read_bytes()


def test_the_same_content_never_looks_the_same() -> None:
    """Each time has a nonce of its own."""
    assert model_file.encrypt(CONTENT, KEY) != model_file.encrypt(CONTENT, KEY)


def test_another_key_is_not_enough() -> None:
    """Which one is needed is told, by its id."""
    with pytest.raises(UnknownKeyError, match=model_file.key_id(KEY)):
        model_file.decrypt(model_file.encrypt(CONTENT, KEY), [OTHER])


@pytest.mark.parametrize("place", range(len(model_file.encrypt(CONTENT, KEY))))
def test_no_byte_can_be_changed(place: int) -> None:
    """Not of the header, not of the nonce, the ciphertext or the tag."""
    sealed = bytearray(model_file.encrypt(CONTENT, KEY))
    sealed[place] ^= 1
    with pytest.raises(ModelFileError):
        model_file.decrypt(bytes(sealed), [KEY])


@pytest.mark.parametrize("size", range(len(model_file.encrypt(CONTENT, KEY))))
def test_no_byte_can_be_left_out(size: int) -> None:
    """Nor be added."""
    sealed = model_file.encrypt(CONTENT, KEY)
    for changed in (sealed[:size], sealed + bytes(size + 1)):
        with pytest.raises(ModelFileError):
            model_file.decrypt(changed, [KEY])


def test_the_header_is_authenticated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key's id over our ciphertext does not pass, even with the key in hand."""
    sealed = model_file.encrypt(CONTENT, KEY)
    renamed = sealed[:8] + bytes.fromhex(model_file.key_id(OTHER)) + sealed[16:]
    monkeypatch.setattr(model_file, "key_id", lambda _key: renamed[8:16].hex())
    with pytest.raises(ModelFileError, match="changed, or damaged"):
        model_file.decrypt(renamed, [KEY])
