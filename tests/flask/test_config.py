"""What is in `app.config`: plain values that others take as they are, and that do not show themselves."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import socket
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Config, Flask, session
from pydantic import (
    AnyUrl,
    BaseModel,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    ValidationError,
    computed_field,
    create_model,
)
from pydantic_settings import BaseSettings

from secretsource import ConfigurationError, Outcome, ResolutionError, Settings, SettingsConfigDict
from secretsource.flask import SecretSource
from secretsource.settings.plainvalues import plain_fields
from secretsource.testing import Stores
from tests.flask.shop import CANARY, Shop, make_app


def test_fields_are_in_the_config_in_upper_case(stores: Stores) -> None:
    """Nested models as dicts, secrets as text that is text for everybody but `repr`."""
    app = make_app()
    assert app.config["DATABASE"] == {"username": "u1", "password": f"{CANARY}-1", "port": 5433}
    assert app.config["DSN"] == f"postgresql://u:{CANARY}@localhost/db"
    assert (app.config["PIN"], app.config["WORDS"], app.config["DEBUG_TOOLBAR"]) == (987654, [CANARY], False)
    assert app.config["LOGIN"] == f"u1:{CANARY}-1"
    assert isinstance(app.config["SECRET_KEY"], str)
    assert json.loads(json.dumps(app.config["DATABASE"]))["password"] == f"{CANARY}-1"


def test_no_secret_shows_in_the_config(stores: Stores) -> None:
    """Not in its repr, not in a template that prints it, not in the part that somebody cuts out of it."""
    app = make_app()
    part = app.config.get_namespace("DATABASE")
    for shown in (repr(app.config), f"{app.config}", repr(part), repr(app.extensions), repr(list(app.config.items()))):
        assert CANARY not in shown
    page = app.test_client().get("/config").text
    assert "SECRET_KEY" in page
    assert CANARY not in page


def test_a_number_is_a_plain_number_and_does_not_show(stores: Stores) -> None:
    """A socket refuses one that is not, and drivers format it: so it is the dict that hides it."""
    app = make_app()
    port = app.config["DATABASE"]["port"]
    assert type(port) is type(app.config["PIN"]) is int
    assert socket.getaddrinfo("127.0.0.1", port)[0][4][1] == 5433
    assert f"{port} {app.config['PIN']}" == "5433 987654"
    for shown in (repr(app.config), str(app.config), repr(app.config["DATABASE"]), repr(copy.copy(app.config))):
        assert "5433" not in shown
        assert "987654" not in shown
    assert isinstance(app.config, Config)


def test_text_that_is_the_key_of_a_table_does_not_show(secretsource: Stores) -> None:
    """A table out of a store is one value, keys and all; the names of a nested model's fields are no secret."""

    class Login(BaseModel):
        tokens: dict[str, str]

    class Tables(Settings):
        model_config = SettingsConfigDict(chain=("vault://kv/tables",))
        tokens: dict[str, str]
        login: Login

    tokens = {CANARY: "alice"}
    secretsource.set("vault://kv/tables", {"tokens": tokens, "login": {"tokens": tokens}})
    app = Flask("app")
    SecretSource(app, Tables)
    for shown in (repr(app.config), repr(app.config["TOKENS"]), repr(app.config["LOGIN"])):
        assert CANARY not in shown
    assert app.config["LOGIN"]["tokens"] == tokens
    assert repr(app.config["LOGIN"]).startswith("{'tokens'")


def test_a_secret_table_does_not_show_whatever_its_keys_are(secretsource: Stores) -> None:
    """Numbers, which stay plain ones; what is in a `Secret`; what was computed."""

    class Tables(Settings):
        model_config = SettingsConfigDict(chain=("vault://kv/tables",))
        pins: dict[int, str]
        held: Secret[dict[str, str]] = Secret({CANARY: "alice"})

        @computed_field
        def computed(self) -> dict[str, str]:
            return {CANARY: "alice"}

    secretsource.set("vault://kv/tables", {"pins": {"987654": "alice"}})
    app = Flask("app")
    SecretSource(app, Tables)
    assert "987654" not in repr(app.config)
    assert CANARY not in repr(app.config)
    assert app.config["PINS"] == {987654: "alice"}


