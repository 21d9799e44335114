"""The ways in: each auth method against a real server, and LDAP, which OpenBao has not, against a front."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secretsource.backend import Outcome
from secretsource.backends.vault import VaultBackend
from secretsource.errors import ConfigurationError
from secretsource.ref import Ref
from tests.servers import tls
from tests.servers.loopback import LoopbackServer, Reply, Request
from tests.servers.openbao import OpenBao, configured
from tests.servers.vaultfront import VaultFront, refusal
from tests.vault.asking import fetch, said, told
from tests.vault.logins import POLICY, approle, prepare, userpass

APP = "secret/app"
FOUND = {"key": "value"}


def backend(front: VaultFront, **names: str) -> VaultBackend:
    """A backend with these variables, and a home that is empty."""
    return VaultBackend({"VAULT_ADDR": front.url, "HOME": "/nonexistent", **names})


def refused(vault: VaultBackend, words: str) -> bool:
    """Whether the login failed, and what is said of it has these words in it."""
    outcome, advice = told(vault, APP)
    assert outcome is Outcome.UNAUTHENTICATED, outcome
    return words in f"{advice.detail} {advice.hint}"


# tokens


def test_a_token_is_taken_from_its_variable_or_file(openbao: OpenBao, front: VaultFront, tmp_path: Path) -> None:
    """VAULT_TOKEN, VAULT_TOKEN_FILE, and what the CLI's login has left in the home; the first of them counts."""
    prepare(openbao, "userpass")
    token = openbao.token_for('path "secret/data/app" {capabilities = ["read"]}')
    (tmp_path / "sink").write_text(f"{token}\n")
    (tmp_path / ".vault-token").write_text(token)
    home = {"HOME": str(tmp_path)}
    assert said(backend(front, VAULT_TOKEN=token), APP) == FOUND
    assert said(backend(front, VAULT_TOKEN_FILE=str(tmp_path / "sink")), APP) == FOUND
    assert said(backend(front, **home), APP) == FOUND
    assert said(backend(front, **home, VAULT_TOKEN="wrong"), APP) is Outcome.UNAUTHENTICATED
    assert (
        said(backend(front, **home, **approle(openbao) | {"VAULT_SECRET_ID": "wrong"}), APP) is Outcome.UNAUTHENTICATED
    )


def test_without_any_credential_it_says_what_to_set(openbao: OpenBao, front: VaultFront) -> None:
    """An Agent may listen at VAULT_ADDR, so the server is asked; a real one wants a token."""
    assert refused(backend(front), "set VAULT_TOKEN, or VAULT_AUTH_METHOD")


def test_older_servers_miss_a_token_with_400(openbao: OpenBao, front: VaultFront) -> None:
    """It is a missing login all the same."""
    front.fail("secret/data/app", refusal(400, "missing client token"))
    assert refused(backend(front), "no token")


class Agent(VaultFront):
    """An Agent or Proxy that logs in by itself: it adds its own token where there is none."""

    def answer(self, request: Request) -> Reply:
        headers = {"x-vault-token": self.openbao.token, **request.headers}
        return super().answer(Request(request.method, request.path, request.query, headers, request.body))


@pytest.fixture
def agent(openbao: OpenBao) -> Iterator[Agent]:
    prepare(openbao, "userpass")
    with Agent(openbao) as server:
        yield server


def test_an_agent_needs_no_login(agent: Agent, tmp_path: Path) -> None:
    """Its address alone is enough, and goes before VAULT_ADDR; the token in the home is not for it."""
    (tmp_path / ".vault-token").write_text("for somebody else")
    names = {"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_AGENT_ADDR": agent.url, "HOME": str(tmp_path)}
    assert said(VaultBackend(names), APP) == FOUND
    assert all("x-vault-token" not in request.headers for request in agent.log)
    for method in ("none", "agent"):
        assert said(VaultBackend({"VAULT_ADDR": agent.url, "VAULT_AUTH_METHOD": method}), APP) == FOUND


def test_what_an_agent_may_not_read_is_denied(agent: Agent) -> None:
    """Its token is good, and ours is none."""
    agent.fail("secret/data/app", refusal(403, "1 error occurred:\n\t* permission denied\n\n"))
    assert said(VaultBackend({"VAULT_AGENT_ADDR": agent.url}), APP) is Outcome.DENIED


# AppRole


