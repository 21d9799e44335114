"""Sessions outlive a rotation of SECRET_KEY: in one worker, and where another worker hears of it later."""

from __future__ import annotations

import json
import threading

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from pydantic import SecretStr

from secretsource import Change, Outcome, Settings, SettingsConfigDict
from secretsource.flask import SecretSource
from secretsource.testing import Stores
from tests.flask.shop import CANARY, SHOP, Shop, forged, make_app, stored

PATIENCE = 20.0  # seconds


def key(version: int) -> str:
    """The SECRET_KEY of a version."""
    return f"{CANARY}-key-{version}"


def count(app: Flask, client: FlaskClient) -> str:
    """Ask an app with the cookies of a client of another app, and let that client have what comes back."""
    own = app.test_client()
    own._cookies = client._cookies
    return own.get("/count").text


def test_sessions_survive_a_rotation_of_the_secret_key(stores: Stores) -> None:
    """The old key is kept as a fallback, for a few rotations."""
    app = make_app()
    client = app.test_client()
    for number in range(1, 6):
        assert client.get("/count").text == str(number)
        stores.rotate(SHOP, stored(number + 1))
    assert client.get("/count").text == "6"
    assert app.config["SECRET_KEY"] == key(6)
    assert app.config["SECRET_KEY_FALLBACKS"] == [key(5), key(4), key(3)]
    assert CANARY not in repr(app.config)


def test_a_key_that_comes_back_is_no_fallback_of_itself(stores: Stores) -> None:
    """As after a rotation that was undone."""
    app = make_app()
    for version in (2, 1, 3):
        stores.rotate(SHOP, stored(version))
    assert app.config["SECRET_KEY_FALLBACKS"] == [key(1), key(2)]


def test_how_many_are_kept_is_the_apps_to_say(stores: Stores) -> None:
    """None, where a session must not outlive its key."""
    app, strict = make_app(fallbacks=1), make_app(SecretSource(fallbacks=0))
    client = strict.test_client()
    client.get("/count")
    for version in (2, 3):
        stores.rotate(SHOP, stored(version))
    assert app.config["SECRET_KEY_FALLBACKS"] == [key(2)]
    assert strict.config["SECRET_KEY_FALLBACKS"] is None
    assert client.get("/count").text == "1"


def test_fallbacks_of_the_apps_own_are_kept(stores: Stores) -> None:
    """They do not count among the few."""
    app = make_app()
    app.config["SECRET_KEY_FALLBACKS"] = ["the app's own"]
    for version in range(2, 7):
        stores.rotate(SHOP, stored(version))
    assert app.config["SECRET_KEY_FALLBACKS"] == [key(5), key(4), key(3), "the app's own"]


def test_a_key_that_the_app_has_taken_out_does_not_come_back(stores: Stores) -> None:
    """As after a leak: nothing that is signed with it is accepted any more, also after the next rotation."""
    app = make_app()
    client = app.test_client()
    client.get("/count")
    stores.rotate(SHOP, stored(2))
    app.config["SECRET_KEY_FALLBACKS"] = []
    stores.rotate(SHOP, stored(3))
    assert app.config["SECRET_KEY_FALLBACKS"] == [key(2)]
    assert client.get("/count").text == "1"


class Keys(Settings):
    """The old keys are in the store, too."""

    model_config = SettingsConfigDict(chain=("vault://kv/keys",))
    secret_key: SecretStr
    secret_key_fallbacks: list[SecretStr] = []  # noqa: RUF012 - pydantic copies defaults


