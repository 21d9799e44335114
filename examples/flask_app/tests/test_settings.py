"""Where the settings come from, and what stops the app from starting."""

import stat
from pathlib import Path

import pytest
from iris import start
from iris.app import create_app
from iris.settings import IrisSettings
from pydantic import ValidationError

import secretsource as library
from secretsource.testing import Stores

APP = Path(start.__file__).parents[1]
KEY = "bm90LWEtcmVhbC1tb2RlbC1rZXktMDAwMDAwMDAwMDE="


def test_in_production_each_secret_comes_from_its_own_store(stores: Stores) -> None:
    """The rest has defaults, and no store is asked for it."""
    stores.set("vault://kv/iris#database_login", {"username": "iris", "password": "not-a-real-password"})
    found = {one.field: str(one.ref) for one in library.explain(IrisSettings.load()) if one.ref}
    assert found == {
        "secret_key": "azure-kv://iris-vault/secret-key",
        "token_pepper": "aws-sm://production/iris#token_pepper",
        "model_key": "gcp-sm://iris-project/model_key",
        "database_login.username": "vault://kv/iris#database_login/username",
        "database_login.password": "vault://kv/iris#database_login/password",
    }
    assert not [call for call in stores.calls if "url" in call or "file" in call]


def test_in_development_all_of_it_is_in_dotenv(secretsource: Stores) -> None:
    """And no store is asked."""
    lines = {"IRIS_SECRET_KEY": "k" * 32, "IRIS_TOKEN_PEPPER": "p" * 32, "IRIS_MODEL_KEY": KEY}
    secretsource.set("dotenv://.env", lines)
    assert library.explain(IrisSettings.load())["model_key"].backend == "dotenv"
    assert {call.partition(":")[0] for call in secretsource.calls} == {"dotenv"}


def test_the_environment_goes_before_every_store(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator can put another value in front, and the store is not asked."""
    monkeypatch.setenv("IRIS_MODEL_KEY", KEY)
    assert IrisSettings.load().model_key.get_secret_value() == KEY
    assert "gcp-sm://iris-project/model_key" not in stores.calls


def test_secure_cookies_cannot_be_turned_off_in_production(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a .env can, and production has none."""
    monkeypatch.setenv("IRIS_SECURE_COOKIES", "false")
    stores.set("dotenv://.env", {"IRIS_SECURE_COOKIES": "false"})
    assert IrisSettings.load().secure_cookies


@pytest.mark.usefixtures("secretsource")
def test_the_app_does_not_start_without_a_secret() -> None:
    """All that is missing is told at once, with where it was searched."""
    with pytest.raises(ValidationError) as caught:
        create_app()
    missing = {error["loc"] for error in caught.value.errors()}
    assert missing == {("secret_key",), ("token_pepper",), ("model_key",)}
    assert "secret_key: searched env://IRIS_SECRET_KEY" in caught.value.__notes__[0]


def test_the_app_does_not_start_while_a_store_is_down(stores: Stores) -> None:
    """A store that does not answer is never taken for one that has no value."""
    stores.fail("azure-kv://iris-vault/secret-key", library.Outcome.UNAVAILABLE)
    with pytest.raises(library.ResolutionError, match="secret_key: UNAVAILABLE"):
        create_app()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("IRIS_MODEL_KEY", "not-a-real-key", "openssl rand -base64 32"),
        ("IRIS_SECRET_KEY", "not-a-real-key", "at least 32 "),
        ("IRIS_DATABASE_URL", "postgresql://u:not-a-real-key@host/db", "go into database_login"),
    ],
)
@pytest.mark.usefixtures("stores")
def test_what_is_not_good_enough_is_refused(name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, and without the value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=told) as caught:
        IrisSettings.load()
    assert "not-a-real" not in f"{caught.value!r} {caught.value.__notes__}"


def test_dotenv_is_made_from_its_example(tmp_path: Path) -> None:
    """With keys of its own, for its owner alone, and never for git."""
    (tmp_path / ".env.example").write_text((APP / ".env.example").read_text())
    start.write_dotenv()
    settings = IrisSettings.load()
    assert settings.secret_key != settings.token_pepper != settings.model_key
    assert stat.S_IMODE(Path(".env").stat().st_mode) == stat.S_IRUSR | stat.S_IWUSR
    assert ".env" in (APP / ".gitignore").read_text().splitlines()
    assert not [line for line in (APP / ".env.example").read_text().splitlines() if "KEY=" in line and line[-1] != "="]
