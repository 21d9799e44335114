"""Microsoft Entra ID on loopback: the token endpoint, and managed identity by IMDS and by App Service.

One set of tokens stands behind all three, and behind the vault that checks them. Errors have Entra's codes.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt

from tests.servers.loopback import LoopbackServer, Reply, Request

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from cryptography.x509 import Certificate

TENANT: Final = "11111111-aaaa-4bbb-8ccc-222222222222"
OTHER_TENANT: Final = "33333333-aaaa-4bbb-8ccc-444444444444"
APP: Final = "aaaaaaaa-0000-4000-8000-000000000001"
USER_ASSIGNED: Final = "aaaaaaaa-0000-4000-8000-000000000002"
SECRET: Final = "not-a-real-client-secret"
IDENTITY_HEADER: Final = "not-a-real-identity-header"
RESOURCES: Final = (
    *("https://vault.azure.net", "https://vault.azure.cn", "https://vault.usgovcloudapi.net"),
    "https://vault.stack.example",  # a cloud that the SDK does not know by name
)
CLUSTER: Final = ("https://cluster.example/issuer", "system:serviceaccount:shop:shop")
"""Whom the app trusts as a federated identity: the issuer, and the subject in its tokens."""

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_EXCHANGE = "api://AzureADTokenExchange"


@dataclass(frozen=True, slots=True)
class App:
    """An app registration, and the proofs of being it that are good."""

    secret: str | None = SECRET
    certificate: Certificate | None = None
    federated: tuple[str, str] | None = CLUSTER


class Tokens:
    """The access tokens that were handed out."""

    def __init__(self) -> None:
        self._key = "not-a-real-signing-key-of-the-loopback-entra"
        self.lifetime = 3600  # seconds
        self.issued = 0
        self._revoked: set[str] = set()
        self._live: set[str] = set()

    def issue(self, client_id: str, tenant: str, resource: str) -> dict[str, Any]:
        """A new access token, in the shape of the token endpoint's answer."""
        now, name = int(time.time()), uuid.uuid4().hex
        claims = {"aud": resource, "tid": tenant, "appid": client_id, "jti": name, "exp": now + self.lifetime}
        self._live.add(name)
        self.issued += 1
        token = jwt.encode(claims, self._key, "HS256")
        return {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token}

    def revoke(self) -> None:
        """Revoke every token that was handed out so far."""
        self._revoked |= self._live

    def check(self, token: str, audience: str, tenant: str) -> str | None:
        """What is wrong with a token, or None."""
        try:
            claims = jwt.decode(token, self._key, ["HS256"], audience=audience)
        except jwt.InvalidTokenError as error:
            return f"AKV10022: {type(error).__name__}"
        if claims["jti"] in self._revoked:
            return "AKV10045: the token is revoked"
        return None if claims["tid"] == tenant else "AKV10032: Invalid issuer."


class Entra(LoopbackServer):
    """The login server: openid-configuration, instance discovery and the token endpoint, for one or two tenants."""

    def __init__(self, tokens: Tokens, context: ssl.SSLContext) -> None:
        super().__init__(context)
        self.tokens = tokens
        self.apps: dict[str, App] = {APP: App()}
        self.tenants = {TENANT, OTHER_TENANT}

    @property
    def logins(self) -> int:
        """How often the token endpoint was asked."""
        return sum(request.path.endswith("/oauth2/v2.0/token") for request in self.log)

    def answer(self, request: Request) -> Reply:
        """Answer as login.microsoftonline.com."""
        host = request.headers["host"]
        if request.path == "/common/discovery/instance":
            aliases = {"preferred_network": host, "preferred_cache": host, "aliases": [host]}
            return Reply(body={"tenant_discovery_endpoint": "", "api-version": "1.1", "metadata": [aliases]})
        if not (
            place := re.fullmatch(
                r"/([^/]+)/(v2\.0/\.well-known/openid-configuration|oauth2/v2\.0/token)", request.path
            )
        ):
            return Reply(404)
        tenant = place[1]
        if tenant not in self.tenants:
            return _refused(400, "invalid_tenant", f"AADSTS90002: Tenant '{tenant}' not found.")
        if place[2].startswith("v2.0"):
            base = f"https://{host}/{tenant}"
            endpoints = {"token_endpoint": f"{base}/oauth2/v2.0/token", "authorization_endpoint": f"{base}/authorize"}
            return Reply(body={**endpoints, "issuer": f"{base}/v2.0"})
        return self._token(request.form, tenant, f"https://{host}/{tenant}/oauth2/v2.0/token")

    def _token(self, form: Mapping[str, str], tenant: str, endpoint: str) -> Reply:
        client_id, resource = form.get("client_id", ""), form.get("scope", "").removesuffix("/.default")
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "AADSTS70003: The grant type is not supported.")
        if client_id not in self.apps:
            return _refused(400, "unauthorized_client", f"AADSTS700016: Application '{client_id}' was not found.")
        if fault := self._proof_fault(self.apps[client_id], form, client_id, endpoint):
            return _refused(401, "invalid_client", fault)
        if resource not in RESOURCES:
            return _refused(400, "invalid_resource", f"AADSTS500011: The resource principal {resource} was not found.")
        return Reply(body=self.tokens.issue(client_id, tenant, resource))

    def _proof_fault(self, app: App, form: Mapping[str, str], client_id: str, endpoint: str) -> str | None:
        if "client_secret" in form:
            right = app.secret is not None and form["client_secret"] == app.secret
            return None if right else "AADSTS7000215: Invalid client secret provided."
        if form.get("client_assertion_type") != _ASSERTION:
            return "AADSTS7000218: The request body must contain 'client_assertion' or 'client_secret'."
        assertion = form["client_assertion"]
        try:
            if "x5t" in (head := jwt.get_unverified_header(assertion)) or "x5t#S256" in head:
                return _certificate_fault(app, assertion, client_id, endpoint)
            claims = jwt.decode(assertion, FEDERATION_KEY, ["HS256"], audience=_EXCHANGE)
        except jwt.InvalidTokenError:
            return "AADSTS700027: The certificate or assertion is not within its valid time range, or not signed so."
        if (claims["iss"], claims["sub"]) != app.federated:
            return "AADSTS70021: No matching federated identity record found for presented assertion."
        return None


