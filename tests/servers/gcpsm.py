"""Google Secret Manager on loopback, in a child process: this side starts, fills and steers it.

The child is a must: a server of gRPC's C core in the test's own process would not survive the fork tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT, NUMBER = "demo-project", "123456789012"
REGION = "europe-west1"
NAMES = (
    *("localhost", "127.0.0.1", "oauth2.googleapis.com", "secretmanager.googleapis.com"),
    "cloudresourcemanager.googleapis.com",
    f"secretmanager.{REGION}.rep.googleapis.com",
)

STATUS_OF = {
    "DENIED": "PERMISSION_DENIED",
    "INACTIVE": "FAILED_PRECONDITION",
    "INVALID": "INVALID_ARGUMENT",
    "THROTTLED": "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED": "UNAUTHENTICATED",
    "UNAVAILABLE": "CUT",
}
"""What the service answers so that a lookup comes to an outcome."""


class SecretManager:
    """A running service.

    Attributes:
        address: Where gRPC and REST are served in plain, to anybody; logins too, over HTTP.
        tls_port: Where both are served over TLS, with a certificate for `NAMES`, to those who have a token.
    """

    def __init__(self) -> None:
        from tests.servers.tls import authority

        self._folder = tempfile.TemporaryDirectory()
        certificate = str(Path(self._folder.name, "certificate.pem"))
        issued = authority().issue_cert(*NAMES)
        issued.private_key_and_cert_chain_pem.write_to_path(certificate)
        command = [sys.executable, "-m", "tests.servers.gcpdoors", certificate]
        root = Path(__file__).parents[2]
        self._child = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._child.stdout is not None
        plain, self.tls_port = json.loads(self._child.stdout.readline())
        self.address = f"127.0.0.1:{plain}"

    def stop(self) -> None:
        """End the child, and its connections with it."""
        self._child.kill()
        self._child.communicate()
        self._folder.cleanup()

    def put(self, secret: str, value: str | bytes, *, location: str | None = None, **wrong: Any) -> str:
        """Add a version to a secret, made where it does not exist; give its number.

        Its answer has `crc` (-1: none) and `answers_as` for checksum and name, and the value `times` times.
        """
        raw = value.encode() if isinstance(value, str) else value
        return str(self._steer("put", name=_full(secret, location), data=b64encode(raw).decode(), **wrong))

    def change(self, secret: str, version: str, state: str) -> None:
        """Make a version ENABLED, DISABLED or DESTROYED."""
        self._steer("change", name=_full(secret), version=version, state=state)

    def alias(self, secret: str, alias: str, version: str) -> None:
        """Let an alias stand for a version."""
        self._steer("alias", name=_full(secret), alias=alias, version=version)

    def delete(self, secret: str) -> None:
        """Delete a secret with all its versions."""
        self._steer("delete", name=_full(secret))

    def fail(self, secret: str, status: str = "", **how: Any) -> None:
        """Answer with a status (CUT: hang up), or only late. `how`: times, delay and retry_after in seconds."""
        self._steer("fail", secret_id=secret, status=status, **how)

    @contextmanager
    def failing(self, secret: str, status: str, **how: Any) -> Iterator[None]:
        """While inside, answer so for this secret."""
        self.fail(secret, status, **how)
        try:
            yield
        finally:
            self._steer("forgive", secret_id=secret)

    def delay(self, seconds: float) -> None:
        """Let every call take so long."""
        self._post(set="delay", value=seconds)

    def reset(self) -> None:
        """Forget secrets, faults and counts."""
        self._steer("reset")

    @property
    def calls(self) -> dict[str, int]:
        """How often each method of the service was asked for."""
        return dict(self._steer("calls"))

    @property
    def logins(self) -> dict[str, int]:
        """How often each path of the logins was asked for."""
        return dict(self._post(tokens=True, do="calls"))

    def trust(self, email: str, public_key: str) -> None:
        """Let a service account's signature count."""
        self._post(tokens=True, do="trust", **{"with": {"email": email, "public_key": public_key}})

    def revoke(self) -> None:
        """Let no token count that was handed out so far, and no key."""
        self._post(tokens=True, do="revoke")

    def refuse_logins(self, error: str | None) -> None:
        """Let every login fail with this OAuth error, or with None no more."""
        self._post(tokens=True, set="refusal", value=error)

    def _steer(self, method: str, **arguments: Any) -> Any:
        return self._post(do=method, **{"with": arguments})

    def _post(self, **order: Any) -> Any:
        request = urllib.request.Request(f"http://{self.address}/steer", json.dumps(order).encode())
        try:
            with _DIRECT.open(request) as answer:
                return json.load(answer)["answer"]
        except HTTPError as error:
            raise ValueError(json.load(error)["refused"]) from None


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _full(secret: str, location: str | None = None) -> str:
    place = f"/locations/{location}" if location else ""
    return f"projects/{PROJECT}{place}/secrets/{secret}"


@pytest.fixture(scope="session")
def running_gcpsm() -> Iterator[SecretManager]:
    """One service for the whole run."""
    server = SecretManager()
    yield server
    server.stop()


@pytest.fixture
def gcpsm(running_gcpsm: SecretManager) -> SecretManager:
    """The service, empty and friendly."""
    running_gcpsm.reset()
    return running_gcpsm
