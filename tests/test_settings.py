"""Settings: fields resolved through a chain, leaf by leaf, and no more than is needed."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, Field, PostgresDsn, SecretBytes, SecretStr
from pydantic.dataclasses import dataclass
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource

import secretsource
from secretsource import ChainSettingsSource, From, Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend

CANARY = "not-a-real-password"


class Database(BaseModel):
    username: str
    password: SecretStr
    host: str = "localhost"


def store(**values: Any) -> MemoryBackend:
    """Put values into `memory://`; what is not text goes in as JSON."""
    backend = MemoryBackend()
    for name, value in values.items():
        backend.set(name, value if isinstance(value, str | bytes) else json.dumps(value))
    return backend


def test_a_field_takes_its_value_from_the_first_source_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain is an order, for each field by itself."""

    class S(Settings):
        model_config = SettingsConfigDict(env_prefix="SHOP_", chain=("env://", "memory://one", "memory://two"))
        a: str
        b: str
        c: str
        d: str = "default"

    store(one={"a": "one", "b": "one"}, two={"a": "two", "b": "two", "c": "two"})
    monkeypatch.setenv("SHOP_A", "env")
    settings = S()
    assert (settings.a, settings.b, settings.c, settings.d) == ("env", "one", "two", "default")


def test_a_keyword_argument_beats_every_source() -> None:
    """And nothing is asked for it."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one",))
        a: str
        database: Database

    backend = store(one={"a": "one", "database": {"username": "store", "password": CANARY}})
    settings = S(a="given", database={"username": "given"})
    assert (settings.a, settings.database.username) == ("given", "given")
    assert settings.database.password.get_secret_value() == CANARY
    backend.clear()
    secretsource.clear_cache()
    whole = Database(username="u", password=SecretStr("p"))
    assert S(a="given", database=whole).database == whole
    assert backend.calls == ()


def test_nothing_is_asked_for_what_an_earlier_source_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is not called when the environment answers everything."""

    class S(Settings):
        model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("env://", "memory://one"))
        a: str
        database: Database

    backend = store(one={})
    monkeypatch.setenv("A", "x")
    for name, value in {"USERNAME": "u", "PASSWORD": "p", "HOST": "h"}.items():
        monkeypatch.setenv(f"DATABASE__{name}", value)
    S()
    assert backend.calls == ()


def test_a_secret_that_serves_many_fields_is_read_once() -> None:
    """Fields and nested leaves of one document share one read."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one",))
        a: str
        b: int
        c: list[str]
        database: Database

    backend = store(one={"a": "x", "b": 2, "c": ["y"], "database": {"username": "u", "password": "p"}})
    settings = S()
    assert (settings.b, settings.c, settings.database.username) == (2, ["y"], "u")
    assert backend.calls == (("one",),)


def test_one_round_asks_for_all_that_is_open_at_once() -> None:
    """Many secrets of one store are one call; only what was missing goes on to the next source."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one/", "memory://two/"))
        a: str
        b: str
        c: str

    backend = MemoryBackend()
    backend.set("one/a", "1a")
    backend.set("one/b", "1b")
    backend.set("two/c", "2c")
    S()
    assert [sorted(call) for call in backend.calls] == [["one/a", "one/b", "one/c"], ["two/c"]]


def test_two_sources_may_each_give_a_part_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The earlier wins leaf by leaf."""

    class S(Settings):
        model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("env://", "memory://one"))
        database: Database

    store(one={"database": {"username": "store", "password": CANARY}})
    monkeypatch.setenv("DATABASE__USERNAME", "env")
    settings = S()
    assert settings.database.username == "env"
    assert settings.database.password.get_secret_value() == CANARY
    assert settings.database.host == "localhost"


def test_a_nested_leaf_may_be_a_flat_key() -> None:
    """`database__password` beside `database`."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one",))
        database: Database

    store(one={"database": {"username": "u"}, "database__password": CANARY})
    settings = S()
    assert settings.database.password.get_secret_value() == CANARY
    assert str(settings.resolution("database.password").ref) == "memory://one#database__password"


