"""gunicorn with four workers of four threads each, preloaded, on an OpenBao: whose value does each read?"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.harness import count, note
from benchmarks.load import below
from tests.servers.gunicorn import gunicorn
from tests.servers.openbao import dev

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Line
    from tests.servers.gunicorn import Gunicorn
    from tests.servers.openbao import OpenBao

_WORKERS: Final = 4
_THREADS: Final = 4
_READS: Final = 10_000
_A_REQUEST: Final = 250
_TTL: Final = 1


def measure(runs: int) -> Iterator[Line]:  # noqa: ARG001 - once is enough
    """Reads of values unique to the worker, and one rotation."""
    with tempfile.TemporaryDirectory() as home, dev(Path(home)) as server:
        _rotate(server, 1)
        for worker in range(1, _WORKERS + 1):
            server.call("POST", f"secret/data/gunicorn-{worker}", {"data": {"value": f"value-of-{worker}"}})
        environ = {**server.environ, "TTL": str(_TTL)}
        application = "tests.gunicorn_app:application"
        with gunicorn(Path(home), application, environ, workers=_WORKERS, threads=_THREADS, preload=True) as site:
            yield from _own_values(site)
            yield from _rotation(site, server)


def _own_values(site: Gunicorn) -> Iterator[Line]:
    made: Counter[str] = Counter()
    wrong, start = 0, time.perf_counter()
    with ThreadPoolExecutor(_WORKERS * _THREADS) as clients:
        while len(made) < _WORKERS or min(made.values()) < _READS:
            for worker, number, bad in clients.map(site.get, [f"/read/{_A_REQUEST}"] * _WORKERS * _THREADS):
                made[worker] += number
                wrong += bad
    reads, seconds = made.total(), time.perf_counter() - start
    yield note(f"gunicorn {_WORKERS} x {_THREADS}, preloaded: reads over the network", f"{reads:,} in {seconds:.0f} s")
    yield count(f"the same, {_READS:,} or more a worker: values of another worker", wrong, 0)


def _rotation(site: Gunicorn, server: OpenBao) -> Iterator[Line]:
    """Ask until all workers have been on the new version for a while."""
    _rotate(server, 2)
    rotated, last_old, torn = time.monotonic(), 0.0, 0
    with ThreadPoolExecutor(_WORKERS) as clients:
        while time.monotonic() < rotated + 2 * _TTL + 1:
            for _, username, password, before, _ in clients.map(site.get, ["/current"] * _WORKERS * 2):
                torn += username.rpartition("-")[2] != password.rpartition("-")[2]
                if username == "user-1":
                    last_old = max(last_old, before - rotated)
    yield below(f"the same, ttl {_TTL} s: the last read of an old version after a rotation", last_old, _TTL + 1)
    yield count("the same: torn pairs", torn, 0)


def _rotate(server: OpenBao, number: int) -> None:
    pair = {"username": f"user-{number}", "password": f"not-a-real-password-{number}"}
    server.call("POST", "secret/data/gunicorn-shared", {"data": pair})
