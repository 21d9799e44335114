"""Where did it come from: resolutions and explanations, and never a value in them."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from pydantic import BaseModel, SecretStr

import secretsource
from secretsource import From, Outcome, SecretValue, Settings, SettingsConfigDict, explain
from secretsource.backends.memory import MemoryBackend

CANARY = "not-a-real-password"


class Database(BaseModel):
    """A nested model."""

    username: str
    password: SecretStr
    host: str = "localhost"


class Shop(Settings):
    """A class with a value from everywhere."""

    model_config = SettingsConfigDict(env_prefix="SHOP_", chain=("env://", "memory://shop"))
    debug: bool = False
    given: str
    key: SecretStr
    database: Annotated[Database, From("memory://db")]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop, made."""
    store = MemoryBackend()
    store.set("shop", json.dumps({"key": "old"}))
    store.set("shop", json.dumps({"key": CANARY}))
    store.set("db", json.dumps({"username": "u", "password": CANARY}))
    monkeypatch.setenv("SHOP_DEBUG", "true")
    return Shop(given="by hand")


def test_a_resolution_says_what_a_field_got_and_from_where(shop: Shop) -> None:
    """Ref, backend, version, age, and the trail in the order of the chain."""
    key = shop.resolution("key")
    assert (key.outcome, str(key.ref), key.backend, key.version) == (Outcome.FOUND, "memory://shop#key", "memory", "2")
    assert key.age is not None
    assert 0 <= key.age < 60
    assert not key.cached
    assert [(str(attempt.ref), attempt.outcome) for attempt in key.trail] == [
        ("env://SHOP_KEY", Outcome.MISSING),
        ("memory://shop#key", Outcome.FOUND),
    ]
    assert key.trail[1].milliseconds >= 0


def test_every_kind_of_origin_has_a_name(shop: Shop) -> None:
    """Variables, stores, keyword arguments and defaults."""
    origins = {resolution.field: resolution.backend for resolution in explain(shop)}
    assert origins == {
        "debug": "env",
        "given": "init",
        "key": "memory",
        "database.username": "memory",
        "database.password": "memory",
        "database.host": "default",
    }


class Around(Settings):
    """A model with a default, whose leaves have none."""

    model_config = SettingsConfigDict(chain=("env://",), env_nested_delimiter="__")
    database: Database = Database(username="of-the-class", password=SecretStr(CANARY))


def test_the_default_of_a_model_stands_for_its_leaves_while_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As pydantic takes it: one leaf that is found, and the others have to be found, too."""
    leaves = ("database.username", "database.password", "database.host")
    assert [Around.load().resolution(leaf).backend for leaf in leaves] == ["default"] * 3
    monkeypatch.setenv("DATABASE__USERNAME", "u")
    assert [one.backend for one in explain(Around)] == ["env", None, "default"]


def test_a_second_load_says_that_it_took_the_cache(shop: Shop) -> None:
    """And how old the value is."""
    again = Shop(given="by hand")
    assert again.resolution("key").cached
    assert again.resolution("key").detail == "from the cache"


def test_an_unknown_field_is_answered_with_the_known_ones(shop: Shop) -> None:
    """A nested model is not a leaf; the message names its leaves."""
    with pytest.raises(KeyError, match=r"database\.username, database\.password, database\.host"):
        shop.resolution("database")
    with pytest.raises(KeyError, match="given, key"):
        shop.resolution("kye")


def test_an_explanation_holds_no_value(shop: Shop) -> None:
    """Not in the table, the JSON, or any repr."""
    explanation = explain(shop)
    shown = str(explanation) + repr(explanation) + json.dumps(explanation.to_dict()) + repr(list(explanation))
    assert CANARY not in shown
    assert "memory://db#password" in shown
    assert explanation["key"].version == "2"
    assert len(explanation) == 6
    with pytest.raises(KeyError):
        explanation["nothing"]


def test_the_json_is_complete_and_stable(shop: Shop) -> None:
    """Times as ISO text, outcomes by name, refs as text."""
    fields = {field["field"]: field for field in explain(shop).to_dict()["fields"]}
    key = fields["key"]
    key["age"], key["trail"][1]["milliseconds"] = 0.0, 0.0
    assert key == {
        "field": "key",
        "outcome": "FOUND",
        "ref": "memory://shop#key",
        "backend": "memory",
        "version": "2",
        "created": None,
        "age": 0.0,
        "expires": None,
        "cached": False,
        "content_type": None,
        "trail": [
            {"ref": "env://SHOP_KEY", "outcome": "MISSING", "milliseconds": 0.0, "detail": None},
            {"ref": "memory://shop#key", "outcome": "FOUND", "milliseconds": 0.0, "detail": None},
        ],
    }


def test_a_class_is_explained_without_being_made() -> None:
    """Required fields that nobody has are in the table."""
    table = {resolution.field: resolution for resolution in explain(Shop)}
    assert table["key"].outcome is Outcome.MISSING
    assert table["key"].backend is None
    assert table["debug"].backend == "default"


def test_a_class_without_a_chain_is_explained_as_base_settings_would_fill_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Environment, `.env`, secrets_dir."""
    (secrets := tmp_path / "secrets").mkdir()  # type: ignore[operator]
    (secrets / "b").write_text("from-file")
    (env := tmp_path / ".env").write_text("C=from-dotenv\n")  # type: ignore[operator]

    class Plain(Settings):
        model_config = SettingsConfigDict(secrets_dir=secrets, env_file=env)
        a: str
        b: str
        c: str
        d: str = "x"

    monkeypatch.setenv("A", "from-env")
    settings = Plain()
    assert settings.model_dump() == {"a": "from-env", "b": "from-file", "c": "from-dotenv", "d": "x"}
    origins = {resolution.field: resolution.backend for resolution in explain(settings)}
    assert origins == {"a": "env", "b": "file", "c": "dotenv", "d": "default"}
    assert settings.resolution("a").backend == "env"


def test_wrapped_values_show_and_pickle_nothing() -> None:
    """A SecretValue is masked, and refuses to be pickled."""
    value = SecretValue(CANARY, version="3")
    assert CANARY not in repr(value) + str(value) + f"{value}"
    with pytest.raises(TypeError, match="does not pickle"):
        __import__("pickle").dumps(value)
    assert CANARY not in repr(secretsource.Ref.parse("memory://x"))