@pytest.mark.parametrize("spaced", ["  two  ", "line\n", "\t", "", "${HOME}", "{{ x }}", "'\"", "ünï", "null", "1e5"])
def test_text_stays_text(spaced: str) -> None:
    """A value is not stripped, cast, templated or expanded."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one", "memory://"))
        inside: str
        whole: str

    store(one={"inside": spaced}, whole=spaced)
    settings = S()
    assert (settings.inside, settings.whole) == (spaced, spaced)


def test_json_numbers_keep_their_text_in_a_text_field() -> None:
    """And are numbers in a number field."""

    class Level(Enum):
        HIGH = 3

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one",))
        version: str
        price: Decimal
        port: int
        ratio: float
        level: Level
        either: int | None
        text: str | None
        secret: SecretStr
        flag: bool
        wait: timedelta
        yes: str
        anything: Any
        raw: bytes

    MemoryBackend().set(
        "one",
        '{"version": 1.10, "price": 19.90, "port": 5432, "ratio": 0.5, "level": 3, "either": 7, "text": 1e5,'
        ' "secret": 0123456, "flag": true, "wait": 30, "yes": true, "anything": 1.5, "raw": 12}'.replace(
            "0123456", "123456"
        ),
    )
    s = S()
    assert (s.version, str(s.price), s.port, s.ratio, s.level) == ("1.10", "19.90", 5432, 0.5, Level.HIGH)
    assert (s.either, s.text, s.secret.get_secret_value(), s.flag) == (7, "1e5", "123456", True)
    assert (s.wait, s.yes, s.anything, s.raw) == (timedelta(seconds=30), "true", 1.5, b"12")


def test_binary_secrets_arrive_as_bytes() -> None:
    """Bytes that are no text serve a bytes field; base64 is undone where the source says so."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://",))
        key: bytes
        secret: SecretBytes
        decoded: Annotated[bytes, From("memory://b64?encoding=base64")]

    store(key=b"\xff\x00", secret=b"\xfe", b64="/wA=")
    settings = S()
    assert (settings.key, settings.secret.get_secret_value(), settings.decoded) == (b"\xff\x00", b"\xfe", b"\xff\x00")


def test_lists_dicts_and_unions_are_one_leaf_of_json() -> None:
    """Given as JSON text or as JSON inside the secret."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one", "memory://"))
        hosts: list[str]
        ports: dict[str, int]
        maybe: Database | None
        text_or_list: str | list[str]
        undecoded: Annotated[list[str], NoDecode, Field()]

        @classmethod
        def _split(cls, value: object) -> object:
            return value

    store(
        one={"hosts": ["a", "b"], "maybe": {"username": "u", "password": "p"}, "undecoded": ["x"]},
        ports={"http": 80},
        text_or_list="plain",
    )
    settings = S()
    assert (settings.hosts, settings.ports, settings.text_or_list) == (["a", "b"], {"http": 80}, "plain")
    assert settings.maybe is not None
    assert settings.maybe.username == "u"


def test_null_is_a_value() -> None:
    """A key that is there with null is found."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one", "memory://two"))
        a: str | None = "default"

    store(one={"a": None}, two={"a": "two"})
    assert S().a is None


def test_aliases_count_for_the_environment_and_names_for_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field with an alias is filled all the same, whichever source has it."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "memory://one"))
        a: str = Field(validation_alias="OTHER_NAME")
        b: str = Field(validation_alias=AliasChoices("FIRST", "SECOND"))
        c: str = Field(alias="sea")
        d: str = Field(validation_alias=AliasPath("list_of_d", 1))

    store(one={"b": "store-b", "c": "store-c", "d": "store-d"})
    monkeypatch.setenv("OTHER_NAME", "env-a")
    monkeypatch.setenv("SECOND", "env-b")
    settings = S()
    assert (settings.a, settings.b, settings.c, settings.d) == ("env-a", "env-b", "store-c", "store-d")


def test_dataclasses_and_generics_have_leaves() -> None:
    """A pydantic dataclass and a generic model are taken apart like any model."""

    @dataclass
    class Point:
        x: int
        y: int = 2

    item = TypeVar("item")

    class Box(BaseModel, Generic[item]):
        content: item

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one",))
        point: Point
        box: Box[int]

    store(one={"point": {"x": 1}, "box": {"content": 3}})
    settings = S()
    assert (settings.point, settings.box.content) == (Point(1, 2), 3)
    assert [r.field for r in secretsource.explain(settings)] == ["point.x", "point.y", "box.content"]


