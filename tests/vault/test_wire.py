"""A server that fails, an answer that is none, a network that breaks, and where requests do not go."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from secretsource.backend import Advice, Outcome
from secretsource.backends.vault import WORKERS, VaultBackend
from secretsource.clock import Deadline
from secretsource.errors import ConfigurationError
from tests.servers.faultproxy import FaultProxy
from tests.servers.loopback import LoopbackServer, Reply, Request
from tests.servers.openbao import OpenBao, configured, free_port
from tests.servers.vaultfront import EMPTY, HTML, THROTTLED, VaultFront, refusal
from tests.vault.asking import fetch, said, told

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def app(openbao: OpenBao) -> None:
    """A secret that is there."""
    openbao.call("POST", "secret/data/app", {"data": {"key": "value"}})


@pytest.fixture
def vault(front: VaultFront) -> VaultBackend:
    """A backend that is root."""
    return VaultBackend(front.environ)


# what a server says


@pytest.mark.parametrize(
    ("answer", "outcome", "words"),
    [
        (refusal(400, "something"), Outcome.INVALID, "invalid (400)"),
        (refusal(401), Outcome.UNAUTHENTICATED, "not logged in (401)"),
        (refusal(405), Outcome.INVALID, "cannot be read (405)"),
        (refusal(412), Outcome.UNAVAILABLE, "behind the others (412)"),
        (refusal(418), Outcome.UNAVAILABLE, "an error of the server (418)"),
        (refusal(429), Outcome.THROTTLED, "too many requests (429)"),
        (refusal(472), Outcome.UNAVAILABLE, "disaster recovery secondary (472)"),
        (refusal(473), Outcome.UNAVAILABLE, "performance standby that cannot answer this (473)"),
        (refusal(500), Outcome.UNAVAILABLE, "an error of the server (500)"),
        (refusal(501), Outcome.UNAVAILABLE, "not initialised (501)"),
        (refusal(502), Outcome.UNAVAILABLE, "gets no answer from the Vault (502)"),
        (refusal(503), Outcome.UNAVAILABLE, "down, or not ready yet (503)"),
        (refusal(504), Outcome.UNAVAILABLE, "in time (504)"),
        (Reply(503, b"<html>back soon</html>"), Outcome.UNAVAILABLE, "(503)"),
    ],
)
def test_each_status_has_its_outcome(
    front: VaultFront, vault: VaultBackend, answer: Reply, outcome: Outcome, words: str
) -> None:
    """None of them is MISSING, and what is said of it names the status."""
    with front.failing("secret/data/app", answer):
        came_to, advice = told(vault, "secret/app")
    assert came_to is outcome
    assert words in str(advice.detail)
    assert said(vault, "secret/app") == {"key": "value"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTML, "not JSON (line 1, column 1) (text/html)"),
        (EMPTY, "an empty answer"),
        (Reply(204), "an empty answer"),
        (Reply(200, b'{"data": {"data": {"key": "val', JSON), "not JSON"),
        (Reply(200, b"[1, 2]", JSON), "not an object"),
        (Reply(200, b"null", JSON), "not an object"),
        (Reply(200, b'{"data": null}', JSON), "no key and value pairs"),
        (Reply(200, b'{"data": {"data": "text", "metadata": {}}}', JSON), "no key and value pairs"),
        (Reply(200, b'{"data": {"data": null, "metadata": {}}}', JSON), "no key and value pairs"),
        (Reply(200, b'{"data": {"data": {"a": 1}, "metadata": []}}', JSON), "no key and value pairs"),
        (Reply(200, b'{"data": {"data": {"a": 1, "a": 2}, "metadata": {}}}', JSON), "a key given twice"),
        (Reply(200, b'{"data": {"data": {"a": NaN}, "metadata": {}}}', JSON), "NaN"),
        (Reply(200, b'{"data":' + b"[" * 20_000 + b"]" * 20_000 + b"}", JSON), "deeper than 32"),
        (Reply(200, json.dumps({"data": {"key": "x" * 2**21}}).encode(), JSON), "larger than 1 MiB"),
    ],
)  # fmt: skip
def test_a_200_that_is_no_secret_is_invalid(front: VaultFront, vault: VaultBackend, answer: Reply, words: str) -> None:
    """HTML, nothing, half of it, another type: never an empty value, never MISSING."""
    with front.failing("secret/data/app", answer):
        outcome, advice = told(vault, "secret/app")
    assert outcome is Outcome.INVALID
    assert words in str(advice.detail)


@pytest.mark.parametrize("where", ["secret/data/app", "."], ids=["the read", "every question"])
@pytest.mark.parametrize(
    "answer",
    [
        Reply(404, b"<html>404 Not Found</html>", {"Content-Type": "text/html"}),
        Reply(404),
        Reply(404, {"message": "no Route matched with those values"}),
        Reply(404, {"errors": "not found"}),
        Reply(404, ["not found"]),
    ],
    ids=["page", "nothing", "gateway", "text", "list"],
)
def test_a_404_that_is_not_vault_s_is_invalid(
    front: VaultFront, vault: VaultBackend, answer: Reply, where: str
) -> None:
    """A wrong address or a gateway does not make a secret absent, so that a default would be taken."""
    with front.failing(where, answer):
        outcome, advice = told(vault, "secret/app")
    assert (outcome, advice.detail) == (Outcome.INVALID, "the 404 is not one of Vault's")
    assert "VAULT_ADDR" in str(advice.hint)


def test_a_huge_answer_is_not_read_to_its_end(front: VaultFront, vault: VaultBackend) -> None:
    """What is over the limit is INVALID as soon as that is seen, before the connection breaks further on."""
    with front.failing("secret/data/app", Reply(200, b"x" * 2**22, JSON, cut=True, keep=2**21)):
        assert said(vault, "secret/app") is Outcome.INVALID


def test_the_time_that_a_throttling_server_names_is_kept(front: VaultFront, vault: VaultBackend) -> None:
    """Retry-After is the core's to obey, in seconds or as a date; what is neither is left out."""
    soon = datetime.now(UTC) + timedelta(seconds=20)
    front.fail("secret/data/app", THROTTLED, times=1)
    assert told(vault, "secret/app")[1].retry_after == 7
    front.fail("secret/data/app", refusal(503, Retry_After="2"), times=1)
    assert told(vault, "secret/app")[1].retry_after == 2
    front.fail("secret/data/app", refusal(503, Retry_After=format_datetime(soon, usegmt=True)), times=1)
    assert 15 < (told(vault, "secret/app")[1].retry_after or 0) <= 20
    front.fail("secret/data/app", refusal(429, Retry_After="tomorrow"), times=1)
    assert told(vault, "secret/app")[1].retry_after is None


