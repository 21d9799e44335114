"""Live under gunicorn, with sync and threaded workers, preloaded or not, on a real OpenBao."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers.gunicorn import Gunicorn, gunicorn
from tests.servers.openbao import OpenBao

TTL, WORKERS, READS, A_REQUEST = 1, 2, 200, 25


def rotate(server: OpenBao, number: int) -> None:
    """Put a new version of what all workers follow."""
    pair = {"username": f"user-{number}", "password": f"not-a-real-password-{number}"}
    server.call("POST", "secret/data/gunicorn-shared", {"data": pair})


@pytest.fixture(params=[(1, False), (1, True), (4, False), (4, True)], ids=["sync", "sync-preload", "gthread", "both"])
def site(request: pytest.FixtureRequest, openbao: OpenBao, tmp_path: Path) -> Iterator[Gunicorn]:
    """An application on version 1, with a value for each worker."""
    threads, preload = request.param
    rotate(openbao, 1)
    for worker in range(1, 2 * WORKERS + 1):
        openbao.call("POST", f"secret/data/gunicorn-{worker}", {"data": {"value": f"value-of-{worker}"}})
    application = "tests.gunicorn_app:application"
    environ = {**openbao.environ, "TTL": str(TTL)}
    with gunicorn(tmp_path, application, environ, workers=WORKERS, threads=threads, preload=preload) as site:
        yield site


def test_every_worker_reads_what_is_its_own_and_follows_a_rotation(site: Gunicorn, openbao: OpenBao) -> None:
    """None reads what another asked for; all are on the new version within its ttl and a second, and none goes back."""
    made: Counter[str] = Counter()
    with ThreadPoolExecutor(4 * WORKERS) as clients:
        while len(made) < WORKERS or min(made.values()) < READS:
            for worker, reads, wrong in clients.map(site.get, [f"/read/{A_REQUEST}"] * 4 * WORKERS):
                assert wrong == 0
                made[worker] += reads
        rotate(openbao, 2)
        site.follows(clients, at_once=4, workers=WORKERS, password="not-a-real-password-", seconds=TTL + 1)
    assert "Traceback" not in site.log.read_text()
