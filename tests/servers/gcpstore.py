"""What the loopback Secret Manager knows, and what a test told it to do wrong. It refuses what the real one refuses."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import google_crc32c
from google.cloud.secretmanager_v1.types import resources, service

from tests.servers import gcpauth

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT, NUMBER = gcpauth.PROJECT, "123456789012"
LIMIT = 64 * 1024
_SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
_NAME = re.compile(
    r"(?P<parent>projects/(?P<project>[a-z0-9-]+)(?P<place>/locations/[a-z0-9-]+)?/secrets/(?P<id>[\w-]{1,255}))"
    r"/versions/(?P<version>[\w-]+)"
)


class Refused(Exception):
    """The service's no, with the status and the message of the real one."""

    def __init__(self, status: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after


@dataclass
class Version:
    """One version of a secret. What it answers has `crc` and `name` in place of the right ones, the data `times`."""

    data: bytes
    state: str = "ENABLED"
    crc: int | None = None
    answers_as: str | None = None
    times: int = 1


@dataclass
class Secret:
    """The versions of a secret (the first is version 1) and its aliases."""

    versions: list[Version] = field(default_factory=list)
    aliases: dict[str, int] = field(default_factory=dict)


class Store:
    """What the service knows, and what it was told to do wrong."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.tokens = gcpauth.Tokens()
        self.secrets: dict[str, Secret] = {}
        self.calls: Counter[str] = Counter()
        self.faults: dict[str, dict[str, Any]] = {}
        self.delay = 0.0

    def put(self, name: str, data: str, **wrong: Any) -> str:
        """Add a version (data in base64), with what it shall answer wrongly; give its number."""
        secret = self.secrets.setdefault(name, Secret())
        raw = b64decode(data)
        if not raw:
            raise Refused("INVALID_ARGUMENT", "Secret Payload cannot be empty.")
        if len(raw) > LIMIT:
            raise Refused("INVALID_ARGUMENT", "The secret payload is larger than 65536 bytes.")
        secret.versions.append(Version(raw, **wrong))
        return str(len(secret.versions))

    def change(self, name: str, version: str, state: str) -> None:
        self.secrets[name].versions[int(version) - 1].state = state

    def alias(self, name: str, alias: str, version: str) -> None:
        self.secrets[name].aliases[alias] = int(version)

    def delete(self, name: str) -> None:
        del self.secrets[name]

    def fail(self, secret_id: str, **fault: Any) -> None:
        """Answer for a secret (`*`: for all) with a status, after a delay, so many times (-1: for good)."""
        self.faults[secret_id] = {"status": "", "times": -1, "delay": 0.0, "retry_after": None, **fault}

    def forgive(self, secret_id: str) -> None:
        self.faults.pop(secret_id, None)

    def exchange(self, old: str, new: str) -> None:
        """Put one file in another's place, at a moment of the test's choice."""
        Path(new).replace(old)

    def access(self, name: str) -> tuple[str, Version]:
        """The version that a name leads to, with its full name: the project's number, the version's number."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise Refused("INVALID_ARGUMENT", f"The request is malformed: invalid name [{name}].")
        place = match["place"] or ""
        self._misbehave(match["id"])
        if match["project"] not in (PROJECT, NUMBER):
            raise Refused("PERMISSION_DENIED", f"Permission denied on resource project {match['project']}.")
        home = f"projects/{NUMBER}{place}/secrets/{match['id']}"
        secret = self.secrets.get(f"projects/{PROJECT}{place}/secrets/{match['id']}")
        number = self._number(secret, match["version"])
        if secret is None or not 0 < number <= len(secret.versions):
            raise Refused("NOT_FOUND", f"Secret [{home}] not found or has no versions.")
        version = secret.versions[number - 1]
        if version.state != "ENABLED":
            raise Refused(
                "FAILED_PRECONDITION", f"Secret Version [{home}/versions/{number}] is in {version.state} state."
            )
        return f"{home}/versions/{number}", version

    @staticmethod
    def _number(secret: Secret | None, version: str) -> int:
        if secret is None:
            return 0
        if version == "latest":  # the newest, even one that is disabled
            return len(secret.versions)
        return int(version) if version.isdigit() else secret.aliases.get(version, 0)

    def _misbehave(self, secret_id: str) -> None:
        fault = self.faults.get(secret_id) or self.faults.get("*")
        if fault is None or fault["times"] == 0:
            return
        fault["times"] -= 1
        time.sleep(fault["delay"])
        if fault["status"]:
            raise Refused(fault["status"], "as the test wants it", fault["retry_after"])


class Service:
    """The calls, for whatever door they come through."""

    def __init__(self) -> None:
        self.store = Store()
        self.counting = Lock()

    def call(self, method: str, message: Any, header: str | None, *, guarded: bool) -> Any:
        with self.counting:
            self.store.calls[method] += 1
        time.sleep(self.store.delay)
        if guarded and not self.store.tokens.accept(header):
            raise Refused("UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if method == "AccessSecretVersion":
            return self._access(message)
        if method == "ListSecrets":
            return self._list(message)
        raise Refused("UNIMPLEMENTED", f"{method} is not served here.")

    def _access(self, message: Any) -> Any:
        name, version = self.store.access(message.name)
        data = version.data * version.times
        crc = google_crc32c.value(data) if version.crc is None else version.crc
        payload = resources.SecretPayload(data=data, data_crc32c=None if crc < 0 else crc)
        return service.AccessSecretVersionResponse(name=version.answers_as or name, payload=payload)

    def _list(self, message: Any) -> Any:
        names = sorted(self.store.secrets)
        start, size = int(message.page_token or 0), message.page_size or 100
        following = str(start + size) if start + size < len(names) else ""
        page = [resources.Secret(name=name) for name in names[start : start + size]]
        return service.ListSecretsResponse(secrets=page, next_page_token=following, total_size=len(names))

    def steer(self, order: Mapping[str, Any]) -> Any:
        """Do what the test says: a method of the store or of its tokens by name, or set an attribute of either."""
        thing = self.store.tokens if order.get("tokens") else self.store
        if "set" in order:
            return setattr(thing, order["set"], order["value"])
        found = getattr(thing, order["do"])
        return found(**order.get("with", {})) if callable(found) else found
