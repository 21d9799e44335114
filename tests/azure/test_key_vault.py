"""What is asked of a vault, and what becomes of its answers."""

from __future__ import annotations

import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from secretsource.backend import DENIED_OR_HIDDEN, Outcome
from secretsource.backends.azure import KeyVaultBackend
from secretsource.errors import InvalidRef, MissingExtra
from secretsource.ref import Ref
from secretsource.testing.leaks import Canary, all_of
from tests.azure.asking import advice, failure, fetch, outcome, value
from tests.servers.azurecloud import AzureCloud
from tests.servers.connectproxy import CLOSED, HOLE
from tests.servers.entra import APP, TENANT
from tests.servers.keyvault import DOWN, FORBIDDEN, throttled, unauthorized
from tests.servers.loopback import Reply

DB = "azure-kv://myvault/db"
PAST, FUTURE = 1_577_836_800, 4_102_444_800  # 2020-01-01 and 2100-01-01


@pytest.fixture
def vault(azure: AzureCloud) -> AzureCloud:
    """The cloud, with a login in the environment and one secret in the vault."""
    os.environ.update(azure.login)
    azure.vault.put("db", "value")
    return azure


class TestWhere:
    def test_a_name_is_a_vault_of_the_public_cloud(self, vault: AzureCloud) -> None:
        """`pay-vault` is pay-vault.vault.azure.net, and a host is taken as it is."""
        vault.vault.put("db", "of the host", vault="other")
        answers = fetch(DB, "azure-kv://other.vault.azure.net/db", "azure-kv://MyVault/DB")
        assert [getattr(answer, "raw", answer) for answer in answers] == ["value", "of the host", "value"]

    def test_an_underscore_becomes_a_hyphen(self, vault: AzureCloud) -> None:
        """Key Vault allows no underscore in a name."""
        vault.vault.put("db-password", "value")
        assert value("azure-kv://myvault/db_password").raw == "value"

    @pytest.mark.parametrize(
        ("name", "host", "login"),
        [
            ("public", "myvault.vault.azure.net", "login.microsoftonline.com"),
            ("china", "myvault.vault.azure.cn", "login.chinacloudapi.cn"),
            ("AzureChinaCloud", "myvault.vault.azure.cn", "login.chinacloudapi.cn"),
            ("usgovernment", "myvault.vault.usgovcloudapi.net", "login.microsoftonline.us"),
            ("azureusgovernment", "myvault.vault.usgovcloudapi.net", "login.microsoftonline.us"),
        ],
    )
    def test_a_cloud_has_its_own_hosts(self, vault: AzureCloud, name: str, host: str, login: str) -> None:
        """`cloud=` decides where the vault is and who logs in; the names of `az cloud list` go too."""
        assert value(f"{DB}?cloud={name}").raw == "value"
        assert set(vault.proxy.asked) == {host, login}

    def test_a_host_tells_its_cloud(self, vault: AzureCloud) -> None:
        """Without `cloud=`, the vault's host name decides who logs in."""
        assert value("azure-kv://myvault.vault.azure.cn/db").raw == "value"
        assert "login.chinacloudapi.cn" in vault.proxy.asked

    def test_the_environment_names_the_login_server(self, vault: AzureCloud) -> None:
        """AZURE_AUTHORITY_HOST is azure-identity's own variable; `cloud=` in the ref beats it."""
        os.environ["AZURE_AUTHORITY_HOST"] = "https://login.microsoftonline.us"
        assert value(DB).raw == value(f"{DB}?cloud=public").raw == "value"
        logins = [host for host in vault.proxy.asked if host.startswith("login.")]
        assert logins == ["login.microsoftonline.us", "login.microsoftonline.com"]

    def test_an_unknown_cloud_is_refused_with_the_known_ones(self, vault: AzureCloud) -> None:
        """It is a mistake in the declaration, found before anything is asked."""
        with pytest.raises(InvalidRef, match=r"'mars'.*public.*AzureChinaCloud.*usgovernment"):
            KeyVaultBackend().identity(Ref.parse(f"{DB}?cloud=mars"))
        assert isinstance(failure(f"{DB}?cloud=mars"), InvalidRef)
        assert vault.proxy.asked == []

    @pytest.mark.parametrize("version", ["..", "a/b", "a?b", "%2e%2e"])
    def test_a_version_leads_nowhere_else(self, vault: AzureCloud, version: str) -> None:
        """What is no version never becomes a part of an address."""
        ref = Ref("azure-kv", "myvault/db", {"version": version})
        with pytest.raises(InvalidRef, match="letters and digits"):
            KeyVaultBackend().identity(ref)

    def test_identity_is_vault_and_login(self, vault: AzureCloud) -> None:
        """Two vaults, two tenants, two apps: never one cache entry. The secret that logs in is not in it."""
        backend, ref = KeyVaultBackend(), Ref.parse(DB)
        before = backend.identity(ref)
        assert before == KeyVaultBackend().identity(ref)
        assert before != backend.identity(Ref.parse("azure-kv://other/db"))
        assert os.environ["AZURE_CLIENT_SECRET"] not in repr(before)
        for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_TOKEN_CREDENTIALS"):
            os.environ[name] = "another"
            assert backend.identity(ref) != before
            before = backend.identity(ref)
        assert vault.proxy.asked == []