def test_an_apps_own_kind_of_config_stays_what_it_is(stores: Stores) -> None:
    """Text is masked in it all the same."""

    class OwnConfig(Config):
        pass

    class OwnFlask(Flask):
        config_class = OwnConfig

    app = OwnFlask(__name__)
    SecretSource(app, Shop)
    assert type(app.config) is OwnConfig
    assert app.config["PIN"] == 987654
    assert CANARY not in repr(app.config)


def test_the_config_can_be_pickled_for_another_process(stores: Stores) -> None:
    """As Flask's own can; what comes out of it is masked as well."""
    app = make_app()
    there = pickle.loads(pickle.dumps(app.config))
    assert there == app.config
    assert "987654" not in repr(there)
    assert CANARY not in repr(there)


def test_what_is_done_to_a_list_or_table_does_not_reach_the_settings(secretsource: Stores) -> None:
    """Nor another app: each has copies of its own."""

    class Lists(Settings):
        words: list[str] = ["a"]  # noqa: RUF012 - pydantic copies defaults
        table: dict[str, list[int]] = {"a": [1]}  # noqa: RUF012

    secrets = SecretSource(settings_cls=Lists)
    one, two = Flask("one"), Flask("two")
    for app in (one, two):
        secrets.init_app(app)
    one.config["WORDS"].append("b")
    one.config["TABLE"]["a"].append(2)
    assert (two.config["WORDS"], two.config["TABLE"]) == (["a"], {"a": [1]})
    with one.app_context():
        assert (secrets.current.words, secrets.current.table) == (["a"], {"a": [1]})


class Pair(NamedTuple):
    """A tuple with names."""

    a: str
    b: str


class Frozen(BaseModel, frozen=True):
    """A model that can be in a set."""

    password: SecretStr


class Words(RootModel[list[str]]):
    """A model around a list."""


class Empty(BaseModel):
    """A model without fields."""


@dataclass
class Point:
    """A dataclass."""

    x: SecretStr
    y: int


S, N = CANARY, 987654


@pytest.mark.parametrize(
    ("annotation", "given", "plain"),
    [
        (list[SecretStr], [S, S], [S, S]),
        (tuple[SecretStr, ...], [S, S], (S, S)),
        (set[SecretStr], [S], {S}),
        (frozenset[SecretStr], [S], frozenset({S})),
        (dict[str, SecretStr], {"k": S}, {"k": S}),
        (list[Frozen], [{"password": S}], [{"password": S}]),
        (set[Frozen], [{"password": S}], [{"password": S}]),
        (dict[str, Frozen], {"k": {"password": S}}, {"k": {"password": S}}),
        (Frozen | None, {"password": S}, {"password": S}),
        (Frozen | None, None, None),
        (Point, {"x": S, "y": N}, {"x": S, "y": N}),
        (Secret[int], N, N),
        (Secret[list[str]], [S], [S]),
        (Secret[dict[str, int]], {"k": N}, {"k": N}),
        (Secret[Point], {"x": S, "y": N}, {"x": S, "y": N}),
        (Secret[Decimal], f"{N}.50", Decimal(f"{N}.50")),
        (list[Secret[int]], [N], [N]),
        (AnyUrl, f"https://u:{S}@host/", f"https://u:{S}@host/"),
        (SecretBytes, S.encode(), S.encode()),
        (Pair, ["a", "b"], Pair("a", "b")),
        (Words, ["a"], ["a"]),
        (Empty, {}, {}),
        (timedelta, 60, timedelta(minutes=1)),
    ],
)
def test_values_of_every_shape_become_plain(annotation: Any, given: object, plain: object) -> None:
    """Whatever is around a secret, and whatever is inside of one; it shows in none."""
    holder = create_model("Holder", __base__=Settings, value=(annotation, ...))
    found = plain_fields(holder(value=given))
    assert found == {"value": plain}
    assert type(found["value"]).__mro__[-2] is type(plain).__mro__[-2]
    assert S not in repr(found)
    assert str(N) not in repr(found) or annotation is Point


