"""Dynamic users of a real PostgreSQL, leased by a real OpenBao: they log in, they end, and they are ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, SecretStr

from secretsource import CachePolicy, From, Live, Outcome, ResolutionError, Settings, SettingsConfigDict
from secretsource.backend import Lease
from secretsource.backends.vault import VaultBackend
from secretsource.clock import Deadline
from secretsource.ref import Ref
from tests.servers.openbao import OpenBao, Refused, configured
from tests.servers.postgres import ADMIN, ADMIN_PASSWORD, Postgres
from tests.vault.asking import value

MAKE = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"
READ = 'path "database/creds/*" {capabilities = ["read"]}'
REVOKE = 'path "sys/leases/revoke" {capabilities = ["update"]}'


class Credentials(BaseModel):
    """Two keys of one lease."""

    username: str
    password: SecretStr


class Database:
    """OpenBao's database engine, in front of a PostgreSQL."""

    def __init__(self, bao: OpenBao, postgres: Postgres) -> None:
        self.bao, self.postgres = bao, postgres
        bao.call("POST", "sys/mounts/database", {"type": "database"})
        connection = {
            "plugin_name": "postgresql-database-plugin",
            "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{postgres.port}/postgres",
            "username": ADMIN,
            "password": ADMIN_PASSWORD,
            "allowed_roles": "*",
        }
        bao.call("POST", "database/config/shop", connection)

    def role(self, ttl: str = "1h", max_ttl: str = "24h") -> str:
        """A role of the test's own, as a ref."""
        name = f"role{uuid4().hex[:8]}"
        options = {"db_name": "shop", "creation_statements": [MAKE], "default_ttl": ttl, "max_ttl": max_ttl}
        self.bao.call("POST", f"database/roles/{name}", options)
        return f"vault://database/creds/{name}"

    def backend(self, *, policy: str = READ + REVOKE, token: str | None = None, **options: object) -> VaultBackend:
        """A backend with a token that may read users; `options` go to the token."""
        return VaultBackend({"VAULT_ADDR": self.bao.addr, "VAULT_TOKEN": token or self.token(policy, **options)})

    def token(self, policy: str = READ + REVOKE, **options: object) -> str:
        return self.bao.token_for(policy, **options)

    def live(self, role: str, backend: VaultBackend | None = None) -> Live[Any]:
        """Settings with a user of a role."""

        class App(Settings):
            model_config = SettingsConfigDict(
                backends={"vault": backend or self.backend()},
                chain=("vault://database/",),
                cache=CachePolicy(jitter=0),
                timeout=5,
            )
            database: Annotated[Credentials, From(role)]

        return Live(App)

    def lets_in(self, user: Credentials) -> bool:
        """Whether a user can log in to the PostgreSQL."""
        return self.postgres.lets_in(user.username, user.password.get_secret_value())

    def leases(self, role: str) -> list[str]:
        """The leases of a role that the server has."""
        path = f"sys/leases/lookup/{role.removeprefix('vault://')}"
        try:
            return list(self.bao.call("LIST", path)["data"]["keys"])
        except Refused as error:
            if error.status != 404:
                raise
            return []


