"""Secrets Manager's answers to reads, as fast as they can be given; it keeps connections open, as AWS does.

There is a secret under every name: JSON, with the last part of the name as its key.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import lru_cache
from typing import Any

from benchmarks.servers.child import Child, obey


class SecretsManager(Child):
    """The server, as a context manager.

    Attributes:
        address: Where it listens, `host:port`.
    """

    def __init__(self) -> None:
        super().__init__("benchmarks.servers.aws")
        self.address: str = self.said


def _secret(name: str) -> dict[str, Any]:
    arn = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-AbCdEf"
    named = {"ARN": arn, "Name": name, "CreatedDate": 1.7e9}
    return {
        **named,
        "SecretString": json.dumps({name.rpartition("/")[2]: name}),
        "VersionId": "1" * 36,
        "VersionStages": ["AWSCURRENT"],
    }


def _get(asked: dict[str, Any]) -> dict[str, Any]:
    return _secret(asked["SecretId"])


def _batch(asked: dict[str, Any]) -> dict[str, Any]:
    names = asked.get("SecretIdList") or asked["Filters"][0]["Values"]
    return {"SecretValues": [_secret(name) for name in names], "Errors": []}


def _describe(asked: dict[str, Any]) -> dict[str, Any]:
    return {**_secret(asked["SecretId"]), "VersionIdsToStages": {"1" * 36: ["AWSCURRENT"]}}


_ANSWERS = {b"getsecretvalue": _get, b"batchgetsecretvalue": _batch, b"describesecret": _describe}


@lru_cache(maxsize=1024)
def _answer(target: bytes, asked: bytes) -> bytes:
    """What goes over the wire; composed once, as it takes processor time that the client has to share."""
    body = json.dumps(_ANSWERS[target.rpartition(b".")[2]](json.loads(asked))).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """One client's connection: requests with a Content-Length, one after the other."""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = dict(line.lower().split(b": ", 1) for line in self._received[:end].split(b"\r\n")[1:])
            whole = end + 4 + int(head[b"content-length"])
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            self._transport.write(_answer(head[b"x-amz-target"], body))


async def main() -> None:
    """Serve until standard input ends."""
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    await asyncio.to_thread(obey, f"127.0.0.1:{server.sockets[0].getsockname()[1]}", {})
    sys.exit()


if __name__ == "__main__":
    asyncio.run(main())