def test_a_rate_limit_quota_throttles(own_openbao: OpenBao) -> None:
    """OpenBao's own 429, with the time that it names where it is told to."""
    own_openbao.call("POST", "kv/data/app", {"data": {"key": "value"}})
    own_openbao.call("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": True})
    own_openbao.call("POST", "sys/quotas/rate-limit/low", {"path": "kv/", "rate": 1, "interval": "60s"})
    answers = [told_or_none(VaultBackend(own_openbao.environ), "kv/app") for _ in range(3)]
    throttled = [advice for outcome, advice in filter(None, answers) if outcome is Outcome.THROTTLED]
    assert throttled
    assert 0 < (throttled[-1].retry_after or 0) <= 60


def told_or_none(vault: VaultBackend, ref: str) -> tuple[Outcome, Advice] | None:
    (answer,) = fetch(vault, [ref])
    return (vault.classify(answer), vault.advise(answer)) if isinstance(answer, Exception) else None


def test_a_sealed_server_is_unavailable(own_openbao: OpenBao) -> None:
    """With a hint; and when it is unsealed, the same backend reads on."""
    own_openbao.call("POST", "kv/data/app", {"data": {"key": "value"}})
    vault = VaultBackend(own_openbao.environ)
    before = said(vault, "kv/app")
    own_openbao.seal()
    for backend in (vault, VaultBackend(own_openbao.environ)):
        outcome, advice = told(backend, "kv/app")
        assert outcome is Outcome.UNAVAILABLE
        assert "unseal it" in str(advice.hint)
    own_openbao.unseal()
    assert (before, said(vault, "kv/app")) == ({"key": "value"}, {"key": "value"})


def test_a_server_without_keys_is_unavailable(tmp_path: Path) -> None:
    """One that was never initialised is no place where a secret is missing."""
    with configured(tmp_path, tls=False, initialise=False) as server:
        assert said(VaultBackend(server.environ), "kv/app") is Outcome.UNAVAILABLE


def test_a_restarted_server_is_found_again(tmp_path: Path) -> None:
    """The connections of before are dead; the same backend, with the same token, makes new ones."""
    with configured(tmp_path, tls=False, storage="raft") as server:
        server.mount("kv")
        server.call("POST", "kv/data/app", {"data": {"key": "value"}})
        vault = VaultBackend(server.environ)
        before = said(vault, "kv/app")
        server.restart()
        sealed = said(vault, "kv/app")
        server.unseal()
        assert (before, sealed, said(vault, "kv/app")) == ({"key": "value"}, Outcome.UNAVAILABLE, {"key": "value"})


