"""As much of an AMQP broker as a login takes: it notes who comes, and lets in who has the password."""

from __future__ import annotations

import socketserver
import struct
import threading
from contextlib import suppress
from typing import Self

_START, _START_OK, _TUNE, _OPEN, _OPEN_OK, _CLOSE, _CLOSE_OK = 10, 11, 30, 40, 41, 50, 51
_REFUSED = 403


class Amqp(socketserver.ThreadingTCPServer):
    """A broker on a free loopback port, as a context manager.

    Attributes:
        password: What lets in.
        logins: User and password of everybody who came.
    """

    daemon_threads = True

    def __init__(self, password: str) -> None:
        self.password = password
        self.logins: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.server_close()


class _Connection(socketserver.StreamRequestHandler):
    server: Amqp

    def handle(self) -> None:
        with suppress(OSError, struct.error):  # a client that hung up
            self._log_in()

    def _log_in(self) -> None:
        assert self.rfile.read(8) == b"AMQP\x00\x00\x09\x01"
        self._send(_START, b"\x00\x09" + _long(b"") + _long(b"PLAIN") + _long(b"en_US"))
        _, user, password = _response(self._receive(_START_OK)).split(b"\0")
        self.server.logins.append((user.decode(), password.decode()))
        if password.decode() != self.server.password:
            self._send(_CLOSE, struct.pack(">H", _REFUSED) + b"\x07REFUSED" + bytes(4))
            self._receive(_CLOSE_OK)
            return
        self._send(_TUNE, struct.pack(">HIH", 0, 131_072, 0))
        self._receive(_OPEN)
        self._send(_OPEN_OK, b"\x00")
        self._receive(_CLOSE)
        self._send(_CLOSE_OK, b"")

    def _send(self, method: int, arguments: bytes) -> None:
        payload = struct.pack(">HH", 10, method) + arguments
        self.wfile.write(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")

    def _receive(self, wanted: int) -> bytes:
        """The arguments of a method; others that come before it are passed over."""
        while True:
            _, _, size = struct.unpack(">BHI", self.rfile.read(7))
            payload, _ = self.rfile.read(size), self.rfile.read(1)
            if struct.unpack(">HH", payload[:4]) == (10, wanted):
                return payload[4:]


def _long(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _response(arguments: bytes) -> bytes:
    """What a client that logs in says after its properties and its mechanism."""
    (properties,) = struct.unpack_from(">I", arguments)
    start = 4 + properties
    start += 1 + arguments[start]
    (size,) = struct.unpack_from(">I", arguments, start)
    return arguments[start + 4 : start + 4 + size]
