"""How things are measured: both sides in one run, by turns, and the medians compared."""

from __future__ import annotations

import subprocess
import sys
import timeit
from dataclasses import dataclass
from math import floor, log10
from random import Random
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RUNS: Final = 9
ROUND_TRIP: Final = 0.02  # seconds

_SMALL: Final = 0.1
_UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        what: What is measured.
        ours: What it comes to with secretsource.
        beside: What it comes to with the other side, and who that is.
        ratio: The one by the other, where they can be divided.
        goal: What it has to come to; empty where it is there for information.
        met: Whether it does.
    """

    what: str
    ours: str
    beside: str = ""
    ratio: str = ""
    goal: str = ""
    met: bool | None = None


class Medians(dict[str, float]):
    """Seconds by side, and the lines that come of comparing them."""

    def line(
        self, what: str, beside: str, *, at_most: float | None = None, ours: str = "secretsource", each: int = 1
    ) -> Line:
        """Our side by another.

        Args:
            what: What is measured.
            beside: The other side.
            at_most: The goal: how many times the other side's time ours may be; None for a line without one.
            ours: Our side.
            each: How many operations one run holds.
        """
        ratio = self[ours] / self[beside]
        goal, met = ("", None) if at_most is None else (f"<= {at_most:g}", ratio <= at_most)
        shown = f"{beside} {duration(self[beside] / each)}"
        return Line(what, duration(self[ours] / each), shown, _shown(ratio), goal, met)

    def faster(self, what: str, beside: str, times: float, *, ours: str = "secretsource", each: int = 1) -> Line:
        """How many times faster ours is than another."""
        ratio = self[beside] / self[ours]
        shown = f"{beside} {duration(self[beside] / each)}"
        return Line(what, duration(self[ours] / each), shown, f"1/{ratio:.1f}", f"1/{times:g} or less", ratio >= times)


def count(what: str, ours: int, expected: int, beside: str = "") -> Line:
    """A number that has to be exact."""
    return Line(what, str(ours), beside, "", f"= {expected}", ours == expected)


def note(what: str, ours: str, beside: str = "") -> Line:
    """A line for information."""
    return Line(what, ours, beside)


def reads_and_lists(what: str, ours: tuple[int, int], theirs: tuple[int, int]) -> Line:
    """How many secrets were read, and how often they were listed, by us and by pydantic-settings."""
    return note(f"{what}: reads + lists", "{} + {}".format(*ours), "pydantic-settings {:,} + {}".format(*theirs))


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> duration(0.0123), duration(0.00000004)
    ('12.3 ms', '40 ns')
    """
    for unit, size in _UNITS.items():
        if seconds >= size:
            return f"{seconds / size:.{2 - floor(log10(seconds / size))}f} {unit}"
    return f"{seconds} s"


def _shown(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= _SMALL else f"1/{1 / ratio:,.0f}"


def interleaved(
    sides: Mapping[str, Callable[[], object]], runs: int = RUNS, before: Callable[[], object] = lambda: None
) -> Medians:
    """Run all sides once to warm up, then by turns, and take each side's median.

    Each turn has another order: whoever comes after a side that did little finds the processor's caches cold.

    Args:
        sides: The work of each side, by its name.
        runs: How often each is run.
        before: What goes before each run and is not measured.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-1, runs):
        for name in Random(turn).sample(list(sides), len(sides)):
            before()
            seconds = _timed(sides[name])
            if turn >= 0:
                times[name].append(seconds)
    return Medians({name: median(found) for name, found in times.items()})


def _timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def fresh(load: Callable[[], object]) -> Callable[[], object]:
    """A load that finds nothing in the cache."""
    from secretsource import clear_cache

    def run() -> object:
        clear_cache()
        return load()

    return run


def loops(statement: str, names: Mapping[str, Any], number: int) -> Callable[[], object]:
    """A statement so many times over, without a call around it."""
    timer = timeit.Timer(statement, globals=dict(names))
    return lambda: timer.timeit(number)


def python(*arguments: str, environ: Mapping[str, str] | None = None) -> Callable[[], str]:
    """A new Python process, run to its end; what it prints is handed back."""
    return lambda: run([sys.executable, *arguments], environ)


def run(command: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
    """A command, run to its end, which has to be a good one.

    Raises:
        RuntimeError: It failed; the message has what it said.
    """
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
