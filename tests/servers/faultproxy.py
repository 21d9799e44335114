"""A TCP proxy on loopback that makes the network slow or broken, on purpose.

In a test, in a thread of this process:

    with FaultProxy("127.0.0.1:8200", latency=0.02) as proxy:      # proxy.listen, proxy.port, proxy.url()
        with proxy.fault("reset", times=1): ...                    # the next request is cut off with RST
        proxy.requests, proxy.connections; proxy.kill_connections()

In a benchmark, in a process of its own, so that it takes no time from the client's interpreter: `with spawned(...)`, or
by hand `python -m tests.servers.faultproxy --upstream 127.0.0.1:8200 --latency 0.02`.

It knows nothing of the protocol. What a client sends until it is answered counts as one request: right for HTTP
without pipelining, and for TLS each flight of the handshake is one too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

Kind = Literal["reset", "close", "blackhole", "refuse", "cut", "drip"]
"""RST; FIN; silence; nobody listens; the answer ends half-way (FIN); the answer comes byte by byte."""

_CHUNK: Final = 65_536
_TICK: Final = 1e-6  # seconds; keeps what is due at once in order
_RST: Final = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger


@dataclass(eq=False)
class _Fault:
    kind: Kind
    times: float
    match: bytes
    after: int
    pause: float

    def strikes(self, request: bytes) -> bool:
        if self.times <= 0 or self.match not in request:
            return False
        self.times -= 1
        return True

    def unharmed(self, answer: bytes, sent: int) -> bytes:
        """The part of an answer that arrives; an HTTP head does not count."""
        head = answer.find(b"\r\n\r\n") + 4 if sent == 0 and answer.startswith(b"HTTP/") else 0
        return answer[: head + max(0, self.after - sent)]


@dataclass(eq=False)
class _Link:
    """One client's connection, and ours to the server in its name."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    connected: float  # when the client would have its connection, had it to wait for it
    due: float = 0.0  # when what was sent last gets to the server
    answered: bool = True
    sent: int = 0  # bytes of the current answer
    fault: _Fault | None = None

    def reset(self) -> None:
        with contextlib.suppress(OSError):  # closed already
            self.client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.client.transport.abort()
        self.server.close()

    def close(self) -> None:
        self.client.close()
        self.server.close()

    def request_arrives(self, data: bytes) -> None:
        """Pass data on to the server, or break it."""
        kind = self.fault.kind if self.fault else None
        if kind == "reset":
            self.reset()
        elif kind == "close":
            self.close()
        elif kind != "blackhole" and not self.server.is_closing():
            self.server.write(data)

    def request_ends(self) -> None:
        if not self.server.is_closing():
            self.server.write_eof()


@dataclass(eq=False)
class FaultProxy:
    """The proxy, as a context manager.

    Attributes:
        upstream: The server, `host:port`.
        latency: Seconds that each round trip takes longer; may be changed at any time. The first one of a connection
            counts twice, for the connection itself.
        listen: Where it listens, `host:port`; port 0 takes a free one.
        connections: How many it has accepted.
        requests: How many it has passed on or broken.
    """

    upstream: str
    latency: float = 0.0
    listen: str = "127.0.0.1:0"
    connections: int = 0
    requests: int = 0
    _faults: list[_Fault] = field(default_factory=list)
    _links: set[_Link] = field(default_factory=set)
    _listener: asyncio.Server | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    def url(self, scheme: str = "http") -> str:
        return f"{scheme}://{self.listen}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, name="faultproxy", daemon=True)
        self._thread.start()
        self._call(self._open)
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @contextlib.contextmanager
    def fault(
        self, kind: Kind, *, times: float = float("inf"), match: bytes = b"", after: int = 0, pause: float = 0.05
    ) -> Iterator[None]:
        """Break requests while inside.

        Args:
            kind: How.
            times: Only the first so many; then all is well. (Not for `refuse`.)
            match: Only requests that hold these bytes.
            after: For `cut` and `drip`: how many bytes of the answer arrive unharmed, beyond an HTTP head.
            pause: For `drip`: seconds before each byte.
        """
        fault = _Fault(kind, times, match, after, pause)
        if kind == "refuse":
            self._call(self._shut)
        self._faults.append(fault)
        try:
            yield
        finally:
            self._faults.remove(fault)
            if kind == "refuse":
                self._call(self._open)

    def kill_connections(self) -> None:
        """Cut every open connection with RST, as when a peer forgets what is idle."""
        self._call(self._reset_all)

    def _call(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result(10)

    async def _open(self) -> None:
        host, _, port = self.listen.rpartition(":")
        self._listener = await asyncio.start_server(self._accept, host, int(port), backlog=1024)
        self.listen = f"{host}:{self._listener.sockets[0].getsockname()[1]}"

    async def _shut(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._reset_all()

    async def _end(self) -> None:
        await self._shut()
        links = asyncio.all_tasks() - {asyncio.current_task()}
        if links:
            await asyncio.wait(links, timeout=1)
        for task in links:
            task.cancel()

    async def _reset_all(self) -> None:
        for link in list(self._links):
            link.reset()
        await asyncio.sleep(0)  # so that the sockets are closed when the caller goes on

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connected = self._loop.time() + self.latency
        host, _, port = self.upstream.rpartition(":")
        try:
            from_server, to_server = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, to_server, connected)
        self._links.add(link)
        try:
            await asyncio.gather(self._to_server(link, reader), self._to_client(link, from_server))
        except OSError:  # either side has cut the connection
            link.reset()
        finally:
            link.close()
            with contextlib.suppress(OSError):
                await asyncio.gather(writer.wait_closed(), to_server.wait_closed())
            self._links.discard(link)

    async def _to_server(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            if link.answered:
                self._begin_request(link, data)
            self._later(link, link.request_arrives, data)
        self._later(link, link.request_ends)

    def _later(self, link: _Link, deliver: Callable[..., None], *data: bytes) -> None:
        """Deliver after one round trip, and in order."""
        link.due = max(link.due + _TICK, max(self._loop.time(), link.connected) + self.latency)
        self._loop.call_at(link.due, deliver, *data)

    def _begin_request(self, link: _Link, data: bytes) -> None:
        self.requests += 1
        link.answered, link.sent = False, 0
        link.fault = next((fault for fault in self._faults if fault.strikes(data)), None)

    async def _to_client(self, link: _Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            link.answered = True
            fault = link.fault
            whole = fault.unharmed(data, link.sent) if fault else data
            link.client.write(whole)
            link.sent += len(data)
            if fault and fault.kind == "cut" and len(whole) < len(data):
                link.close()
                return
            if fault and fault.kind == "drip":
                await self._drip(link, data[len(whole) :], fault.pause)
        link.client.close()

    async def _drip(self, link: _Link, data: bytes, pause: float) -> None:
        for byte in data:
            await asyncio.sleep(pause)
            link.client.write(bytes([byte]))


@contextlib.contextmanager
def spawned(upstream: str, *, latency: float) -> Iterator[str]:
    """A proxy in a process of its own; gives its `host:port`."""
    command = [sys.executable, "-m", __name__, "--upstream", upstream, "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def main() -> None:
    """Run until killed; the first line of output is the address."""
    parser = argparse.ArgumentParser(description="A TCP proxy on loopback that adds latency.")
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="per round trip")
    options = parser.parse_args()
    with FaultProxy(options.upstream, options.latency, options.listen) as proxy:
        print(proxy.listen, flush=True)  # noqa: T201 - its output is its interface
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