def test_approle(openbao: OpenBao, front: VaultFront, tmp_path: Path) -> None:
    """By variables, and by files that hold them."""
    names = approle(openbao)
    assert said(backend(front, **names), APP) == FOUND
    (tmp_path / "id").write_text(names["VAULT_SECRET_ID"] + "\n")
    by_file = {"VAULT_ROLE_ID": names["VAULT_ROLE_ID"], "VAULT_SECRET_ID_FILE": str(tmp_path / "id")}
    assert said(backend(front, **by_file), APP) == FOUND
    assert refused(backend(front, **names | {"VAULT_SECRET_ID": "wrong"}), "the approle login was refused (400)")
    assert refused(backend(front, **by_file | {"VAULT_SECRET_ID_FILE": "/nonexistent"}), "VAULT_SECRET_ID_FILE")


def test_a_wrapped_secret_id_is_unwrapped_once(openbao: OpenBao, front: VaultFront) -> None:
    """It can be had once only, so it is kept for the next login; one that somebody else has had is refused."""
    names = approle(openbao)
    secret_id = names.pop("VAULT_SECRET_ID")
    wrapped = wrap(openbao, secret_id)
    vault = backend(front, **names, VAULT_SECRET_ID_WRAPPED=wrapped)
    assert said(vault, APP) == FOUND
    vault.close()
    assert said(vault, APP) == FOUND
    assert (front.count("sys/wrapping/unwrap"), front.count("auth/approle/login")) == (1, 2)
    assert refused(backend(front, **names, VAULT_SECRET_ID_WRAPPED=wrapped), "refused")


def wrap(openbao: OpenBao, secret_id: str) -> str:
    answer = openbao.call("POST", "sys/wrapping/wrap", {"secret_id": secret_id}, wrap="60s")
    return str(answer["wrap_info"]["token"])


# names and passwords


def test_userpass(openbao: OpenBao, front: VaultFront) -> None:
    """A name and a password."""
    names = userpass(openbao)
    assert said(backend(front, **names), APP) == FOUND
    assert refused(backend(front, **names | {"VAULT_PASSWORD": "wrong"}), "the userpass login was refused (400)")
    assert refused(backend(front, VAULT_USERNAME="somebody"), "needs VAULT_PASSWORD")


class Directory(VaultFront):
    """A Vault that asks an LDAP server."""

    def answer(self, request: Request) -> Reply:
        if request.path != "/v1/auth/ldap/login/Mary Jane":
            return super().answer(request)
        if request.body != b'{"password": "not-a-real-secret"}':
            return refusal(400, "ldap operation failed: failed to bind as user")
        return Reply(200, self.openbao.call("POST", "auth/token/create", {"policies": [POLICY], "ttl": "1h"}))


def test_ldap(openbao: OpenBao) -> None:
    """As userpass, at a mount of its own, if it is asked for."""
    prepare(openbao, "userpass")
    names = {"VAULT_AUTH_METHOD": "ldap", "VAULT_USERNAME": "Mary Jane", "VAULT_PASSWORD": "not-a-real-secret"}
    with Directory(openbao) as front:
        assert said(backend(front, **names), APP) == FOUND
        assert refused(backend(front, **names | {"VAULT_PASSWORD": "wrong"}), "the ldap login was refused (400)")


# JWTs


KEY = ec.generate_private_key(ec.SECP256R1())


def token_of(subject: str, seconds: float = 60) -> str:
    claims = {"sub": subject, "aud": "vault", "iss": "tests", "exp": time.time() + seconds, "iat": time.time()}
    return jwt.encode(claims, KEY, algorithm="ES256")


@pytest.fixture(scope="module")
def issuer(openbao: OpenBao) -> str:
    """Where a JWT is good for a login as `ci`: a mount of its own."""
    mount = f"jwt-{uuid.uuid4().hex}"
    prepare(openbao, "userpass")
    openbao.call("POST", f"sys/auth/{mount}", {"type": "jwt"})
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    config = {"jwt_validation_pubkeys": [public], "bound_issuer": "tests", "default_role": "ci"}
    openbao.call("POST", f"auth/{mount}/config", config)
    role = {"role_type": "jwt", "bound_audiences": ["vault"], "user_claim": "sub", "bound_subject": "build"}
    openbao.call("POST", f"auth/{mount}/role/ci", {**role, "token_policies": POLICY})
    return mount