class TestWhatComes:
    def test_the_store_s_own_words_come_along(self, vault: AzureCloud) -> None:
        """Version, creation, expiry and content type are told."""
        version = vault.vault.put("db", "value", exp=FUTURE, created=PAST, content_type="text/plain")
        answer = value(DB)
        assert (answer.version, answer.warning, answer.content_type) == (version, None, "text/plain")
        assert answer.created == datetime.fromtimestamp(PAST, UTC)
        assert answer.expires == datetime.fromtimestamp(FUTURE, UTC)

    @pytest.mark.parametrize(
        ("times", "warning"),
        [
            ({"exp": PAST}, "expired on 2020-01-01"),
            ({"nbf": FUTURE}, "not valid before 2100-01-01"),
            ({"nbf": PAST}, None),
        ],
    )
    def test_validity_warns_and_stops_nothing(
        self, vault: AzureCloud, times: dict[str, Any], warning: str | None
    ) -> None:
        """Key Vault hands out what has expired or is not valid yet, and so do we, with a warning."""
        vault.vault.put("db", "new value", **times)
        answer = value(DB)
        assert (answer.raw, answer.warning) == ("new value", warning)

    def test_ten_of_a_thousand_are_ten_reads(self, vault: AzureCloud) -> None:
        """What the vault holds besides does not matter: it is never listed."""
        for number in range(1000):
            vault.vault.put(f"secret-{number}", f"value {number}")
        answers = fetch(*(f"azure-kv://myvault/secret-{number}" for number in range(0, 1000, 100)))
        assert [getattr(answer, "raw", answer) for answer in answers] == [f"value {n}" for n in range(0, 1000, 100)]
        assert [len(vault.vault.log), vault.vault.reads, vault.vault.lists, vault.entra.logins] == [10, 10, 0, 1]

    def test_reads_go_side_by_side(self, vault: AzureCloud) -> None:
        """Every request of a batch is on its way before the first is answered."""
        together = threading.Barrier(20, timeout=10)
        answer = vault.vault.answer

        def answer_when_all_are_there(request: object) -> Reply:
            together.wait()
            return answer(request)  # type: ignore[arg-type]  # the base's own

        vault.vault.answer = answer_when_all_are_there  # type: ignore[method-assign]
        try:
            answers = fetch(*(f"azure-kv://myvault/db?version={number}" for number in range(20)))
        finally:
            vault.vault.answer = answer  # type: ignore[method-assign]
        assert {KeyVaultBackend().classify(answer) for answer in answers if isinstance(answer, Exception)} == {
            Outcome.MISSING
        }

    def test_two_vaults_share_a_login(self, vault: AzureCloud) -> None:
        """A token is for all vaults of a cloud."""
        vault.vault.put("db", "other", vault="other")
        answers = fetch(DB, "azure-kv://other/db")
        assert [getattr(answer, "raw", answer) for answer in answers] == ["value", "other"]
        assert vault.entra.logins == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("reason", "expected", "words"),
        [
            ("SecretDisabled", Outcome.INACTIVE, "disabled"),
            ("ForbiddenByRbac", Outcome.DENIED, "role"),
            ("AccessDenied", Outcome.DENIED, "access policy"),
            ("ForbiddenByFirewall", Outcome.DENIED, "firewall"),
            ("ForbiddenByConnection", Outcome.DENIED, "private connections"),
        ],
    )
    def test_the_reasons_for_a_403_are_told_apart(
        self, vault: AzureCloud, reason: str, expected: Outcome, words: str
    ) -> None:
        """A disabled secret is not a denied one, and a firewall is not a missing role."""
        vault.vault.fail("/db", FORBIDDEN[reason])
        detail = advice(DB).detail or ""
        assert outcome(DB) is expected
        assert words in detail
        assert reason in detail

    @pytest.mark.parametrize("reply", [FORBIDDEN["ForbiddenByRbac"], FORBIDDEN["AccessDenied"], Reply(403, {})])
    def test_a_missing_right_may_hide_that_there_is_nothing(self, vault: AzureCloud, reply: Reply) -> None:
        """The vault looks at rights first, whether or not it has such a secret."""
        vault.vault.fail("/db", reply)
        assert str(advice(DB).detail).startswith(DENIED_OR_HIDDEN)

    @pytest.mark.parametrize("reason", ["ForbiddenByFirewall", "ForbiddenByConnection"])
    def test_a_network_that_is_kept_out_is_no_missing_right(self, vault: AzureCloud, reason: str) -> None:
        """It is told by itself."""
        vault.vault.fail("/db", FORBIDDEN[reason])
        assert DENIED_OR_HIDDEN not in str(advice(DB).detail)

    def test_a_deleted_secret_is_missing_and_may_be_recovered(self, vault: AzureCloud) -> None:
        """Key Vault tells nobody without another right that it is deleted; the detail names both."""
        vault.vault.delete("db")
        assert outcome(DB) is Outcome.MISSING
        assert advice(DB).detail == "not in this vault, or deleted and not yet purged (SecretNotFound)"

    def test_a_vault_that_tells_that_a_secret_is_deleted_is_believed(self, vault: AzureCloud) -> None:
        """Its inner code says so."""
        inner = {"code": "ObjectIsDeletedButRecoverable"}
        vault.vault.fail("/db", Reply(404, {"error": {"code": "SecretNotFound", "innererror": inner}}))
        assert outcome(DB) is Outcome.INACTIVE
        assert advice(DB).detail == "the secret is deleted, and can be recovered (ObjectIsDeletedButRecoverable)"

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry_after": "7"}, 7.0),
            ({"retry_after_ms": "250"}, 0.25),
            ({"x_ms_retry_after_ms": "40"}, 0.04),
            ({"retry_after": "Fri, 31 Dec 1999 23:59:59 GMT"}, 0.0),
            ({"retry_after": "soon"}, None),
            ({}, None),
        ],
    )
    def test_a_throttled_vault_says_for_how_long(
        self, vault: AzureCloud, headers: dict[str, str], seconds: float | None
    ) -> None:
        """A 429 is THROTTLED, sent once, with the wait that the vault asks for."""
        vault.vault.fail("/db", throttled(**headers))
        error = failure(DB)
        assert (KeyVaultBackend().classify(error), KeyVaultBackend().advise(error).retry_after) == (
            Outcome.THROTTLED,
            seconds,
        )
        assert vault.vault.reads == 1

    @pytest.mark.parametrize(
        ("reply", "expected"),
        [
            (DOWN, Outcome.UNAVAILABLE),
            (Reply(404, b"<html>no such page</html>"), Outcome.UNAVAILABLE),
            (Reply(404, {"error": {"code": "VaultNotFound", "message": ""}}), Outcome.UNAVAILABLE),
            (Reply(400, {"error": {"code": "BadParameter", "message": ""}}), Outcome.INVALID),
            (
                Reply(409, {"error": {"code": "Conflict", "innererror": {"code": "ObjectIsBeingDeleted"}}}),
                Outcome.INACTIVE,
            ),
            (Reply(403, ["not", "an", "object"]), Outcome.DENIED),
            (Reply(418, {"error": "teapot"}), Outcome.UNAVAILABLE),
        ],
    )
    def test_other_answers_have_their_outcome(self, vault: AzureCloud, reply: Reply, expected: Outcome) -> None:
        """Only Key Vault's own word for it makes a secret MISSING."""
        vault.vault.fail("/db", reply)
        assert outcome(DB) is expected

    def test_a_redirect_is_not_followed(self, vault: AzureCloud) -> None:
        """The token does not travel to another address."""
        vault.vault.fail("/db", Reply(307, headers={"Location": "https://other.vault.azure.net/secrets/db"}))
        assert outcome(DB) is Outcome.UNAVAILABLE
        assert len(vault.vault.log) == 1