def test_what_came_from_a_store_is_masked_in_repr_whatever_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, numbers, addresses, lists and nested models; what came from the environment is shown."""

    class Inner(BaseModel):
        word: str
        pin: int

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "memory://one"))
        debug: bool
        word: str
        pin: int
        dsn: PostgresDsn
        words: list[str]
        inner: Inner

    dsn = f"postgresql://u:{CANARY}@db/x"
    store(one={"word": CANARY, "pin": 987654, "dsn": dsn, "words": [CANARY], "inner": {"word": CANARY, "pin": 987654}})
    monkeypatch.setenv("DEBUG", "true")
    settings = S()
    shown = repr(settings) + str(settings) + repr(settings.inner.word) + f"{[settings.word]}"
    assert CANARY not in shown
    assert "987654" not in shown
    assert "debug=True" in shown
    assert "inner=Inner(word='**********', pin='**********')" in shown
    assert settings.word == CANARY
    assert json.loads(settings.model_dump_json())["inner"]["pin"] == 987654


def test_settings_are_equal_by_their_values_and_pickle() -> None:
    """Where they came from does not tell them apart, and travels with them."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one",))
        a: str

    globals()["S"] = S
    S.__qualname__ = "S"
    store(one={"a": CANARY})
    first = S()
    secretsource.clear_cache()
    assert first == S() == S(a=CANARY)
    again = pickle.loads(pickle.dumps(first))
    assert again == first
    assert again.resolution("a").ref == first.resolution("a").ref
    assert CANARY not in repr(again)


def test_a_plain_base_settings_can_take_the_chain_as_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """In its `settings_customise_sources`, in any place."""

    class S(BaseSettings):
        a: str
        b: str

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, ChainSettingsSource(settings_cls, chain=("memory://one",))

    store(one={"a": "store", "b": "store"})
    monkeypatch.setenv("A", "env")
    assert S().model_dump() == {"a": "env", "b": "store"}


def test_own_sources_may_stand_before_the_chain() -> None:
    """What an earlier source supplies is not asked for."""

    class Fixed(PydanticBaseSettingsSource):
        def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
            return None, field_name, False

        def __call__(self) -> dict[str, Any]:
            return {"a": "fixed"}

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://",))
        a: str
        b: str

        @classmethod
        def settings_customise_sources(cls, settings_cls: type[BaseSettings], *args: Any, **kwargs: Any) -> Any:
            return Fixed(settings_cls), ChainSettingsSource(settings_cls)

    backend = store(b="store")
    assert S().model_dump() == {"a": "fixed", "b": "store"}
    assert backend.calls == (("b",),)


def test_config_can_be_given_as_class_arguments() -> None:
    """As for every key of pydantic-settings."""

    class S(Settings, chain=("memory://one",), env_prefix="X_"):
        a: str

    store(one={"a": "store"})
    assert S().a == "store"


def test_a_subclass_inherits_the_chain_and_may_replace_it() -> None:
    """As it does every other key."""

    class Base(Settings):
        model_config = SettingsConfigDict(chain=("memory://one",))
        a: str

    class Same(Base):
        b: str = "x"

    class Other(Base):
        model_config = SettingsConfigDict(chain=("memory://two",))

    store(one={"a": "one"}, two={"a": "two"})
    assert (Same().a, Other().a) == ("one", "two")


def test_load_and_aload_are_the_class_called() -> None:
    """`load` is typed for checkers; `aload` leaves the event loop free."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one",))
        a: str

    store(one={"a": "store"})

    async def both() -> tuple[S, str]:
        return await S.aload(), await secretsource.aget("memory://one#a")

    assert S.load() == asyncio.run(both())[0] == S(a="store")
    assert asyncio.run(both())[1] == "store"


def test_a_dotenv_of_the_chain_goes_by_the_fields_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefix, nesting and JSON as in the environment; foreign lines are nobody's business; nothing is exported."""

    class S(Settings):
        model_config = SettingsConfigDict(
            env_prefix="SHOP_", env_nested_delimiter="__", chain=("env://", "dotenv://.env", "memory://one")
        )
        a: str
        hosts: list[str]
        database: Database

    monkeypatch.chdir(tmp_path)
    Path(".env").write_text('SHOP_A=file\nSHOP_HOSTS=["x"]\nSHOP_DATABASE__USERNAME=u\nSHOP_OTHER=1\nFOREIGN=2\n')
    store(one={"database": {"password": "p"}})
    settings = S()
    assert (settings.a, settings.hosts, settings.database.username) == ("file", ["x"], "u")
    assert str(settings.resolution("database.username").ref) == "dotenv://.env#SHOP_DATABASE__USERNAME"
    assert "SHOP_A" not in os.environ


