"""A front before OpenBao: it logs what is asked, and answers on demand as a server or a gateway that fails.

with front.failing("kv/data/app", DENIED): ...      # what matches this pattern is not passed on
front.count("auth/approle/login")                   # how often a path was asked for
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from tests.servers.loopback import LoopbackServer, Reply, Request
from tests.servers.openbao import OpenBao


def refusal(status: int, *errors: str, **headers: str) -> Reply:
    """An error as Vault words it."""
    return Reply(status, {"errors": errors}, {name.replace("_", "-"): value for name, value in headers.items()})


DENIED = refusal(403, "1 error occurred:\n\t* permission denied\n\n")
UNAUTHENTICATED = Reply(401, b"<html>log in first</html>", {"Content-Type": "text/html"})
THROTTLED = refusal(429, "request path: rate limit quota exceeded", Retry_After="7")
HTML = Reply(200, b"<html>welcome</html>", {"Content-Type": "text/html"})
EMPTY = Reply(200, b"", {"Content-Type": "application/json"})


class VaultFront(LoopbackServer):
    """The front, as a context manager."""

    def __init__(self, openbao: OpenBao) -> None:
        super().__init__()
        self.url = f"http://127.0.0.1:{self.port}"
        self.openbao = openbao

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a client that is root, and comes through here."""
        return {"VAULT_ADDR": self.url, "VAULT_TOKEN": self.openbao.token}

    def paths(self) -> list[str]:
        """What was asked for so far, without `/v1/`."""
        return [request.path.removeprefix("/v1/") for request in list(self.log)]

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return self.paths().count(path)

    def answer(self, request: Request) -> Reply:
        """Pass a request on."""
        connection = http.client.HTTPConnection("127.0.0.1", self.openbao.port, timeout=10)
        query = f"?{urlencode(request.query)}" if request.query else ""
        headers = {
            name: value for name, value in request.headers.items() if name.startswith(("x-vault", "content-type"))
        }
        connection.request(request.method, quote(request.path) + query, request.body or None, headers)
        with connection.getresponse() as response:
            reply = Reply(response.status, response.read(), {"Content-Type": response.headers.get("Content-Type", "")})
        connection.close()
        return reply


@pytest.fixture
def front(openbao: OpenBao) -> Iterator[VaultFront]:
    """A front of the test's own, before the dev server that all tests share."""
    with VaultFront(openbao) as server:
        yield server