CANARY = Canary()
HELD = CANARY.value
ADDRESS = "https://myvault.vault.azure.net/secrets/db/1"
UNUSABLE = {
    "a page": Reply(body=f"<html>{HELD}</html>".encode(), headers={"Content-Type": "text/html"}),
    "nothing": Reply(body=b""),
    "a list": Reply(body=[HELD]),
    "text": Reply(body=HELD),
    "a secret without value": Reply(body={"id": "https://myvault.vault.azure.net/secrets/db/1", "attributes": {}}),
    "a number for a value": Reply(body={"value": 5, "id": "https://myvault.vault.azure.net/secrets/db/1"}),
    "another secret": Reply(body={"value": HELD, "id": "https://myvault.vault.azure.net/secrets/other/1"}),
    "a key, not a secret": Reply(body={"value": HELD, "id": "https://myvault.vault.azure.net/keys/db/1"}),
    "attributes in a list": Reply(body={"value": HELD, "id": ADDRESS, "attributes": [HELD]}),
    "a time in words": Reply(body={"value": HELD, "id": ADDRESS, "attributes": {"exp": HELD}}),
    "a time without end": Reply(body={"value": HELD, "id": ADDRESS, "attributes": {"created": 1e30}}),
    "a number for a kind": Reply(body={"value": HELD, "id": ADDRESS, "contentType": 5}),
    "no address": Reply(body={"value": HELD, "id": None}),
    "broken JSON": Reply(body=f'{{"value": "{HELD}", "id": '.encode(), headers={"Content-Type": "application/json"}),
    "a key twice": Reply(body=f'{{"value": "{HELD}", "value": "{HELD}"}}'.encode()),
    "bytes that are no text": Reply(body=b'{"value": "' + HELD.encode() + b'\xff"}'),
    "two megabytes": Reply(body={"value": HELD * 60_000, "id": "https://myvault.vault.azure.net/secrets/db/1"}),
    "deep nesting": Reply(body=b"[" * 10_000 + HELD.encode()),
    "gzip that is none": Reply(body=HELD.encode(), headers={"Content-Encoding": "gzip"}),
}


