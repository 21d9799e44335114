"""Answers with status 200 that Vault would not give: JSON of a wrong type in each place where something is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from secretsource.backend import Lease, Outcome
from secretsource.backends.vault import VaultBackend
from secretsource.errors import ConfigurationError
from secretsource.ref import Ref
from tests.servers.loopback import LoopbackServer, Reply, Request
from tests.servers.vaultfront import HTML, refusal
from tests.vault.asking import HandClock, fetch, said, told, value

CANARY = "not-a-real-secret"
AUTH = {"client_token": "made-for-this-test", "lease_duration": 3600, "renewable": True}
MOUNT = {"path": "kv/", "type": "kv", "options": {"version": "2"}}
METADATA = {"version": 3, "created_time": "2026-01-01T00:00:00.123456789Z", "deletion_time": ""}
LEASE = {"lease_id": "creds/1", "lease_duration": 60, "renewable": True}
LOGIN, RENEW, LOOK_UP = "auth/approle/login", "auth/token/renew-self", "auth/token/lookup-self"
MOUNTS, KV, USER, UNWRAP = "sys/internal/ui/mounts/kv", "kv/data/app", "database/creds/app", "sys/wrapping/unwrap"


def raw(text: str) -> Reply:
    return Reply(200, text.encode(), {"Content-Type": "application/json"})


def login(**changes: object) -> Reply:
    return Reply(200, {"auth": {**AUTH, **changes}})


def mount(**changes: object) -> Reply:
    return Reply(200, {"data": {**MOUNT, **changes}})


def kv(**changes: object) -> Reply:
    return Reply(200, {"data": {"data": {"key": CANARY}, "metadata": {**METADATA, **changes}}})


def user(**changes: object) -> Reply:
    return Reply(200, {**LEASE, "data": {"password": CANARY}, **changes})


class ScriptedVault(LoopbackServer):
    """As much of a Vault as these tests need; they put other answers in the place of these."""

    answers = {  # noqa: RUF012 - nobody changes it
        LOOK_UP: Reply(200, {"data": {"ttl": 3600, "renewable": True}}),
        RENEW: login(),
        MOUNTS: mount(),
        KV: kv(),
        USER: user(),
        UNWRAP: Reply(200, {"data": {"secret_id": CANARY}}),
    }

    def answer(self, request: Request) -> Reply:
        path = request.path.removeprefix("/v1/")
        if path == LOGIN:
            return login(client_token=f"token-{len(self.log)}")
        known = next((reply for start, reply in self.answers.items() if path.startswith(start)), None)
        return known or refusal(403, "preflight capability check returned 403")


@pytest.fixture
def server() -> Any:
    with ScriptedVault() as server:
        yield server


def by_role(server: ScriptedVault, **names: str) -> VaultBackend:
    own = {"VAULT_ROLE_ID": "role", "VAULT_SECRET_ID": CANARY, "HOME": "/nonexistent"}
    return VaultBackend({"VAULT_ADDR": server.url, **own, **names})


def test_the_answers_are_good_as_they_are(server: ScriptedVault) -> None:
    """What the tests below change is a working server."""
    assert said(by_role(server), "kv/app") == {"key": CANARY}
    assert said(by_role(server), "database/creds/app") == {"password": CANARY}


def test_the_version_of_kv_may_come_as_a_number(server: ScriptedVault) -> None:
    """Vault itself gives a text."""
    server.fail(f"/v1/{MOUNTS}", mount(options={"version": 2}))
    assert said(by_role(server), "kv/app") == {"key": CANARY}


TOO_LONG = "9" * 400


@pytest.mark.parametrize(
    ("path", "ref", "reply", "words"),
    [
        (LOGIN, "kv/app", login(lease_duration=CANARY), "lease_duration in the answer to the login"),
        (LOGIN, "kv/app", login(lease_duration="3600"), "lease_duration in the answer to the login"),
        (LOGIN, "kv/app", login(lease_duration=[1]), "lease_duration in the answer to the login"),
        (LOGIN, "kv/app", login(lease_duration=True), "lease_duration in the answer to the login"),
        (LOGIN, "kv/app", login(lease_duration=-1), "lease_duration in the answer to the login"),
        (LOGIN, "kv/app", raw(json.dumps({"auth": AUTH}).replace("3600", TOO_LONG)), "lease_duration in the answer"),
        (LOGIN, "kv/app", login(renewable="yes"), "renewable in the answer to the login is neither true nor false"),
        (LOGIN, "kv/app", login(client_token=None), "no token in it"),
        (LOGIN, "kv/app", login(client_token=5), "no token in it"),
        (LOGIN, "kv/app", login(client_token="a\nb"), "no token in it"),
        (LOGIN, "kv/app", login(client_token="a\u20ac"), "no token in it"),
        (LOGIN, "kv/app", Reply(200, {"auth": [AUTH]}), "no token in it"),
        (LOGIN, "kv/app", Reply(200, {"auth": CANARY}), "no token in it"),
        (MOUNTS, "kv/app", Reply(200, {"data": [MOUNT]}), "data in the answer to what is mounted is no JSON object"),
        (MOUNTS, "kv/app", Reply(200, {}), "data in the answer to what is mounted is no JSON object"),
        (MOUNTS, "kv/app", mount(path=5), "path in the answer to what is mounted is no text"),
        (MOUNTS, "kv/app", mount(type=[]), "type in the answer to what is mounted is no text"),
        (MOUNTS, "kv/app", mount(options=[]), "options in the answer to what is mounted is no JSON object"),
        (MOUNTS, "kv/app", mount(options={"version": [2]}), "version in the answer to what is mounted is no text"),
        (KV, "kv/app", kv(version=CANARY), "version in the metadata is no whole number"),
        (KV, "kv/app", kv(version=[3]), "version in the metadata is no whole number"),
        (KV, "kv/app", raw(kv().wire().decode().partition("\r\n\r\n")[2].replace("3", TOO_LONG, 1)), "version in the"),
        (KV, "kv/app", kv(created_time=CANARY), "created_time in the metadata is no time"),
        (KV, "kv/app", kv(created_time=20260101), "created_time in the metadata is no text"),
        (KV, "kv/app", kv(created_time="0001-01-01T00:00:00+01:00"), "created_time in the metadata is no time"),
        (KV, "kv/app", kv(deletion_time=CANARY), "deletion_time in the metadata is no time"),
        (KV, "kv/app", Reply(200, {"data": {"data": [CANARY], "metadata": {}}}), "no key and value pairs"),
        (USER, "database/creds/app", user(lease_duration=CANARY), "lease_duration in the answer is no number"),
        (USER, "database/creds/app", user(lease_duration=-1), "lease_duration in the answer is no number"),
        (USER, "database/creds/app", user(lease_id=5), "lease_id in the answer is no text"),
        (USER, "database/creds/app", user(lease_id=["creds/1"]), "lease_id in the answer is no text"),
        (USER, "database/creds/app", user(renewable="yes"), "renewable in the answer is neither true nor false"),
        (USER, "database/creds/app", user(data=[CANARY]), "no key and value pairs"),
    ],
)  # fmt: skip
def test_json_of_a_wrong_type_is_invalid(server: ScriptedVault, path: str, ref: str, reply: Reply, words: str) -> None:
    """The text names the field and the answer that it is in, and nothing of what is there instead."""
    server.fail(f"/v1/{path}", reply)
    outcome, advice = told(by_role(server), ref)
    assert outcome is Outcome.INVALID
    assert words in str(advice.detail)
    assert CANARY not in repr(advice)


@pytest.mark.parametrize(
    "metadata",
    [{"version": CANARY, "destroyed": True}, {"destroyed": "yes"}, {"deletion_time": "0001-01-01T00:00:00+01:00"}],
)
def test_a_404_that_speaks_of_a_version_in_vain_is_invalid(server: ScriptedVault, metadata: dict[str, Any]) -> None:
    """What it says would be shown as the version's number, or read as a time."""
    server.fail(f"/v1/{KV}", Reply(404, {"data": {"data": None, "metadata": metadata}}))
    outcome, advice = told(by_role(server), "kv/app")
    assert (outcome, CANARY in repr(advice)) == (Outcome.INVALID, False)


