"""Google's logins on loopback: the OAuth token endpoint, the token exchange (STS) and the metadata server.

One set of tokens stands behind all three, and behind the store that checks them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = "demo-project"
EMAIL = f"app@{PROJECT}.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AUDIENCE = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/pool/providers/ci"
POOL_PROJECT = "/v1/projects/123456789012"  # where the resource manager tells the project of that
SUBJECT = "not-a-real-subject-token"
REFRESH = "not-a-real-refresh-token"
METADATA = "/computeMetadata/v1"


class Answer(NamedTuple):
    """An HTTP answer: JSON where the body is a mapping, else text."""

    status: int
    body: Mapping[str, Any] | str
    headers: Mapping[str, str] = {}


class Tokens:
    """Who may come in: the tokens that were handed out, and the public keys of service accounts."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.lifetime = 3600.0
        self.refusal: str | None = None
        self._ends: dict[str, float] = {}
        self._keys: dict[str, str] = {}

    def trust(self, email: str, public_key: str) -> None:
        self._keys[email] = public_key

    def revoke(self) -> None:
        self._ends.clear()
        self._keys.clear()

    def issue(self) -> dict[str, Any]:
        token = f"not-a-real-token-{self.calls.total()}-{len(self._ends)}"
        self._ends[token] = time.time() + self.lifetime
        return {"access_token": token, "expires_in": int(self.lifetime), "token_type": "Bearer"}

    def accept(self, header: str | None) -> bool:
        kind, _, token = (header or "").partition(" ")
        return kind == "Bearer" and (self._ends.get(token, 0) > time.time() or self._signed_by_us(token))

    def _signed_by_us(self, token: str) -> bool:
        claims = self.claims(token)
        return SCOPE in claims.get("scope", "") or claims.get("aud") == "https://secretmanager.googleapis.com/"

    def claims(self, token: str) -> Mapping[str, Any]:
        """What a JWT says, if a service account that we trust signed it and it has not expired; else nothing."""
        for key in self._keys.values():
            try:
                return dict(jwt.decode(token, certs=key))
            except ValueError:
                continue
        return {}


def answer(tokens: Tokens, method: str, target: str, headers: Mapping[str, str], body: str) -> Answer | None:
    """Answer a login's request; None where the path is none of ours."""
    path = urlsplit(target).path
    if path in ("/token", "/sts"):
        tokens.calls[path] += 1
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if tokens.refusal:
            status = 503 if tokens.refusal == "temporarily_unavailable" else 400
            return Answer(status, {"error": tokens.refusal, "error_description": "refused by the test"})
        return _grant(tokens, form) if path == "/token" else _exchange(tokens, form)
    if method == "GET" and (path in ("", "/") or path.startswith(METADATA)):
        tokens.calls[path] += 1
        return _metadata(tokens, path.removeprefix(METADATA), headers)
    return None


def _grant(tokens: Tokens, form: Mapping[str, str]) -> Answer:
    signed = tokens.claims(form.get("assertion", "")).get("aud") == "https://oauth2.googleapis.com/token"
    if (form.get("grant_type"), form.get("refresh_token")) == ("refresh_token", REFRESH) or signed:
        return Answer(200, tokens.issue())
    return Answer(400, {"error": "invalid_grant", "error_description": "Bad Request"})


def _exchange(tokens: Tokens, form: Mapping[str, str]) -> Answer:
    if form.get("audience") != AUDIENCE or "token-exchange" not in form.get("grant_type", ""):
        return Answer(400, {"error": "invalid_target", "error_description": "no such provider"})
    if form.get("subject_token") != SUBJECT:
        return Answer(400, {"error": "invalid_grant", "error_description": "the subject token is not ours"})
    kind = "urn:ietf:params:oauth:token-type:access_token"
    return Answer(200, {**tokens.issue(), "issued_token_type": kind})


def _metadata(tokens: Tokens, path: str, headers: Mapping[str, str]) -> Answer:
    flavor = {"Metadata-Flavor": "Google"}
    if headers.get("Metadata-Flavor") != "Google":
        return Answer(403, "Missing Metadata-Flavor:Google header.")
    account = {"aliases": ["default"], "email": EMAIL, "scopes": [SCOPE]}
    accounts = "/instance/service-accounts"
    known: dict[str, Mapping[str, Any] | str] = {
        "": "computeMetadata/",
        "/": "computeMetadata/",
        "/project/project-id": PROJECT,
        "/universe/universe-domain": "googleapis.com",
        f"{accounts}/default/": account,
        f"{accounts}/{EMAIL}/": account,
    }
    if path in (f"{accounts}/default/token", f"{accounts}/{EMAIL}/token"):
        return Answer(503, "", flavor) if tokens.refusal else Answer(200, tokens.issue(), flavor)
    return Answer(200, known[path], flavor) if path in known else Answer(404, "not found", flavor)


def service_account_file(folder: Path, token_uri: str, **changes: Any) -> tuple[Path, str]:
    """Write a service account's key file with a key made just now; give its path and the public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode()
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    info = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "made-for-this-test",
        "private_key": private,
        "client_email": EMAIL,
        "client_id": "1",
        "token_uri": token_uri,
        **changes,
    }
    return _written(folder / "service-account.json", info), public


def federated_file(folder: Path, sts: str, subject: str = SUBJECT) -> Path:
    """Write a workload identity federation file whose subject token lies in a file beside it."""
    (folder / "subject-token").write_text(subject)
    info = {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": sts,
        "credential_source": {"file": str(folder / "subject-token")},
    }
    return _written(folder / "federated.json", info)


def user_file(folder: Path, refresh_token: str = REFRESH) -> Path:
    """Write what `gcloud auth application-default login` leaves behind, where gcloud leaves it."""
    info = {
        "type": "authorized_user",
        "client_id": "not-a-real-client",
        "client_secret": "not-a-real-client-secret",
        "refresh_token": refresh_token,
        "quota_project_id": PROJECT,
    }
    return _written(folder / "application_default_credentials.json", info)


def _written(path: Path, info: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(info))
    return path
