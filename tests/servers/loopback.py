"""An HTTP or HTTPS server on a free loopback port: a log of requests, a queue of faults, a latency."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; the names of headers in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode()))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answers. `cut` breaks the connection before the answer, or `keep` bytes into it."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    keep: int = 0

    def wire(self, *, last: bool = False) -> bytes:
        """The whole answer as it goes over the wire; the last one of a connection says so."""
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        kind = {} if isinstance(self.body, bytes) else {"Content-Type": "application/json; charset=utf-8"}
        close = {"Connection": "close"} if last else {}
        headers = {**kind, **self.headers, **close, "Content-Length": str(len(body))}
        lines = [f"HTTP/1.1 {self.status} Answer", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + body


CUT = Reply(cut=True)


@dataclass(slots=True)
class _Fault:
    pattern: re.Pattern[str]
    reply: Reply
    times: int


class LoopbackServer:
    """The base of the servers: a subclass says what it answers."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.log: list[Request] = []
        self.latency = 0.0  # seconds before every answer
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._server = _Server(self, context)
        self.port: int = self._server.server_address[1]
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}"

    def answer(self, request: Request) -> Reply:
        """What to answer to a request."""
        raise NotImplementedError

    def fail(self, path: str, reply: Reply, times: int = 1_000_000) -> None:
        """Answer so, as often as said, to requests whose path this pattern matches."""
        self._faults.append(_Fault(re.compile(path), reply, times))

    @contextmanager
    def failing(self, path: str, reply: Reply) -> Iterator[None]:
        """Answer so while inside."""
        before = list(self._faults)
        self.fail(path, reply)
        try:
            yield
        finally:
            self._faults[:] = before

    def reset(self) -> None:
        """Forget log and faults."""
        self.log.clear()
        self._faults.clear()
        self.latency = 0.0

    def handle(self, request: Request) -> Reply:
        """Note a request, and answer it or let the next fault do so."""
        with self._lock:
            self.log.append(request)
            fault = next((one for one in self._faults if one.times and one.pattern.search(request.path)), None)
            if fault:
                fault.times -= 1
        if self.latency:
            time.sleep(self.latency)
        return fault.reply if fault else self.answer(request)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *args: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, owner: LoopbackServer, context: ssl.SSLContext | None) -> None:
        self.owner, self._context = owner, context
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError):  # a client that left, or whose handshake failed
            if self._context is None:
                super().finish_request(request, client_address)
                return
            # here, in the connection's own thread, so that no handshake holds up the others
            with self._context.wrap_socket(request, server_side=True) as wrapped:
                super().finish_request(wrapped, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        split = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(split.query))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, unquote(split.path), query, headers, body)
        reply = self.server.owner.handle(request)
        if reply.cut:
            self.close_connection = True
            self.wfile.write(reply.wire()[: reply.keep])
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(
                reply.wire(last=self.close_connection)
            )  # in one piece: two would wait for each other's acknowledgement

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def log_message(self, *args: Any) -> None:
        """Say nothing: the log is in the server."""