# where a request does not go


class Elsewhere(LoopbackServer):
    """Another host, which must not be spoken to."""

    def answer(self, request: Request) -> Reply:
        return Reply(200, {"data": {"data": {"key": "forged"}, "metadata": {}}})


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with Elsewhere() as server:
        yield server


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(301, Outcome.INVALID), (302, Outcome.INVALID), (307, Outcome.UNAVAILABLE), (308, Outcome.INVALID)],
)
def test_a_redirect_is_not_followed(
    front: VaultFront, vault: VaultBackend, elsewhere: Elsewhere, status: int, outcome: Outcome
) -> None:
    """The token would go along. A standby's 307 may pass; the others want another VAULT_ADDR."""
    with front.failing("secret/data/app", Reply(status, b"", {"Location": f"{elsewhere.url}/v1/secret/data/app"})):
        came_to, advice = told(vault, "secret/app")
    assert came_to is outcome
    assert "VAULT_ADDR" in str(advice.hint)
    assert elsewhere.log == []


def test_no_netrc_is_read(
    front: VaultFront, vault: VaultBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password for that host stays where it is."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password not-a-real-secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    said(vault, "secret/app")
    assert front.log
    assert all("authorization" not in request.headers for request in front.log)


def test_every_request_says_that_it_is_meant_for_a_vault(front: VaultFront, vault: VaultBackend) -> None:
    """An Agent may ask for this header, as a request that was smuggled through another program has none."""
    said(vault, "secret/app")
    assert {request.headers.get("x-vault-request") for request in front.log} == {"true"}


# proxies


class ForwardProxy(LoopbackServer):
    """An HTTP proxy, as far as it has to be seen at work."""

    def answer(self, request: Request) -> Reply:
        return Reply(200, {"data": {"key": "through the proxy"}})


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    with ForwardProxy() as server:
        yield server


OUTSIDE = "http://vault.test:8200"


@pytest.mark.parametrize("name", ["VAULT_HTTP_PROXY", "VAULT_PROXY_ADDR", "HTTP_PROXY", "http_proxy"])
def test_a_proxy_is_gone_through(proxy: ForwardProxy, name: str) -> None:
    """Vault's own variables and the general ones name it."""
    vault = VaultBackend({"VAULT_ADDR": OUTSIDE, "VAULT_TOKEN": "t", name: proxy.url})
    assert said(vault, "kv/app") == {"key": "through the proxy"}
    assert proxy.log[-1].headers["host"] == "vault.test:8200"


def test_a_proxy_may_want_a_login(proxy: ForwardProxy) -> None:
    """It is in the proxy's address, and goes to the proxy."""
    url = proxy.url.replace("//", "//me:not-a-real-secret@")
    said(VaultBackend({"VAULT_ADDR": OUTSIDE, "VAULT_TOKEN": "t", "VAULT_PROXY_ADDR": url}), "kv/app")
    assert proxy.log[-1].headers["proxy-authorization"].startswith("Basic ")


@pytest.mark.parametrize("exempt", ["*", "vault.test", ".test", "*.test", "other.test, vault.test:8200", "VAULT.TEST"])
def test_no_proxy_is_honoured(proxy: ForwardProxy, exempt: str, reached: list[str]) -> None:
    """What NO_PROXY exempts is asked directly."""
    vault = VaultBackend({"VAULT_ADDR": OUTSIDE, "VAULT_TOKEN": "t", "HTTP_PROXY": proxy.url, "NO_PROXY": exempt})
    assert said(vault, "kv/app") is Outcome.UNAVAILABLE
    assert (proxy.log, bool(reached)) == ([], True)
    reached.clear()


@pytest.mark.parametrize("exempt", ["", "est", "lt.test", "vault.test:443", "10.0.0.0/8", "other.test"])
def test_no_proxy_exempts_no_more_than_it_says(proxy: ForwardProxy, exempt: str) -> None:
    """Another domain, another port, another network."""
    vault = VaultBackend({"VAULT_ADDR": OUTSIDE, "VAULT_TOKEN": "t", "HTTP_PROXY": proxy.url, "NO_PROXY": exempt})
    assert said(vault, "kv/app") == {"key": "through the proxy"}


def test_networks_can_be_exempt(proxy: ForwardProxy, reached: list[str]) -> None:
    """An address in a network that NO_PROXY lists is asked directly."""
    names = {"VAULT_ADDR": "http://10.1.2.3:8200", "VAULT_TOKEN": "t", "HTTP_PROXY": proxy.url}
    assert said(VaultBackend(names), "kv/app") == {"key": "through the proxy"}
    assert said(VaultBackend({**names, "NO_PROXY": "10.0.0.0/8"}), "kv/app") is Outcome.UNAVAILABLE
    reached.clear()


def test_loopback_goes_through_no_general_proxy(front: VaultFront, proxy: ForwardProxy) -> None:
    """As with Vault's CLI: only its own variables send loopback through a proxy."""
    assert said(VaultBackend({**front.environ, "HTTP_PROXY": proxy.url}), "secret/app") == {"key": "value"}
    assert said(VaultBackend({**front.environ, "VAULT_HTTP_PROXY": proxy.url}), "kv/app") == {
        "key": "through the proxy"
    }


def test_a_proxy_that_is_not_there_is_unavailable() -> None:
    """And the hint names the variables."""
    address = f"127.0.0.1:{free_port()}"
    outcome, advice = told(VaultBackend({"VAULT_ADDR": "https://vault.test", "VAULT_PROXY_ADDR": address}), "kv/app")
    assert outcome is Outcome.UNAVAILABLE
    assert "VAULT_PROXY_ADDR" in str(advice.hint)


@pytest.mark.parametrize(
    "names",
    [
        {"VAULT_ADDR": "127.0.0.1:8200"},
        {"VAULT_ADDR": OUTSIDE, "VAULT_PROXY_ADDR": "socks5://127.0.0.1:1"},
        {"VAULT_ADDR": OUTSIDE, "VAULT_PROXY_ADDR": "http://[::1"},
        {"VAULT_ADDR": OUTSIDE, "HTTP_PROXY": "127.0.0.1:99999"},
    ],
)
def test_an_address_that_makes_no_sense_is_a_configuration_error(names: dict[str, str]) -> None:
    """It is found before anything is asked."""
    (answer,) = fetch(VaultBackend(names), ["kv/app"])
    assert isinstance(answer, ConfigurationError)


# a network that breaks


@pytest.fixture
def net(openbao: OpenBao) -> Iterator[FaultProxy]:
    with FaultProxy(f"127.0.0.1:{openbao.port}") as proxy:
        yield proxy


@pytest.fixture
def far_vault(net: FaultProxy) -> VaultBackend:
    """A backend that comes through a network that can break, connected already."""
    backend = VaultBackend({"VAULT_ADDR": net.url(), "VAULT_TOKEN": "root"})
    assert said(backend, "secret/app") == {"key": "value"}
    return backend


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("reset", "the connection was cut"),
        ("close", "the connection was cut"),
        ("cut", "the connection was cut"),
        ("refuse", "no connection"),
    ],
)
def test_a_broken_connection_is_unavailable(net: FaultProxy, far_vault: VaultBackend, kind: str, words: str) -> None:
    """Cut before, in the middle, or never made; and then all is well again."""
    with net.fault(kind):  # type: ignore[arg-type]  # a parameter is a str
        outcome, advice = told(far_vault, "secret/app")
    assert outcome is Outcome.UNAVAILABLE
    assert words in str(advice.detail)
    assert said(far_vault, "secret/app") == {"key": "value"}


