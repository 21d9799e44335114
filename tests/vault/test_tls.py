"""Whom `vault://` trusts over TLS: what Vault's own variables say, and nobody else."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from secretsource.backend import Outcome
from secretsource.backends.vault import VaultBackend
from tests.servers.connectproxy import ConnectProxy
from tests.servers.faultproxy import FaultProxy
from tests.servers.loopback import LoopbackServer, Reply, Request
from tests.servers.openbao import OpenBao, configured
from tests.vault.asking import fetch, said, told

FOUND = {"key": "value"}


@pytest.fixture(scope="module")
def server(openbao_tls: OpenBao) -> OpenBao:
    """The TLS server, with a secret; its certificate is for 127.0.0.1 and vault.test."""
    openbao_tls.mount("tls")
    openbao_tls.call("POST", "tls/data/app", {"data": FOUND})
    return openbao_tls


@pytest.fixture
def names(server: OpenBao) -> dict[str, str]:
    """A client's environment, as yet without anybody to trust."""
    return {"VAULT_ADDR": server.addr, "VAULT_TOKEN": server.token}


def test_a_private_authority_is_trusted_by_file(server: OpenBao, names: dict[str, str]) -> None:
    """VAULT_CACERT."""
    assert said(VaultBackend({**names, "VAULT_CACERT": str(server.ca)}), "tls/app") == FOUND


