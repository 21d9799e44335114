"""Profiles: which chain is in force, and what operators can change from outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secretsource import Backend, ConfigurationError, InvalidRef, Settings, SettingsConfigDict, UnknownBackend, explain
from secretsource.backends.memory import MemoryBackend


def store(**values: object) -> MemoryBackend:
    """Put JSON into `memory://`."""
    backend = MemoryBackend()
    for name, value in values.items():
        backend.set(name, json.dumps(value))
    return backend


class Both(Settings):
    """A class with two profiles."""

    model_config = SettingsConfigDict(
        chain={"development": ("memory://dev",), "production": ("memory://{profile}/shop#{name}",)}
    )
    a: str


@pytest.fixture(autouse=True)
def _stores() -> None:
    MemoryBackend().set("dev", '{"a": "dev"}')
    MemoryBackend().set("production/shop", '{"a": "prod"}')


def test_development_is_in_force_where_nothing_is_said() -> None:
    """A laptop needs no setting."""
    assert Both().a == "dev"


def test_the_environment_chooses_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it fills `{profile}`."""
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "production")
    assert Both().a == "prod"


def test_the_config_chooses_where_the_environment_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment comes first."""

    class Production(Both):
        model_config = SettingsConfigDict(profile="production")

    assert Production().a == "prod"
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "development")
    assert Production().a == "dev"


def test_the_only_profile_needs_no_choice() -> None:
    """A mapping with one key has no other."""

    class One(Settings):
        model_config = SettingsConfigDict(chain={"staging": ("memory://dev",)})
        a: str

    assert One().a == "dev"
    assert explain(One).profile == "staging"


def test_several_profiles_without_development_need_a_choice() -> None:
    """The message names them."""

    class Two(Settings):
        model_config = SettingsConfigDict(chain={"blue": ("memory://dev",), "green": ("memory://dev",)})
        a: str

    with pytest.raises(ConfigurationError, match="SECRETSOURCE_PROFILE to one of blue, green"):
        Two()


def test_an_unknown_profile_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A typing mistake must not choose another chain."""
    monkeypatch.setenv("SECRETSOURCE_PROFILE", "prodution")
    with pytest.raises(ConfigurationError, match="no profile 'prodution'; did you mean 'production'"):
        Both()


@pytest.mark.parametrize("profile", ["../x", "a b", "a#b", "a/b", "{name}"])
def test_a_profile_is_a_plain_name(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes into refs, so it cannot be a path."""
    monkeypatch.setenv("SECRETSOURCE_PROFILE", profile)
    monkeypatch.setenv("SECRETSOURCE_CHAIN", "memory://{profile}/shop")
    with pytest.raises(ConfigurationError, match="letters, digits"):
        Both()


def test_operators_can_replace_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, with sources separated by white space, also where the class has none."""

    class Chainless(Settings):
        a: str

    store(one={}, two={"a": "two"})
    monkeypatch.setenv("SECRETSOURCE_CHAIN", " memory://one\n memory://two ")
    assert Both().a == "two"
    assert Chainless().a == "two"
    monkeypatch.setenv("SECRETSOURCE_CHAIN", "vault://kv/{nmae}")
    with pytest.raises(InvalidRef):
        Chainless()


@pytest.mark.parametrize("chain", [3, {"development": 3}, ("memory://one", 3), {"development": [None]}])
def test_a_chain_that_is_none_is_refused(chain: Any) -> None:
    """The message says what a chain is."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=chain)
        a: str

    with pytest.raises(ConfigurationError, match="a chain is a tuple of sources"):
        S()


def test_backends_of_ones_own_answer_to_schemes_of_ones_own() -> None:
    """Two of a kind side by side, and one in place of a built-in."""
    one, two, instead = (
        MemoryBackend({"shop": json.dumps({"a": name, "b": name})}) for name in ("one", "two", "vault")
    )
    instead.set("kv/shop", json.dumps({"c": "vault"}))

    class S(Settings):
        model_config = SettingsConfigDict(
            backends={"vault-eu": one, "vault-us": two, "vault": instead},
            chain=("vault-eu://shop#{name}x", "vault-us://shop", "vault://kv/shop"),
        )
        a: str
        c: str

    assert S().model_dump() == {"a": "two", "c": "vault"}


def test_a_backend_that_is_none_is_refused() -> None:
    """An object of another kind cannot answer."""

    class S(Settings):
        model_config = SettingsConfigDict(backends={"own": object()}, chain=("own://x",))  # type: ignore[dict-item]
        a: str

    with pytest.raises(ConfigurationError, match=r"own.*not a .*Backend"):
        S()


def test_an_unknown_scheme_names_the_known_ones() -> None:
    """Also the user's own."""
    own: dict[str, Backend] = {"own": MemoryBackend({})}

    class S(Settings):
        model_config = SettingsConfigDict(backends=own, chain=("ownn://x",))
        a: str

    with pytest.raises(UnknownBackend, match="did you mean 'own'"):
        S()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"timeout": 0}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"on_denied": "ignore"}, "on_denied"),
        ({"on_unavailable": True}, "on_unavailable"),
        ({"backends": [1]}, "backends"),
        ({"cache": 300}, "cache"),
    ],
)
def test_nonsense_in_the_config_is_refused(config: Any, reason: str) -> None:
    """With the key's name, when it is loaded."""

    settings_config: Any = {"chain": ("memory://dev",), **config}

    class S(Settings):
        model_config = settings_config
        a: str

    with pytest.raises(ConfigurationError, match=reason):
        S()