def test_silence_ends_with_the_deadline(net: FaultProxy, far_vault: VaultBackend) -> None:
    """A server that never answers is given no more time than there is."""
    with net.fault("blackhole"):
        start = time.monotonic()
        outcome, advice = told(far_vault, "secret/app", Deadline(0.3))
    assert (outcome, advice.detail) == (Outcome.UNAVAILABLE, "no answer in time")
    assert time.monotonic() - start < 1


def test_a_connection_that_died_in_idleness_is_replaced(net: FaultProxy, far_vault: VaultBackend) -> None:
    """A peer that forgets what is idle costs a new connection, no error."""
    net.kill_connections()
    assert said(far_vault, "secret/app") == {"key": "value"}


def test_connections_are_kept(net: FaultProxy, far_vault: VaultBackend) -> None:
    """The next read uses the connection of the last."""
    for _ in range(5):
        said(far_vault, "secret/app")
    assert net.connections == 1


def test_many_reads_share_few_connections(net: FaultProxy, far_vault: VaultBackend) -> None:
    """As many as read at once, and the next load opens none."""
    net.latency = 0.005
    refs = [f"secret/absent{number}" for number in range(100)]
    fetch(far_vault, refs)
    opened = net.connections
    fetch(far_vault, refs)
    assert net.connections == opened <= WORKERS < len(refs)