def test_env_file_and_prefix_can_be_given_when_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`_env_file` takes the place of the chain's `.env`, `_env_prefix` that of its prefix."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "dotenv://.env"))
        a: str = "default"

    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("A=here\n")
    Path("other.env").write_text("A=there\nX_A=prefixed\n")
    make: Any = S
    assert make().a == "here"
    assert make(_env_file=None).a == "default"
    assert make(_env_file="other.env").a == "there"
    assert make(_env_file=(".env", "other.env"), _env_prefix="X_").a == "prefixed"


def test_a_file_in_the_config_that_the_chain_has_no_place_for_is_told(tmp_path: Path) -> None:
    """Instead of being ignored in silence; given by hand, it has its place after the environment."""

    class S(Settings):
        model_config = SettingsConfigDict(env_file=".env", chain=("env://", "memory://one"))
        a: str = "default"

    (env := tmp_path / "x.env").write_text("A=file\n")
    make: Any = S
    with pytest.warns(UserWarning, match="env_file is not read, as the chain has no dotenv:// source"):
        assert make().a == "default"
    assert make(_env_file=env).a == "file"


def test_an_empty_variable_is_a_value_unless_it_is_to_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """`env_ignore_empty` makes it absent; in a store, empty is a value."""

    class Strict(Settings):
        model_config = SettingsConfigDict(chain=("env://", "memory://one"))
        a: str

    class Ignoring(Strict):
        model_config = SettingsConfigDict(env_ignore_empty=True)

    store(one={"a": ""})
    monkeypatch.setenv("A", "")
    assert str(Strict().resolution("a").ref) == "env://A"
    assert str(Ignoring().resolution("a").ref) == "memory://one#a"


def test_x_file_names_a_file_that_holds_the_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable itself wins; a field of that very name is a field; the trailing newline goes."""

    class S(Settings):
        model_config = SettingsConfigDict(env_prefix="SHOP_", chain=("env://",))
        password: str
        cert: str = "none"
        cert_file: str = "none"

    secret = tmp_path / "password"
    secret.write_text(f"{CANARY}\n")
    monkeypatch.setenv("SHOP_PASSWORD_FILE", str(secret))
    monkeypatch.setenv("SHOP_CERT_FILE", "/nowhere")
    settings = S()
    assert (settings.password, settings.cert, settings.cert_file) == (CANARY, "none", "/nowhere")
    assert str(settings.resolution("password").ref) == "env://SHOP_PASSWORD_FILE"
    monkeypatch.setenv("SHOP_PASSWORD", "direct")
    assert S().password == "direct"


def test_a_pointer_in_the_environment_is_followed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ref+` in env or .env names the value; what comes back is never a pointer, and no text of a store is one."""

    class S(Settings):
        model_config = SettingsConfigDict(env_nested_delimiter="__", chain=("env://", "dotenv://.env", "memory://rest"))
        a: str
        b: str
        hosts: list[str]
        database: Database
        own: str

    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("B=ref+memory://one#b\n")
    store(
        one={"a": "ref+memory://one#b", "b": "bee", "p": CANARY},
        hosts=["x"],
        db={"username": "u", "host": "h"},
        rest={"own": "ref+memory://one#b"},
    )
    monkeypatch.setenv("A", "ref+memory://one#a")
    monkeypatch.setenv("HOSTS", "ref+memory://hosts")
    monkeypatch.setenv("DATABASE", "ref+memory://db")
    monkeypatch.setenv("DATABASE__PASSWORD", "ref+memory://one#p")
    settings = S()
    assert (settings.a, settings.b, settings.hosts) == ("ref+memory://one#b", "bee", ["x"])
    assert settings.own == "ref+memory://one#b"
    assert settings.database.username == "u"
    trail = settings.resolution("a").trail
    assert [str(attempt.ref) for attempt in trail] == ["env://A", "memory://one#a"]
