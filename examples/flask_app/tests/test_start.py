"""From a fresh checkout to a running app with one command."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from iris.model_file import ModelFileError
from iris.settings import IrisSettings
from iris.start import train_if_needed, write_dotenv

APP = Path(__file__).parents[1]


@contextmanager
def started(folder: Path) -> Iterator[tuple[str, str]]:
    """Where it is, and what it said before that."""
    command = [sys.executable, "-W", "error", "-m", "iris.start", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(APP)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        said = ""
        while "Iris is on" not in said:
            line = process.stdout.readline()
            assert line, (folder / "log").read_text()
            said += line
        url = said.split()[-1]
        yield url, said
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_one_command_makes_all_that_is_needed_once(tmp_path: Path) -> None:
    """Keys, model, tables and an admin, who can log in with the password that was shown; the next start keeps them."""
    shutil.copy(APP / ".env.example", tmp_path)
    with started(tmp_path) as (url, said):
        assert {path.name for path in tmp_path.iterdir()} > {".env", "iris.model", "iris.db"}
        found = re.search("as admin with the password (\\S+)", said)
        assert found
        browser = build_opener(HTTPCookieProcessor(CookieJar()))
        with browser.open(f"{url}/login", timeout=20) as page:
            token = re.search('name="csrf_token" value="([^"]+)"', page.read().decode())
        assert token
        form = {"name": "admin", "password": found[1], "csrf_token": token[1]}
        with browser.open(f"{url}/login?here=not-a-real-value", urlencode(form).encode(), timeout=20) as page:
            assert "Log out" in page.read().decode()
    assert "not-a-real-value" not in (tmp_path / "log").read_text()
    assert found[1] not in (tmp_path / "log").read_text()
    with started(tmp_path) as (_, said):
        assert said.splitlines()[0].startswith("Iris is on")


def values(folder: Path) -> set[str]:
    return set(re.findall(r"^IRIS_\w+=(\S{44})$", (folder / ".env").read_text(), re.MULTILINE))


def test_after_a_leak_another_dotenv_is_made(tmp_path: Path) -> None:
    """With none of the old keys. No key here opens the old model: it is trained anew, and the rest is left alone."""
    shutil.copy(APP / ".env.example", tmp_path)
    with started(tmp_path):
        leaked = values(tmp_path)
    (tmp_path / ".env").unlink()
    with started(tmp_path) as (_, said):
        assert [line.split()[0] for line in said.splitlines()] == ["Wrote", "Trained", "Iris"]
    assert leaked
    assert not leaked & values(tmp_path)


def test_only_a_model_of_another_key_is_replaced(tmp_path: Path) -> None:
    """What is no model of ours may be anything: nothing is written over it."""
    shutil.copy(APP / ".env.example", tmp_path)
    write_dotenv()
    (tmp_path / "iris.model").write_bytes(b"something else")
    with pytest.raises(ModelFileError, match="not a file of ours"):
        train_if_needed(IrisSettings.load())
    assert (tmp_path / "iris.model").read_bytes() == b"something else"


def test_it_is_for_development_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In production it says what to run instead."""
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "production")
    monkeypatch.setenv("PYTHONPATH", str(APP))
    finished = subprocess.run([sys.executable, "-m", "iris.start"], capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert "gunicorn -c deploy/gunicorn.conf.py wsgi:app" in finished.stderr
