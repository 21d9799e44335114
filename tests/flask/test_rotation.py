"""`app.config` follows rotation: whole, per app, in every thread and process; and who listens is told."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Config, Flask, current_app

from secretsource import Change, Live, Outcome, ResolutionError
from secretsource.flask import SecretSource, secrets_changed
from secretsource.live.refresher import REFRESHER
from secretsource.testing import Stores
from secretsource.testing.processes import Child
from tests.flask.shop import CANARY, SHOP, Shop, make_app, stored

PATIENCE = 20.0  # seconds


def test_the_config_follows_rotation_and_listeners_are_told(stores: Stores) -> None:
    """All at once; the signal comes afterwards, with the app and the change, in a context of the app."""
    secrets = SecretSource[Shop]()
    app, other = make_app(secrets), make_app()
    told: list[tuple[str, Any, str]] = []

    def listen(sender: Flask, change: Change[Shop]) -> None:
        assert sender is current_app._get_current_object()  # type: ignore[attr-defined]  # it is a proxy
        told.append((secrets.current.database.username, change.fields, sender.config["DATABASE"]["username"]))

    with secrets_changed.connected_to(listen, app):
        stores.rotate(SHOP, stored(2))
    for one in (app, other):
        assert one.config["DATABASE"] == {"username": "u2", "password": f"{CANARY}-2", "port": 5433}
        assert one.config["LOGIN"] == f"u2:{CANARY}-2"
    assert told == [("u2", ("secret_key", "database.username", "database.password"), "u2")]
    assert CANARY not in repr(app.config)


def test_what_did_not_change_stays_the_same_object(stores: Stores) -> None:
    """Also a table in which nothing changed: who holds it holds what is in the config."""
    app = make_app()
    database, words = app.config["DATABASE"], app.config["WORDS"]
    stores.rotate(SHOP, stored(1, words=["another"]))
    assert app.config["DATABASE"] is database
    assert app.config["WORDS"] == ["another"]
    assert words == [CANARY]


def test_what_the_app_has_put_there_itself_stays(stores: Stores) -> None:
    """As a factory's `test_config` does, or a flag that Flask sets: a rotation does not undo it."""
    app = make_app()
    app.config.from_mapping(TESTING=True, DSN="sqlite://", PIN=1)
    del app.config["WORDS"]
    for version in (2, 3):
        stores.rotate(SHOP, stored(version, pin=version, words=[], dsn="postgresql://elsewhere/db"))
        assert (app.config["TESTING"], app.config["DSN"], app.config["PIN"]) == (True, "sqlite://", 1)
        assert "WORDS" not in app.config
        assert app.config["DATABASE"]["username"] == f"u{version}"


def test_a_value_that_appears_later_is_hidden_as_well(stores: Stores) -> None:
    """The config shows a number of the app's own, and never one out of a store."""
    app = make_app(keys=["debug_toolbar"])
    app.config["PAGE_SIZE"] = 40
    assert "'DEBUG_TOOLBAR': False" in repr(app.config)
    stores.rotate(SHOP, stored(debug_toolbar=True))
    assert app.config["DEBUG_TOOLBAR"] is True
    assert "'DEBUG_TOOLBAR': '**********'" in repr(app.config)
    assert "'PAGE_SIZE': 40" in repr(app.config)


