"""A nested model's value in a store: read as pydantic would read it, and never taken for "not there"."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Annotated, Any

import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    Secret,
    SecretStr,
    ValidationError,
    model_validator,
)

from secretsource import ConfigurationError, From, Outcome, ResolutionError, Settings, SettingsConfigDict, explain
from secretsource.testing import override

LOGIN = {"user": "u", "password": "canary-51f0"}


class Login(BaseModel):
    user: str
    password: SecretStr


class Shop(Settings):
    model_config = SettingsConfigDict(chain=("memory://shop",), env_nested_delimiter="__")


class Optional(Shop):
    login: Login = Login(user="nobody", password=SecretStr("none"))


@pytest.mark.parametrize("value", ["canary-51f0", [1], 5, True, "[1]", ""])
def test_what_is_no_object_is_told(value: Any) -> None:
    """It is there, so no default may stand in for it; and its fields are not to be found in it."""
    with (
        override({"memory://shop": json.dumps({"login": value})}),
        pytest.raises(ResolutionError, match=r"login\.user: INVALID memory://shop#login/user: what is there") as info,
    ):
        Optional()
    assert "canary" not in str(info.value)


def test_only_an_absent_key_is_missing() -> None:
    """An object without the fields is there, and so is null; neither is what the model needs."""
    with override({"memory://shop": "{}"}):
        assert Optional().login.user == "nobody"
    for held, fault in (("{}", "Field required"), ('{"other": 1}', "Field required"), ("null", "valid dictionary")):
        with override({"memory://shop": f'{{"login": {held}}}'}), pytest.raises(ValidationError, match=fault):
            Optional()


class Loose(BaseModel):
    user: str = "nobody"
    port: int = 0
    pin: str = "0"


class Perhaps(Shop):
    model_config = SettingsConfigDict(chain=("env://", "memory://shop"))
    login: Loose | None = None


def test_a_model_that_may_be_none_is_resolved_leaf_by_leaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is None, or what its default is, where no source has any of it."""
    with override({"memory://shop": "{}"}):
        assert Perhaps().login is None
    with override({"memory://shop": '{"login": null}'}):
        settings = Perhaps()
        assert (settings.login, settings.resolution("login.user").backend) == (None, "memory")
    with override({"memory://shop": '{"login": {}}'}):
        assert Perhaps().login == Loose()
    monkeypatch.setenv("LOGIN__USER", "u")
    with override({"memory://shop": '{"login": {"port": 1}, "login__pin": 42}'}):
        settings = Perhaps()
        assert settings.login == Loose(user="u", port=1, pin="42")
        assert [item.backend for item in explain(settings)] == ["env", "memory", "memory"]


def test_a_required_model_is_missing_whatever_its_fields_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where all of them have defaults: told by its own name, beside what failed, and by `explain`."""

    class S(Shop):
        loose: Loose
        outer: Open
        failed: Annotated[str, From("memory://failed")]

    with override({}) as stores:
        stores.fail("memory://failed", Outcome.DENIED)
        with pytest.raises(ResolutionError) as info:
            S()
        told = {item.field: item.backend for item in explain(S)}
    assert [(problem.field, problem.outcome) for problem in info.value.problems] == [
        ("failed", Outcome.DENIED),
        ("loose", Outcome.MISSING),
        ("outer", Outcome.MISSING),
    ]
    assert told == {
        **dict.fromkeys(("loose.user", "loose.port", "loose.pin", "outer.user", "outer.inner.user")),
        "failed": "memory",
    }


def test_a_model_of_the_caller_s_own_is_left_alone() -> None:
    """An empty object in a store says nothing of it."""
    mine = Loose(user="mine")
    with override({"memory://shop": '{"login": {}}'}):
        settings = Perhaps(login=mine)
    assert (type(mine.user), repr(settings)) == (str, f"Perhaps(login={mine!r})")


def test_steering_inside_a_model_that_may_be_none_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that only one store may supply comes from there, or not at all."""

    class Pinned(BaseModel):
        key: Annotated[str, From(only="memory")] = "default"

    class S(Shop):
        model_config = SettingsConfigDict(chain=("env://", "memory://shop"))
        pinned: Pinned | None = None
        single: Annotated[str, From("memory://one")] | None = None

    monkeypatch.setenv("PINNED__KEY", "from the environment")
    with override({}):
        assert S().model_dump() == {"pinned": None, "single": None}
    with override({"memory://shop": '{"pinned": {"key": "k"}}', "memory://one": "1"}):
        assert S().model_dump() == {"pinned": {"key": "k"}, "single": "1"}