class TestUnusableAnswers:
    @pytest.mark.parametrize("name", sorted(set(UNUSABLE) - {"gzip that is none"}))
    def test_what_is_no_secret_is_invalid(self, vault: AzureCloud, name: str) -> None:
        """A 200 that does not hold this secret is INVALID: never a value, never absent."""
        vault.vault.fail("/db", UNUSABLE[name])
        assert outcome(DB) is Outcome.INVALID

    @pytest.mark.parametrize("name", UNUSABLE)
    def test_its_error_holds_nothing_of_it(self, vault: AzureCloud, name: str) -> None:
        """Not in the text, the attributes, the cause, the context or the frames."""
        vault.vault.fail("/db", UNUSABLE[name])
        error = failure(DB)
        assert not CANARY.is_in(all_of(error) + repr(KeyVaultBackend().advise(error)))

    def test_a_version_other_than_the_pinned_one_is_invalid(self, vault: AzureCloud) -> None:
        """Who asks for a version gets that one or none."""
        vault.vault.fail("/db", Reply(body={"value": "x", "id": "https://myvault.vault.azure.net/secrets/db/2"}))
        assert outcome(f"{DB}?version=1") is Outcome.INVALID

    @pytest.mark.parametrize("keep", [0, 20, 60, 90, 170])
    def test_a_cut_answer_is_unavailable(self, vault: AzureCloud, keep: int) -> None:
        """Wherever the connection ends, half a value is never taken for a value, nor shown."""
        body = {"value": HELD * 4, "id": "https://myvault.vault.azure.net/secrets/db/1"}
        vault.vault.fail("/db", Reply(body=body, cut=True, keep=keep))
        error = failure(DB)
        assert KeyVaultBackend().classify(error) is Outcome.UNAVAILABLE
        assert not CANARY.is_in(all_of(error))
        assert len(vault.vault.log) == 1, "the second try is the core's"

    def test_times_that_are_not_said_are_left_out(self, vault: AzureCloud) -> None:
        """A vault may leave out or null what it knows nothing of."""
        vault.vault.fail("/db", Reply(body={"value": "value", "id": ADDRESS, "attributes": {"created": None}}))
        answer = value(DB)
        assert (answer.raw, answer.expires, answer.created, answer.warning) == ("value", None, None, None)