def test_fallbacks_in_the_store_outlast_a_restart(secretsource: Stores) -> None:
    """A field lists them; what has rotated meanwhile is accepted beside them."""
    place = "vault://kv/keys"
    secretsource.set(place, {"secret_key": "c", "secret_key_fallbacks": ["b", "a"]})
    app = Flask("app")
    SecretSource(app, Keys, fallbacks=1)
    assert app.config["SECRET_KEY_FALLBACKS"] == ["b", "a"]
    for key, listed, accepted in [
        ("d", ["b", "a"], ["c", "b", "a"]),
        ("d", ["c", "b"], ["c", "b"]),
        ("e", ["d", "c"], ["d", "c"]),
        ("e", [], ["d"]),
        ("d", ["e"], ["e"]),
        ("d", ["e", "x"], ["e", "x"]),
    ]:
        secretsource.rotate(place, {"secret_key": key, "secret_key_fallbacks": listed})
        assert (app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"]) == (key, accepted)
    assert all(isinstance(key, str) for key in app.config["SECRET_KEY_FALLBACKS"])


def test_a_field_that_lists_none_loses_no_session(secretsource: Stores) -> None:
    """It is there for other programs, or for later."""
    secretsource.set("vault://kv/keys", {"secret_key": "a"})
    app = Flask("app")
    SecretSource(app, Keys)
    for key in ("b", "c"):
        secretsource.rotate("vault://kv/keys", {"secret_key": key})
    assert app.config["SECRET_KEY_FALLBACKS"] == ["b", "a"]


def test_a_field_of_any_name_can_be_the_secret_key(secretsource: Stores) -> None:
    """Also a leaf of a nested model."""
    secretsource.set(SHOP, stored())
    app = make_app(keys={"database.password": "SECRET_KEY"})
    client = app.test_client()
    assert client.get("/count").text == "1"
    secretsource.rotate(SHOP, stored(2))
    assert client.get("/count").text == "2"
    assert (app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"]) == (f"{CANARY}-2", [f"{CANARY}-1"])


def test_a_key_under_a_prefix_is_none_of_flasks(stores: Stores) -> None:
    """Flask's own is left alone, and its sessions with it."""
    app = make_app(prefix="SHOP_")
    app.config["SECRET_KEY"] = "the app's own"
    stores.rotate(SHOP, stored(2))
    assert (app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"]) == ("the app's own", None)
    assert app.test_client().get("/count").text == "1"
    assert type(app.session_interface) is SecureCookieSessionInterface


@pytest.fixture
def workers(stores: Stores) -> tuple[Flask, Flask]:
    """Two workers, of which the first has heard of a rotation, and the second will hear of it later."""
    first, second = make_app(), make_app()
    stores.set(SHOP, stored(2))
    first.extensions["secretsource"].live.refresh(force=True)
    assert (first.config["SECRET_KEY"], second.config["SECRET_KEY"]) == (key(2), key(1))
    return first, second


def test_a_session_under_a_key_that_a_worker_has_not_heard_of_is_no_forgery(
    stores: Stores, workers: tuple[Flask, Flask]
) -> None:
    """The worker looks for a newer key, once, and goes on with the session."""
    first, second = workers
    client, calls = first.test_client(), len(stores.calls)
    assert client.get("/count").text == "1"
    assert [count(app, client) for app in (second, first, second)] == ["2", "3", "4"]
    assert len(stores.calls) == calls + 2  # the two secrets of one refresh
    assert second.config["SECRET_KEY_FALLBACKS"] == [key(1)]


def test_a_session_under_the_old_key_is_good_at_a_worker_with_the_new_one(workers: tuple[Flask, Flask]) -> None:
    """The other way round."""
    first, second = workers
    client = second.test_client()
    assert client.get("/count").text == "1"
    assert [count(app, client) for app in (first, second)] == ["2", "3"]


def test_a_look_that_found_something_does_not_put_off_the_next_one(
    stores: Stores, workers: tuple[Flask, Flask]
) -> None:
    """Two rotations may come within a second."""
    first, second = workers
    client = first.test_client()
    client.get("/count")
    assert count(second, client) == "2"
    stores.set(SHOP, stored(3))
    first.extensions["secretsource"].live.refresh(force=True)
    assert [count(app, client) for app in (first, second)] == ["3", "4"]


def test_a_look_does_not_wait_for_who_is_being_told_of_an_earlier_change(
    stores: Stores, workers: tuple[Flask, Flask]
) -> None:
    """The key that it found is in the config at once."""
    first, second = workers
    blocked, over = threading.Event(), threading.Event()

    def block(change: Change[Shop]) -> None:
        blocked.set()
        over.wait(PATIENCE)

    live = second.extensions["secretsource"].live
    live.on_change(block)
    telling = threading.Thread(target=live.refresh, kwargs={"force": True})
    telling.start()
    assert blocked.wait(PATIENCE)
    stores.set(SHOP, stored(3))
    first.extensions["secretsource"].live.refresh(force=True)
    client = first.test_client()
    assert client.get("/count").text == "1"
    assert count(second, client) == "2"
    over.set()
    telling.join(PATIENCE)


def test_forged_sessions_lead_to_one_look_a_second(stores: Stores) -> None:
    """However many there are: nobody who sends nonsense keeps a store busy."""
    app = make_app()
    calls = len(stores.calls)
    for _ in range(50):
        assert forged(app).get("/count").text == "1"
    assert len(stores.calls) == calls + 2
    stores.clock.advance(1)
    for _ in range(50):
        forged(app).get("/count")
    assert len(stores.calls) == calls + 4


@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.DENIED])
def test_nobody_waits_for_a_store_that_is_down(stores: Stores, outcome: Outcome) -> None:
    """A session that no key fits is a new one then, as ever."""
    app = make_app()
    stores.fail(SHOP, outcome)
    assert forged(app).get("/count").text == "1"
    calls = len(stores.calls)
    stores.clock.advance(1)
    assert forged(app).get("/count").text == "1"
    assert len(stores.calls) == calls


def test_a_session_that_is_too_old_leads_to_no_look(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key is known, so there is nothing to look for."""
    app = make_app()
    client = app.test_client()
    client.get("/count")
    app.config["PERMANENT_SESSION_LIFETIME"] = -1
    calls = len(stores.calls)
    assert client.get("/count").text == "1"
    assert len(stores.calls) == calls


def test_sessions_of_another_kind_are_left_alone(stores: Stores) -> None:
    """An app that keeps them elsewhere does not sign them."""

    class Elsewhere(SecureCookieSessionInterface):
        pass

    app = Flask("app")
    app.session_interface = Elsewhere()
    SecretSource(app, Shop)
    assert type(app.session_interface) is Elsewhere


def test_an_app_without_a_secret_key_has_no_sessions(secretsource: Stores) -> None:
    """Flask says so itself, also when it comes later."""

    class Optional(Settings):
        model_config = SettingsConfigDict(chain=("vault://kv/keys",))
        secret_key: SecretStr | None = None

    app = Flask("app")
    SecretSource(app, Optional)

    @app.get("/")
    def index() -> str:
        from flask import session

        return json.dumps(dict(session))

    assert app.test_client().get("/").text == "{}"
    secretsource.rotate("vault://kv/keys#secret_key", "a")
    assert (app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"]) == ("a", None)
    assert forged(app).get("/").text == "{}"
