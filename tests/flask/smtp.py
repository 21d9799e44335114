"""A mail server on a free loopback port that keeps what it is sent, and refuses who does not know the password."""

from __future__ import annotations

import base64
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SmtpServer(socketserver.ThreadingTCPServer):
    """The server.

    Attributes:
        username: Who may send.
        password: With which password.
        messages: What was sent.
        refused: How many logins were refused.
    """

    daemon_threads = True

    def __init__(self, username: str, password: str) -> None:
        self.username, self.password = username, password
        self.messages: list[str] = []
        self.refused = 0
        super().__init__(("127.0.0.1", 0), _Conversation)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def lets_in(self, credentials: str) -> bool:
        """Whether these are the right ones, as AUTH PLAIN sends them."""
        known = credentials == f"\0{self.username}\0{self.password}"
        self.refused += not known
        return known


class _Conversation(socketserver.StreamRequestHandler):
    server: SmtpServer

    def handle(self) -> None:
        self._say("220 ready")
        logged_in = False
        while line := self.rfile.readline().decode().strip():
            verb, _, rest = line.partition(" ")
            if verb.upper() == "EHLO":
                self._say("250-localhost\r\n250 AUTH PLAIN")
            elif verb == "AUTH":
                logged_in = self.server.lets_in(base64.b64decode(rest.removeprefix("PLAIN ")).decode())
                self._say("235 welcome" if logged_in else "535 wrong password")
            elif verb.upper() == "DATA" and logged_in:
                self._say("354 go on")
                self.server.messages.append(self._message())
                self._say("250 kept")
            elif verb.upper() == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok" if logged_in else "530 log in first")

    def _message(self) -> str:
        lines = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
        return "\n".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def smtp_server(username: str, password: str) -> Iterator[SmtpServer]:
    """Run one until the end of the block."""
    with SmtpServer(username, password) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()