def _certificate_fault(app: App, assertion: str, client_id: str, endpoint: str) -> str | None:
    head = jwt.get_unverified_header(assertion)
    if app.certificate is None or not _is_thumbprint(head, app.certificate):
        return "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered."
    key: Any = app.certificate.public_key()
    claims = jwt.decode(assertion, key, ["RS256", "PS256"], audience=endpoint)
    return None if claims["iss"] == claims["sub"] == client_id else "AADSTS700023: The issuer is not the client."


def _is_thumbprint(head: Mapping[str, str], certificate: Certificate) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding

    der = certificate.public_bytes(Encoding.DER)
    prints = {"x5t#S256": hashlib.sha256(der).digest(), "x5t": hashlib.sha1(der).digest()}
    return any(head.get(name, "").rstrip("=") == _base64(raw) for name, raw in prints.items())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _refused(status: int, error: str, description: str) -> Reply:
    return Reply(status, {"error": error, "error_description": description, "error_codes": []})


FEDERATION_KEY: Final = "not-a-real-key-of-the-cluster's-token-issuer"


def federated_token(issuer: str = CLUSTER[0], subject: str = CLUSTER[1], *, lifetime: int = 3600) -> str:
    """A token of a Kubernetes service account, as it lies in `AZURE_FEDERATED_TOKEN_FILE`."""
    claims = {"iss": issuer, "sub": subject, "aud": _EXCHANGE, "exp": int(time.time()) + lifetime}
    return jwt.encode(claims, FEDERATION_KEY, "HS256")


class ManagedIdentity(LoopbackServer):
    """IMDS as it is on a virtual machine, and the endpoint that App Service has in its place. Plain HTTP."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self.tokens = tokens
        self.identities: dict[str | None, str] = {None: "the-machine-itself", USER_ASSIGNED: USER_ASSIGNED}

    @property
    def app_service(self) -> dict[str, str]:
        """The variables that App Service sets."""
        return {"IDENTITY_ENDPOINT": f"{self.url}/msi/token", "IDENTITY_HEADER": IDENTITY_HEADER}

    def answer(self, request: Request) -> Reply:
        """Answer as IMDS, or as App Service."""
        query = request.query
        if request.path == "/metadata/identity/oauth2/token":
            if request.headers.get("metadata") != "true" or "x-forwarded-for" in request.headers:
                return _refused(400, "invalid_request", "Required metadata header not specified")
            if query.get("api-version") != "2018-02-01":
                return _refused(400, "invalid_request", "The API version is not supported")
        elif request.path == "/msi/token":
            if request.headers.get("x-identity-header") != IDENTITY_HEADER:
                return Reply(401, {"statusCode": 401, "message": "Unauthorized"})
            if query.get("api-version") != "2019-08-01":
                return Reply(400, {"statusCode": 400, "message": "Unsupported API version"})
        else:
            return Reply(404)
        return self._token(query.get("resource", ""), query.get("client_id"))

    def _token(self, resource: str, client_id: str | None) -> Reply:
        if client_id not in self.identities:
            return _refused(400, "invalid_request", "Identity not found")
        if resource not in RESOURCES:
            return _refused(400, "invalid_resource", f"AADSTS500011: The resource principal {resource} was not found.")
        answer = self.tokens.issue(self.identities[client_id], TENANT, resource)
        expires_on = str(int(time.time()) + self.tokens.lifetime)
        return Reply(
            body={**answer, "expires_in": str(answer["expires_in"]), "expires_on": expires_on, "resource": resource}
        )
