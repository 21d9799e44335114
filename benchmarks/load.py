"""Many threads that read, paced, and how long each read took."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Final

from benchmarks.harness import Line, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PACE: Final = 0.002  # seconds between two reads of one thread


@dataclass
class Reads:
    """What a load came to.

    Attributes:
        seconds: How long each read took.
        failed: How many raised.
    """

    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def quantile(self, part: float) -> float:
        """The time (seconds) that this part of the reads stayed under."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)]

    @property
    def slowest(self) -> float:
        """The longest of them (seconds)."""
        return max(self.seconds)


@contextmanager
def reading(threads: int, read: Callable[[], object], pace: float = _PACE) -> Iterator[Reads]:
    """Read in so many threads meanwhile; what came of it is whole at the end."""
    reads, over = Reads(), threading.Event()

    def run() -> None:
        while not over.wait(pace):
            start = perf_counter()
            try:
                read()
            except Exception:  # noqa: BLE001 - any error is a failed read
                reads.failed += 1
            reads.seconds.append(perf_counter() - start)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield reads
    finally:
        over.set()
        for thread in running:
            thread.join()


def at_once(threads: int, read: Callable[[], object]) -> Reads:
    """One read by each of so many threads, all at the same moment."""
    reads, start = Reads(), threading.Barrier(threads)

    def run() -> None:
        start.wait()
        began = perf_counter()
        read()
        reads.seconds.append(perf_counter() - began)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return reads


def below(what: str, seconds: float, limit: float, beside: str = "") -> Line:
    """A time that has to stay under a limit."""
    return Line(what, duration(seconds), beside, "", f"< {duration(limit)}", seconds < limit)


def at_least(what: str, number: float, limit: float) -> Line:
    """A number that has to reach a limit."""
    return Line(what, f"{number:,.0f}", "", "", f">= {limit:,.0f}", number >= limit)