def test_steering_that_cannot_hold_is_refused() -> None:
    """Inside of what is found as a whole; all of it at once, and without a chain too."""

    class Pinned(BaseModel):
        key: Annotated[str, From(only="memory")] = "default"

    class S(Settings):
        several: list[Pinned]
        listed: list[Annotated[str, From("memory://x")]]
        either: Pinned | str = ""

    with pytest.raises(ConfigurationError) as info:
        S()
    assert [line.partition(":")[0] for line in str(info.value).splitlines()] == ["several", "listed", "either"]


class Row(BaseModel):
    name: str
    pin: str = Field("", alias="PIN")
    rate: float = 0.0


def test_numbers_keep_their_text_where_text_is_wanted() -> None:
    """At any depth; elsewhere they are numbers."""

    class S(Shop):
        texts: list[str]
        table: dict[str, str]
        rows: list[Row]
        pair: tuple[str, float]
        either: int | list[int]
        anything: object

    held = {
        "texts": [1.10],
        "table": {"a": 2},
        "rows": [{"name": 3, "PIN": 4, "rate": 5}],
        "pair": [6.0, 7],
        "either": [8],
        "anything": {"a": 9},
    }
    text = json.dumps(held).replace("1.1", "1.10")
    with override({"memory://shop": text}):
        settings = S()
    assert settings.model_dump(by_alias=True) == {
        **held,
        "texts": ["1.10"],
        "table": {"a": "2"},
        "rows": [{"name": "3", "PIN": "4", "rate": 5.0}],
        "pair": ("6.0", 7.0),
    }


def test_text_that_may_be_text_stays_text() -> None:
    """JSON in a text that may be a list as well is a list; a number in it is none."""

    class S(Shop):
        a: list[int] | str
        b: list[int] | str
        c: Json[list[int]]
        d: Json[Row] | None

    held = {"a": "5", "b": "[5]", "c": "[1]", "d": '{"name": "n"}'}
    with override({"memory://shop": json.dumps(held)}):
        settings = S()
    assert (settings.a, settings.b, settings.c, settings.d) == ("5", [5], [1], Row(name="n"))


def test_a_model_given_as_json_text_is_read() -> None:
    """Many a store has texts only. Where a leaf came from leads no further than to that text."""
    with override({"memory://shop": json.dumps({"login": json.dumps(LOGIN)})}):
        settings = Optional()
        assert settings.login.password.get_secret_value() == LOGIN["password"]
        assert str(settings.resolution("login.user").ref) == "memory://shop#login"


def test_text_that_begins_as_json_and_is_none_is_told() -> None:
    """Such as a truncated object."""
    with (
        override({"memory://shop": json.dumps({"login": '{"user": "u'})}),
        pytest.raises(ResolutionError, match=r"login\.user: INVALID .*: not JSON"),
    ):
        Optional()


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(b64encode(json.dumps(LOGIN).encode()).decode(), id="the whole secret"),
        pytest.param({key: b64encode(text.encode()).decode() for key, text in LOGIN.items()}, id="each of its texts"),
    ],
)
def test_an_encoded_model_is_decoded_where_it_is_text(held: Any) -> None:
    """The whole secret, where that is the model's text; else each of its texts. Never both."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://",))
        login: Annotated[Login, From("memory://w?encoding=base64")]

    with override({"memory://w": held}):
        login = S().login
    assert (login.user, login.password.get_secret_value()) == ("u", LOGIN["password"])


def test_an_encoded_key_that_holds_a_model_is_decoded() -> None:
    """What a source's key names is what its option speaks of."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://w?encoding=base64#{name}",))
        login: Login

    with override({"memory://w?encoding=base64": {"login": b64encode(json.dumps(LOGIN).encode()).decode()}}):
        assert S().login.user == "u"


