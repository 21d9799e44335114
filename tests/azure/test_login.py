"""Every way of logging in, by azure-identity's own classes over sockets, and what becomes of a login that fails."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from trustme import KeyType

from secretsource.backend import Outcome
from secretsource.backends.azure import KeyVaultBackend
from secretsource.backends.azure.login import Login
from secretsource.clock import Clock
from secretsource.errors import NotAuthenticated, Unavailable
from secretsource.testing.leaks import Canary, all_of, everything_logged
from tests.azure.asking import advice, failure, fetch, outcome, value
from tests.servers import tls
from tests.servers.azurecloud import IMDS, AzureCloud
from tests.servers.connectproxy import CLOSED, HOLE
from tests.servers.entra import APP, OTHER_TENANT, SECRET, TENANT, USER_ASSIGNED, App, federated_token
from tests.servers.keyvault import unauthorized
from tests.servers.loopback import Reply

DB = "azure-kv://myvault/db"
AUTHORITY = "https://login.microsoftonline.com/"


@pytest.fixture(autouse=True)
def _secret(azure: AzureCloud, tmp_path: Path) -> None:
    """One secret in the vault, and no command on PATH that could log in."""
    azure.vault.put("db", "value")
    os.environ["PATH"] = str(tmp_path)


def command(name: str, script: str) -> None:
    """Put a command on PATH."""
    file = Path(os.environ["PATH"], name)
    file.write_text(f"#!/bin/sh\necho called >> '{file}.log'\n{script}\n")
    file.chmod(0o755)


def calls(name: str) -> int:
    """How often it was called."""
    log = Path(os.environ["PATH"], f"{name}.log")
    return len(log.read_text().splitlines()) if log.exists() else 0


def az_logged_in(azure: AzureCloud) -> None:
    """Put an `az` on PATH that somebody has logged in with."""
    token = azure.tokens.issue(APP, TENANT, "https://vault.azure.net")["access_token"]
    answer = {"accessToken": token, "expires_on": int(time.time()) + 3600, "tokenType": "Bearer"}
    command("az", f"echo '{json.dumps(answer)}'")


AZ_LOGGED_OUT = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1"


class TestWays:
    def test_client_secret(self, azure: AzureCloud) -> None:
        """AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."""
        os.environ.update(azure.login)
        assert value(DB).raw == "value"
        assert azure.entra.logins == 1

    def test_client_certificate(self, azure: AzureCloud, tmp_path: Path) -> None:
        """AZURE_CLIENT_CERTIFICATE_PATH, with key and certificate in one file."""
        issued = tls.authority().issue_cert("app.example", key_type=KeyType.RSA)
        file = tmp_path / "app.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(file))
        certificate = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
        azure.entra.apps[APP] = App(secret=None, certificate=certificate)
        os.environ |= {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": APP, "AZURE_CLIENT_CERTIFICATE_PATH": str(file)}
        try:
            assert value(DB).raw == "value"
        finally:
            azure.entra.apps[APP] = App()
        assert azure.entra.logins == 1

    def test_workload_identity(self, azure: AzureCloud, tmp_path: Path) -> None:
        """AZURE_FEDERATED_TOKEN_FILE, as it is in a pod of a Kubernetes cluster."""
        in_a_pod(tmp_path, federated_token())
        assert value(DB).raw == "value"
        assert azure.entra.logins == 1

    def test_the_machine_s_own_identity(self, azure: AzureCloud) -> None:
        """IMDS, which needs nothing in the environment."""
        assert value(DB).raw == "value"
        assert (azure.tokens.issued, azure.entra.logins) == (1, 0)

    def test_a_user_assigned_identity(self, azure: AzureCloud) -> None:
        """AZURE_CLIENT_ID says which of the machine's identities."""
        os.environ["AZURE_CLIENT_ID"] = USER_ASSIGNED
        assert value(DB).raw == "value"
        assert {request.query.get("client_id") for request in azure.machine.log} == {USER_ASSIGNED}

    @pytest.mark.parametrize("identity", [None, USER_ASSIGNED])
    def test_app_service(self, azure: AzureCloud, identity: str | None) -> None:
        """IDENTITY_ENDPOINT and IDENTITY_HEADER, with the app's own identity or a user-assigned one."""
        os.environ |= azure.machine.app_service | ({"AZURE_CLIENT_ID": identity} if identity else {})
        assert value(DB).raw == "value"
        assert [(request.path, request.query.get("client_id")) for request in azure.machine.log] == [
            ("/msi/token", identity)
        ]

    @pytest.mark.parametrize("scope", [None, "AzureCliCredential", "dev"])
    def test_azure_cli(self, azure: AzureCloud, scope: str | None) -> None:
        """What `az login` left on a laptop is found by itself, and on purpose by AZURE_TOKEN_CREDENTIALS."""
        azure.proxy.routes[IMDS] = CLOSED
        az_logged_in(azure)
        if scope:
            os.environ["AZURE_TOKEN_CREDENTIALS"] = scope
        names = [f"azure-kv://{vault}/db" for vault in ("myvault", "other", "third")]
        for vault in ("other", "third"):
            azure.vault.put("db", "value", vault=vault)
        assert [getattr(answer, "raw", answer) for answer in fetch(*names)] == ["value"] * 3
        assert calls("az") == 1
        assert (IMDS in azure.proxy.asked) is (scope is None)

    def test_azure_developer_cli(self, azure: AzureCloud) -> None:
        """`azd auth login` goes as `az login` does."""
        azure.proxy.routes[IMDS] = CLOSED
        token = azure.tokens.issue(APP, TENANT, "https://vault.azure.net")["access_token"]
        command("azd", f"""echo '{{"token": "{token}", "expiresOn": "2100-01-01T00:00:00Z"}}'""")
        assert value(DB).raw == "value"

    def test_powershell_when_asked_for(self, azure: AzureCloud) -> None:
        """A tool that is not tried by itself is reached by its name."""
        token = azure.tokens.issue(APP, TENANT, "https://vault.azure.net")["access_token"]
        command("pwsh", f"echo 'azsdk%{token}%4102444800'")
        os.environ["PATH"] += ":/bin:/usr/bin"
        os.environ["AZURE_TOKEN_CREDENTIALS"] = "AzurePowerShellCredential"
        assert value(DB).raw == "value"

    @pytest.mark.parametrize(
        ("name", "asked"),
        [("EnvironmentCredential", "entra"), ("ManagedIdentityCredential", "machine"), ("prod", "entra")],
    )
    def test_a_member_is_reached_by_its_name(self, azure: AzureCloud, name: str, asked: str) -> None:
        """AZURE_TOKEN_CREDENTIALS picks from what the environment would allow."""
        azure.machine.identities[APP] = APP
        os.environ |= {**azure.login, "AZURE_TOKEN_CREDENTIALS": name}
        assert value(DB).raw == "value"
        assert {server for server in ("entra", "machine") if getattr(azure, server).log} == {asked}

    def test_workload_identity_by_its_name(self, azure: AzureCloud, tmp_path: Path) -> None:
        """It is reached too where a client secret is set as well."""
        in_a_pod(tmp_path, federated_token())
        os.environ |= {"AZURE_CLIENT_SECRET": "not-this-one", "AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential"}
        assert value(DB).raw == "value"

    def test_a_credential_of_one_s_own(self, azure: AzureCloud) -> None:
        """A function that makes a credential is called once, and only when a secret is wanted."""
        made = []

        def make() -> object:
            from azure.identity import ClientSecretCredential

            made.append(1)
            return ClientSecretCredential(TENANT, APP, SECRET)

        backend = KeyVaultBackend(make)
        assert made == []
        assert [value(DB, backend).raw for _ in range(3)] == ["value"] * 3
        assert made == [1]

    def test_a_credential_itself_is_refused(self) -> None:
        """One credential for a process and its children would share their connections."""
        from azure.identity import ClientSecretCredential

        with pytest.raises(TypeError, match="function that makes a credential"):
            KeyVaultBackend(ClientSecretCredential(TENANT, APP, SECRET))  # type: ignore[arg-type]  # the mistake

    def test_two_credentials_of_one_s_own_are_two_identities(self) -> None:
        """Two backends that log in differently share no cache entry."""
        from secretsource.ref import Ref

        one, other = KeyVaultBackend(object), KeyVaultBackend(object)
        assert one.identity(Ref.parse(DB)) == one.identity(Ref.parse(DB)) != other.identity(Ref.parse(DB))