def test_a_private_authority_is_trusted_by_folder(server: OpenBao, names: dict[str, str], tmp_path: Path) -> None:
    """VAULT_CAPATH: every file in it, whatever it is called."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "another.txt"))
    (tmp_path / "ours").write_bytes(Path(str(server.ca)).read_bytes())
    assert said(VaultBackend({**names, "VAULT_CAPATH": str(tmp_path)}), "tls/app") == FOUND


def test_a_private_authority_is_trusted_by_text(server: OpenBao, names: dict[str, str]) -> None:
    """VAULT_CACERT_BYTES."""
    text = Path(str(server.ca)).read_text()
    assert said(VaultBackend({**names, "VAULT_CACERT_BYTES": text}), "tls/app") == FOUND


def test_openbao_s_name_for_a_variable_counts(server: OpenBao) -> None:
    """BAO_... where VAULT_... is not set."""
    names = {"BAO_ADDR": server.addr, "BAO_TOKEN": server.token, "BAO_CACERT": str(server.ca)}
    assert said(VaultBackend(names), "tls/app") == FOUND
    assert said(VaultBackend({**names, "VAULT_TOKEN": "wrong"}), "tls/app") is Outcome.UNAUTHENTICATED


def test_an_unknown_authority_is_not_trusted(names: dict[str, str], tmp_path: Path) -> None:
    """By default the system's are trusted; another private one is not ours."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    for trust in ({}, {"VAULT_CACERT": str(tmp_path / "other.pem")}):
        outcome, advice = told(VaultBackend({**names, **trust}), "tls/app")
        assert outcome is Outcome.UNAVAILABLE
        assert str(advice.detail).startswith("TLS: ")
        assert "VAULT_CACERT" in str(advice.hint)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_other_programs_variables_widen_no_trust(
    server: OpenBao, names: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    """Where VAULT_CACERT is set, it alone counts."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv(variable, str(server.ca))
    vault = VaultBackend({**names, "VAULT_CACERT": str(tmp_path / "other.pem")})
    assert said(vault, "tls/app") is Outcome.UNAVAILABLE


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_variables_of_requests_mean_nothing(
    server: OpenBao, names: dict[str, str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """They are not Vault's."""
    monkeypatch.setenv(variable, str(server.ca))
    assert said(VaultBackend(names), "tls/app") is Outcome.UNAVAILABLE


def test_the_server_has_to_be_who_it_is_meant_to_be(server: OpenBao, names: dict[str, str]) -> None:
    """Its certificate has to name the host, or what VAULT_TLS_SERVER_NAME says in its place."""
    trusting = {**names, "VAULT_CACERT": str(server.ca)}
    assert said(VaultBackend({**trusting, "VAULT_TLS_SERVER_NAME": "vault.test"}), "tls/app") == FOUND
    outcome, advice = told(VaultBackend({**trusting, "VAULT_TLS_SERVER_NAME": "other.test"}), "tls/app")
    assert outcome is Outcome.UNAVAILABLE
    assert "Hostname mismatch" in str(advice.detail)


@pytest.mark.parametrize("word", ["1", "t", "true", "TRUE"])
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_verifying_can_be_skipped(names: dict[str, str], word: str) -> None:
    """VAULT_SKIP_VERIFY, in the words that Vault's CLI takes for yes."""
    assert said(VaultBackend({**names, "VAULT_SKIP_VERIFY": word}), "tls/app") == FOUND


@pytest.mark.parametrize("word", ["0", "false", "no", ""])
def test_verifying_is_skipped_for_no_other_word(names: dict[str, str], word: str) -> None:
    """What is not yes is no."""
    assert said(VaultBackend({**names, "VAULT_SKIP_VERIFY": word}), "tls/app") is Outcome.UNAVAILABLE


class Plain(LoopbackServer):
    """A server that would answer, could it be trusted."""

    def answer(self, request: Request) -> Reply:
        return Reply(200, {"data": {"key": "value"}})


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return authority


def certificates(authority: trustme.CA) -> Iterator[tuple[str, trustme.LeafCert]]:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    yield "certificate has expired", authority.issue_cert("127.0.0.1", not_before=yesterday, not_after=yesterday)
    yield "IP address mismatch", authority.issue_cert("elsewhere.test")
    yield "self-signed certificate in certificate chain", trustme.CA().issue_cert("127.0.0.1")


@pytest.mark.parametrize("number", range(3), ids=["expired", "other host", "other authority"])
def test_a_certificate_that_is_not_good_is_refused(authority: trustme.CA, tmp_path: Path, number: int) -> None:
    """And the detail says why, in OpenSSL's words."""
    words, certificate = list(certificates(authority))[number]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with Plain(context) as server:
        names = {"VAULT_ADDR": f"https://127.0.0.1:{server.port}", "VAULT_CACERT": str(tmp_path / "ca.pem")}
        outcome, advice = told(VaultBackend(names), "kv/app")
    assert (outcome, server.log) == (Outcome.UNAVAILABLE, [])
    assert words in str(advice.detail) or "unable to get" in str(advice.detail)


def test_https_to_a_plain_server_is_unavailable(openbao: OpenBao) -> None:
    """And the other way round; neither is a missing secret."""
    names = {"VAULT_ADDR": openbao.addr.replace("http:", "https:"), "VAULT_TOKEN": "t"}
    outcome, advice = told(VaultBackend(names), "secret/app")
    assert outcome is Outcome.UNAVAILABLE
    assert "https" in str(advice.hint)


def test_http_to_a_tls_server_is_no_answer(server: OpenBao) -> None:
    """Go's TLS server says 400 in plain text to it."""
    names = {"VAULT_ADDR": server.addr.replace("https:", "http:"), "VAULT_TOKEN": "t"}
    assert said(VaultBackend(names), "tls/app") is Outcome.INVALID


@pytest.mark.parametrize("variable", ["VAULT_CACERT", "VAULT_CAPATH", "VAULT_CLIENT_CERT"])
def test_a_file_that_is_not_there_is_unavailable(names: dict[str, str], tmp_path: Path, variable: str) -> None:
    """With the variables to look at; nothing is sent."""
    outcome, advice = told(VaultBackend({**names, variable: str(tmp_path / "absent")}), "tls/app")
    assert (outcome, advice.detail) == (Outcome.UNAVAILABLE, "a TLS file cannot be used (FileNotFoundError)")
    assert variable in str(advice.hint)


def test_a_connect_proxy_carries_tls(server: OpenBao) -> None:
    """The proxy sees a host and a port, and TLS goes through it to the end."""
    with ConnectProxy({"vault.test": server.port}) as proxy:
        names = {"VAULT_ADDR": "https://vault.test:8200", "VAULT_TOKEN": server.token, "HTTPS_PROXY": proxy.url}
        assert said(VaultBackend({**names, "VAULT_CACERT": str(server.ca)}), "tls/app") == FOUND
        assert said(VaultBackend(names), "tls/app") is Outcome.UNAVAILABLE


def test_a_client_has_a_certificate_of_its_own(tmp_path: Path) -> None:
    """VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, where the listener wants one from everybody."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    ours = authority.issue_cert("client.test")
    ours.cert_chain_pems[0].write_to_path(str(tmp_path / "client.pem"))
    ours.private_key_pem.write_to_path(str(tmp_path / "client.key"))
    demand = f'tls_require_and_verify_client_cert = true\n tls_client_ca_file = "{tmp_path}/clients.pem"\n'
    with configured(tmp_path, listener=demand, client=(tmp_path / "client.pem", tmp_path / "client.key")) as server:
        certificate = {
            "VAULT_CLIENT_CERT": str(tmp_path / "client.pem"),
            "VAULT_CLIENT_KEY": str(tmp_path / "client.key"),
        }
        assert said(VaultBackend({**server.environ, **certificate}), "cubbyhole/absent") is Outcome.MISSING
        assert said(VaultBackend(server.environ), "cubbyhole/absent") is Outcome.UNAVAILABLE


def test_connections_over_tls_break_as_plain_ones_do(server: OpenBao, names: dict[str, str]) -> None:
    """A reset in the middle is UNAVAILABLE, and the next read is fine."""
    with FaultProxy(f"127.0.0.1:{server.port}") as net:
        vault = VaultBackend({**names, "VAULT_ADDR": net.url("https"), "VAULT_CACERT": str(server.ca)})
        assert said(vault, "tls/app") == FOUND
        with net.fault("reset"):
            assert said(vault, "tls/app") is Outcome.UNAVAILABLE
        net.kill_connections()
        assert [said(vault, "tls/app") for _ in range(2)] == [FOUND, FOUND]
        assert len(fetch(vault, [f"tls/absent{number}" for number in range(40)])) == 40
