"""What `vault://` reads from a real server: any engine, any version."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from secretsource.backend import Lease, Outcome
from secretsource.backends.vault import VaultBackend
from tests.servers.loopback import LoopbackServer, Reply, Request
from tests.servers.openbao import OpenBao
from tests.servers.vaultfront import VaultFront, refusal
from tests.vault.asking import fetch, said, told, value

MOUNTS = "sys/internal/ui/mounts"


@pytest.fixture
def vault(front: VaultFront) -> VaultBackend:
    """A backend that is root."""
    return VaultBackend(front.environ)


@pytest.fixture
def kv(openbao: OpenBao) -> str:
    """A KV version 2 engine of the test's own, two names deep."""
    path = f"team/{uuid.uuid4().hex}"
    openbao.mount(path)
    return path


@pytest.fixture
def old_kv(openbao: OpenBao) -> str:
    """A KV version 1 engine of the test's own."""
    path = f"old{uuid.uuid4().hex}"
    openbao.mount(path, version=1)
    return path


def put(openbao: OpenBao, mount: str, name: str, **pairs: object) -> None:
    openbao.call("POST", f"{mount}/data/{name}", {"data": pairs})


def test_both_versions_of_kv_are_read_by_the_same_ref(
    openbao: OpenBao, vault: VaultBackend, kv: str, old_kv: str
) -> None:
    """Nobody has to say which version an engine is, nor how many names its mount has."""
    put(openbao, kv, "deep/app", key="new")
    openbao.call("POST", f"{old_kv}/deep/app", {"key": "old"})
    assert [said(vault, f"{kv}/deep/app"), said(vault, f"{old_kv}/deep/app")] == [{"key": "new"}, {"key": "old"}]


def test_the_server_is_asked_once_what_is_mounted(openbao: OpenBao, vault: VaultBackend, front: VaultFront) -> None:
    """A hundred secrets of one engine cost a hundred requests and one, and the next hundred no more than that."""
    names = [f"many{number}" for number in range(100)]
    for name in names:
        put(openbao, "secret", name, key=name)
    refs = [f"secret/{name}" for name in names]
    assert [getattr(answer, "raw", answer) for answer in fetch(vault, refs)] == [{"key": name} for name in names]
    assert (len(front.log), sum(path.startswith(MOUNTS) for path in front.paths())) == (101, 1)
    fetch(vault, refs)
    assert len(front.log) == 201


def test_numbers_keep_their_text(openbao: OpenBao, vault: VaultBackend) -> None:
    """A number for a `str` field is the text that the server sent, and no float."""
    put(openbao, "secret", "numbers", account=9007199254740991, rate=1e21)
    assert said(vault, "secret/numbers") == {"account": "9007199254740991", "rate": "1e+21"}


def test_a_name_may_have_blanks_and_signs(openbao: OpenBao, vault: VaultBackend) -> None:
    """What a ref decodes to is encoded again for the URL."""
    openbao.call("POST", "secret/data/a%20b%3Fc%23d%C3%A9", {"data": {"key": "odd"}})
    assert said(vault, "secret/a b%3Fc%23dé") == {"key": "odd"}


def test_version_and_time_come_with_the_value(openbao: OpenBao, vault: VaultBackend) -> None:
    """They are the store's own."""
    put(openbao, "secret", "dated", key="first")
    put(openbao, "secret", "dated", key="second")
    answer = value(vault, "secret/dated")
    assert answer.version == "2"
    assert answer.created is not None
    assert abs(answer.created - datetime.now(UTC)) < timedelta(minutes=1)
    assert answer.expires is None


def test_a_version_that_will_be_deleted_says_when(openbao: OpenBao, vault: VaultBackend) -> None:
    """`delete_version_after` is the value's end."""
    openbao.call("POST", "secret/metadata/ending", {"delete_version_after": "1h"})
    put(openbao, "secret", "ending", key="value")
    expires = value(vault, "secret/ending").expires
    assert expires is not None
    assert timedelta(minutes=59) < expires - datetime.now(UTC) < timedelta(minutes=61)


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("secret/nothing", "no secret at this path"),
        ("secret/one?version=7", "no version 7"),
        ("nowhere/one", "no engine mounted at nowhere/"),
        ("secret/one?namespace=nowhere", "no such namespace"),
        ("secret/data/one", "leave data/ out"),
        ("cubbyhole/nothing", "no secret at this path"),
    ],
)
def test_what_the_server_does_not_have_is_missing(openbao: OpenBao, vault: VaultBackend, ref: str, words: str) -> None:
    """Secret, version, engine or namespace: absent is MISSING, and the trail says which."""
    put(openbao, "secret", "one", key="value")
    outcome, advice = told(vault, ref)
    assert outcome is Outcome.MISSING
    assert words in str(advice.detail)