@pytest.fixture(scope="module")
def database(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A server that keeps its data over a restart, with an audit log."""
    with configured(tmp_path_factory.mktemp("leasing"), tls=False, storage="raft") as server:
        yield Database(server, postgres)


def read_until(end: float, live: Live[Any]) -> None:
    """Read without a pause."""
    while True:
        late = time.monotonic() >= end
        _ = live.current.database
        assert not late, "it is served past its end"


def until(condition: Any, seconds: float = 10.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)


def test_a_leased_user_logs_in_and_is_ended_at_close(database: Database) -> None:
    """The PostgreSQL itself says so."""
    role = database.role()
    with database.live(role) as live:
        user = live.current.database
        assert database.lets_in(user)
    assert not database.lets_in(user)
    assert user.username not in database.postgres.users()
    assert database.leases(role) == []


def test_a_lease_is_renewed_for_as_long_as_it_is_needed(database: Database) -> None:
    """Twice its length later, and more, the user is the same, and lets in; without Live it would have ended."""
    role = database.role(ttl="2s")
    left_alone = value(database.backend(), role.removeprefix("vault://"))
    with database.live(role) as live:
        user, end = live.current.database, time.monotonic() + 5
        while time.monotonic() < end:
            assert live.current.database == user
            assert database.lets_in(user)
            time.sleep(0.2)
        assert live.health().ok
    assert isinstance(left_alone.raw, dict)
    assert not database.postgres.lets_in(left_alone.raw["username"], left_alone.raw["password"])


def test_a_user_is_made_anew_before_the_maximum(database: Database) -> None:
    """Whoever reads `current` always gets one who is let in."""
    role, seen = database.role(ttl="2s", max_ttl="3s"), []
    with database.live(role) as live:
        end = time.monotonic() + 7
        while time.monotonic() < end:
            assert database.lets_in(live.current.database)
            seen.append(live.current.database.username)
            time.sleep(0.1)
        assert live.health().ok
    assert 2 < len(set(seen)) < 7


def test_a_lease_counts_no_longer_than_its_token(database: Database) -> None:
    """The server ends it with the token, whatever the lease says."""
    backend = database.backend(explicit_max_ttl="20s")
    lease = value(backend, database.role().removeprefix("vault://")).lease
    assert lease is not None
    assert 15 < lease.seconds <= 20


def test_a_token_is_kept_up_for_its_leases(database: Database) -> None:
    """A token of two seconds outlives them, with what was issued to it."""
    backend = database.backend(token=database.token(ttl="2s", renewable=True))
    with database.live(database.role(), backend) as live:
        user, end = live.current.database, time.monotonic() + 5
        while time.monotonic() < end:
            assert live.current.database == user
            assert database.lets_in(user)
            time.sleep(0.2)
        assert live.health().ok


def test_a_login_that_nears_its_end_is_replaced_and_its_users_with_it(database: Database) -> None:
    """A token that cannot be prolonged takes its users along: new ones come first."""
    bao = database.bao
    bao.call("PUT", "sys/policies/acl/leasing", {"policy": READ + REVOKE})
    bao.call("POST", "sys/auth/userpass", {"type": "userpass"})
    bao.call(
        "POST",
        "auth/userpass/users/app",
        {"password": "not-a-real-password", "token_policies": "leasing", "token_ttl": "3s", "token_max_ttl": "3s"},
    )
    names = {"VAULT_ADDR": bao.addr, "VAULT_USERNAME": "app", "VAULT_PASSWORD": "not-a-real-password"}
    seen = []
    role = database.role()
    with database.live(role, VaultBackend(names)) as live:
        end = time.monotonic() + 7
        while time.monotonic() < end:
            assert database.lets_in(live.current.database)
            seen.append(live.current.database.username)
            time.sleep(0.1)
    assert 2 < len(set(seen)) < 6
    assert bao.requests(role.removeprefix("vault://")) == len(set(seen))  # none was made for a moment only


def test_a_lease_of_another_token_is_not_prolonged(database: Database) -> None:
    """It would end with that one all the same."""
    role = database.role()
    ref, deadline = Ref.parse(role), Deadline(5)
    lease = value(database.backend(), ref.location).lease
    assert lease is not None
    other = database.backend()
    with pytest.raises(Exception, match="ends with the token") as caught:
        other.renew_lease(ref, lease, deadline)
    assert other.classify(caught.value) is Outcome.INACTIVE


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("database/creds/none/nothing", Outcome.INVALID), ("", Outcome.INVALID)],
    ids=["none", "empty"],
)
def test_a_lease_that_is_not_there_is_refused(database: Database, name: str, outcome: Outcome) -> None:
    """It is no outage: the secret is to be read anew."""
    backend = database.backend()
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what it comes to is what counts
        backend.renew_lease(Ref.parse(database.role()), Lease(name, 60, renewable=True), Deadline(5))
    assert backend.classify(caught.value) is outcome


def test_a_user_whom_the_server_has_ended_is_replaced(database: Database) -> None:
    """The next renewal hears of it, and another is issued."""
    role = database.role(ttl="3s")
    with database.live(role) as live:
        user = live.current.database
        path = f"sys/leases/revoke-prefix/{role.removeprefix('vault://')}"
        database.bao.call("PUT", path)
        assert not database.lets_in(user)
        until(lambda: live.current.database != user)
        assert database.lets_in(live.current.database)


def test_without_leave_to_revoke_a_lease_ends_by_itself(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Closing says so, and does no harm."""
    role = database.role(ttl="2s")
    with database.live(role, database.backend(policy=READ)) as live:
        user = live.current.database
    assert caplog.messages == [f"a lease was not given back, and ends by itself: {role}"]
    until(lambda: not database.lets_in(user))


def test_a_seal_is_survived_until_the_lease_ends(database: Database) -> None:
    """The value there is holds; once unsealed, it is prolonged as before."""
    with database.live(database.role(ttl="4s")) as live:
        user = live.current.database
        database.bao.seal()
        until(lambda: not live.health().ok)
        assert live.current.database == user
        assert database.lets_in(user)
        assert "sealed" in str(live.health().last_error)
        database.bao.unseal()
        until(lambda: live.health().ok)
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert database.lets_in(live.current.database)
            time.sleep(0.1)


def test_past_its_end_a_sealed_servers_user_is_not_served(database: Database) -> None:
    """Not a moment; and when the server is back there is a new one."""
    with database.live(database.role(ttl="3s")) as live:
        user, end = live.current.database, time.monotonic() + 3
        database.bao.seal()
        with pytest.raises(ResolutionError, match=r"lease is over|sealed"):
            read_until(end, live)
        database.bao.unseal()
        until(lambda: live.health().ok)
        assert live.current.database != user
        assert database.lets_in(live.current.database)


def test_a_restart_is_survived(database: Database) -> None:
    """Leases outlive the server's process."""
    with database.live(database.role(ttl="4s")) as live:
        user = live.current.database
        database.bao.restart()
        assert live.current.database == user
        database.bao.unseal()
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert database.lets_in(live.current.database)
            time.sleep(0.1)
        until(lambda: live.health().ok)