def test_jwt(front: VaultFront, issuer: str, tmp_path: Path) -> None:
    """A token that somebody else has signed: in a variable, or in a file that is renewed from outside."""
    names = {"VAULT_AUTH_MOUNT": issuer, "VAULT_ROLE": "ci"}
    (tmp_path / "token").write_text(token_of("build"))
    assert said(backend(front, **names, VAULT_JWT=token_of("build")), APP) == FOUND
    assert said(backend(front, **names, VAULT_JWT_FILE=str(tmp_path / "token")), APP) == FOUND
    assert refused(backend(front, **names, VAULT_JWT=token_of("somebody")), "the jwt login was refused (400)")
    assert refused(backend(front, **names, VAULT_JWT=token_of("build", -300)), "the jwt login was refused (400)")


def test_oidc_takes_a_token_that_is_there(front: VaultFront, issuer: str) -> None:
    """A machine has no browser, so a provider's token is used as a JWT; without a role, as the default one."""
    names = {"VAULT_AUTH_METHOD": "oidc", "VAULT_AUTH_MOUNT": issuer, "VAULT_JWT": token_of("build")}
    assert said(backend(front, **names), APP) == FOUND


# Kubernetes


class TokenReview(LoopbackServer):
    """As much of the Kubernetes API as tells whose a service account's token is."""

    def answer(self, request: Request) -> Reply:
        shown = jwt.decode(json.loads(request.body)["spec"]["token"], options={"verify_signature": False})
        status: dict[str, object] = {"authenticated": False, "error": "invalid bearer token"}
        if shown["jti"] == "of-the-shop":
            user = {"username": "system:serviceaccount:shop:app", "uid": "1", "groups": ["system:serviceaccounts"]}
            status = {"authenticated": True, "user": user, "audiences": ["vault"]}
        return Reply(201, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})


@pytest.fixture
def kubernetes(openbao: OpenBao) -> Iterator[None]:
    """A cluster whose service accounts may log in."""
    prepare(openbao, "kubernetes")
    with TokenReview(tls.server_context()) as api:
        config = {
            "kubernetes_host": f"https://127.0.0.1:{api.port}",
            "kubernetes_ca_cert": Path(tls.bundle()).read_text(),
            "token_reviewer_jwt": service_account("reviewer"),
            "disable_iss_validation": True,
        }
        openbao.call("POST", "auth/kubernetes/config", config)
        role = {"bound_service_account_names": "app", "bound_service_account_namespaces": "shop", "audience": "vault"}
        openbao.call("POST", "auth/kubernetes/role/app", {**role, "token_policies": POLICY})
        yield


def service_account(owner: str) -> str:
    claims = {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:shop:app",
        "aud": ["vault"],
        "exp": int(time.time()) + 600,
        "iat": int(time.time()) - 60,
        "nbf": int(time.time()) - 60,
        "jti": owner,
        "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "app", "uid": "1"}},
    }
    return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": owner})


@pytest.mark.usefixtures("kubernetes")
def test_kubernetes(front: VaultFront, tmp_path: Path) -> None:
    """The service account's token, from where the cluster puts it, is what logs in; a role alone asks for that."""
    (tmp_path / "good").write_text(service_account("of-the-shop"))
    (tmp_path / "bad").write_text(service_account("of-nobody"))
    assert said(backend(front, VAULT_ROLE="app", VAULT_K8S_TOKEN_PATH=str(tmp_path / "good")), APP) == FOUND
    asked = {"VAULT_AUTH_METHOD": "kubernetes", "VAULT_K8S_TOKEN_PATH": str(tmp_path / "bad")}
    assert refused(backend(front, **asked, VAULT_ROLE="app"), "the kubernetes login was refused (403)")
    assert refused(backend(front, **asked), "needs VAULT_ROLE")
    assert refused(backend(front, VAULT_ROLE="app"), "VAULT_K8S_TOKEN_PATH")


# certificates


def test_a_certificate_logs_in(tmp_path: Path) -> None:
    """The one that the connection shows: VAULT_CLIENT_CERT."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    ours = authority.issue_cert("client.test", common_name="client.test")
    ours.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    with configured(tmp_path, listener=f'tls_client_ca_file = "{tmp_path}/clients.pem"\n') as server:
        server.mount("secret")
        prepare(server, "cert")
        role = {"certificate": (tmp_path / "clients.pem").read_text(), "token_policies": POLICY}
        server.call("POST", "auth/cert/certs/web", role)
        names = {"VAULT_ADDR": server.addr, "VAULT_CACERT": str(server.ca), "VAULT_AUTH_METHOD": "cert"}
        shown = {"VAULT_CLIENT_CERT": str(tmp_path / "client.pem")}
        assert said(VaultBackend({**names, **shown}), APP) == FOUND
        assert said(VaultBackend({**names, **shown, "VAULT_ROLE": "web"}), APP) == FOUND
        assert refused(VaultBackend({**names, **shown, "VAULT_ROLE": "another"}), "the cert login was refused (400)")
        assert refused(VaultBackend(names), "the cert login was refused (400)")


# in general


def test_a_method_that_is_not_mounted_is_a_refused_login(front: VaultFront) -> None:
    """It is no missing secret."""
    names = {"VAULT_AUTH_MOUNT": "nowhere", "VAULT_ROLE_ID": "somebody", "VAULT_SECRET_ID": "not-a-real-secret"}
    assert refused(backend(front, **names), "auth/nowhere/")


def test_a_login_in_a_namespace_that_is_not_there_is_refused(openbao: OpenBao, front: VaultFront) -> None:
    """And the hint names the variable."""
    assert refused(backend(front, **approle(openbao), VAULT_NAMESPACE="nowhere"), "VAULT_NAMESPACE")


def test_a_method_that_nobody_knows_is_a_configuration_error(front: VaultFront) -> None:
    """With those that there are."""
    (answer,) = fetch(backend(front, VAULT_AUTH_METHOD="carrier-pigeon"), [APP])
    assert isinstance(answer, ConfigurationError)
    assert "approle, aws, azure" in str(answer)
    assert front.log == []


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal(429, "slow down", Retry_After="3"), Outcome.THROTTLED),
        (refusal(503, "Vault is sealed"), Outcome.UNAVAILABLE),
        (Reply(200, b"<html>hello</html>", {"Content-Type": "text/html"}), Outcome.INVALID),
        (Reply(200, {"auth": None}), Outcome.INVALID),
        (
            Reply(200, {"auth": {"client_token": "", "mfa_requirement": {"mfa_request_id": "1"}}}),
            Outcome.UNAUTHENTICATED,
        ),
    ],
)
def test_a_login_can_fail_as_a_read_can(openbao: OpenBao, front: VaultFront, answer: Reply, outcome: Outcome) -> None:
    """A server that is down has refused nobody: the next login is tried at once."""
    vault = backend(front, **approle(openbao))
    with front.failing("auth/approle/login", answer):
        assert said(vault, APP) is outcome
    assert said(vault, APP) == FOUND


def test_the_identity_tells_who_reads_and_holds_no_credential(openbao: OpenBao) -> None:
    """Two tokens, two roles, two addresses or two namespaces never share an answer."""
    names = {"VAULT_ADDR": "http://one", "VAULT_TOKEN": "not-a-real-secret", "VAULT_SECRET_ID": "nor-is-this"}
    others = (
        {"VAULT_TOKEN": "another"},
        {"VAULT_ADDR": "http://two"},
        {"VAULT_NAMESPACE": "team"},
        {"VAULT_AUTH_METHOD": "approle", "VAULT_ROLE_ID": "one"},
        {"VAULT_AUTH_METHOD": "approle", "VAULT_ROLE_ID": "two"},
        {"VAULT_AUTH_METHOD": "jwt", "VAULT_ROLE": "one"},
        {"VAULT_AUTH_METHOD": "jwt", "VAULT_ROLE": "one", "VAULT_AUTH_MOUNT": "gitlab"},
        {"VAULT_AUTH_METHOD": "userpass", "VAULT_USERNAME": "mary"},
    )
    ref = Ref.parse("vault://kv/app")
    identities = {VaultBackend({**names, **other}).identity(ref) for other in ({}, *others)}
    identities.add(VaultBackend(names).identity(Ref.parse("vault://kv/app?namespace=red")))
    identities.add(VaultBackend(names).identity(Ref.parse("vault://kv/app?addr=http://three")))
    assert len(identities) == len(others) + 3
    assert "not-a-real-secret" not in repr(identities)
    assert "nor-is-this" not in repr(identities)
