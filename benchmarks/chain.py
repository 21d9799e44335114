"""Several stores in one class: they are asked at the same time."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import create_model

from benchmarks import aws, gcp, vault
from benchmarks.harness import Medians, fresh, interleaved
from secretsource import From, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.harness import Line
    from benchmarks.servers.proxy import Proxy

_EACH: Final = 20
_SOURCES: Final = {
    "aws-sm": "aws-sm://bench/f{}",
    "vault": "vault://secret/many/f{}#value",
    "gcp-sm": f"{gcp.CHAIN[0]}/f{{}}",
}


def measure(runs: int) -> Iterator[Line]:
    """Three stores, each by itself and all in one load, as when a process starts: without open connections."""
    with ExitStack() as servers:
        proxies = [
            servers.enter_context(aws.served()),
            servers.enter_context(vault.served({f"many/f{number}": {"value": "x"} for number in range(_EACH)})),
            servers.enter_context(gcp.served(_EACH)).proxy,
        ]
        alone = {f"{store} alone": fresh(_class({store: source})) for store, source in _SOURCES.items()}
        sides = {"secretsource": fresh(_class(_SOURCES)), **alone}
        new = interleaved(sides, runs, before=lambda: _drop(proxies))
        kept = interleaved(sides, runs)
    yield from _lines("new connections", new, at_most=1.15)
    yield from _lines("open connections", kept)


def _drop(proxies: Sequence[Proxy]) -> None:
    for proxy in proxies:
        proxy.drop()


def _lines(how: str, times: Medians, *, at_most: float | None = None) -> Iterator[Line]:
    alone = times.keys() - {"secretsource"}
    what = f"{len(alone)} stores of {_EACH} secrets each, {how}"
    yield times.line(what, max(alone, key=times.__getitem__), at_most=at_most)
    summed = Medians({**times, "one after the other": sum(times[store] for store in alone)})
    yield summed.line(what, "one after the other")


def _class(sources: dict[str, str]) -> type[Any]:
    """A class with fields from each of these stores."""
    fields: dict[str, Any] = {
        f"{store.replace('-', '_')}_{number}": (Annotated[str, From(source.format(number))], ...)
        for store, source in sources.items()
        for number in range(_EACH)
    }
    return create_model("Chained", __base__=Settings, **fields)