@pytest.mark.parametrize(
    "annotation", [str, bytes, SecretStr, Any, int, float, Decimal, Path, list[int], dict[str, int]]
)
def test_what_came_out_of_a_store_does_not_show_whatever_its_type(annotation: Any, secretsource: Stores) -> None:
    """As in the `repr` of the settings themselves."""
    value = {list[int]: [N], dict[str, int]: {"k": N}}.get(annotation, str(N))
    secretsource.set("vault://kv/shop", {"value": value})
    holder = create_model("Holder", __base__=FromVault, value=(annotation, ...))
    app = Flask("app")
    SecretSource(app, holder)
    assert str(N) in "".join(map(str, vars_of(app.config["VALUE"])))
    assert str(N) not in repr(app.config)


class FromVault(Settings):
    """Whatever field it gets comes from a store."""

    model_config = SettingsConfigDict(chain=("vault://kv/shop",))


def vars_of(value: Any) -> list[Any]:
    """The plain values inside of a value."""
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, bytes):
        return [value.decode()]
    return value if isinstance(value, list) else [value]


def test_a_computed_field_is_there_too_and_taken_for_a_secret(secretsource: Stores) -> None:
    """It is often made of some."""

    class Mailer(Settings):
        host: str = "mail"
        password: SecretStr = SecretStr(CANARY)

        @computed_field
        def url(self) -> str:
            return f"smtp://{self.password.get_secret_value()}@{self.host}"

    app = Flask("app")
    SecretSource(app, Mailer)
    assert app.config["URL"] == f"smtp://{CANARY}@mail"
    assert CANARY not in repr(app.config)


