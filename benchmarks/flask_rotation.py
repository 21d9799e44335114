"""Flask under gunicorn while its secrets rotate each second: 200 requests a second, and for a while no store.

Each request says which worker answered, and what it had in `app.config` when. Requests are sent on time, whether or not
the earlier ones have been answered.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.harness import ROUND_TRIP, count, duration, note
from benchmarks.load import below
from benchmarks.servers.proxy import Proxy
from tests.flask.site import PLACE
from tests.servers.gunicorn import gunicorn
from tests.servers.openbao import dev

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Line
    from tests.servers.gunicorn import Gunicorn
    from tests.servers.openbao import OpenBao

_WORKERS: Final = 4
_THREADS: Final = 2
_TTL: Final = 2  # seconds
_RATE: Final = 200  # requests a second
_SENDERS: Final = 32
_SECONDS: Final = 60
_DOWN_AT: Final = 25
_DOWN_FOR: Final = 10
_SETTLED: Final = 10  # seconds after an outage in which a lag is one of its


@dataclass(frozen=True, slots=True)
class _Answer:
    """One request.

    Attributes:
        status: What came back; 0 where nothing did.
        late: Seconds from when it was to be sent to the end of its answer.
        worker: Who answered.
        version: Which version it had.
        torn: Whether user and password were of two versions.
        before: When it was about to read them.
        after: When it had.
    """

    status: int
    late: float
    worker: str = ""
    version: int = 0
    torn: bool = False
    before: float = 0.0
    after: float = 0.0


@dataclass
class _Run:
    """What happened, and when, by the monotonic clock."""

    answers: list[_Answer] = field(default_factory=list)
    rotated: dict[int, float] = field(default_factory=dict)
    down: float = 0.0
    up: float = 0.0


def measure(runs: int) -> Iterator[Line]:  # noqa: ARG001 - once is enough
    """A minute."""
    with tempfile.TemporaryDirectory() as home, dev(Path(home)) as server:
        _rotate(server, 1)
        with Proxy(server.addr.removeprefix("http://"), ROUND_TRIP) as proxy:
            environ = {**server.environ, "VAULT_ADDR": f"http://{proxy.address}", "TTL": str(_TTL)}
            application = "tests.flask.site:create_app()"
            with gunicorn(Path(home), application, environ, workers=_WORKERS, threads=_THREADS, preload=True) as site:
                yield from _lines(_live_through(site, server, proxy))


def _live_through(site: Gunicorn, server: OpenBao, proxy: Proxy) -> _Run:
    found, start = _Run(), time.monotonic() + 0.5
    senders = [
        threading.Thread(target=_send, args=(site.addr.removeprefix("http://"), found.answers, start, number))
        for number in range(_SENDERS)
    ]
    for sender in senders:
        sender.start()
    rotating = threading.Thread(target=_rotate_each_second, args=(server, found.rotated, start))
    rotating.start()
    time.sleep(start + _DOWN_AT - time.monotonic())
    with proxy.outage():
        found.down = time.monotonic()
        time.sleep(_DOWN_FOR)
    found.up = time.monotonic()
    for thread in (*senders, rotating):
        thread.join()
    return found


def _rotate_each_second(server: OpenBao, rotated: dict[int, float], start: float) -> None:
    """The store itself is never down: it is only out of reach."""
    for second in range(1, _SECONDS):
        time.sleep(max(0.0, start + second - time.monotonic()))
        _rotate(server, second + 1)
        rotated[second + 1] = time.monotonic()


def _rotate(server: OpenBao, version: int) -> None:
    login = {"username": f"user-{version}", "password": f"not-a-real-password-{version}"}
    data = {"secret_key": "not-a-real-key", "login": login, "port": 5432}
    server.call("POST", PLACE.replace("/", "/data/"), {"data": data})


def _send(address: str, answers: list[_Answer], start: float, first: int) -> None:
    """Every so many-th request, each over a connection of its own, so that any worker may take it."""
    for number in range(first, _RATE * _SECONDS, _SENDERS):
        due = start + number / _RATE
        time.sleep(max(0.0, due - time.monotonic()))
        answers.append(_ask(address, due))


def _ask(address: str, due: float) -> _Answer:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", "/current")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return _Answer(0, time.monotonic() - due)
    finally:
        connection.close()
    late = time.monotonic() - due
    if answer.status != http.client.OK:
        return _Answer(answer.status, late)
    worker, username, password, before, after = json.loads(body)
    version = username.rpartition("-")[2]
    return _Answer(answer.status, late, worker, int(version), version != password.rpartition("-")[2], before, after)


def _lines(found: _Run) -> Iterator[Line]:
    good = [answer for answer in found.answers if answer.version]
    load = f"{_WORKERS} workers, {_RATE} requests and a rotation a second"
    failed, of = len(found.answers) - len(good), f"of {len(found.answers):,}"
    yield count(f"{load}, for {_SECONDS} s, {_DOWN_FOR} s without the store: failed requests", failed, 0, of)
    yield count("the same: torn pairs", sum(answer.torn for answer in good), 0)
    yield count("the same: workers that served", len({answer.worker for answer in good}), _WORKERS)
    yield count("the same: reads of an older version than before", _backwards(good), 0)
    with_store, after_outage = _lags(found, good)
    what = f"the same, ttl {_TTL} s: a version is read after the next one has come, for at most"
    yield below(what, with_store, _TTL + 1)
    yield below("the same: a version from before the store's return is read for at most", after_outage, _TTL + 1)
    slow = sorted(answer.late for answer in good)
    yield note("the same: 99 % of requests", duration(slow[int(len(slow) * 0.99)]), f"slowest {duration(slow[-1])}")


def _backwards(good: list[_Answer]) -> int:
    """How many reads began after the same worker had ended one of a newer version."""
    wrong = 0
    for worker in {answer.worker for answer in good}:
        own = [answer for answer in good if answer.worker == worker]
        ended, newest = sorted(own, key=lambda one: one.after, reverse=True), 0
        for answer in sorted(own, key=lambda one: one.before):
            while ended[-1].after < answer.before:
                newest = max(newest, ended.pop().version)
            wrong += answer.version < newest
    return wrong


def _lags(found: _Run, good: list[_Answer]) -> tuple[float, float]:
    """How long after its successor came a version was still read: with the store in reach, and after it came back."""
    with_store = after_outage = 0.0
    for answer in good:
        since = found.rotated.get(answer.version + 1)
        if since is None:
            continue
        if since + _TTL + 1 < found.down or since > found.up + _SETTLED:
            with_store = max(with_store, answer.before - since)
        else:
            after_outage = max(after_outage, answer.before - max(since, found.up))
    return with_store, after_outage