def test_a_deleted_version_is_inactive(openbao: OpenBao, vault: VaultBackend) -> None:
    """Whether it is the latest or a pinned one; the other versions are still there."""
    for number in ("first", "second"):
        put(openbao, "secret", "gone", key=number)
    openbao.call("POST", "secret/delete/gone", {"versions": [2]})
    for ref in ("secret/gone", "secret/gone?version=2"):
        outcome, advice = told(vault, ref)
        assert outcome is Outcome.INACTIVE
        assert str(advice.detail).startswith("version 2 was deleted at 20")
    assert said(vault, "secret/gone?version=1") == {"key": "first"}


def test_a_destroyed_version_is_inactive(openbao: OpenBao, vault: VaultBackend) -> None:
    """And it is told that it is gone for good."""
    put(openbao, "secret", "burnt", key="value")
    openbao.call("PUT", "secret/destroy/burnt", {"versions": [1]})
    outcome, advice = told(vault, "secret/burnt")
    assert (outcome, advice.detail) == (Outcome.INACTIVE, "version 1 was destroyed")


@pytest.mark.parametrize("ref", ["{old}/app?version=1", "cubbyhole/app?version=1", "secret/app?version=newest"])
def test_a_version_that_cannot_be_is_invalid(vault: VaultBackend, old_kv: str, ref: str) -> None:
    """Another value than the pinned one is never given in its place."""
    assert said(vault, ref.format(old=old_kv)) is Outcome.INVALID


@pytest.mark.parametrize("metadata", [{"version": 3}, {}], ids=["another", "none"])
def test_an_answer_of_another_version_than_the_pinned_one_is_invalid(
    front: VaultFront, vault: VaultBackend, metadata: dict[str, object]
) -> None:
    """A pinned version is that version or an error. Version 0 is Vault's word for the newest."""
    with front.failing("secret/data/app", Reply(200, {"data": {"data": {"key": "newer"}, "metadata": metadata}})):
        outcome, advice = told(vault, "secret/app?version=2")
        assert said(vault, "secret/app?version=0") == {"key": "newer"}
    assert (outcome, advice.detail) == (Outcome.INVALID, "Vault answered with another version")


class Rabbit(LoopbackServer):
    """RabbitMQ's management API, as far as the engine that makes its users needs it."""

    def answer(self, request: Request) -> Reply:
        return Reply(201 if request.method == "PUT" else 204)


@pytest.fixture
def rabbit() -> Iterator[Rabbit]:
    with Rabbit() as server:
        yield server


def test_a_dynamic_engine_gives_a_lease(openbao: OpenBao, vault: VaultBackend, rabbit: Rabbit) -> None:
    """Credentials are made by a plain read, once, and the lease that comes with them is kept."""
    openbao.mount("rabbitmq", "rabbitmq")
    connection = {"connection_uri": rabbit.url, "username": "a", "password": "b", "verify_connection": False}
    openbao.call("POST", "rabbitmq/config/connection", connection)
    openbao.call("POST", "rabbitmq/config/lease", {"ttl": 600, "max_ttl": 3600})
    openbao.call("POST", "rabbitmq/roles/app", {"tags": "management"})
    answer = value(vault, "rabbitmq/creds/app")
    assert set(answer.raw) == {"username", "password"}
    assert isinstance(answer.lease, Lease)
    assert answer.lease.id.startswith("rabbitmq/creds/app/")
    assert (answer.lease.seconds, answer.lease.renewable) == (600.0, True)
    assert sum(request.method == "PUT" for request in rabbit.log) == 1


def test_a_static_secret_has_no_lease(openbao: OpenBao, vault: VaultBackend, old_kv: str) -> None:
    """KV version 1 answers with a duration, which promises nothing."""
    openbao.call("POST", f"{old_kv}/app", {"key": "value"})
    assert value(vault, f"{old_kv}/app").lease is None


def test_a_role_that_a_dynamic_engine_does_not_know_is_missing(openbao: OpenBao, vault: VaultBackend) -> None:
    """The engine says so with 400."""
    openbao.mount("database", "database")
    outcome, advice = told(vault, "database/creds/nobody")
    assert (outcome, advice.detail) == (Outcome.MISSING, "the engine knows no such role")


def test_what_is_no_engine_is_read_all_the_same(vault: VaultBackend) -> None:
    """The server names another mount for it, or none: then it is read as it stands."""
    answer = said(vault, "auth/token/lookup-self")
    assert isinstance(answer, dict)
    assert answer["policies"] == ["root"]


