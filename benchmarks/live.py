"""Reading through Live: what a read costs, and what rotations, threads and a slow network do to it."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, Final

from benchmarks.aws import served
from benchmarks.harness import ROUND_TRIP, count, duration, interleaved, loops, note
from benchmarks.load import at_least, at_once, below, reading
from benchmarks.shapes import settings_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Line
    from secretsource import Live

_LOOPS: Final = 200_000
_READ_SECONDS: Final = 5.0
_EVERY: Final = 0.1  # seconds from one rotation to the next
_ROTATIONS: Final = 1_000
_READERS: Final = 32
_HERD: Final = 64
_READERS_PACE: Final = 0.01  # seconds


def measure(runs: int) -> Iterator[Line]:
    """One read, a second of reads, rotations under load, and a herd."""
    yield from _one_read(runs)
    yield from _while_it_rotates()
    yield from _a_thousand_rotations()
    with served() as proxy:
        yield from _herd(proxy)


def _one_read(runs: int) -> Iterator[Line]:
    from pydantic_settings import BaseSettings

    live = _live("one")
    plain = settings_class(1, base=BaseSettings)(f0="value")
    sides = {
        "secretsource": loops("live.current.f0", {"live": live}, _LOOPS),
        "a plain attribute": loops("settings.f0", {"settings": plain}, _LOOPS),
    }
    times = interleaved(sides, runs)
    yield times.line("live.current.field", "a plain attribute", at_most=3, each=_LOOPS)
    yield at_least("live.current.field, reads a second on one thread", _LOOPS / times["secretsource"], 500_000)


def _live(place: str) -> Live[Any]:
    from secretsource import Live
    from secretsource.backends.memory import MemoryBackend

    MemoryBackend().set(f"{place}/f0", "value-0", version="0")
    return Live(settings_class(1, chain=(f"memory://{place}/",)))


def _rotate(live: Live[Any], place: str, number: int) -> None:
    from secretsource.backends.memory import MemoryBackend

    MemoryBackend().set(f"{place}/f0", f"value-{number}", version=str(number))
    live.refresh(force=True)


def _while_it_rotates() -> Iterator[Line]:
    """One thread reads without a pause, with a clock around each read, while another rotates ten times a second."""
    live, over = _live("ten"), threading.Event()

    def rotate() -> None:
        number = 0
        while not over.wait(_EVERY):
            number += 1
            _rotate(live, "ten", number)

    rotating = threading.Thread(target=rotate)
    rotating.start()
    seconds, end = [], perf_counter() + _READ_SECONDS
    while (start := perf_counter()) < end:
        _ = live.current.f0
        seconds.append(perf_counter() - start)
    over.set()
    rotating.join()
    seconds.sort()
    what = "live.current.field while 10 rotations a second go on, 99.9 % of reads"
    yield below(what, seconds[int(len(seconds) * 0.999)], 0.001)


def _a_thousand_rotations() -> Iterator[Line]:
    """Each secret holds a pair; both halves have to be of one version, and no thread may see an older one again."""
    from secretsource import Live
    from secretsource.backends.memory import MemoryBackend

    def rotate(number: int) -> None:
        pair = f'{{"f0": "user-{number}", "f1": "password-{number}"}}'
        MemoryBackend().set("pair", pair, version=str(number))

    rotate(0)
    live = Live(settings_class(2, chain=("memory://pair",)))
    wrong: Counter[str] = Counter()
    seen = threading.local()

    def read() -> None:
        current = live.current
        user, password = (int(text.rpartition("-")[2]) for text in (current.f0, current.f1))
        wrong["torn"] += user != password
        wrong["backwards"] += user < getattr(seen, "last", 0)
        seen.last = user

    with reading(_READERS, read, _READERS_PACE) as reads:
        for number in range(1, _ROTATIONS + 1):
            rotate(number)
            live.refresh(force=True)
    what = f"{_ROTATIONS:,} rotations under {_READERS} threads"
    yield count(f"{what}: failed reads", reads.failed, 0)
    yield count(f"{what}: torn pairs", wrong["torn"], 0)
    yield count(f"{what}: reads of an older version", wrong["backwards"], 0)


def _herd(proxy: Any) -> Iterator[Line]:
    """Many threads and an expired secret: by `get`, and through Live while it is being refreshed."""
    import secretsource
    from secretsource import CachePolicy, Live

    ref = "aws-sm://bench/expired?ttl=1"
    secretsource.get(ref)
    sleep(1)
    before = proxy.requests
    reads = at_once(_HERD, partial(secretsource.get, ref))
    yield count(f"get(ref), {_HERD} threads and an expired secret: calls", proxy.requests - before, 1)
    yield note("the same: the slowest thread waits", duration(reads.slowest), f"a round trip {duration(ROUND_TRIP)}")
    live: Live[Any] = Live(settings_class(5, chain=("aws-sm://bench/{name}",), cache=CachePolicy(ttl=1)))
    with reading(_HERD, lambda: live.current.f0) as through:
        sleep(_READ_SECONDS)
    what = f"through Live with a ttl of 1 s, {_HERD} threads, 99 % of reads"
    yield below(what, through.quantile(0.99), 0.005)
    yield count("the same: failed reads", through.failed, 0)
    live.close()