class Instance(BaseModel):
    name: str = Field(alias="dbInstanceIdentifier")
    port: int = Field(0, validation_alias=AliasChoices("Port", "prt"))
    host: str = Field("localhost", validation_alias=AliasPath("addresses", 0, "host"))


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ({"dbInstanceIdentifier": "db-1", "prt": 3, "addresses": [{"host": "h"}]}, ("db-1", 3, "h")),
        ({"dbInstanceIdentifier": "db-1", "name": "other"}, ("db-1", 0, "localhost")),
        ({"name": "db-1", "port": 4}, ("db-1", 4, "localhost")),
    ],
)
def test_a_leaf_is_found_under_its_aliases(held: dict[str, Any], found: tuple[Any, ...]) -> None:
    """As pydantic takes it: by its alias before its name, which may be what a store's own tools have named."""

    class S(Shop):
        database: Annotated[Instance, From("memory://rds")]

    with override({"memory://rds": json.dumps(held)}):
        settings = S()
        database = settings.database
        assert (database.name, database.port, database.host) == found
        key = "dbInstanceIdentifier" if "dbInstanceIdentifier" in held else "name"
        assert str(settings.resolution("database.name").ref) == f"memory://rds#{key}"


def test_what_from_names_comes_before_an_alias() -> None:
    """It speaks of this store, where an alias speaks of all input."""

    class Inner(BaseModel):
        key: Annotated[str, From(name="other")] = Field(alias="alias")

    class S(Shop):
        inner: Inner

    with override({"memory://shop": '{"inner": {"other": "right", "alias": "wrong"}}'}):
        assert S().inner.key == "right"


def test_a_default_keeps_its_place_beside_a_value_in_one_list() -> None:
    """Positions that nobody fills stay empty, and are not null."""

    class S(Shop):
        first: str = Field("default", validation_alias=AliasPath("pair", 0))
        second: str = Field(validation_alias=AliasPath("pair", 1))
        last: str = Field("z", validation_alias=AliasPath("pair", -1))

    with override({"memory://shop": '{"second": "found"}'}):
        settings = S()
    assert (settings.first, settings.second, settings.last) == ("default", "found", "z")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user: str = "nobody"


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    user: str = "nobody"
    inner: Strict = Strict()


def test_a_model_that_forbids_extras_is_told_of_them() -> None:
    """A key that is mistyped in the store is not passed over."""

    class S(Shop):
        login: Strict

    held = '{"login": {"user": "u", "pasword": "canary-51f0"}}'
    with override({"memory://shop": held}), pytest.raises(ValidationError) as info:
        S()
    assert [(error["loc"], error["type"]) for error in info.value.errors()] == [
        (("login", "pasword"), "extra_forbidden")
    ]
    assert "canary" not in repr(info.value)


def test_a_model_that_takes_extras_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """From each source that was read for its fields, the earlier winning key by key; those of a store are masked."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "memory://shop"), env_nested_delimiter="__")
        login: Open

    monkeypatch.setenv("LOGIN__PORT", "1")
    with override(
        {"memory://shop": '{"login": {"user": "u", "port": 2, "key": "canary-51f0", "inner": {}}}'}
    ) as stores:
        login: Any = S().login
        assert stores.calls == ["memory://shop"]
    assert (login.user, login.port, login.key) == ("u", "1", "canary-51f0")
    assert login.model_extra.keys() == {"port", "key"}
    assert "canary" not in repr(login)


def test_extras_cost_no_call() -> None:
    """What no field was looked for in is not asked for."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("memory://one", "memory://two"))
        login: Open

    whole = {"login": {"user": "u", "inner": {"user": "v"}}}
    with override({"memory://one": json.dumps(whole), "memory://two": '{"login": {"more": 1}}'}) as stores:
        assert S().login.model_extra == {}
        assert stores.calls == ["memory://one"]


def test_extras_are_seen_through_a_pointer(monkeypatch: pytest.MonkeyPatch) -> None:
    """And at any depth."""

    class S(Shop):
        model_config = SettingsConfigDict(chain=("env://",))
        login: Open

    monkeypatch.setenv("LOGIN", "ref+memory://w#at")
    held = '{"at": {"user": "u", "inner": {"user": "v", "bad": 1}}}'
    with override({"memory://w": held}), pytest.raises(ValidationError) as info:
        S()
    assert [error["loc"] for error in info.value.errors()] == [("login", "inner", "bad")]


