"""Live, where fields are on their defaults and where models are null, empty or hold more than their fields."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Annotated, Any

import pytest
from flask import Flask
from pydantic import BaseModel, ConfigDict

from secretsource import From, Live, ResolutionError, Settings, SettingsConfigDict
from secretsource.flask import SecretSource
from secretsource.testing import Stores, override

SHOP = "vault://kv/shop"


class Part(BaseModel):
    model_config = ConfigDict(extra="allow")
    user: str = "nobody"
    pin: int = 0


class Shop(Settings):
    model_config = SettingsConfigDict(chain=(SHOP,))
    key: str
    other: str
    spare: str = "default"
    several: list[int] = []  # noqa: RUF012 - pydantic copies it
    part: Part | None = None


def put(stores: Stores, **held: Any) -> None:
    """A new version of the secret."""
    stores.set(SHOP, json.dumps({"key": "k", "other": "o"} | held))


@pytest.fixture
def stores() -> Any:
    with override({}) as stores:
        put(stores)
        yield stores


def test_a_field_on_its_default_does_not_hinder_the_others(stores: Stores) -> None:
    """A key that goes missing is kept for a while, whatever the secret never had."""
    with Live(Shop) as live:
        stores.set(SHOP, '{"other": "new"}')
        assert live.refresh(force=True) is None
        assert (live.current.key, live.current.other) == ("k", "o")
        stores.clock.advance(31)
        with pytest.raises(ResolutionError, match="key: MISSING"):
            live.refresh(force=True)


@pytest.mark.parametrize("held", [{"several": "[1,"}, {"part": "no object"}])
def test_what_comes_and_is_no_use_leaves_all_as_it_was(stores: Stores, held: Any) -> None:
    """Also where there was nothing before but the default."""
    with Live(Shop) as live:
        put(stores, key="new", **held)
        assert live.refresh(force=True) is None
        assert (live.current.key, live.current.several, live.current.part) == ("k", [], None)
        assert not live.health().ok
        put(stores, key="good")
        change = live.refresh(force=True)
        assert change is not None
        assert change.fields == ("key",)


def test_a_model_that_is_set_to_null_is_null(stores: Stores) -> None:
    """That is no value which went missing, so it is not kept."""
    put(stores, part={"user": "u", "pin": 1})
    with Live(Shop) as live:
        for held, then in ((None, None), ({"user": "v"}, Part(user="v")), (None, None), ({}, Part())):
            put(stores, part=held)
            change = live.refresh(force=True)
            assert change is not None
            assert live.current.part == then


def test_what_an_object_has_no_more_is_kept_for_a_while(stores: Stores) -> None:
    """As any key that goes missing. Then it is what the object says."""
    put(stores, part={"user": "u"})
    with Live(Shop) as live:
        put(stores, part={})
        assert live.refresh(force=True) is None
        assert live.current.part == Part(user="u")
        stores.clock.advance(31)
        assert live.refresh(force=True) is not None
        assert live.current.part == Part()


def test_what_is_beside_the_fields_changes_too(stores: Stores) -> None:
    """It is told by its path; in Flask's config it is as it is in the model."""
    put(stores, part={"more": "one"})
    app = Flask("shop")
    SecretSource(app, Shop)
    with Live(Shop) as live:
        put(stores, part={"more": "two", "pin": 1})
        change = live.refresh(force=True)
        assert change is not None
        assert set(change.fields) == {"part", "part.more", "part.pin"}
        stores.rotate(SHOP, json.dumps({"key": "k", "other": "o", "part": {"more": "three"}}))
    assert app.config["PART"] == {"user": "nobody", "pin": 0, "more": "three"}
    assert "three" not in repr(app.config)


def test_an_encoded_model_rotates(stores: Stores) -> None:
    """What its text has no more is kept for a while, as of one that is not encoded."""

    class Encoded(Settings):
        part: Annotated[Part, From("memory://part?encoding=base64")]

    def encoded(**held: Any) -> str:
        return b64encode(json.dumps(held).encode()).decode()

    stores.set("memory://part", encoded(user="u", pin=1))
    with Live(Encoded) as live:
        stores.set("memory://part", encoded(user="v"))
        assert live.refresh(force=True) is None
        assert live.current.part == Part(user="u", pin=1)
        assert live.health().stale_fields == ("part.user", "part.pin")
        stores.set("memory://part", encoded(user="v", pin=2))
        assert live.refresh(force=True) is not None
        assert live.current.part == Part(user="v", pin=2)
