"""Azure Key Vault's data plane on loopback: it reads and lists secrets, and rejects what the real service rejects."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.servers.entra import TENANT, Tokens
from tests.servers.loopback import CUT, LoopbackServer, Reply, Request

if TYPE_CHECKING:
    import ssl

VAULT: Final = "myvault"
PAGE: Final = 25

_PLACE = re.compile(r"/secrets(?:/([^/]*)(?:/([^/]*))?)?/?")
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")


@dataclass(slots=True)
class _Version:
    value: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    enabled: bool = True
    exp: int | None = None
    nbf: int | None = None
    content_type: str | None = None
    created: int = field(default_factory=lambda: int(time.time()))

    def bundle(self, place: str) -> dict[str, Any]:
        """The secret as the service shows it."""
        times = {"exp": self.exp, "nbf": self.nbf, "created": self.created, "updated": self.created}
        attributes = {"enabled": self.enabled, **times, "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
        kept = {name: value for name, value in attributes.items() if value is not None}
        kind = {"contentType": self.content_type} if self.content_type else {}
        return {"value": self.value, "id": f"{place}/{self.id}", "attributes": kept, **kind, "tags": {}}


class KeyVault(LoopbackServer):
    """All the vaults of a cloud; which one is asked for is the first part of the host's name."""

    def __init__(self, tokens: Tokens, context: ssl.SSLContext) -> None:
        super().__init__(context)
        self.tokens = tokens
        self.tenant = TENANT
        self._secrets: dict[tuple[str, str], list[_Version]] = {}
        self._deleted: dict[tuple[str, str], list[_Version]] = {}

    def put(self, name: str, value: str, vault: str = VAULT, **attributes: Any) -> str:
        """Write a secret: a new version of it."""
        version = _Version(value, **attributes)
        self._secrets.setdefault((vault, name.lower()), []).append(version)
        return version.id

    def delete(self, name: str, vault: str = VAULT) -> None:
        """Delete a secret, softly: nobody can read it, and it can be recovered."""
        if versions := self._secrets.pop((vault, name.lower()), None):
            self._deleted[vault, name.lower()] = versions

    @property
    def reads(self) -> int:
        """How often a secret was read or tried to be, with a token."""
        return sum(bool(_PLACE.fullmatch(one.path)) and "authorization" in one.headers for one in self.log) - self.lists

    @property
    def lists(self) -> int:
        """How often the names of the secrets were listed: never, by a program that knows what it needs."""
        return sum(one.path.rstrip("/") in ("/secrets", "/deletedsecrets") for one in self.log)

    def reset(self) -> None:
        """Empty every vault too."""
        super().reset()
        self._secrets.clear()
        self._deleted.clear()
        self.tenant = TENANT

    def answer(self, request: Request) -> Reply:
        """Answer as the data plane."""
        host = request.headers["host"]
        vault, _, suffix = host.partition(".")
        resource = f"https://{suffix.partition(':')[0]}" if suffix else "https://vault.azure.net"
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        fault = "AKV10000: Request is missing a Bearer or PoP token." if scheme != "Bearer" else None
        if fault := fault or self.tokens.check(token, resource, self.tenant):
            return unauthorized(fault, self.tenant, resource)
        if request.method != "GET" or not (place := _PLACE.fullmatch(request.path)):
            return _error(404, "NotFound", "There is no such operation here.")
        if "api-version" not in request.query:
            return _error(400, "BadParameter", "api-version must be specified")
        if place[1] is None:
            return self._list(vault, f"https://{host}", int(request.query.get("$skiptoken", "0")))
        return self._get(vault, place[1], place[2] or "", f"https://{host}")

    def _get(self, vault: str, name: str, version: str, base: str) -> Reply:
        if not _NAME.fullmatch(name):
            return _error(400, "BadParameter", f"The request URI contains an invalid name: {name}")
        found = [one for one in self._secrets.get((vault, name.lower()), ()) if version in ("", one.id)]
        if not found:
            return _error(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        if not found[-1].enabled:
            return FORBIDDEN["SecretDisabled"]
        return Reply(body=found[-1].bundle(f"{base}/secrets/{name}"))

    def _list(self, vault: str, base: str, start: int) -> Reply:
        names = sorted(name for owner, name in self._secrets if owner == vault)
        items = [
            {"id": f"{base}/secrets/{name}", "attributes": {"enabled": True}} for name in names[start : start + PAGE]
        ]
        more = f"{base}/secrets?api-version=7.5&$skiptoken={start + PAGE}" if start + PAGE < len(names) else None
        return Reply(body={"value": items, "nextLink": more})


def _error(
    status: int, code: str, message: str, *, inner: str | None = None, headers: dict[str, str] | None = None
) -> Reply:
    innererror = {"innererror": {"code": inner}} if inner else {}
    return Reply(status, {"error": {"code": code, "message": message, **innererror}}, headers or {})


def unauthorized(message: str, tenant: str = TENANT, resource: str = "https://vault.azure.net") -> Reply:
    """A 401, with the challenge that says which token is wanted."""
    challenge = f'Bearer authorization="https://login.microsoftonline.com/{tenant}", resource="{resource}"'
    return _error(401, "Unauthorized", message, headers={"WWW-Authenticate": challenge})


FORBIDDEN: Final = {
    inner: _error(403, "Forbidden", message, inner=inner)
    for inner, message in {
        "SecretDisabled": "Operation get is not allowed on a disabled secret.",
        "ForbiddenByRbac": "Caller is not authorized to perform action on resource.",
        "AccessDenied": "The user, group or application does not have secrets get permission on key vault.",
        "ForbiddenByFirewall": "Client address is not authorized and caller is not a trusted service.",
        "ForbiddenByConnection": "Public network access is disabled and request is not from a trusted service.",
    }.items()
}
"""The reasons for a 403."""
DOWN: Final = _error(503, "ServiceUnavailable", "The service is not available now.")


def throttled(**headers: str) -> Reply:
    """A 429 with these headers (`retry_after="1"`)."""
    message = "Request was not processed because too many requests were received."
    return _error(429, "Throttled", message, headers={name.replace("_", "-"): value for name, value in headers.items()})


ANSWERS: Final = {
    "DENIED": FORBIDDEN["ForbiddenByRbac"],
    "INACTIVE": FORBIDDEN["SecretDisabled"],
    "INVALID": Reply(body=b"<html>This is the gateway.</html>", headers={"Content-Type": "text/html"}),
    "THROTTLED": throttled(retry_after="1"),
    "UNAUTHENTICATED": unauthorized("AKV10022: Invalid audience."),
    "UNAVAILABLE": CUT,
}
"""An answer for each outcome that is a failure."""