def test_a_variable_inside_a_model_may_point_to_a_whole_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pointer stands for what is in its place, at any depth."""

    class S(Shop):
        model_config = SettingsConfigDict(chain=("env://",))
        outer: Open

    monkeypatch.setenv("OUTER__INNER", "ref+memory://w#at")
    with override({"memory://w": '{"at": {"user": "pointed"}}'}):
        settings = S()
        assert settings.outer.inner.user == "pointed"
        assert str(settings.resolution("outer.inner.user").ref) == "memory://w#at/user"


def test_a_part_of_a_model_that_is_no_object_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a variable as in a store, and at any depth."""

    class S(Shop):
        model_config = SettingsConfigDict(chain=("env://", "memory://shop"))
        outer: Open = Open()

    with override({"memory://shop": '{"outer": {"inner": 5}}'}):
        assert str(explain(S)).count("what is there is not an object") == 1
    monkeypatch.setenv("OUTER", '{"inner": [1]}')
    with override({}), pytest.raises(ResolutionError, match=r"outer\.inner\.user: INVALID env://OUTER__INNER: what is"):
        S()


def test_a_secret_table_is_read_as_a_table() -> None:
    """`Secret[dict]` takes what `dict` takes, as JSON text or out of a document."""

    class S(Shop):
        whole: Annotated[Secret[dict[str, str]], From("memory://w")]
        part: Secret[list[int]]

    with override({"memory://w": '{"a": "b"}', "memory://shop": '{"part": [1, 2]}'}):
        settings = S()
    assert (settings.whole.get_secret_value(), settings.part.get_secret_value()) == ({"a": "b"}, [1, 2])


class Pair(BaseModel):
    user: str
    host: str = "localhost"

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, list):
            return dict(zip(("user", "host"), value, strict=True))
        if isinstance(value, str):
            user, at, host = value.partition("@")
            if not at:
                msg = "no address"
                raise ValueError(msg)
            return {"user": user, "host": host}
        return value


class Judged(Settings):
    model_config = SettingsConfigDict(chain=("env://", "memory://shop"), env_nested_delimiter="__")
    pair: Pair = Pair(user="default")
    whole: Annotated[Pair, From("memory://whole")] = Pair(user="default")


@pytest.mark.parametrize(
    ("held", "pair"),
    [
        ('{"pair": "u@h"}', Pair(user="u", host="h")),
        ('{"pair": ["u", "h"]}', Pair(user="u", host="h")),
        ('{"pair": {"user": "u"}}', Pair(user="u")),
        ("{}", Pair(user="default")),
    ],
)
def test_a_model_with_a_validator_of_its_own_may_take_anything(held: str, pair: Pair) -> None:
    """As it may of BaseSettings; what is an object is found leaf by leaf all the same."""
    with override({"memory://shop": held}):
        assert Judged().pair == pair


def test_such_a_model_is_judged_by_its_validator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it refuses is invalid, and no default stands in for it; text that is none, or broken JSON, is no value."""
    with override({"memory://whole": "u@h"}):
        assert Judged().whole == Pair(user="u", host="h")
    with override({"memory://whole": "nobody"}), pytest.raises(ValidationError, match="no address"):
        Judged()
    for broken in ('{"user": "u"', b"\xff\xfe"):
        with override({"memory://whole": broken}), pytest.raises(ResolutionError, match=r"whole\.user: INVALID"):
            Judged()
    with override({"memory://shop": "no JSON"}), pytest.raises(ResolutionError, match=r"pair\.user: INVALID"):
        Judged()
    monkeypatch.setenv("PAIR", '["u", "h"]')
    with override({}):
        assert Judged().pair == Pair(user="u", host="h")


class Around(BaseModel):
    name: str = "default"
    pair: Pair = Pair(user="default")


def test_a_validator_speaks_for_its_own_model_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model around it that is no object is told, also where all else of it was found before."""

    class S(Settings):
        model_config = SettingsConfigDict(chain=("env://", "memory://shop"), env_nested_delimiter="__")
        around: Around = Around()

    monkeypatch.setenv("AROUND__NAME", "n")
    with (
        override({"memory://shop": '{"around": "oops"}'}),
        pytest.raises(ResolutionError, match=r"around\.pair\.user: INVALID"),
    ):
        S()
    with override({"memory://shop": '{"around": {"pair": "u@h"}}'}):
        assert S().around == Around(name="n", pair=Pair(user="u", host="h"))
    monkeypatch.setenv("AROUND", "[1]")
    with override({}), pytest.raises(ResolutionError, match=r"around\.pair\.user: INVALID"):
        S()
