"""A request of Flask that reads three settings, beside the same with plain values in `app.config`.

In this process there is nothing around Flask but a call; over HTTP there are gunicorn and a client, which share the two
apps' time. Both are measured by turns, in short bursts.
"""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any, Final

from werkzeug.test import EnvironBuilder

from benchmarks.harness import Line, interleaved, run
from benchmarks.servers import flask_pair
from tests.servers.gunicorn import gunicorn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

_REQUESTS: Final = 500  # a burst in this process
_BURSTS: Final = 20  # of each side, for each of the runs
_SECONDS: Final = 1.0  # a burst over HTTP
_CONNECTIONS: Final = 4
_GOAL: Final = 1.02


def measure(runs: int) -> Iterator[Line]:
    """Through a call, and over HTTP."""
    yield from _in_this_process(runs)
    with tempfile.TemporaryDirectory() as home:
        application = "benchmarks.servers.flask_pair:application()"
        with gunicorn(Path(home), application, {}, workers=1, threads=_CONNECTIONS, preload=False) as site:
            yield _over_http(site.addr.removeprefix("http://"), runs)


def _in_this_process(runs: int) -> Iterator[Line]:
    plain, ours = flask_pair.plain_app(), flask_pair.our_app()
    sides = {
        "plain app.config": _burst(plain, "/config"),
        "app.config": _burst(ours, "/config"),
        "secrets.current": _burst(ours, "/typed"),
        "plain app.config and a session": _burst(plain, "/session"),
        "app.config and a session": _burst(ours, "/session"),
    }
    times = interleaved(sides, runs * _BURSTS)
    what = "a request that reads three settings from"
    for side, beside in (
        ("app.config", "plain app.config"),
        ("secrets.current", "plain app.config"),
        ("app.config and a session", "plain app.config and a session"),
    ):
        yield times.line(f"{what} {side}", beside, at_most=_GOAL, ours=side, each=_REQUESTS)


def _burst(app: Flask, path: str) -> Callable[[], None]:
    """So many requests of a visitor, without a server; one with a session comes with its cookie."""
    environ = EnvironBuilder(path=path).get_environ()
    if "Set-Cookie" in (headers := _answer(app, environ.copy())):
        environ["HTTP_COOKIE"] = headers["Set-Cookie"].partition(";")[0]

    def burst() -> None:
        for _ in range(_REQUESTS):
            _answer(app, environ.copy())

    return burst


def _answer(app: Flask, environ: dict[str, Any]) -> dict[str, str]:
    """One request: the headers of its answer, which has to be a good one."""
    found: dict[str, str] = {}

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        assert status == "200 OK"
        found.update(headers)

    b"".join(app.wsgi_app(environ, start_response))  # type: ignore[arg-type]  # what it takes is narrower than WSGI
    return found


def _over_http(address: str, runs: int) -> Line:
    """By turns, a second each; each turn is one ratio, so that what slows the machine down for a while slows both."""
    load = _wrk if shutil.which("wrk") else _own_client
    rates: dict[str, list[float]] = {"plain": [], "ours": []}
    for turn in range(-1, runs * 2):
        for side in sorted(rates, reverse=bool(turn % 2)):
            rate = load(address, f"/{side}/config")
            if turn >= 0:
                rates[side].append(rate)
    ratio = median(plain / ours for plain, ours in zip(*rates.values(), strict=True))
    ours, plain = (f"{median(rates[side]):,.0f} a second" for side in ("ours", "plain"))
    what = f"the same over HTTP, gunicorn with {_CONNECTIONS} threads, {load.__name__.strip('_').replace('_', ' ')}"
    return Line(what, ours, f"plain app.config {plain}", f"{ratio:.2f}", f"<= {_GOAL:g}", ratio <= _GOAL)


def _wrk(address: str, path: str) -> float:
    """Requests a second, by wrk."""
    said = run(["wrk", "-t1", f"-c{_CONNECTIONS}", f"-d{_SECONDS:g}s", f"http://{address}{path}"])
    assert "Non-2xx" not in said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None
    return float(found[1])


def _own_client(address: str, path: str) -> float:
    """Requests a second over connections that are kept open, each with a thread of its own."""
    counts: list[int] = []
    end = perf_counter() + _SECONDS

    def visit() -> None:
        host, _, port = address.partition(":")
        request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
        done = 0
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answers:
            while perf_counter() < end:
                connection.sendall(request)
                _read_answer(answers)
                done += 1
        counts.append(done)

    visitors = [threading.Thread(target=visit) for _ in range(_CONNECTIONS)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    return sum(counts) / _SECONDS


def _read_answer(answers: IO[bytes]) -> None:
    """One answer of a connection, which has to be a good one."""
    assert answers.readline().startswith(b"HTTP/1.1 200")
    length = 0
    while (line := answers.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    answers.read(length)
