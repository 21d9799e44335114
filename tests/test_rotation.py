"""The guide's SQLAlchemy engine: its password rotates under load, and no request fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, NullPool, text

from examples import rotation_sqlalchemy
from examples.rotation_sqlalchemy import Database, ShopSettings, make_engine
from secretsource import From, Live, Settings
from tests.load import Load, until
from tests.servers.openbao import OpenBao, dev
from tests.servers.postgres import Postgres
from tests.vault.test_leases import Database as Leased

THREADS = 8


class Asking(Load):
    """Threads that ask the database who is asking.

    Attributes:
        users: As whom, in order.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.users: list[str] = []
        super().__init__(*[self.request] * THREADS)

    def request(self) -> None:
        with self.engine.connect() as connection:
            self.users.append(str(connection.scalar(text("SELECT current_user"))))


def sessions_of(postgres: Postgres, user: str) -> int:
    """How many connections a user has."""
    return len(postgres.run("SELECT 1 FROM pg_stat_activity WHERE usename = {}", user))


@contextmanager
def engine_for(postgres: Postgres, live: Live[Any], **options: Any) -> Iterator[Engine]:
    """The guide's engine, closed at the end."""
    engine = make_engine(f"postgresql+psycopg://127.0.0.1:{postgres.port}/postgres", live, **options)
    try:
        yield engine
    finally:
        engine.dispose()


@pytest.fixture
def vault(openbao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> OpenBao:
    """The environment points to it, and `kv/` is mounted."""
    for name, value in openbao.environ.items():
        monkeypatch.setenv(name, value)
    if "kv/" not in openbao.call("GET", "sys/mounts"):
        openbao.mount("kv")
    return openbao


class Rotation:
    """Gives a user of the database another password, and the store first."""

    def __init__(self, vault: OpenBao, postgres: Postgres) -> None:
        self.vault, self.postgres = vault, postgres
        self.user, self.number = f"shop-{uuid4().hex[:6]}", 1
        postgres.make_user(self.user, "password1")
        self.put(self.user, "password1")

    def put(self, user: str, password: str) -> None:
        self.vault.call("POST", "kv/data/shop-db", {"data": {"username": user, "password": password}})

    def rotate(self) -> None:
        self.number += 1
        self.put(self.user, f"password{self.number}")
        self.postgres.set_password(self.user, f"password{self.number}")


@pytest.fixture
def rotation(vault: OpenBao, postgres: Postgres) -> Rotation:
    return Rotation(vault, postgres)


def test_a_password_rotates_under_load(rotation: Rotation, postgres: Postgres) -> None:
    """The first login that is refused fetches the new one, for all threads; long before the ttl is over."""
    changes: list[object] = []
    with Live(ShopSettings) as live, engine_for(postgres, live, poolclass=NullPool) as engine:
        live.on_change(changes.append)
        with Asking(engine) as load:
            until(lambda: len(load.users) > 50)
            for _ in range(10):
                rotation.rotate()
                until(lambda: live.current.database.password.get_secret_value() == f"password{rotation.number}")
                load.go_on(50)
    assert load.failures == []
    assert set(load.users) == {rotation.user}
    assert len(changes) == 10


def test_a_password_that_the_database_does_not_have_yet_is_no_failure(rotation: Rotation, postgres: Postgres) -> None:
    """Whoever has the store's new one logs in with the one before, until the database has heard of it."""
    with Live(ShopSettings) as live, engine_for(postgres, live, poolclass=NullPool) as engine, Asking(engine) as load:
        load.go_on()
        rotation.put(rotation.user, "password2")
        live.refresh(force=True)
        load.go_on()
        postgres.set_password(rotation.user, "password2")
        load.go_on()
    assert load.failures == []


def test_two_users_take_turns_under_load(rotation: Rotation, postgres: Postgres) -> None:
    """The old one goes on until nobody is logged in as him: there is no moment at which a login could fail."""
    other = f"{rotation.user}-b"
    postgres.make_user(other, "not-a-real-password")
    with Live(ShopSettings) as live, engine_for(postgres, live) as engine, Asking(engine) as load:
        until(lambda: len(load.users) > 50)
        rotation.put(other, "not-a-real-password")
        live.refresh(force=True)
        until(lambda: sessions_of(postgres, rotation.user) == 0)
        load.go_on(50)
        assert load.users[-1] == other
    assert load.failures == []


def test_leased_users_come_and_go_under_load(postgres: Postgres, tmp_path: Path) -> None:
    """Users of three seconds at most, made and dropped by OpenBao."""
    with dev(tmp_path) as server:
        leased = Leased(server, postgres)
        role = leased.role(ttl="2s", max_ttl="3s")

        class Shop(Settings, backends={"vault": leased.backend()}):
            database: Annotated[Database, From(role)]

        with Live(Shop) as live, engine_for(postgres, live) as engine, Asking(engine) as load:
            until(lambda: len(set(load.users)) > 2)
        assert load.failures == []


def test_the_page_shows_the_code_that_was_tried() -> None:
    """Word for word."""
    page = Path(__file__).parent.parent / "docs" / "rotation.md"
    code = Path(rotation_sqlalchemy.__file__).read_text(encoding="utf-8")
    assert code.partition("\n\n")[2] in page.read_text(encoding="utf-8")