def test_what_is_only_written_cannot_be_read(openbao: OpenBao, vault: VaultBackend) -> None:
    """A path that makes something out of what is sent to it is INVALID as a ref."""
    openbao.mount("pki", "pki")
    outcome, advice = told(vault, "pki/issue/web")
    assert (outcome, advice.detail) == (Outcome.INVALID, "this path cannot be read (405)")


# what one may not read


@pytest.fixture
def reader(openbao: OpenBao, front: VaultFront, old_kv: str) -> VaultBackend:
    """A backend that may read two secrets, and no more."""
    put(openbao, "secret", "mine", key="new")
    put(openbao, "secret", "theirs", key="new")
    openbao.call("POST", f"{old_kv}/mine", {"key": "old"})
    paths = ("secret/data/mine", f"{old_kv}/mine", "cubbyhole/*")
    token = openbao.token_for("\n".join(f'path "{path}" {{ capabilities = ["read"] }}' for path in paths))
    return VaultBackend({"VAULT_ADDR": front.url, "VAULT_TOKEN": token})


@pytest.mark.parametrize("ref", ["secret/theirs", "secret/absent", "nowhere/theirs"])
def test_what_policy_forbids_is_denied(reader: VaultBackend, ref: str) -> None:
    """It may be absent as well: the server does not tell, and nor do we. The hint names the path for the policy."""
    outcome, advice = told(reader, ref)
    assert (outcome, advice.detail) == (Outcome.DENIED, "denied, or absent and hidden by policy")
    assert ref.rpartition("/")[2] in str(advice.hint)
    assert said(reader, "secret/mine") == {"key": "new"}


HIDDEN = {"denied": refusal(403, "permission denied"), "unknown": refusal(404), "refused": refusal(405)}


@pytest.mark.parametrize("answer", HIDDEN.values(), ids=HIDDEN)
def test_without_the_right_to_see_mounts_reading_goes_on(
    front: VaultFront, reader: VaultBackend, old_kv: str, answer: Reply
) -> None:
    """Where a gateway lets nobody ask what is mounted, the answers to reads tell it."""
    front.fail(MOUNTS, answer)
    assert said(reader, "secret/mine") == {"key": "new"}
    assert said(reader, f"{old_kv}/mine") == {"key": "old"}
    assert [said(reader, f"{mount}/mine?version=1") for mount in ("secret", old_kv)] == [
        {"key": "new"},
        Outcome.INVALID,
    ]
    assert said(reader, "secret/theirs") is Outcome.DENIED
    assert said(reader, "cubbyhole/absent") is Outcome.MISSING
    before = len(front.log)
    assert said(reader, "secret/mine") == {"key": "new"}
    assert len(front.log) - before == 1


@pytest.mark.parametrize("answer", HIDDEN.values(), ids=HIDDEN)
def test_without_the_right_to_see_mounts_root_reads_kv(
    openbao: OpenBao, front: VaultFront, vault: VaultBackend, answer: Reply
) -> None:
    """A plain read of KV version 2 is answered with a warning, from which its version is known."""
    put(openbao, "secret", "warned", key="value")
    front.fail(MOUNTS, answer)
    assert said(vault, "secret/warned") == {"key": "value"}
    assert said(vault, "secret/absent") is Outcome.MISSING
    assert said(vault, "nowhere/absent") is Outcome.MISSING


def test_an_engine_that_has_got_versions_is_read_on(openbao: OpenBao, vault: VaultBackend, old_kv: str) -> None:
    """KV version 1 can be made version 2 under a running program."""
    openbao.call("POST", f"{old_kv}/app", {"key": "value"})
    before = said(vault, f"{old_kv}/app")
    openbao.call("POST", f"sys/mounts/{old_kv}/tune", {"options": {"version": "2"}})
    put(openbao, old_kv, "app", key="newer")
    assert (before, said(vault, f"{old_kv}/app")) == ({"key": "value"}, {"key": "newer"})
    assert said(vault, f"{old_kv}/absent") is Outcome.MISSING


def test_namespaces_are_kept_apart(openbao: OpenBao, front: VaultFront) -> None:
    """By the variable or by the ref; each has mounts of its own."""
    for name in ("red", "blue"):
        openbao.call("PUT", f"sys/namespaces/{name}")
        openbao.mount("kv", namespace=name)
        openbao.call("POST", "kv/data/app", {"data": {"key": name}}, namespace=name)
    vault = VaultBackend({**front.environ, "VAULT_NAMESPACE": "red"})
    answers = [getattr(answer, "raw", answer) for answer in fetch(vault, ["kv/app", "kv/app?namespace=blue"])]
    assert answers == [{"key": "red"}, {"key": "blue"}]
    assert said(VaultBackend(front.environ), "kv/app") is Outcome.MISSING
