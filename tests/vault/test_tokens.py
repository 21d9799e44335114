"""The life of a token: one login for everybody, renewed in time, made anew when it has ended, and no storm."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from secretsource.backend import Outcome
from secretsource.backends.vault import VaultBackend
from secretsource.clock import Deadline
from secretsource.testing.processes import Child
from tests.servers.loopback import CUT, Reply
from tests.servers.openbao import OpenBao
from tests.servers.vaultfront import THROTTLED, VaultFront, refusal
from tests.vault.asking import HandClock, fetch, said, told
from tests.vault.logins import POLICY, approle, prepare

APP = "secret/app"
FOUND = {"key": "value"}
LOGIN = "auth/approle/login"
RENEW = "auth/token/renew-self"
LOOK_UP = "auth/token/lookup-self"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def by_role(openbao: OpenBao, front: VaultFront, **options: Any) -> VaultBackend:
    """A backend that logs in as a role of its own."""
    return VaultBackend({"VAULT_ADDR": front.url, **approle(openbao, **options)})


def by_token(openbao: OpenBao, front: VaultFront, **options: object) -> tuple[VaultBackend, str]:
    """A backend that was handed a token."""
    prepare(openbao, "approle")
    answer = openbao.call("POST", "auth/token/create", {"policies": [POLICY], **options})
    token = str(answer["auth"]["client_token"])
    return VaultBackend({"VAULT_ADDR": front.url, "VAULT_TOKEN": token}), token


def tokens_in(front: VaultFront) -> list[str]:
    """The tokens that reads came with, in order, each once."""
    return list(dict.fromkeys(request.headers["x-vault-token"] for request in front.log if request.method == "GET"))


def test_many_threads_log_in_once(openbao: OpenBao, front: VaultFront) -> None:
    """A hundred secrets and eight threads: one login."""
    vault = by_role(openbao, front)
    start, found = threading.Barrier(8), []

    def read(number: int) -> None:
        start.wait(10)
        found.extend(fetch(vault, [f"secret/of{number}-{name}" for name in range(12)] + [APP])[-1:])

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [getattr(answer, "raw", answer) for answer in found] == [FOUND] * 8
    assert front.count(LOGIN) == 1


def test_a_login_is_good_in_the_namespaces_below(openbao: OpenBao, front: VaultFront) -> None:
    """VAULT_AUTH_NAMESPACE, else VAULT_NAMESPACE, is where to log in; a ref's namespace is where to read."""
    openbao.call("PUT", "sys/namespaces/above")
    openbao.call("PUT", "sys/namespaces/below", namespace="above")
    openbao.mount("kv", namespace="above/below")
    openbao.call("POST", "kv/data/app", {"data": FOUND}, namespace="above/below")
    openbao.call("POST", "sys/auth/approle", {"type": "approle"}, namespace="above")
    rules = {"policy": 'path "below/kv/*" {capabilities = ["read"]}'}
    openbao.call("PUT", "sys/policies/acl/below", rules, namespace="above")
    names = approle(openbao, namespace="above", token_policies="below")
    deep = {"VAULT_ADDR": front.url, **names, "VAULT_NAMESPACE": "above/below", "VAULT_AUTH_NAMESPACE": "above"}
    assert said(VaultBackend(deep), "kv/app") == FOUND
    by_ref = VaultBackend({"VAULT_ADDR": front.url, **names, "VAULT_NAMESPACE": "above"})
    assert said(by_ref, "kv/app?namespace=above/below") == FOUND
    assert said(by_ref, "kv/app") is Outcome.DENIED
    assert front.count(LOGIN) == 2
    assert said(VaultBackend({**deep, "VAULT_AUTH_NAMESPACE": ""}), "kv/app") is Outcome.UNAUTHENTICATED


# renewal


