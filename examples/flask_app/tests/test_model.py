"""The model: in memory only, and under a new key without a restart."""

import base64
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from iris import model_file, rotate_key
from iris.app import create_app
from iris.model_file import ModelFileError
from iris.settings import IrisSettings
from iris.train import train

import secretsource as library
from secretsource.testing import Stores

Bearer = Callable[[str], dict[str, str]]
SETOSA = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
VIRGINICA = {"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5}
KEY, PREVIOUS = "gcp-sm://iris-project/model_key", "gcp-sm://iris-project/model_key_previous"
FILE = Path("iris.model")


@pytest.mark.parametrize(("flower", "species"), [(SETOSA, "setosa"), (VIRGINICA, "virginica")])
def test_it_predicts(browser: FlaskClient, bearer: Bearer, flower: dict[str, float], species: str) -> None:
    """What the measurements say."""
    answer = browser.post("/api/predict", json=flower, headers=bearer("viewer")).get_json()
    assert answer["species"] == species
    assert answer["probability"] > 1 / 2


@pytest.mark.usefixtures("app")
def test_the_model_is_never_on_disk_in_the_clear(tmp_path: Path) -> None:
    """While it is trained, loaded and encrypted anew, nothing is written but the encrypted file."""
    written: list[str] = []

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            written.append(Path(str(arguments[0])).name)

    sys.addaudithook(note)
    train(IrisSettings.load())
    rotate_key.rotate(IrisSettings.load())
    create_app()
    assert {name for name in written if not name.isdigit() and ".pyc" not in name} == {"iris.model.new"}
    assert not [path for path in tmp_path.rglob("*") if b"LogisticRegression" in path.read_bytes()]


@pytest.mark.parametrize("put", [Stores.rotate, Stores.set], ids=["after-the-app-has-heard", "before"])
def test_a_new_key_is_followed(
    stores: Stores, browser: FlaskClient, bearer: Bearer, put: Callable[[Stores, str, str], None]
) -> None:
    """The file under the old key is good until it is encrypted anew; that is read under the new one, at once."""
    token = bearer("admin")
    old = browser.get("/api/model", headers=token).get_json()["key_id"]
    put(stores, PREVIOUS, IrisSettings.load().model_key.get_secret_value())
    put(stores, KEY, base64.b64encode(os.urandom(32)).decode())
    assert browser.post("/api/predict", json=SETOSA, headers=token).get_json()["species"] == "setosa"
    library.clear_cache()  # the script is a process of its own
    told = rotate_key.rotate(IrisSettings.load())
    now = browser.get("/api/model", headers=token).get_json()["key_id"]
    assert told == (old, now)
    assert now != old
    assert browser.post("/api/predict", json=SETOSA, headers=token).get_json()["species"] == "setosa"


@pytest.mark.usefixtures("app")
def test_rotating_twice_changes_nothing() -> None:
    """A file that is under the present key is left alone."""
    before = FILE.read_bytes()
    old, now = rotate_key.rotate(IrisSettings.load())
    assert old == now
    assert FILE.read_bytes() == before


@pytest.mark.parametrize("spoil", [lambda: FILE.write_bytes(b"spoiled"), FILE.unlink], ids=["spoiled", "removed"])
def test_a_file_that_cannot_be_used_changes_nothing(
    browser: FlaskClient, bearer: Bearer, caplog: pytest.LogCaptureFixture, spoil: Callable[[], object]
) -> None:
    """The model before goes on, and the log says why, once."""
    token = bearer("viewer")
    spoil()
    for _ in range(3):
        assert browser.post("/api/predict", json=SETOSA, headers=token).get_json()["species"] == "setosa"
    assert [record.name for record in caplog.records].count("iris.model") == 1
    assert "cannot be used" in caplog.text


@pytest.mark.usefixtures("app")
def test_the_app_does_not_start_with_a_file_that_was_tampered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is not authentic is never unpickled."""
    monkeypatch.setattr(pickle, "loads", lambda _content: pytest.fail("it was unpickled"))
    sealed = bytearray(FILE.read_bytes())
    sealed[-1] ^= 1
    FILE.write_bytes(sealed)
    with pytest.raises(ModelFileError, match="changed, or damaged"):
        create_app()


@pytest.mark.usefixtures("stores")
def test_without_a_model_the_app_says_how_to_make_one() -> None:
    """And does not start."""
    with pytest.raises(ModelFileError, match=r"python -m iris\.train"):
        create_app()


@pytest.mark.usefixtures("app")
def test_a_file_under_a_lost_key_says_which_one_it_needs(stores: Stores) -> None:
    """By its id, which tells nothing about it."""
    needed = model_file.key_id(IrisSettings.load().model_keys[0])
    stores.rotate(KEY, base64.b64encode(os.urandom(32)).decode())
    with pytest.raises(ModelFileError, match=needed):
        create_app()