ODD_TOKENS = [
    Reply(200, {"data": {"ttl": CANARY}}),
    Reply(200, {"data": {"ttl": 60, "renewable": "yes"}}),
    Reply(200, {"data": [1]}),
    Reply(200, {}),
    HTML,
]


@pytest.mark.parametrize("reply", ODD_TOKENS)
def test_a_question_about_a_token_that_is_not_answered_is_invalid(server: ScriptedVault, reply: Reply) -> None:
    """After a 403 it would tell an end from a denial; now nothing does."""
    server.fail(f"/v1/{KV}", refusal(403, "permission denied"))
    server.fail(f"/v1/{LOOK_UP}", reply)
    assert said(by_role(server), "kv/app") is Outcome.INVALID


@pytest.mark.parametrize("reply", ODD_TOKENS)
def test_a_lease_stands_where_nobody_tells_how_long_the_token_holds(server: ScriptedVault, reply: Reply) -> None:
    """The server that gave the lease will end it in time."""
    server.fail(f"/v1/{LOOK_UP}", reply)
    lease = value(by_role(server, VAULT_TOKEN="made-for-this-test"), "database/creds/app").lease
    assert lease is not None
    assert 59 < lease.seconds <= 60


@pytest.mark.parametrize("reply", [Reply(200, {"auth": None}), login(lease_duration=CANARY), Reply(204), HTML])
def test_a_renewal_that_is_none_prolongs_nothing(server: ScriptedVault, reply: Reply) -> None:
    """The token is used to its end, and then there is a new login: it has not become one that never ends."""
    server.fail(f"/v1/{RENEW}", reply)
    vault, clock = by_role(server), HandClock()
    for seconds in (0, 2500, 1200):
        clock.now += seconds
        assert said(vault, "kv/app", clock.deadline()) == {"key": CANARY}
    paths = [request.path for request in server.log]
    assert (paths.count(f"/v1/{RENEW}"), paths.count(f"/v1/{LOGIN}")) == (1, 2)


