"""No value shows while settings are being made, in their parts, or in what a validator says of it."""

from __future__ import annotations

import json
import logging
import pickle
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote_plus, unquote_plus, urlsplit

import pydantic.dataclasses
import pytest
from pydantic import BaseModel, Field, SecretStr, TypeAdapter, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsError

from secretsource import ChainSettingsSource, ConfigurationError, From, Settings, SettingsConfigDict, redact_logs
from secretsource.cache import CachePolicy
from secretsource.redaction import Values
from secretsource.testing import override

CANARY = "canary-93b1"


class Shop(Settings):
    model_config = SettingsConfigDict(chain=("memory://shop",))


def test_an_object_in_the_making_is_masked() -> None:
    """Its validators and its `model_post_init` may log it."""
    shown: list[str] = []

    class Inner(BaseModel):
        key: str

    class S(Shop):
        token: str
        inner: Inner

        @model_validator(mode="after")
        def _look(self) -> S:
            shown.append(f"{self!r} {self}")
            return self

        def model_post_init(self, context: Any) -> None:
            super().model_post_init(context)
            shown.append(f"{self!r} {self}")

    with override({"memory://shop": json.dumps({"token": CANARY, "inner": {"key": CANARY}})}):
        settings = S()
    assert settings.token == CANARY
    assert len(shown) == 2
    assert not [text for text in shown if CANARY in text]


@dataclass(slots=True)
class Slotted:
    key: str


@pydantic.dataclasses.dataclass(frozen=True)
class Frozen:
    key: str


class Parts(BaseModel):
    text: str
    raw: bytes
    several: deque[str]
    table: OrderedDict[str, str]
    plain: Slotted
    listed: list[Slotted]


class Whole(Shop):
    parts: Parts
    frozen: Frozen


def test_the_parts_of_settings_are_masked_by_themselves() -> None:
    """Text and bytes, wherever they are; and they are what they were."""
    one = {"key": CANARY}
    held = {"text": CANARY, "raw": CANARY, "several": [CANARY], "table": one, "plain": one, "listed": [one]}
    with override({"memory://shop": json.dumps({"parts": held, "frozen": one})}):
        settings = Whole()
    parts = settings.parts
    for part in (settings, parts, parts.several, parts.table, parts.plain, parts.listed, settings.frozen, [parts.raw]):
        assert CANARY not in f"{part!r} {part}"
    assert (parts.raw, parts.plain.key, settings.frozen.key) == (CANARY.encode(), CANARY, CANARY)
    assert pickle.loads(pickle.dumps(settings)).parts == parts


@pytest.mark.parametrize(
    ("value", "judge"),
    [
        pytest.param(f"postgres://shop:{CANARY}/x@db/y", lambda value: urlsplit(value).port, id="a part"),
        pytest.param(
            CANARY * 9, lambda value: TypeAdapter(int).validate_python([value]), id="cut in the middle by pydantic"
        ),
        pytest.param(CANARY * 40, int, id="cut at its end by Python"),
    ],
)
def test_a_validator_that_quotes_a_part_of_a_value_is_masked(value: str, judge: Any) -> None:
    """Words of its message that are in the value are not shown; the others are."""

    class S(Shop):
        a: str

        @field_validator("a")
        @classmethod
        def _judge(cls, value: str) -> str:
            try:
                judge(value)
            except ValueError as error:
                msg = f"not good: {error}"
                raise ValueError(msg) from None
            return value

    with override({"memory://shop": json.dumps({"a": value})}), pytest.raises(ValidationError) as info:
        S()
    assert info.value.errors()[0]["msg"].startswith("Value error, not good: ")
    for text in (str(info.value), repr(info.value.errors()), info.value.json()):
        assert CANARY not in text


@pytest.mark.parametrize("form", [str.upper, str.title, quote_plus])
def test_a_validator_that_quotes_a_value_in_another_form_is_masked(form: Any) -> None:
    """In other letters, or decoded."""
    value = form("correct-horse battery")

    class S(Shop):
        a: str

        @field_validator("a")
        @classmethod
        def _judge(cls, value: str) -> str:
            msg = f"unknown: {unquote_plus(value).lower()}"
            raise ValueError(msg)

    with override({"memory://shop": json.dumps({"a": value})}), pytest.raises(ValidationError) as info:
        S()
    assert "horse" not in str(info.value)