def test_a_token_is_renewed_at_two_thirds(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """Not before; and the renewal counts from its own moment on."""
    vault = by_role(openbao, front, token_ttl=60)
    renewals = []
    for seconds in (0, 39, 2, 38, 3):  # at 0, 39, 41, 79 and 82
        clock.now += seconds
        assert said(vault, APP, clock.deadline()) == FOUND
        renewals.append(front.count(RENEW))
    assert renewals == [0, 0, 1, 1, 2]
    assert (front.count(LOGIN), len(tokens_in(front))) == (1, 1)


def test_when_a_token_has_ended_there_is_one_new_login(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """It is not tried again, nor renewed."""
    vault = by_role(openbao, front, token_ttl=60)
    said(vault, APP, clock.deadline())
    clock.now += 61
    assert said(vault, APP, clock.deadline()) == FOUND
    assert (front.count(LOGIN), front.count(RENEW), len(tokens_in(front))) == (2, 0, 2)


def test_a_token_near_its_maximum_is_left_to_end(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """A renewal that gives a fraction of the first term is the last one; then comes a new login."""
    vault = by_role(openbao, front, token_ttl=60)
    said(vault, APP, clock.deadline())
    front.fail(RENEW, renewed(lease_duration=5, renewable=True), times=1)
    for seconds in (41, 4, 2):
        clock.now += seconds
        assert said(vault, APP, clock.deadline()) == FOUND
    assert (front.count(RENEW), front.count(LOGIN)) == (1, 2)


def renewed(**auth: object) -> Reply:
    return Reply(200, {"auth": {"client_token": "unused", **auth}})


def test_a_token_that_cannot_be_renewed_is_used_while_it_lasts(
    openbao: OpenBao, front: VaultFront, clock: HandClock
) -> None:
    """A batch token, for one."""
    vault = by_role(openbao, front, token_ttl=60, token_type="batch")
    for seconds in (0, 41, 18):
        clock.now += seconds
        assert said(vault, APP, clock.deadline()) == FOUND
    assert (front.count(RENEW), front.count(LOGIN)) == (0, 1)
    clock.now += 2
    assert said(vault, APP, clock.deadline()) == FOUND
    assert front.count(LOGIN) == 2


@pytest.mark.parametrize(
    "answer", [refusal(503), refusal(400, "lease is not renewable"), CUT], ids=["503", "400", "cut"]
)
def test_a_renewal_that_fails_stops_no_read(
    openbao: OpenBao, front: VaultFront, clock: HandClock, answer: Reply
) -> None:
    """The token still holds; the renewal is tried again later, not with every read."""
    vault = by_role(openbao, front, token_ttl=60)
    said(vault, APP, clock.deadline())
    clock.now += 41
    with front.failing(RENEW, answer):
        assert [said(vault, APP, clock.deadline()) for _ in range(3)] == [FOUND] * 3
    assert front.count(RENEW) == 1
    clock.now += 13
    assert said(vault, APP, clock.deadline()) == FOUND
    assert (front.count(RENEW), front.count(LOGIN)) == (2, 1)


def test_a_token_that_was_handed_over_is_renewed_too(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """How long it holds is asked at the second load, so that a program that loads once makes no request for it."""
    vault, _ = by_token(openbao, front, ttl="60s")
    counts = []
    for seconds in (0, 2, 37, 5):
        clock.now += seconds
        assert said(vault, APP, clock.deadline()) == FOUND
        counts.append((front.count(LOOK_UP), front.count(RENEW)))
    assert counts == [(0, 0), (1, 0), (1, 0), (1, 1)]


def test_a_root_token_is_left_alone(front: VaultFront, openbao: OpenBao, clock: HandClock) -> None:
    """It never ends."""
    prepare(openbao, "approle")
    vault = VaultBackend(front.environ)
    for seconds in (0, 2, 10**6, 10**6):
        clock.now += seconds
        assert said(vault, APP, clock.deadline()) == FOUND
    assert (front.count(LOOK_UP), front.count(RENEW)) == (1, 0)


# upkeep, for who does not read for a while


def test_a_token_is_kept_up_without_a_read(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """It says itself when it is due; nothing is asked before."""
    vault = by_role(openbao, front, token_ttl=60)
    assert vault.upkeep(clock.deadline()) is None
    said(vault, APP, clock.deadline())
    told = []
    for seconds in (0, 39, 2, 39, 1):
        clock.now += seconds
        told.append((vault.upkeep(clock.deadline()), front.count(RENEW)))
    assert told == [(40.0, 0), (1.0, 0), (40.0, 1), (1.0, 1), (40.0, 2)]
    assert front.count(LOGIN) == 1


def test_a_token_that_cannot_be_renewed_needs_no_upkeep(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """A login comes with the next read, if there is one."""
    vault = by_role(openbao, front, token_ttl=60, token_type="batch")
    said(vault, APP, clock.deadline())
    clock.now += 100
    assert vault.upkeep(clock.deadline()) is None
    assert front.count(LOGIN) == 1


def test_upkeep_of_a_handed_over_token_begins_with_a_question(
    openbao: OpenBao, front: VaultFront, clock: HandClock
) -> None:
    """For how long it holds."""
    vault, _ = by_token(openbao, front, ttl="60s")
    said(vault, APP, clock.deadline())
    assert vault.upkeep(clock.deadline()) == 1.0
    clock.now += 1
    assert 35 < float(vault.upkeep(clock.deadline()) or 0) <= 40
    assert (front.count(LOOK_UP), front.count(RENEW)) == (1, 0)


# the end of a token


def revoke(openbao: OpenBao, token: str) -> None:
    openbao.call("POST", "auth/token/revoke", {"token": token})


def test_a_revoked_token_leads_to_one_new_login(openbao: OpenBao, front: VaultFront) -> None:
    """However many reads it fails at once; none of them shows as an error."""
    vault = by_role(openbao, front)
    openbao.call("PUT", f"sys/policies/acl/{POLICY}", {"policy": 'path "secret/*" {capabilities = ["read"]}'})
    refs = [APP, *(f"secret/absent{number}" for number in range(30))]
    fetch(vault, refs)
    revoke(openbao, tokens_in(front)[0])
    answers = fetch(vault, refs)
    assert getattr(answers[0], "raw", answers[0]) == FOUND
    assert {vault.classify(error) for error in answers[1:] if isinstance(error, Exception)} == {Outcome.MISSING}
    assert (front.count(LOGIN), front.count(LOOK_UP)) == (2, 2)


def test_a_token_of_few_uses_is_replaced(openbao: OpenBao, front: VaultFront) -> None:
    """It ends without its time being over."""
    vault = by_role(openbao, front, token_num_uses=2)
    assert [said(vault, APP) for _ in range(3)] == [FOUND] * 3
    assert front.count(LOGIN) > 1


def test_a_revoked_token_that_was_handed_over_is_unauthenticated(openbao: OpenBao, front: VaultFront) -> None:
    """It is told apart from a denial, with what to set; and for a while the server is left in peace."""
    vault, token = by_token(openbao, front)
    before = said(vault, APP)
    revoke(openbao, token)
    outcome, advice = told(vault, APP)
    assert (before, outcome, advice.detail) == (FOUND, Outcome.UNAUTHENTICATED, "the token has ended or was revoked")
    asked = len(front.log)
    assert said(vault, APP) is Outcome.UNAUTHENTICATED
    assert len(front.log) == asked


def test_the_server_has_the_last_word_on_a_given_token(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """Past the end that was told, it is used as it is: somebody else may have prolonged it."""
    vault, _ = by_token(openbao, front, ttl="60s")
    for seconds in (0, 2, 100, 1):
        clock.now += seconds
        assert said(vault, APP, clock.deadline()) == FOUND
    assert (front.count(LOOK_UP), front.count(RENEW)) == (1, 0)


def test_a_token_file_that_has_changed_is_read_again(openbao: OpenBao, front: VaultFront, tmp_path: Path) -> None:
    """An Agent writes a new token into it when the old one ends."""
    _, first = by_token(openbao, front)
    _, second = by_token(openbao, front)
    sink = tmp_path / "sink"
    sink.write_text(first)
    vault = VaultBackend({"VAULT_ADDR": front.url, "VAULT_TOKEN_FILE": str(sink)})
    assert said(vault, APP) == FOUND
    revoke(openbao, first)
    sink.write_text(second)
    assert said(vault, APP) == FOUND


def test_a_denial_is_no_reason_to_log_in(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """A token that holds is asked about once for all that is read at one time, not for each secret that is denied."""
    vault = by_role(openbao, front)
    refs = [f"secret/theirs{number}" for number in range(30)]
    answers = fetch(vault, refs, clock.deadline())
    assert {vault.classify(error) for error in answers if isinstance(error, Exception)} == {Outcome.DENIED}
    assert (front.count(LOGIN), front.count(LOOK_UP)) == (1, 1)
    assert len(front.log) == len(refs) + 3  # and one for what is mounted
    assert said(vault, APP) == FOUND


def test_a_token_counts_as_alive_only_for_what_was_asked_before(
    openbao: OpenBao, front: VaultFront, clock: HandClock
) -> None:
    """A refusal of what was asked later leads to a new look at the token."""
    vault = by_role(openbao, front)
    counts = []
    for seconds in (0, 0, 0.1):
        clock.now += seconds
        assert said(vault, "secret/theirs", clock.deadline()) is Outcome.DENIED
        counts.append(front.count(LOOK_UP))
    assert (counts, front.count(LOGIN)) == ([1, 1, 2], 1)


def test_a_token_that_is_revoked_right_after_a_look_at_it_is_replaced(openbao: OpenBao, front: VaultFront) -> None:
    """That it held a moment ago is no reason to call the next refusal a denial; and so each time."""
    vault = by_role(openbao, front)
    for _ in range(2):
        assert said(vault, "secret/theirs") is Outcome.DENIED
        revoke(openbao, tokens_in(front)[-1])
        assert said(vault, APP) == FOUND
    assert front.count(LOGIN) == 3


@pytest.mark.parametrize(
    "answer",
    [refusal(400), refusal(404), refusal(405), Reply(404, b"<html>?</html>")],
    ids=["400", "404", "405", "page"],
)
def test_a_denial_stands_where_the_token_cannot_be_asked_about(
    openbao: OpenBao, front: VaultFront, answer: Reply
) -> None:
    """A gateway that hides the question does not turn it into another outcome, least of all MISSING."""
    vault = by_role(openbao, front)
    with front.failing(LOOK_UP, answer):
        assert said(vault, "secret/theirs") is Outcome.DENIED
    assert (said(vault, APP), front.count(LOGIN)) == (FOUND, 1)


def test_a_token_that_may_not_look_at_itself_is_replaced_once(openbao: OpenBao, front: VaultFront) -> None:
    """Without the default policy a denial looks like an end; the new token shows that it is none."""
    vault = by_role(openbao, front, token_no_default_policy=True)
    assert [said(vault, "secret/theirs") for _ in range(4)] == [Outcome.DENIED] * 4
    assert front.count(LOGIN) == 2
    assert said(vault, APP) == FOUND


def test_a_handed_over_token_that_may_not_look_at_itself_is_denied(openbao: OpenBao, front: VaultFront) -> None:
    """The server's words tell its denial from an end."""
    vault, _ = by_token(openbao, front, no_default_policy=True)
    assert said(vault, "secret/theirs") is Outcome.DENIED
    assert said(vault, APP) == FOUND


# no storm


def test_a_refused_login_is_not_tried_again_at_once(openbao: OpenBao, front: VaultFront, clock: HandClock) -> None:
    """A hundred secrets make one try; after half a minute there is another."""
    names = approle(openbao)
    vault = VaultBackend({"VAULT_ADDR": front.url, **names, "VAULT_SECRET_ID": "wrong"})
    refs = [f"secret/any{number}" for number in range(100)]
    answers = fetch(vault, refs, clock.deadline())
    assert {vault.classify(error) for error in answers if isinstance(error, Exception)} == {Outcome.UNAUTHENTICATED}
    clock.now += 29
    outcome, advice = told(vault, APP, clock.deadline())
    assert (outcome, advice.hint) == (Outcome.UNAUTHENTICATED, "no new try for 1 s")
    assert len(front.log) == front.count(LOGIN) == 1
    clock.now += 2
    assert said(vault, APP, clock.deadline()) is Outcome.UNAUTHENTICATED
    assert front.count(LOGIN) == 2


@pytest.mark.parametrize(
    ("answer", "outcome"), [(THROTTLED, Outcome.THROTTLED), (refusal(503, "Vault is sealed"), Outcome.UNAVAILABLE)]
)
def test_who_waits_for_a_login_shares_its_failure(
    openbao: OpenBao, front: VaultFront, answer: Reply, outcome: Outcome
) -> None:
    """A server that is down, or wants fewer requests, does not get one from each of fifty reads; the next load asks."""
    vault = by_role(openbao, front)
    front.latency = 0.2  # long enough for all of them to be there
    with front.failing(LOGIN, answer):
        answers = fetch(vault, [f"secret/any{number}" for number in range(50)])
    assert {vault.classify(error) for error in answers if isinstance(error, Exception)} == {outcome}
    assert front.count(LOGIN) == 1
    assert said(vault, APP) == FOUND


def test_a_login_that_hangs_holds_nobody_beyond_his_deadline(openbao: OpenBao, front: VaultFront) -> None:
    """The thread that waits for another's login waits no longer than it may."""
    vault = by_role(openbao, front)
    front.latency = 1.0
    slow = threading.Thread(target=said, args=(vault, APP), daemon=True)
    slow.start()
    while not front.log:
        pass
    begun = time.monotonic()
    outcome, advice = told(vault, APP, Deadline(0.1))
    assert (outcome, advice.detail) == (Outcome.UNAVAILABLE, "no answer in time")
    assert time.monotonic() - begun < 0.8
    front.latency = 0.0
    slow.join(20)
    assert front.count(LOGIN) == 1


def test_a_forked_child_logs_in_for_itself(openbao: OpenBao, front: VaultFront) -> None:
    """It shares no connection with its parent, and no lock; a wrapped secret id it remembers."""
    names = approle(openbao)
    wrapped = openbao.call("POST", "sys/wrapping/wrap", {"secret_id": names.pop("VAULT_SECRET_ID")}, wrap="60s")
    token = str(wrapped["wrap_info"]["token"])
    vault = VaultBackend({"VAULT_ADDR": front.url, **names, "VAULT_SECRET_ID_WRAPPED": token})
    assert said(vault, APP) == FOUND
    assert Child(lambda: json.dumps(said(vault, APP))).result(20) == json.dumps(FOUND)
    assert said(vault, APP) == FOUND
    assert (front.count(LOGIN), front.count("sys/wrapping/unwrap")) == (2, 1)


def test_no_token_is_shown(openbao: OpenBao, front: VaultFront, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a repr, not in a log: neither the token nor the secret id."""
    names = approle(openbao)
    vault = VaultBackend({"VAULT_ADDR": front.url, **names})
    with caplog.at_level("DEBUG"):
        assert said(vault, APP) == FOUND
    session = next(iter(vault._sessions._made.values()))
    keeper = session._keeper
    shown = [repr(vault), repr(session), repr(keeper), repr(keeper._grant), repr(keeper._credentials), caplog.text]
    for secret in (names["VAULT_SECRET_ID"], tokens_in(front)[0]):
        assert not [text for text in shown if secret in text]
