"""The extension under gunicorn, with sync and threaded workers, preloaded or not, on a real OpenBao."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.flask.shop import CANARY
from tests.flask.site import PLACE
from tests.servers.gunicorn import Gunicorn, gunicorn
from tests.servers.openbao import OpenBao

APPLICATION = "tests.flask.site:create_app()"
TTL, WORKERS, CLIENTS = 1, 2, 4


def rotate(server: OpenBao, version: int) -> None:
    """Put a new version of everything."""
    login = {"username": f"user-{version}", "password": f"{CANARY}-{version}"}
    data = {"secret_key": f"{CANARY}-key-{version}", "login": login, "port": 5432}
    server.call("POST", PLACE.replace("/", "/data/"), {"data": data})


@pytest.fixture(params=[(1, False), (1, True), (4, False), (4, True)], ids=["sync", "sync-preload", "gthread", "both"])
def site(request: pytest.FixtureRequest, openbao: OpenBao, tmp_path: Path) -> Iterator[Gunicorn]:
    """The site on version 1."""
    threads, preload = request.param
    rotate(openbao, 1)
    environ = {**openbao.environ, "TTL": str(TTL)}
    with gunicorn(tmp_path, APPLICATION, environ, workers=WORKERS, threads=threads, preload=preload) as site:
        up: set[str] = set()
        while len(up) < WORKERS:
            up.add(site.get("/current")[0])
        yield site


class Visitor:
    """Somebody with a session. Each request has a connection of its own, so that any worker may take it."""

    def __init__(self, site: Gunicorn) -> None:
        self._address = site.addr.removeprefix("http://")
        self._cookie = ""
        self.counted: list[int] = []

    def get(self, path: str) -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=20)
        connection.request("GET", path, headers={"Cookie": self._cookie} if self._cookie else {})
        with connection.getresponse() as answer:
            assert answer.status == 200
            self._cookie = (answer.headers["Set-Cookie"] or self._cookie).partition(";")[0]
            found = json.loads(answer.read())
        connection.close()
        return found

    def count(self) -> str:
        """Count on, and tell which worker did it."""
        worker, counted = self.get("/count")
        self.counted.append(counted)
        return str(worker)


def test_every_worker_follows_a_rotation(site: Gunicorn, openbao: OpenBao) -> None:
    """All are on the new version within its ttl and a second; none reads half of one, and none goes back."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        rotate(openbao, 2)
        site.follows(clients, at_once=CLIENTS, workers=WORKERS, password=f"{CANARY}-", seconds=TTL + 1)
    assert site.get("/async")[1:] == ["user-2", f"{CANARY}-2"]
    assert site.get("/ready") == {"ok": True, "stale": 0}
    assert "Traceback" not in site.log.read_text()


def test_no_session_is_lost_while_the_secret_key_rotates(site: Gunicorn, openbao: OpenBao) -> None:
    """Although the workers hear of a new key one after the other, and a session goes from one to the other."""
    visitors = [Visitor(site) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        for version in range(2, 5):
            rotate(openbao, version)
            end = time.monotonic() + TTL + 0.5
            workers: set[str] = set()
            while time.monotonic() < end:
                workers.update(clients.map(Visitor.count, visitors))
            assert len(workers) == WORKERS
            assert site.get("/current")[1] == f"user-{version}"
    for visitor in visitors:
        assert visitor.counted == list(range(1, len(visitor.counted) + 1))
    assert "Traceback" not in site.log.read_text()


@pytest.mark.parametrize("preload", [False, True], ids=["forked", "preload"])
@pytest.mark.parametrize("fault", ["missing", "down"])
def test_settings_that_cannot_be_loaded_stop_gunicorn_at_its_start(
    preload: bool, fault: str, openbao: OpenBao, tmp_path: Path
) -> None:
    """With one error, which names each field and shows no value; not at a request."""
    data = {"secret_key": CANARY, "login": {"username": CANARY}, "port": CANARY}
    openbao.call("POST", PLACE.replace("/", "/data/"), {"data": data})
    down = {"VAULT_ADDR": "http://127.0.0.1:9"} if fault == "down" else {}
    started = time.monotonic()
    with (
        pytest.raises(RuntimeError) as failed,
        gunicorn(tmp_path, APPLICATION, {**openbao.environ, **down}, workers=1, threads=1, preload=preload),
    ):
        pass
    log = str(failed.value)
    assert time.monotonic() < started + 20
    assert log.count("Traceback") == 1
    assert "During handling" not in log
    expected = "ResolutionError: 4 problems in Site", "login.password: UNAVAILABLE vault://secret/flask-site#login"
    if fault == "missing":
        expected = "login.password: searched vault://secret/flask-site#login/password (MISSING", "port: searched"
    for text in expected:
        assert text in log
    assert CANARY not in log