def in_a_pod(folder: Path, token: str) -> None:
    """Set what the workload identity webhook sets in a pod."""
    file = folder / "token"
    file.write_text(token)
    names = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": APP, "AZURE_AUTHORITY_HOST": AUTHORITY}
    os.environ |= {**names, "AZURE_FEDERATED_TOKEN_FILE": str(file)}


class TestRefusedLogins:
    @pytest.mark.parametrize(
        ("variables", "code", "hint"),
        [
            ({"AZURE_CLIENT_SECRET": "wrong"}, "AADSTS7000215", "AZURE_CLIENT_SECRET"),
            ({"AZURE_CLIENT_ID": "nobody"}, "AADSTS700016", "AZURE_CLIENT_ID"),
            ({"AZURE_TENANT_ID": "nowhere"}, "", "AZURE_TENANT_ID"),
            ({"AZURE_TENANT_ID": "no tenant"}, "", "AZURE_TENANT_ID"),
            ({"AZURE_TOKEN_CREDENTIALS": "Whatever"}, "", "AZURE_TOKEN_CREDENTIALS"),
        ],
    )
    def test_the_hint_names_what_is_wrong(
        self, azure: AzureCloud, variables: dict[str, str], code: str, hint: str
    ) -> None:
        """A refused login says which variable to look at, and shows none's value."""
        os.environ |= azure.login | variables
        error = failure(DB)
        assert isinstance(error, NotAuthenticated)
        assert code in error.args[0]
        assert hint in (error.hint or "")
        assert "wrong" not in str(error)

    def test_a_certificate_that_is_none(self, azure: AzureCloud, tmp_path: Path) -> None:
        """A file without a certificate in it, or no file, is a refused login that names the variable."""
        file = tmp_path / "app.pem"
        os.environ |= {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": APP, "AZURE_CLIENT_CERTIFICATE_PATH": str(file)}
        for content in (None, "-----BEGIN NOTHING-----"):
            if content:
                file.write_text(content)
            error = failure(DB)
            assert isinstance(error, NotAuthenticated)
            assert "AZURE_CLIENT_CERTIFICATE_PATH" in (error.hint or "")

    def test_a_federated_token_of_a_stranger(self, azure: AzureCloud, tmp_path: Path) -> None:
        """A token of another cluster is refused."""
        in_a_pod(tmp_path, federated_token(subject="system:serviceaccount:other:other"))
        error = failure(DB)
        assert isinstance(error, NotAuthenticated)
        assert "WorkloadIdentityCredential" in (error.hint or "")

    def test_a_federated_token_that_is_not_there(self, azure: AzureCloud, tmp_path: Path) -> None:
        """The hint names the variable."""
        in_a_pod(tmp_path, "")
        (tmp_path / "token").unlink()
        assert "AZURE_FEDERATED_TOKEN_FILE" in (advice(DB).hint or "")

    def test_an_identity_that_the_machine_does_not_have(self, azure: AzureCloud) -> None:
        """IMDS is there, and knows no such identity."""
        os.environ["AZURE_CLIENT_ID"] = "nobody"
        assert outcome(DB) is Outcome.UNAUTHENTICATED

    @pytest.mark.parametrize("route", [CLOSED, HOLE])
    def test_nothing_at_all(self, azure: AzureCloud, route: str) -> None:
        """Without any credentials the end comes soon, and the hint names what was tried and what to set."""
        azure.proxy.routes[IMDS] = route
        error, _ = fetch(DB, "azure-kv://myvault/other", seconds=4)
        assert isinstance(error, NotAuthenticated)
        hint = error.hint or ""
        tried = ["EnvironmentCredential", "WorkloadIdentityCredential", "ManagedIdentityCredential"]
        assert hint.startswith(f"tried {', '.join(tried)}; set AZURE_TENANT_ID")

    def test_az_that_is_logged_out(self, azure: AzureCloud) -> None:
        """An `az` on PATH is tried last, and said to have been."""
        azure.proxy.routes[IMDS] = CLOSED
        command("az", AZ_LOGGED_OUT)
        error = failure(DB)
        assert isinstance(error, NotAuthenticated)
        assert "ManagedIdentityCredential, AzureCliCredential" in (error.hint or "")

    def test_a_machine_with_an_identity_does_not_run_az(self, azure: AzureCloud) -> None:
        """What comes first and works is all that is tried."""
        command("az", AZ_LOGGED_OUT)
        assert value(DB).raw == "value"
        assert calls("az") == 0

    def test_a_vault_of_another_tenant(self, azure: AzureCloud) -> None:
        """The login is refused with its reason; a login that may go there goes there."""
        os.environ |= azure.login
        azure.vault.tenant = OTHER_TENANT
        azure.vault.put("db", "value", vault="foreign")  # the SDK remembers for ever which tenant a host belongs to
        ref = "azure-kv://foreign/db"
        assert "another tenant" in (advice(ref).hint or "")
        assert value(ref, KeyVaultBackend(additionally_allowed_tenants=["*"])).raw == "value"


class TestLoginServerTrouble:
    @pytest.mark.parametrize(
        ("reply", "expected", "seconds"),
        [
            (Reply(503, {"error": "temporarily_unavailable"}), Outcome.UNAVAILABLE, None),
            (Reply(500, b"<html></html>"), Outcome.UNAVAILABLE, None),
            (Reply(429, {"error": "throttled"}, {"Retry-After": "9"}), Outcome.THROTTLED, 9.0),
            (Reply(cut=True), Outcome.UNAVAILABLE, None),
            (Reply(200, b"<html>Welcome to the portal</html>"), Outcome.INVALID, None),
            (Reply(200, b""), Outcome.INVALID, None),
            (Reply(200, ["token"]), Outcome.INVALID, None),
        ],
    )
    @pytest.mark.parametrize("path", ["openid-configuration", "/token"])
    def test_it_is_not_a_refused_login(
        self, azure: AzureCloud, path: str, reply: Reply, expected: Outcome, seconds: float | None
    ) -> None:
        """A login server in trouble is UNAVAILABLE or THROTTLED, a page in its place INVALID; it is named."""
        os.environ |= azure.login
        azure.entra.fail(path, reply)
        error = failure(DB)
        assert KeyVaultBackend().classify(error) is expected
        said = KeyVaultBackend().advise(error)
        assert "login.microsoftonline.com" in (said.detail or "")
        assert "EnvironmentCredential" in (said.hint or "")
        assert said.retry_after == seconds

    @pytest.mark.parametrize("token", [5, None, "two\nlines", "\u20ac"])
    def test_a_token_that_cannot_be_sent_is_invalid(self, azure: AzureCloud, token: object) -> None:
        """The answer is no login; it is not the vault that refuses it."""
        os.environ |= azure.login
        azure.entra.fail("/token", Reply(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}))
        assert outcome(DB) is Outcome.INVALID
        assert azure.vault.reads == 0

    def test_one_that_cannot_be_reached(self, azure: AzureCloud) -> None:
        """A refused connection is UNAVAILABLE."""
        os.environ |= azure.login
        azure.proxy.routes["login.microsoftonline.com"] = CLOSED
        assert outcome(DB) is Outcome.UNAVAILABLE

    def test_one_whose_certificate_is_not_trusted(self, azure: AzureCloud) -> None:
        """It is UNAVAILABLE, and the hint names the variable that a private authority goes into."""
        os.environ |= azure.login
        del os.environ["REQUESTS_CA_BUNDLE"]
        error = failure(DB)
        assert isinstance(error, Unavailable)
        assert "REQUESTS_CA_BUNDLE" in (error.hint or "")

    @pytest.mark.parametrize("status", [429, 500])
    def test_a_machine_s_endpoint_in_trouble(self, azure: AzureCloud, status: int) -> None:
        """IMDS that is there and has no token now is not a missing identity."""
        azure.machine.fail("token", Reply(status, {"error": "busy"}))
        assert outcome(DB) in (Outcome.THROTTLED, Outcome.UNAVAILABLE)

    def test_managed_identity_alone_without_an_endpoint(self, azure: AzureCloud) -> None:
        """Asked for by name, managed identity that cannot be reached is UNAVAILABLE, not a missing login."""
        os.environ["AZURE_TOKEN_CREDENTIALS"] = "ManagedIdentityCredential"
        azure.proxy.routes[IMDS] = CLOSED
        assert outcome(DB) is Outcome.UNAVAILABLE

    def test_every_host_is_a_black_hole(self, azure: AzureCloud) -> None:
        """A batch is back by its deadline, whatever the network does."""
        os.environ |= azure.login
        azure.proxy.routes = dict.fromkeys(azure.proxy.routes, HOLE)
        answers = fetch(DB, "azure-kv://myvault/other", seconds=0.5)
        outcomes = [KeyVaultBackend().classify(answer) for answer in answers if isinstance(answer, Exception)]
        assert outcomes == [Outcome.UNAVAILABLE] * 2

    def test_a_credential_of_one_s_own_that_cannot_reach_it(self, azure: AzureCloud) -> None:
        """Without our transport under it, the network error behind the SDK's tells it."""

        def make() -> object:
            from azure.identity import ClientSecretCredential

            return ClientSecretCredential(TENANT, APP, SECRET, retry_total=0)

        azure.proxy.routes["login.microsoftonline.com"] = CLOSED
        assert isinstance(failure(DB, KeyVaultBackend(make)), Unavailable)


