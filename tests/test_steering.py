"""From: one field's own sources, names, and backends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from secretsource import ConfigurationError, From, InvalidRef, Outcome, Settings, SettingsConfigDict, UnknownBackend
from secretsource.backends.memory import MemoryBackend


class Database(BaseModel):
    username: str
    password: SecretStr
    host: str = "localhost"


def store(**values: object) -> MemoryBackend:
    """Put values into `memory://`; what is not text goes in as JSON."""
    backend = MemoryBackend()
    for name, value in values.items():
        backend.set(name, value if isinstance(value, str) else json.dumps(value))
    return backend


def test_sources_of_its_own_stand_in_place_of_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain is not asked for the field, not even when they have nothing."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://",))
        a: Annotated[str, From("memory://own#a")]
        b: Annotated[str, From("memory://own#b")] = "default"

    store(own={"a": "own"})
    monkeypatch.setenv("A", "env")
    monkeypatch.setenv("B", "env")
    assert S().model_dump() == {"a": "own", "b": "default"}


def test_several_sources_are_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """`env://` in it goes by the field's names, a placeholder is filled."""

    class S(Settings):
        model_config = SettingsConfigDict(env_prefix="S_", chain=("memory://no",))
        a: Annotated[str, From("env://", "memory://{profile}#{name}")]

    store(development={"a": "store"})
    assert S().a == "store"
    monkeypatch.setenv("S_A", "env")
    assert S().a == "env"


def test_without_a_key_it_is_the_whole_secret() -> None:
    """As text for text, as JSON for a model or a dict."""

    class S(Settings):
        text: Annotated[str, From("memory://db")]
        table: Annotated[dict[str, str], From("memory://db")]
        database: Annotated[Database, From("memory://db")]

    whole = {"username": "u", "password": "p"}
    backend = store(db=whole)
    settings = S()
    assert json.loads(settings.text) == whole
    assert settings.table == whole
    assert (settings.database.username, settings.database.host) == ("u", "localhost")
    assert backend.calls == (("db",),)


def test_a_nested_models_key_is_walked_from() -> None:
    """`#a` is where the model is."""

    class S(Settings):
        database: Annotated[Database, From("memory://all#databases/main")]

    store(all={"databases": {"main": {"username": "u", "password": "p"}}})
    assert S().database.username == "u"


def test_it_works_on_a_field_of_a_nested_model() -> None:
    """The innermost wins; the others go on with what is outside."""

    class Steered(BaseModel):
        username: str
        password: Annotated[SecretStr, From("memory://vault#pw")]
        token: Annotated[str, From(name="api-token")]

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://shop",))
        database: Annotated[Steered, From("memory://db")]
        other: Steered

    store(
        db={"username": "u", "api-token": "t"},
        vault={"pw": "p"},
        shop={"other": {"username": "v", "api-token": "w"}},
    )
    settings = S()
    assert settings.database.password.get_secret_value() == settings.other.password.get_secret_value() == "p"
    assert (settings.database.username, settings.other.username, settings.other.token) == ("u", "v", "w")


def test_another_name_stands_for_the_placeholder() -> None:
    """With slashes it walks; the environment keeps its names."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "memory://shop"))
        smtp_password: Annotated[str, From(name="mail/password")]

    store(shop={"mail": {"password": "p"}})
    settings = S()
    assert settings.smtp_password == "p"
    assert [str(attempt.ref) for attempt in settings.resolution("smtp_password").trail] == [
        "env://SMTP_PASSWORD",
        "memory://shop#mail/password",
    ]


def test_only_and_never_name_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signing key that may come from a store alone is not taken from the environment."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "memory://shop"))
        key: Annotated[str, From(only=("memory", "vault"))]
        flag: Annotated[str, From(never="memory")] = "default"

    store(shop={"key": "store", "flag": "store"})
    monkeypatch.setenv("KEY", "env")
    assert S().model_dump() == {"key": "store", "flag": "default"}


def test_a_field_that_no_source_may_supply_says_so() -> None:
    """The note of the missing field tells why nothing was searched."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://",))
        key: Annotated[str, From(only="vault")]

    with pytest.raises(ValidationError) as caught:
        S()
    assert caught.value.__notes__ == ["key: no source of the chain may supply it"]


def test_fields_without_it_behave_as_ever_where_no_chain_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The steered field comes from its source alone, the others from the environment."""

    class S(Settings):
        a: Annotated[str, From("memory://own#a")]
        b: str
        c: Annotated[str, From("memory://own#c")] = "default"

    store(own={"a": "own"})
    for name in "ABC":
        monkeypatch.setenv(name, "env")
    settings = S()
    assert settings.model_dump() == {"a": "own", "b": "env", "c": "default"}
    assert settings.resolution("c").outcome is Outcome.MISSING


def test_mistakes_come_all_at_once_and_only_when_loaded() -> None:
    """Declaring the class asks nobody and refuses nothing; the load names every mistake."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "vault://kv/{nmae}"))
        a: Annotated[str, From("aws-sm://x?bogus=1")]
        b: Annotated[str, From(only="valt")]

    with pytest.raises(ConfigurationError) as caught:
        S()
    assert len(str(caught.value).splitlines()) == 3
    for part in ("unknown placeholder {nmae}", "unknown option 'bogus'", "did you mean 'vault'"):
        assert part in str(caught.value)


def test_a_single_mistake_has_its_own_class() -> None:
    """InvalidRef for a ref, UnknownBackend for a scheme."""

    class Ref(Settings):
        a: Annotated[str, From("nonsense")]

    class Scheme(Settings):
        a: Annotated[str, From("nowhere://x")]

    with pytest.raises(InvalidRef):
        Ref()
    with pytest.raises(UnknownBackend, match="nowhere"):
        Scheme()


@pytest.mark.parametrize("make", [lambda: From(name=""), lambda: From(name="/"), lambda: From(3)])  # type: ignore[arg-type]
def test_nonsense_is_refused_when_it_is_made(make: object) -> None:
    """A name has to be one, a source has to be text."""
    with pytest.raises(ConfigurationError):
        make()  # type: ignore[operator]


def test_it_shows_what_it_says() -> None:
    """Its repr is how it is written."""
    assert repr(From("memory://a", name="n", only="vault")) == "From('memory://a', name='n', only=('vault',))"


def test_a_field_is_steered_without_a_chain_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What BaseSettings would do by itself does not supply what may not come from there; at any depth."""
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("OTHER=from .env\nANY=from .env\n")

    class Inner(BaseModel):
        pinned: Annotated[str, From(only="vault")] = "default"
        free: str = "default"

    class S(Settings):
        model_config = SettingsConfigDict(env_file=".env", env_nested_delimiter="__")
        other: Annotated[str, From(never="env")] = "default"
        vault: Annotated[str, From(only="vault")] = "default"
        any: str = "default"
        inner: Inner = Inner()

    for name in ("OTHER", "VAULT", "INNER__PINNED", "INNER__FREE"):
        monkeypatch.setenv(name, "from the environment")
    settings = S()
    assert (settings.other, settings.vault, settings.any) == ("from .env", "default", "from .env")
    assert settings.inner == Inner(free="from the environment")