def test_flasks_own_keys_are_taken_from_fields_of_their_name(
    secretsource: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the types that Flask wants; numbers look like numbers, not like what they might also be."""

    class Cookies(Settings):
        model_config = SettingsConfigDict(chain=("env://",))
        secret_key: SecretStr
        session_cookie_name: str = "shop"
        session_cookie_secure: bool = False
        session_cookie_samesite: str | None = None
        permanent_session_lifetime: timedelta = timedelta(days=1)
        max_content_length: int = 100
        code: str

    for name, value in {
        "SECRET_KEY": "12345678901234567890",
        "SESSION_COOKIE_SECURE": "true",
        "SESSION_COOKIE_SAMESITE": "Lax",
        "CODE": "1e10",
    }.items():
        monkeypatch.setenv(name, value)
    app = Flask("app")
    SecretSource(app, Cookies)

    @app.get("/")
    def index() -> str:
        session["a"] = session.permanent = True
        return "hello"

    assert app.config["CODE"] == "1e10"
    assert app.secret_key == "12345678901234567890"
    assert app.permanent_session_lifetime == timedelta(days=1)
    cookie = app.test_client().get("/").headers["Set-Cookie"]
    assert cookie.startswith("shop=")
    assert "Secure" in cookie
    assert "SameSite=Lax" in cookie
    assert app.test_client().post("/", data=b"x" * 101).status_code in (405, 413)


def test_keys_limit_or_map_the_fields(stores: Stores) -> None:
    """By their paths, so that a leaf of a nested model can have a key of its own."""
    limited = make_app(keys=["secret_key", "database.password"], prefix="SHOP_")
    ours = {key for key in limited.config if key.startswith("SHOP_")}
    assert ours == {"SHOP_SECRET_KEY", "SHOP_DATABASE_PASSWORD"}
    mapped = make_app(keys={"dsn": "SQLALCHEMY_DATABASE_URI", "database.port": "PORT", "login": "WHO"})
    assert mapped.config["SQLALCHEMY_DATABASE_URI"].startswith("postgresql://")
    assert (mapped.config["PORT"], mapped.config["WHO"]) == (5433, f"u1:{CANARY}-1")
    assert "5433" not in repr(mapped.config)
    assert "DATABASE" not in mapped.config


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["secret_kye"], "did you mean 'secret_key'"),
        (["database.pasword"], "did you mean 'database.password'"),
        (["nothing"], "'nothing', which Shop does not have"),
        ("secret_key", r"\['secret_key'\], not 'secret_key'"),
        ({"dsn": "A", "pin": "A"}, "more than one field of Shop would be X_A"),
    ],
)
def test_keys_that_make_no_sense_are_refused(stores: Stores, keys: Any, message: str) -> None:
    """Before any store is asked."""
    with pytest.raises(ConfigurationError, match=message):
        make_app(keys=keys, prefix="X_")
    assert stores.calls == []


def test_what_the_constructor_was_given_holds_for_each_app(stores: Stores) -> None:
    """`init_app` may say otherwise."""
    secrets = SecretSource(settings_cls=Shop, keys=["pin"], prefix="A_")
    one, two = Flask("one"), Flask("two")
    secrets.init_app(one)
    secrets.init_app(two, keys=["words"], prefix="")
    assert (one.config["A_PIN"], two.config["WORDS"]) == (987654, [CANARY])
    assert "A_WORDS" not in one.config
    assert "PIN" not in two.config
    with two.app_context():
        assert secrets.current.pin == 987654


def test_settings_are_typed_and_the_current_apps_own(stores: Stores) -> None:
    """Several apps in one process, each with its own class and keys."""

    class Other(Settings):
        model_config = SettingsConfigDict(chain=("vault://kv/other",))
        name: str

    stores.set("vault://kv/other#name", "other")
    secrets = SecretSource[Shop]()
    one, two = make_app(secrets), Flask("two")
    others = SecretSource(two, Other, prefix="X_")
    with one.app_context():
        assert secrets.current.database.username == "u1"
        assert secrets.health().ok
    with two.app_context():
        assert others.current.name == two.config["X_NAME"] == "other"
    assert "X_NAME" not in one.config
    with Flask("three").app_context(), pytest.raises(ConfigurationError, match="init_app"):
        _ = secrets.current


def test_an_app_whose_settings_fail_does_not_start(stores: Stores) -> None:
    """At once, with the errors of the library; nothing is left behind in it."""
    stores.fail("vault://kv/shop", Outcome.DENIED)
    app = Flask("app")
    with pytest.raises(ResolutionError, match="DENIED"):
        SecretSource(app, Shop)
    assert "secretsource" not in app.extensions
    stores.set("vault://kv/shop", json.dumps({"secret_key": "a"}))
    with pytest.raises(ValidationError, match="4 validation errors"):
        SecretSource(app, Shop)


def test_it_is_initialised_once(stores: Stores) -> None:
    """A second time is a mistake, and an app needs a class."""
    app = make_app()
    with pytest.raises(ConfigurationError, match="already"):
        SecretSource(app, Shop)
    with pytest.raises(ConfigurationError, match="settings class"):
        SecretSource(Flask("x"))


class Plain(BaseSettings):
    """pydantic-settings' own."""


@pytest.mark.parametrize("given", [Plain, Plain(), Plain.model_construct, 1])
def test_what_is_no_settings_class_is_refused(given: Any) -> None:
    """The message says what to pass, and shows no value."""
    with pytest.raises(ConfigurationError, match="takes a settings class, derived from Settings, not") as told:
        SecretSource(Flask("x"), given)
    assert told.value.__context__ is None


def test_async_views_read_the_same_settings(stores: Stores) -> None:
    """In Flask's async views, too."""
    secrets = SecretSource[Shop]()
    app = make_app(secrets)

    async def view() -> str:
        return f"{secrets.current.database.username} {app.config['DATABASE']['username']}"

    app.add_url_rule("/async", view_func=view)
    assert app.test_client().get("/async").text == "u1 u1"


async def _made_in_a_loop() -> Flask:
    return make_app()


def test_an_app_can_be_made_inside_of_an_event_loop(stores: Stores) -> None:
    """As in a test of an async framework: it is loaded when `init_app` returns, or fails there."""
    assert asyncio.run(_made_in_a_loop()).config["PIN"] == 987654
    stores.fail("vault://kv/shop", Outcome.DENIED)
    stores.clock.advance(86_401)
    with pytest.raises(ResolutionError):
        asyncio.run(_made_in_a_loop())


def test_a_missing_flask_says_what_to_install() -> None:
    """In a fresh process where it cannot be imported."""
    code = "import sys; sys.modules['flask'] = None; import secretsource.flask"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("pip install 'secretsource[flask]'")