class TestOneLogin:
    def test_many_reads_make_one(self, azure: AzureCloud) -> None:
        """Thirty threads that start without a token log in once."""
        os.environ |= azure.login
        fetch(*(f"azure-kv://myvault/secret-{number}" for number in range(30)))
        assert [request.path.rpartition("/")[2] for request in azure.entra.log] == ["openid-configuration", "token"]

    def test_a_failed_one_is_shared(self, azure: AzureCloud) -> None:
        """Thirty threads that wait for a login that fails do not try one after the other."""
        os.environ |= azure.login
        azure.entra.latency = 0.05
        azure.entra.fail("/token", Reply(503, b""))
        fetch(*(f"azure-kv://myvault/secret-{number}" for number in range(30)))
        assert azure.entra.logins <= 2

    def test_a_revoked_token_leads_to_a_new_login(self, azure: AzureCloud) -> None:
        """The SDK would present the revoked token for ever; all threads together log in once more."""
        os.environ |= azure.login
        backend = KeyVaultBackend()
        names = [f"secret-{number}" for number in range(20)]
        for name in names:
            azure.vault.put(name, name)
        refs = [f"azure-kv://myvault/{name}" for name in names]
        fetch(*refs, backend=backend)
        azure.tokens.revoke()
        answers = fetch(*refs, backend=backend)
        assert [getattr(answer, "raw", answer) for answer in answers] == names
        azure.vault.log.clear()
        azure.vault.put("db", "value", vault="other")
        assert value("azure-kv://other/db", backend).raw == "value"
        assert [azure.entra.logins, len(azure.vault.log)] == [2, 1]

    def test_a_token_that_is_always_refused_is_given_up(self, azure: AzureCloud) -> None:
        """One new login for all threads, and then the login counts as refused."""
        os.environ |= azure.login
        backend = KeyVaultBackend()
        assert value(DB, backend).raw == "value"
        azure.vault.fail(".", unauthorized("AKV10022: Invalid audience."))
        answers = fetch(*(f"{DB}?version={number}" for number in range(10)), backend=backend)
        assert {KeyVaultBackend().classify(answer) for answer in answers if isinstance(answer, Exception)} == {
            Outcome.UNAUTHENTICATED
        }
        assert azure.entra.logins <= 3

    def test_a_token_that_ends_soon_is_renewed(self, azure: AzureCloud) -> None:
        """Within five minutes of its end a token is not relied on."""
        os.environ |= azure.login
        azure.tokens.lifetime = 200
        backend = KeyVaultBackend()
        assert [value(DB, backend).raw for _ in range(3)] == ["value"] * 3

    def test_a_refused_token_is_not_renewed_without_end(self) -> None:
        """A token that is refused right after a second login stays; half a minute later there may be a third."""
        made: list[str] = []

        class Credential:
            def get_token(self, *scopes: str, **options: object) -> object:
                from azure.core.credentials import AccessToken

                made.append(f"token {len(made) + 1}")
                return AccessToken(made[-1], 4_102_444_800)

        clock = Stopped()
        login = Login(lambda _: Credential(), clock)

        def refused() -> str:
            token: str = login.get_token("scope").token
            login.refuse(token)
            return token

        assert [refused(), refused(), refused()] == ["token 1", "token 2", "token 2"]
        clock.now += 31
        assert [refused(), refused()] == ["token 2", "token 3"]

    def test_a_token_that_is_revoked_again_leads_to_a_login_again(self, azure: AzureCloud) -> None:
        """Whenever that is: the vault took the token before, so that a new one helps."""
        os.environ |= azure.login
        backend = KeyVaultBackend()
        assert value(DB, backend).raw == "value"
        for _ in range(3):
            azure.tokens.revoke()
            assert value(DB, backend).raw == "value"
        assert azure.entra.logins == 4

    def test_a_vault_of_another_tenant_makes_no_storm(self, azure: AzureCloud) -> None:
        """That other vaults take the token does not make it worth a new login for this one."""
        os.environ |= azure.login
        backend = KeyVaultBackend()
        azure.vault.fail("/stranger", unauthorized("AKV10032: Invalid issuer."))
        for _ in range(4):
            assert value(DB, backend).raw == "value"
            assert outcome("azure-kv://abroad/stranger", backend) is Outcome.UNAUTHENTICATED
        assert azure.entra.logins == 2

    def test_a_stranger_s_refusal_changes_nothing(self, azure: AzureCloud) -> None:
        """A token that is no longer ours may be refused late."""
        login = Login(lambda _: None)
        login.refuse("an older token")
        login.close()
        login.close()


class Stopped(Clock):
    """A clock that is set by hand."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def test_logs_stay_free_of_secrets(azure: AzureCloud) -> None:
    """Neither the client secret nor a token is in any log down to DEBUG, nor in an error."""
    proof = Canary()
    azure.entra.apps[APP] = App(secret=proof.value)
    os.environ |= {**azure.login, "AZURE_CLIENT_SECRET": proof.value}
    backend = KeyVaultBackend()
    with everything_logged() as texts:
        try:
            assert value(DB, backend).raw == "value"
            azure.entra.apps[APP] = App(secret="another")
            errors = [failure(DB), failure("azure-kv://myvault/none", backend)]
        finally:
            azure.entra.apps[APP] = App()
    token = next(r.headers["authorization"] for r in azure.vault.log if "authorization" in r.headers).split()[1]
    shown = [*texts, *map(all_of, errors)]
    assert not [text for text in shown if proof.is_in(text) or token in text]
    assert not [text for text in texts if "DefaultAzureCredential" in text]


def test_a_login_waits_for_no_import(azure: AzureCloud) -> None:
    """The login is under way while the rest of the SDK is imported; its thread is a daemon."""
    os.environ |= azure.login
    assert value(DB).raw == "value"
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "secretsource")