@pytest.mark.parametrize("changes", [{"lease_duration": CANARY}, {"renewable": 1}, {"lease_id": 5}])
def test_a_lease_s_renewal_that_is_none_fails(server: ScriptedVault, changes: dict[str, Any]) -> None:
    """It does not pass for one that has ended."""
    server.fail("/v1/sys/leases/renew", Reply(200, {**LEASE, **changes}))
    vault, clock = by_role(server), HandClock()
    with pytest.raises(Exception, match="in the answer") as caught:
        vault.renew_lease(Ref.parse("vault://database/creds/app"), Lease("creds/1", 60, True), clock.deadline())
    assert vault.classify(caught.value) is Outcome.INVALID


@pytest.mark.parametrize(
    ("reply", "outcome", "words"),
    [
        (Reply(200, {"data": [1]}), Outcome.INVALID, "data in the answer to the unwrapping is no JSON object"),
        (Reply(200, {"data": {"secret_id": 5}}), Outcome.INVALID, "secret_id in the answer to the unwrapping is no"),
        (Reply(200, {"data": {"token": CANARY}}), Outcome.UNAUTHENTICATED, "wraps is no secret id"),
    ],
)  # fmt: skip
def test_what_is_unwrapped_has_to_be_a_secret_id(
    server: ScriptedVault, reply: Reply, outcome: Outcome, words: str
) -> None:
    """Something else that was wrapped is a wrong credential; something else than an answer is INVALID."""
    server.fail(f"/v1/{UNWRAP}", reply)
    came_to, advice = told(by_role(server, VAULT_SECRET_ID="", VAULT_SECRET_ID_WRAPPED="wrapping-token"), "kv/app")
    assert came_to is outcome
    assert words in str(advice.detail)
    assert CANARY not in repr(advice)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"VAULT_TOKEN": f"{CANARY}\nx"}, "VAULT_TOKEN"),
        ({"VAULT_TOKEN": f"{CANARY}\u20ac"}, "VAULT_TOKEN"),
        ({"VAULT_NAMESPACE": "team\n1"}, "VAULT_NAMESPACE"),
        ({"VAULT_ADDR": "http://"}, "VAULT_ADDR"),
        ({"VAULT_ADDR": "http://[::1"}, "VAULT_ADDR"),
        ({"VAULT_ADDR": "http://127.0.0.1:99999"}, "VAULT_ADDR"),
        ({"VAULT_ADDR": "http://127.0.0.1:8200?x=1"}, "VAULT_ADDR"),
        ({"VAULT_ADDR": f"http://me:{CANARY}@127.0.0.1:8200"}, "VAULT_ADDR"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_wrong_before_anything_is_asked(
    server: ScriptedVault, names: dict[str, str], words: str
) -> None:
    """A line break at a token's end is the usual mishap; its text shows the variable, not the token."""
    (answer,) = fetch(by_role(server, **{"VAULT_TOKEN": "made-for-this-test", **names}), ["kv/app"])
    assert isinstance(answer, ConfigurationError)
    assert words in str(answer)
    assert CANARY not in str(answer)
    assert server.log == []