@dataclass
class Base:
    street: int


@dataclass
class Derived(Base):
    house: int


def test_pydantic_s_own_words_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected is told, also where a value happens to be the same; so are the fields of dataclasses."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "memory://shop"))
        level: Literal["production", "staging"]
        number: int
        name: str
        user: str
        place: Derived

    monkeypatch.setenv("NAME", "production")
    monkeypatch.setenv("USER", "valid")
    held = {"level": "x", "number": "y", "place": {"street": "a", "house": "b"}}
    with override({"memory://shop": json.dumps(held)}), pytest.raises(ValidationError) as info:
        S()
    assert [(".".join(map(str, item["loc"])), item["msg"]) for item in info.value.errors()] == [
        ("level", "Input should be 'production' or 'staging'"),
        ("number", "Input should be a valid integer, unable to parse string as an integer"),
        ("place.street", "Input should be a valid integer, unable to parse string as an integer"),
        ("place.house", "Input should be a valid integer, unable to parse string as an integer"),
    ]


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


def test_a_tag_that_is_unknown_is_masked() -> None:
    """However short it is. Those that are known are told."""

    class S(Shop):
        pet: Annotated[Cat | Dog, Field(discriminator="kind")]

    with override({"memory://shop": '{"pet": {"kind": "Zq9"}}'}), pytest.raises(ValidationError) as info:
        S()
    assert "Zq9" not in str(info.value) + repr(info.value.errors())
    assert "'cat', 'dog'" in str(info.value)


def test_what_a_given_model_holds_is_masked() -> None:
    """As it is in a given table."""

    class Inner(BaseModel):
        password: SecretStr

    class S(Shop):
        inner: Inner

        @model_validator(mode="after")
        def _refuse(self) -> S:
            msg = f"no good: {self.inner.password.get_secret_value()}"
            raise ValueError(msg)

    with override({}), pytest.raises(ValidationError, match="no good") as info:
        S(inner=Inner(password=SecretStr(CANARY)))
    assert CANARY not in str(info.value)


def test_what_another_source_cannot_read_hangs_on_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydantic-settings chains the parser's error, which has the text."""

    class Chosen(Settings):
        model_config = SettingsConfigDict(chain=("memory://shop",))
        a: list[int]

        @classmethod
        def settings_customise_sources(cls, settings_cls: type[BaseSettings], *_: Any, **sources: Any) -> Any:
            return sources["env_settings"], ChainSettingsSource(settings_cls)

    class Steered(Settings):
        a: list[int]
        b: Annotated[str, From("memory://b")] = "default"

    monkeypatch.setenv("A", f"[{CANARY}")
    for settings_cls in (Chosen, Steered):
        with override({}), pytest.raises(SettingsError, match='field "a"') as info:
            settings_cls()
        assert (info.value.__cause__, info.value.__context__) == (None, None)


def test_every_value_is_kept_out_of_logs(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Of whatever source and type; but for single words whose field says nothing of a secret: logs are made of them."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://",))
        address: str
        db_password: str
        level: str
        hosts: list[str]

    monkeypatch.setenv("ADDRESS", CANARY)
    monkeypatch.setenv("DB_PASSWORD", "correcthorse")
    monkeypatch.setenv("LEVEL", "WARNING")
    monkeypatch.setenv("HOSTS", '["db-1.internal"]')
    settings = S()
    redact_logs()
    logging.getLogger("test").warning("%s: %s", settings.level, settings.model_dump())
    assert "WARNING" in caplog.text
    for value in (CANARY, "correcthorse", "db-1.internal"):
        assert value not in caplog.text


def test_a_refused_cache_store_is_not_quoted() -> None:
    """Its address may hold a password."""
    with pytest.raises(ConfigurationError, match="CachePolicy") as info:
        CachePolicy(store=f"redis://user:{CANARY}@host")
    assert CANARY not in str(info.value)


def test_remembered_values_are_not_pickled() -> None:
    """They are kept only to be masked."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Values([CANARY]))
