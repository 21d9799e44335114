"""The page on sensitive data: it quotes the example as it is, names tests that are there, and what it says of leaks."""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from iris import model_file, tokens
from iris.app import create_app
from iris.commands import add_user
from iris.database import User, create_tables, session
from iris.extensions import secrets
from iris.settings import IrisSettings
from iris.train import train

from secretsource.testing import Stores
from tests.markdown import ROOT

PAGE = ROOT / "docs" / "protecting-sensitive-data.md"
TEXT = PAGE.read_text(encoding="utf-8")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)\)")
_TESTS = re.compile(r"((?:`test_\w+`(?:,\s+|\s+and\s+|\s+)?)+)in\s+\[`[^`]+`\]\(([^)]+)\)")


class Quotation(NamedTuple):
    """Lines that the page has from a file.

    Attributes:
        file: The file that is linked last before them.
        text: The lines.
    """

    file: Path
    text: str

    def __str__(self) -> str:
        return f"{self.file.name}: {self.text.strip().splitlines()[0].strip()}"


def quotations() -> list[Quotation]:
    """All of them; a block of Python (`python`, not `py`) is the page's own."""
    found = [match for match in _FENCE.finditer(TEXT) if match[1] != "python"]
    return [Quotation(PAGE.parent / _LINK.findall(TEXT[: match.start()])[-1], match[2]) for match in found]


def named_tests() -> list[tuple[Path, str]]:
    """Each with the file that it is said to be in."""
    found = _TESTS.finditer(TEXT)
    return [(PAGE.parent / match[2], name) for match in found for name in re.findall(r"`(\w+)`", match[1])]


def practices() -> list[str]:
    """The page's sections, without what comes before them."""
    return re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("quotation", quotations(), ids=str)
def test_what_is_quoted_stands_in_the_file(quotation: Quotation) -> None:
    """Word for word; only the indentation of the whole may be another."""
    content = quotation.file.read_text(encoding="utf-8")
    assert any(f"\n{textwrap.indent(quotation.text, ' ' * depth)}" in f"\n{content}" for depth in (0, 4, 8))


@pytest.mark.parametrize(("file", "name"), named_tests(), ids=lambda value: str(getattr(value, "name", value)))
def test_a_test_that_is_named_is_there(file: Path, name: str) -> None:
    """In the file that is linked."""
    assert f"\ndef {name}(" in file.read_text(encoding="utf-8")


def test_every_test_is_named_with_its_file() -> None:
    """None is passed over."""
    assert len(re.findall(r"`test_\w+`", TEXT)) == len(named_tests())


def test_every_practice_has_lines_and_tests() -> None:
    """But for what to do after a leak, which is done by people."""
    for practice in practices():
        assert "Shown by `test_" in practice
    for practice in practices()[:-1]:
        assert practice.partition("\n\n")[2].startswith("Without it, ")
        assert _FENCE.search(practice)


def test_the_pictures_are_there() -> None:
    """For light screens and for dark ones."""
    names = re.findall(r'src(?:set)?="([^"]+)"', TEXT)
    assert len(names) == 2
    assert all((PAGE.parent / name).exists() for name in names)


def test_the_contents_lead_to_every_practice() -> None:
    """In their order."""
    titles = [practice.partition("\n")[0] for practice in practices()]
    assert re.findall(r"^\[(\d.*)\]\(#", TEXT, re.MULTILINE) == titles
    anchors = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
    assert re.findall(r"^\[\d.*\]\(#(.*)\)", TEXT, re.MULTILINE) == anchors


KEY, PEPPER = "azure-kv://iris-vault/secret-key", "aws-sm://production/iris#token_pepper"
MODEL_KEY = "gcp-sm://iris-project/model_key"
PASSWORD = "not-a-real-password"
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
Start = Callable[[], Flask]


def model_key(number: int) -> str:
    return base64.b64encode(f"not-a-real-model-key-{number:011}".encode()).decode()


@pytest.fixture
def start(secretsource: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts the example with secrets in its stores, a model and an admin."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "production")
    for ref, value in {KEY: "1" * 32, PEPPER: "1" * 32, MODEL_KEY: model_key(1)}.items():
        secretsource.set(ref, value)
    train(IrisSettings.load())
    started: list[Flask] = []

    def make() -> Flask:
        started.append(create_app())
        started[-1].config.update(PREFERRED_URL_SCHEME="https", WTF_CSRF_ENABLED=False)
        return started[-1]

    with make().app_context():
        create_tables()
        add_user("admin", "admin", PASSWORD)
    yield make
    for app in started:
        with app.app_context():
            secrets.live.close()
        app.extensions["iris.engine"].dispose()


def token_of_admin(app: Flask) -> dict[str, str]:
    """The header with a new token."""
    with app.app_context():
        _, text = tokens.issue(session.get_one(User, 1), days=1)
        session.commit()
    return {"Authorization": f"Bearer {text}"}


def test_after_a_leak_the_old_session_key_is_not_accepted(start: Start, secretsource: Stores) -> None:
    """A rotation alone keeps the sessions; a restart ends those under the old key."""
    before = start()
    browser = before.test_client()
    browser.post("/login", data={"name": "admin", "password": PASSWORD})
    stolen = browser.get_cookie("__Host-session")
    assert stolen is not None
    secretsource.rotate(KEY, "2" * 32)
    assert status_with(stolen.value, before.test_client()) == 200
    assert status_with(stolen.value, start().test_client()) == 302


def status_with(cookie: str, browser: FlaskClient) -> int:
    """How the page for admins answers to somebody with a cookie."""
    browser.set_cookie("__Host-session", cookie, secure=True)
    return browser.get("/status").status_code


def test_after_a_leak_the_old_tokens_are_refused(start: Start, secretsource: Stores) -> None:
    """With a new pepper, and no previous one."""
    app = start()
    header = token_of_admin(app)
    assert app.test_client().get("/api/whoami", headers=header).status_code == 200
    secretsource.rotate(PEPPER, "2" * 32)
    assert app.test_client().get("/api/whoami", headers=header).status_code == 401
    assert app.test_client().get("/api/whoami", headers=token_of_admin(app)).status_code == 200


def test_after_a_leak_no_model_under_the_old_key_is_read(start: Start, secretsource: Stores) -> None:
    """Whoever wrote it: the app goes on with what it has, and follows the one that is trained anew."""
    app = start()
    client, header = app.test_client(), token_of_admin(app)
    secretsource.rotate(MODEL_KEY, model_key(2))
    model_file.write(Path("iris.model"), b"somebody else's", base64.b64decode(model_key(1)))
    assert client.post("/api/predict", json=FLOWER, headers=header).get_json()["species"] == "setosa"
    with pytest.raises(model_file.UnknownKeyError):
        start()
    train(IrisSettings.load())
    new = model_file.key_id(base64.b64decode(model_key(2)))
    assert client.get("/api/model", headers=header).get_json()["key_id"] == new