def test_a_refresh_while_the_app_is_made_is_not_lost(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come at any moment after the first load."""
    register = Live.on_change

    def rotating_first(live: Live[Shop], callback: Any) -> Any:
        stores.rotate(SHOP, stored(2))
        return register(live, callback)

    monkeypatch.setattr(Live, "on_change", rotating_first)
    assert make_app().config["DATABASE"]["username"] == "u2"


@pytest.fixture
def readers() -> Iterator[Any]:
    """Runs something in threads, over and over; what went wrong is raised at the end."""
    over = threading.Event()
    wrong: list[Exception] = []
    threads: list[threading.Thread] = []

    def start(read: Any) -> None:
        def run() -> None:
            try:
                while not over.is_set():
                    read()
            except Exception as error:  # noqa: BLE001 - raised at the end
                wrong.append(error)

        threads.extend(threading.Thread(target=run) for _ in range(4))
        for thread in threads:
            thread.start()

    yield start
    over.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not wrong, wrong


class Watched(Config):
    """A config that notes how it is changed."""

    def __init__(self, *arguments: Any, **others: Any) -> None:
        super().__init__(*arguments, **others)
        self.noted: list[set[str]] = []

    def update(self, *arguments: Any, **others: Any) -> None:
        self.noted.append(set(dict(*arguments, **others)))
        super().update(*arguments, **others)

    def __setitem__(self, key: str, value: object) -> None:
        self.noted.append({key})
        super().__setitem__(key, value)


def test_all_that_has_changed_is_put_there_in_one_call(stores: Stores) -> None:
    """And nothing else. A dict takes it whole: no other thread runs meanwhile."""

    class WatchedFlask(Flask):
        config_class = Watched

    app = WatchedFlask(__name__)
    SecretSource(app, Shop)
    assert isinstance(app.config, Watched)
    app.config.noted.clear()
    stores.rotate(SHOP, stored(2))
    assert app.config.noted == [{"SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE", "LOGIN"}]


def test_readers_in_other_threads_never_see_half_of_a_change(stores: Stores, readers: Any) -> None:
    """What is read as one is of one version, and who goes through the config is not disturbed."""
    app = make_app()

    def read() -> None:
        database = app.config["DATABASE"]
        assert database["password"].removeprefix(f"{CANARY}-") == database["username"].removeprefix("u")
        copied = dict(app.config)
        assert copied["LOGIN"] == ":".join([copied["DATABASE"]["username"], copied["DATABASE"]["password"]])
        for key, value in app.config.items():
            assert value is not key
        app.config.get_namespace("SECRET_")
        repr(app.config)

    readers(read)
    for version in range(2, 50):
        stores.rotate(SHOP, stored(version))
    assert app.config["DATABASE"]["username"] == "u49"


def test_a_receiver_that_fails_keeps_no_other_from_being_told(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, without a value; and the config has changed all the same."""
    app, told = make_app(), []

    def fail(sender: Flask, change: Change[Shop]) -> None:
        raise RuntimeError("a receiver of the user's own")

    def listen(sender: Flask, change: Change[Shop]) -> None:
        told.append(change.fields)

    async def listen_too(sender: Flask, change: Change[Shop]) -> None:
        told.append(change.fields)

    for receiver in (fail, listen, listen_too):
        secrets_changed.connect(receiver, app)
    with caplog.at_level(logging.DEBUG):
        stores.rotate(SHOP, stored(2))
    assert len(told) == 2
    assert app.config["DATABASE"]["username"] == "u2"
    assert [record.getMessage() for record in caplog.records if record.exc_info] == [
        "a receiver of secrets_changed failed"
    ]
    assert CANARY not in caplog.text


def test_what_may_not_be_served_any_more(stores: Stores) -> None:
    """`current` raises and the config keeps the last values, until there are new ones."""
    secrets = SecretSource[Shop]()
    app = make_app(secrets)
    stores.fail(SHOP, Outcome.DENIED)
    with app.app_context():
        with pytest.raises(ResolutionError):
            secrets.live.refresh(force=True)
        with pytest.raises(ResolutionError):
            _ = secrets.current
        assert app.config["DATABASE"]["username"] == "u1"
        stores.rotate(SHOP, stored(2))
        assert secrets.current.database.username == app.config["DATABASE"]["username"] == "u2"


def test_a_readiness_route_tells_whether_settings_are_served(stores: Stores) -> None:
    """An outage of the store, which the app outlasts, does not take it out of service; there are no names in it."""
    secrets = SecretSource[Shop]()
    app = make_app(secrets)
    app.register_blueprint(secrets.readiness("/ready"))
    client = app.test_client()

    def refreshed() -> tuple[int, Any]:
        with app.app_context():
            secrets.live.refresh_now()
        answer = client.get("/ready")
        assert "vault" not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status_code, answer.json

    assert refreshed() == (200, {"ok": True, "stale": 0})
    stores.fail(SHOP, Outcome.UNAVAILABLE)
    assert refreshed() == (200, {"ok": False, "stale": 7})
    stores.fail(SHOP, Outcome.DENIED)
    assert refreshed()[0] == 503
    stores.set(SHOP, stored(2))
    assert refreshed() == (200, {"ok": True, "stale": 0})


def test_an_app_that_nobody_holds_is_gone(stores: Stores) -> None:
    """With all that follows it: the refresher looks after it no more."""
    app = make_app()
    live = app.extensions["secretsource"].live
    gone, before = weakref.ref(app), len(REFRESHER._lives)
    del app
    gc.collect()
    assert gone() is None
    stores.rotate(SHOP, stored(2))
    assert live.current.database.username == "u2"
    del live
    gc.collect()
    assert len(REFRESHER._lives) < before


def test_a_forked_child_follows_by_itself(stores: Stores) -> None:
    """An app made before the fork, as with gunicorn's `--preload`."""
    app = make_app()

    def rotated() -> str:
        stores.rotate(SHOP, stored(3))
        return str(app.config["DATABASE"]["username"])

    assert Child(rotated).result(PATIENCE) == "u3"
    assert app.config["DATABASE"]["username"] == "u1"


def test_a_child_has_in_its_config_what_its_parent_was_about_to_put_there(stores: Stores) -> None:
    """Whatever another thread of the parent was doing, and holding, at that moment."""
    secrets = SecretSource[Shop]()
    app = make_app(secrets)
    state = app.extensions["secretsource"]
    blocked, over = threading.Event(), threading.Event()

    def block(change: Change[Shop]) -> None:
        with state._changing, state._looking:
            blocked.set()
            over.wait(PATIENCE)

    with app.app_context():
        secrets.live.on_change(block)
    telling = threading.Thread(target=stores.rotate, args=(SHOP, stored(2)))
    telling.start()
    assert blocked.wait(PATIENCE)
    stores.rotate(SHOP, stored(3))  # nobody can be told yet
    assert app.config["DATABASE"]["username"] == "u2"
    assert Child(lambda: str(app.config["DATABASE"]["username"])).result(PATIENCE) == "u3"
    over.set()
    telling.join(PATIENCE)
    assert app.config["DATABASE"]["username"] == "u3"
