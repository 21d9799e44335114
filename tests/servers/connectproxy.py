"""An HTTP proxy on loopback that leads production host names to loopback servers, and refuses every other host.

With `HTTPS_PROXY` and `HTTP_PROXY` set to it and the test authority trusted, an unmodified SDK speaks to
`https://myvault.vault.azure.net` and reaches a server of the tests. What it tries beyond that is listed in `refused`.
"""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Final, Self
from urllib.parse import urlsplit

HOLE: Final = "hole"
"""A route to nowhere: the connection is taken, and nothing ever comes back."""
CLOSED: Final = "closed"
"""A route that is a refused connection."""

_HEAD_LIMIT: Final = 64 * 1024
_CONNECTION: Final = re.compile(rb"(?im)^(proxy-)?connection:.*\r\n")


class ConnectProxy:
    """Leads host names, which may have a `*`, to ports on loopback.

    Attributes:
        routes: From a host name (or pattern) to a port, HOLE or CLOSED.
        asked: Every host that was asked for.
        refused: Every host that has no route.
    """

    def __init__(self, routes: dict[str, int | str] | None = None) -> None:
        self.routes = dict(routes or {})
        self.asked: list[str] = []
        self.refused: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send a client through this proxy, to all but loopback addresses."""
        proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), self.url)
        return {**proxies, **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1")}

    def hang_up(self) -> None:
        """Break every connection there is, and refuse new ones until there are routes again."""
        self.routes = dict.fromkeys(self.routes, CLOSED)
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._take, "127.0.0.1", 0, limit=_HEAD_LIMIT, backlog=256)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *args: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            await self._lead(head, reader, writer)
        writer.close()

    async def _lead(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, version = head.partition(b"\r\n")[0].decode().split(" ")
        url = urlsplit(f"//{target}" if method == "CONNECT" else target)
        route = self._route(url.hostname or "")
        if route == HOLE:
            await asyncio.Event().wait()
        if not isinstance(route, int):
            writer.write(f"HTTP/1.1 {502 if route == CLOSED else 403} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", route)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:  # plain HTTP: the same request in origin form, and one a connection, as the next may be for another host
            path = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
            headers = _CONNECTION.sub(b"", head.partition(b"\r\n")[2])
            far_writer.write(f"{method} {path} {version}\r\nConnection: close\r\n".encode() + headers)
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            far_writer.close()

    def _route(self, host: str) -> int | str | None:
        self.asked.append(host)
        for pattern, route in self.routes.items():
            if fnmatchcase(host, pattern):
                return route
        self.refused.append(host)
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until that side ends."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()
