"""moto's server, which speaks AWS's API, in a process of its own on a free loopback port."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDNOTREAL", "AWS_SECRET_ACCESS_KEY": "not-a-real-key"}
_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Moto:
    """A running server.

    Attributes:
        port: Where it listens on 127.0.0.1.
    """

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Forget everything that was stored."""
        assert self.request("POST", "/moto-api/reset") == 200

    def request(self, method: str, path: str) -> int:
        """The status of the answer to a plain request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        finally:
            connection.close()

    def client(self, service: str, region: str = REGION) -> Any:
        """A boto3 client that speaks to it directly, for what a test has to store."""
        return _client(self.url, service, region)


@cache
def _client(url: str, service: str, region: str) -> Any:
    import boto3

    key_id, key = KEYS.values()
    session = boto3.session.Session(key_id, key, region_name=region)
    return session.client(service, endpoint_url=url)  # type: ignore[call-overload]  # the service comes as a str


@contextmanager
def running() -> Iterator[Moto]:
    """A server, from the moment on when it answers; stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(server := Moto(port), process)
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(server: Moto, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            server.reset()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    """One server for the whole run. What is in it is for each test what `aws` leaves: nothing."""
    with running() as server:
        yield server