class TestNoAnswer:
    def test_a_vault_that_does_not_exist(self, vault: AzureCloud, reached: list[str]) -> None:
        """Its host has no address: the hint is to look at the name."""
        for name in vault.proxy.environment:
            del os.environ[name]
        backend = KeyVaultBackend(lambda: Ready(vault))
        said = advice("azure-kv://misspelt/db", backend)
        assert (said.detail, said.hint) == ("there is no host of this name", "check the vault's name, and cloud=")
        assert reached == ["misspelt.vault.azure.net"]
        reached.clear()

    def test_a_proxy_that_refuses(self, vault: AzureCloud) -> None:
        """The hint names the proxy's variables."""
        said = advice("azure-kv://myvault.elsewhere.example/db", KeyVaultBackend(lambda: Ready(vault)))
        assert "HTTPS_PROXY" in (said.hint or "")
        assert vault.proxy.refused == ["myvault.elsewhere.example"]
        vault.proxy.refused.clear()

    def test_a_certificate_that_is_not_trusted(self, vault: AzureCloud) -> None:
        """The hint names the variable that a private authority goes into."""
        del os.environ["REQUESTS_CA_BUNDLE"]
        said = advice(DB, KeyVaultBackend(lambda: Ready(vault)))
        assert "REQUESTS_CA_BUNDLE" in (said.hint or "")

    def test_a_certificate_for_another_host(self, vault: AzureCloud) -> None:
        """A trusted certificate is good for its own names only."""
        vault.proxy.routes["impostor.example"] = vault.vault.port
        backend = KeyVaultBackend(lambda: Ready(vault))
        assert "TLS" in (advice("azure-kv://impostor.example/db", backend).detail or "")
        assert vault.vault.log == []

    def test_an_authority_can_be_given(self, vault: AzureCloud) -> None:
        """`connection_verify=` goes to the vault's client and to the login."""
        bundle = os.environ.pop("REQUESTS_CA_BUNDLE")
        assert value(DB, KeyVaultBackend(connection_verify=bundle)).raw == "value"

    def test_a_refused_connection(self, vault: AzureCloud) -> None:
        """It is UNAVAILABLE at once."""
        vault.proxy.routes = {**vault.proxy.routes, "*.vault.azure.net": CLOSED}
        assert outcome(DB) is Outcome.UNAVAILABLE

    def test_a_black_hole_ends_with_the_deadline(self, vault: AzureCloud) -> None:
        """The batch is back in time, and what did not come is UNAVAILABLE."""
        vault.proxy.routes["*.vault.azure.net"] = HOLE
        answers = fetch(DB, "azure-kv://myvault/other", seconds=0.3)
        assert [KeyVaultBackend().classify(answer) for answer in answers if isinstance(answer, Exception)] == [
            Outcome.UNAVAILABLE
        ] * 2


class Ready:
    """A credential that has a token at once."""

    def __init__(self, cloud: AzureCloud) -> None:
        self._cloud = cloud

    def get_token(self, *scopes: str, **options: object) -> object:
        from azure.core.credentials import AccessToken

        issued = self._cloud.tokens.issue(APP, TENANT, scopes[0].removesuffix("/.default"))
        return AccessToken(issued["access_token"], 4_102_444_800)


class TestTokensTravel:
    def test_a_known_cloud_s_vault_gets_the_token_at_once(self, vault: AzureCloud) -> None:
        """The round trip in which the SDK asks which token is wanted is saved."""
        assert value(DB).raw == "value"
        assert len(vault.vault.log) == 1

    def test_another_host_is_asked_once_for_all_threads(self, vault: AzureCloud) -> None:
        """Of a vault under another name, one thread finds out which token it wants."""
        names = [f"secret-{number}" for number in range(20)]
        for name in names:
            vault.vault.put(name, name, vault="shop")
        answers = fetch(*(f"azure-kv://shop.vault.stack.example/{name}" for name in names))
        assert [getattr(answer, "raw", answer) for answer in answers] == names
        assert [len(vault.vault.log), vault.entra.logins] == [21, 1]

    def test_a_token_goes_to_nobody_it_is_not_for(self, vault: AzureCloud) -> None:
        """A host that asks for Key Vault's token and is not one of its vaults gets none."""
        vault.vault.fail(".", unauthorized("hand it over", resource="https://vault.azure.net"))
        ref = "azure-kv://thief.vault.stack.example/db"
        assert outcome(ref) is Outcome.UNAUTHENTICATED
        assert "not meant for it" in (advice(ref).detail or "")
        assert not [request for request in vault.vault.log if "authorization" in request.headers]

    def test_netrc_is_not_read(self, vault: AzureCloud, tmp_path: Path) -> None:
        """A login for the host in .netrc takes the place of no token, and is sent to nobody."""
        file = tmp_path / "netrc"
        file.write_text("default login somebody password not-a-real-password\n")
        file.chmod(0o600)
        os.environ["NETRC"] = str(file)
        assert value(DB).raw == "value"
        sent = [request.headers.get("authorization", "") for server in vault.servers for request in server.log]
        assert not [header for header in sent if header.startswith("Basic")]


def test_a_missing_sdk_is_named(vault: AzureCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, the error says what to install."""
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    error = failure(DB)
    assert isinstance(error, MissingExtra)
    assert "pip install 'secretsource[azure]'" in str(error)
