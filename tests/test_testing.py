"""What users test with: `override`, and the fixture `secretsource`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SecretStr

import secretsource as library
from secretsource import From, Live, Outcome, ResolutionError, SecretNotFound, Settings, SettingsConfigDict
from secretsource.testing import Stores, override


class Shop(Settings):
    """A class that no test lets reach a store."""

    model_config = SettingsConfigDict(chain=("env://", "dotenv://.env", "vault://kv/shop", "aws-sm://prod/"))
    key: SecretStr
    plain: str = "default"
    card: Annotated[str, From("azure-kv://pay-vault/card")] = "none"


def test_values_stand_in_for_every_store() -> None:
    """By ref; what is not named is missing, and afterwards all is as it was."""
    with override({"vault://kv/shop#key": "from-vault", "azure-kv://pay-vault/card": "from-azure"}) as stores:
        settings = Shop()
        assert (settings.key.get_secret_value(), settings.plain, settings.card) == (
            "from-vault",
            "default",
            "from-azure",
        )
        assert settings.resolution("key").backend == "vault"
        assert "vault://kv/shop" in stores.calls
        with pytest.raises(SecretNotFound):
            library.get("gcp-sm://project/secret")
    assert "from-vault" not in repr(stores)


def test_json_and_bytes_can_be_put_in() -> None:
    """Anything but text and bytes goes in as JSON; keys of one secret stand side by side."""
    with override({"memory://a": {"n": 1.5, "o": [1]}, "memory://b": b"\xff", "memory://c#x": "1", "memory://c#y": 2}):
        assert library.get("memory://a#n") == "1.5"
        assert library.get_bytes("memory://b") == b"\xff"
        assert (library.get("memory://c#x"), library.get("memory://c#y")) == ("1", "2")


def test_the_environment_stays_and_files_do_not(
    secretsource: Stores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A developer's `.env` is nobody's business in a test; a variable is."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("KEY=mine\nPLAIN=mine\n")
    monkeypatch.setenv("KEY", "env")
    assert Shop().model_dump()["plain"] == "default"
    secretsource.set("dotenv://.env#PLAIN", "given")
    assert Shop().plain == "given"


def test_a_failure_can_be_tried(secretsource: Stores) -> None:
    """Until the secret is set again."""
    secretsource.fail("vault://kv/shop", Outcome.DENIED)
    with pytest.raises(ResolutionError, match="DENIED"):
        Shop()
    secretsource.set("vault://kv/shop#key", "good")
    assert Shop().key.get_secret_value() == "good"


def test_a_rotation_can_be_tried(secretsource: Stores) -> None:
    """At once, or as time passes."""
    secretsource.set("vault://kv/shop#key", "one")
    with Live(Shop) as live:
        secretsource.rotate("vault://kv/shop#key", "two")
        assert live.current.key.get_secret_value() == "two"
        assert live.current.resolution("key").version == "2"
        secretsource.set("vault://kv/shop#key", "three")
        assert Shop().key.get_secret_value() == "two"
        secretsource.clock.advance(300)
        assert Shop().key.get_secret_value() == "three"


def test_the_fixture_comes_with_the_package(tmp_path: Path) -> None:
    """Without a conftest, and without being imported."""
    (tmp_path / "test_it.py").write_text(
        "import secretsource as library\n"
        "def test_it(secretsource):\n"
        "    secretsource.set('vault://kv/pay#stripe', 'x')\n"
        "    assert library.get('vault://kv/pay#stripe') == 'x'\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout
