"""The clouds' ways in. OpenBao has none of them, so a front checks the proof as Vault would, and gives a real token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest

from secretsource.backend import Outcome
from secretsource.backends.vault import VaultBackend
from tests.servers.azurecloud import AzureCloud
from tests.servers.entra import APP as APP_ID
from tests.servers.entra import TENANT, federated_token
from tests.servers.gcpauth import EMAIL, service_account_file
from tests.servers.loopback import LoopbackServer, Reply, Request
from tests.servers.openbao import OpenBao
from tests.servers.vaultfront import VaultFront, refusal
from tests.vault.asking import said, told
from tests.vault.logins import POLICY, prepare

APP = "secret/app"
FOUND = {"key": "value"}
SECRET_KEY = "not-a-real-secret"


class CloudVault(VaultFront):
    """A Vault with a cloud's auth method at `auth/cloud/`."""

    def __init__(self, openbao: OpenBao, accepts: Callable[[Mapping[str, Any]], bool]) -> None:
        super().__init__(openbao)
        self._accepts = accepts
        self.proofs: list[Mapping[str, Any]] = []

    def answer(self, request: Request) -> Reply:
        if request.path != "/v1/auth/cloud/login":
            return super().answer(request)
        self.proofs.append(json.loads(request.body))
        if not self._accepts(self.proofs[-1]):
            return refusal(403, "permission denied")
        return Reply(200, self.openbao.call("POST", "auth/token/create", {"policies": [POLICY], "ttl": "1h"}))


@pytest.fixture
def cloud(openbao: OpenBao, request: pytest.FixtureRequest) -> Iterator[CloudVault]:
    prepare(openbao, "approle")
    with CloudVault(openbao, request.param) as server:
        yield server


def backend(front: CloudVault, method: str, **names: str) -> VaultBackend:
    own = {"VAULT_ADDR": front.url, "VAULT_AUTH_METHOD": method, "VAULT_AUTH_MOUNT": "cloud", "VAULT_ROLE": "app"}
    return VaultBackend({**os.environ, **own, **names})


# AWS


def signed_by_us(proof: Mapping[str, Any]) -> bool:
    """Whether AWS would take the request that Vault passes on: its signature is made anew from the known key."""
    headers = {name.lower(): values[0] for name, values in json.loads(plain(proof["iam_request_headers"])).items()}
    scheme, _, rest = headers.pop("authorization").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    _, day, region, service, _ = parts["Credential"].split("/")
    host = plain(proof["iam_request_url"]).removeprefix("https://").rstrip("/")
    lines = [
        f"{name}:{headers.get(name, host if name == 'host' else '')}\n" for name in parts["SignedHeaders"].split(";")
    ]
    body = hashlib.sha256(plain(proof["iam_request_body"]).encode()).hexdigest()
    canonical = f"POST\n/\n\n{''.join(lines)}\n{parts['SignedHeaders']}\n{body}"
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"{scheme}\n{headers['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for word in scope.split("/"):
        key = hmac.new(key, word.encode(), "sha256").digest()
    return hmac.new(key, text.encode(), "sha256").hexdigest() == str(parts["Signature"])


def plain(text: str) -> str:
    return base64.b64decode(text).decode()


@pytest.fixture
def _aws_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not-a-real-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)


@pytest.mark.usefixtures("_aws_keys")
@pytest.mark.parametrize("cloud", [signed_by_us], indirect=True)
@pytest.mark.parametrize(
    ("names", "url"),
    [
        ({}, "https://sts.amazonaws.com/"),
        ({"VAULT_AWS_REGION": "eu-west-1"}, "https://sts.eu-west-1.amazonaws.com/"),
        ({"VAULT_AWS_REGION": "cn-north-1"}, "https://sts.cn-north-1.amazonaws.com.cn/"),
    ],
)
def test_aws_proves_who_it_is_by_a_signed_request(cloud: CloudVault, names: dict[str, str], url: str) -> None:
    """The request is the one that tells who its sender is; it goes to Vault, and from here to nobody else."""
    assert said(backend(cloud, "aws", **names), APP) == FOUND
    (proof,) = cloud.proofs
    assert (proof["role"], proof["iam_http_request_method"], plain(proof["iam_request_url"])) == ("app", "POST", url)
    assert plain(proof["iam_request_body"]) == "Action=GetCallerIdentity&Version=2011-06-15"


@pytest.mark.usefixtures("_aws_keys")
@pytest.mark.parametrize("cloud", [signed_by_us], indirect=True)
def test_aws_signs_session_token_and_server_id(cloud: CloudVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes the request good for one Vault only, and for keys of short life, is under the signature."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "not-a-real-session")
    assert said(backend(cloud, "aws", VAULT_AWS_IAM_SERVER_ID="vault.test"), APP) == FOUND
    headers = json.loads(plain(cloud.proofs[0]["iam_request_headers"]))
    assert headers["X-Vault-AWS-IAM-Server-ID"] == ["vault.test"]
    assert headers["X-Amz-Security-Token"] == ["not-a-real-session"]
    signed = headers["Authorization"][0].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"x-vault-aws-iam-server-id", "x-amz-security-token", "host"} <= set(signed)


@pytest.mark.parametrize("cloud", [signed_by_us], indirect=True)
def test_a_wrong_aws_key_is_a_refused_login(cloud: CloudVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the check above can fail."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not-a-real-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    assert told(backend(cloud, "aws"), APP)[1].detail == "the aws login was refused (403)"


@pytest.mark.parametrize("cloud", [signed_by_us], indirect=True)
def test_without_aws_credentials_nothing_is_sent(cloud: CloudVault) -> None:
    """There is nothing to sign with."""
    outcome, advice = told(backend(cloud, "aws"), APP)
    assert (outcome, advice.detail) == (Outcome.UNAUTHENTICATED, "the aws login finds no AWS credentials")
    assert cloud.log == []


@pytest.mark.parametrize("cloud", [signed_by_us], indirect=True)
def test_a_profile_that_is_not_there_is_no_login(cloud: CloudVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the SDK raises on its way to credentials is told as their lack."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    outcome, advice = told(backend(cloud, "aws"), APP)
    assert (outcome, advice.detail) == (
        Outcome.UNAUTHENTICATED,
        "the aws login finds no AWS credentials (ProfileNotFound)",
    )
    assert cloud.log == []


# Azure


class ManagedIdentity(LoopbackServer):
    """App Service's endpoint for managed identities."""

    def answer(self, request: Request) -> Reply:
        if request.headers.get("x-identity-header") != "header":
            return Reply(401, {})
        token = {"access_token": f"for {request.query['resource']}", "expires_on": str(int(time.time()) + 3600)}
        return Reply(200, {**token, "token_type": "Bearer"})


@pytest.mark.parametrize("cloud", [lambda proof: proof["jwt"].startswith("for ")], indirect=True)
def test_azure_shows_the_token_of_its_managed_identity(cloud: CloudVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the resource that Vault expects, with the machine as far as the variables tell."""
    with ManagedIdentity() as identity:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{identity.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        names = {"VAULT_AZURE_SUBSCRIPTION_ID": "sub", "VAULT_AZURE_RESOURCE_GROUP_NAME": "group"}
        assert said(backend(cloud, "azure", **names, VAULT_AZURE_VM_NAME="vm"), APP) == FOUND
        assert said(backend(cloud, "azure", VAULT_AZURE_RESOURCE="https://vault.test"), APP) == FOUND
    machine = {"subscription_id": "sub", "resource_group_name": "group", "vm_name": "vm"}
    assert cloud.proofs == [
        {"role": "app", "jwt": "for https://management.azure.com/", **machine},
        {"role": "app", "jwt": "for https://vault.test"},
    ]


@pytest.mark.parametrize("cloud", [lambda proof: True], indirect=True)
def test_azure_shows_the_token_of_its_pod(
    azure: AzureCloud, cloud: CloudVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A federated (workload) identity goes before the machine's."""
    (tmp_path / "token").write_text(federated_token())
    monkeypatch.setenv("AZURE_TENANT_ID", TENANT)
    monkeypatch.setenv("AZURE_CLIENT_ID", APP_ID)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    assert said(backend(cloud, "azure", VAULT_AZURE_RESOURCE="https://vault.azure.net"), APP) == FOUND
    shown = jwt.decode(cloud.proofs[0]["jwt"], options={"verify_signature": False})
    assert shown["aud"] == "https://vault.azure.net"
    assert azure.machine.log == []


@pytest.mark.parametrize("cloud", [lambda proof: True], indirect=True)
def test_without_a_managed_identity_nothing_is_sent(cloud: CloudVault) -> None:
    """No metadata server answers here."""
    outcome, advice = told(backend(cloud, "azure"), APP)
    assert outcome is Outcome.UNAUTHENTICATED
    assert "managed identity" in str(advice.detail)
    assert cloud.log == []


# Google Cloud


def google_claims(token: str, key: str | None = None) -> dict[str, Any]:
    options = {"verify_signature": key is not None, "verify_aud": False}
    return dict(jwt.decode(token, key or "", algorithms=["RS256"], options=options))  # type: ignore[arg-type]


@pytest.mark.parametrize("cloud", [lambda proof: proof["role"] == "app"], indirect=True)
def test_gcp_signs_with_a_service_account_s_key(
    cloud: CloudVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The token is for this role, ends soon, and its signature is the account's."""
    path, public_key = service_account_file(tmp_path, "http://127.0.0.1:9/token")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert said(backend(cloud, "gcp"), APP) == FOUND
    token = cloud.proofs[0]["jwt"]
    claims = google_claims(token, public_key)
    assert (claims["sub"], claims["aud"]) == (EMAIL, "vault/app")
    assert 0 < claims["exp"] - time.time() < 900
    assert jwt.get_unverified_header(token)["kid"] == "made-for-this-test"


class Metadata(LoopbackServer):
    """A machine's metadata server, with a token that tells which machine it is."""

    def answer(self, request: Request) -> Reply:
        path = request.path.removeprefix("/computeMetadata/v1/")
        account = {"aliases": ["default"], "email": EMAIL, "scopes": []}
        flavour = {"Metadata-Flavor": "Google", "Content-Type": "application/text"}
        if path.endswith("/identity"):
            claims = {"aud": request.query["audience"], "format": request.query["format"], "exp": time.time() + 3600}
            return Reply(200, jwt.encode(claims, "any key that is of thirty-two bytes or more").encode(), flavour)
        if path == "project/project-id":
            return Reply(200, b"project", flavour)
        if "service-accounts" in path:
            return Reply(200, account, {**flavour, "Content-Type": "application/json"})
        return Reply(200, b"", flavour)


READ = """

from tests.vault.asking import said
from secretsource.backends.vault import VaultBackend
print(said(VaultBackend(), "secret/app"))
"""


@pytest.mark.parametrize("cloud", [lambda proof: proof["role"] == "app"], indirect=True)
def test_gcp_shows_the_token_of_its_machine(cloud: CloudVault) -> None:
    """In a process of its own, as google-auth reads where the metadata server is when it is imported."""
    with Metadata() as metadata:
        host = f"127.0.0.1:{metadata.port}"
        own = {"VAULT_ADDR": cloud.url, "VAULT_AUTH_METHOD": "gcp", "VAULT_AUTH_MOUNT": "cloud", "VAULT_ROLE": "app"}
        environ = {**os.environ, **own, "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
        command = [sys.executable, "-c", READ]
        root = Path(__file__).parents[2]
        run = subprocess.run(command, env=environ, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert run.stdout.strip() == str(FOUND), run.stderr
    claims = google_claims(cloud.proofs[0]["jwt"])
    assert (claims["aud"], claims["format"]) == ("http://vault/app", "full")


@pytest.mark.parametrize("cloud", [lambda proof: True], indirect=True)
def test_without_a_google_account_nothing_is_sent(cloud: CloudVault) -> None:
    """Neither a key nor a metadata server."""
    outcome, advice = told(backend(cloud, "gcp"), APP)
    assert outcome is Outcome.UNAUTHENTICATED
    assert "no service account's key" in str(advice.detail)
    assert cloud.log == []


@pytest.mark.parametrize("content", [None, "[1]"])
@pytest.mark.parametrize("cloud", [lambda proof: True], indirect=True)
def test_a_google_file_that_is_no_use_is_no_login(
    cloud: CloudVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    """A folder, or JSON of another shape."""
    path = tmp_path if content is None else tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    outcome, advice = told(backend(cloud, "gcp"), APP)
    assert outcome is Outcome.UNAUTHENTICATED
    assert "no service account's key" in str(advice.detail)
    assert cloud.log == []
