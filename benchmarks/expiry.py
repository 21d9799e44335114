"""What happens at expiry and in an outage, beside AWS's two own caches, on the same server in the same run."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING, Final

from benchmarks.aws import boto3_client, served
from benchmarks.harness import Line, duration, note
from benchmarks.load import Reads, below, reading
from benchmarks.shapes import settings_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.servers.proxy import Proxy

_TTL: Final = 2
_SECRETS: Final = 5
_THREADS: Final = 8
_WELL: Final = 8.0  # seconds
_DOWN: Final = 6.0  # seconds
_OURS: Final = "secretsource"


@dataclass
class _Outcome:
    """What one side came to."""

    calls: int
    well: Reads
    calls_down: int
    down: Reads


def measure(runs: int) -> Iterator[Line]:  # noqa: ARG001 - each side runs once, for seconds
    """Calls, latency at expiry, and an outage."""
    with served() as proxy:
        outcomes = {name: _live_through(proxy, read) for name, read in _sides()}
    ours = outcomes.pop(_OURS)
    what, outage = f"{_SECRETS} secrets, ttl {_TTL} s, {_THREADS} threads", f"an outage of {_DOWN:g} s"
    yield note(f"{what}: calls per secret and ttl", _calls(ours), _said(outcomes, _calls))
    yield below(f"{what}: 99 % of reads", ours.well.quantile(0.99), 0.005, _said(outcomes, _most))
    yield note(f"{what}: the slowest read", _slowest(ours), _said(outcomes, _slowest))
    yield Line(f"{outage}: failed reads", _failed(ours), _said(outcomes, _failed), "", "= 0", ours.down.failed == 0)
    yield note(f"{outage}: the slowest read", _slowest_down(ours), _said(outcomes, _slowest_down))
    yield note(f"{outage}: calls", str(ours.calls_down), _said(outcomes, lambda one: str(one.calls_down)))


def _sides() -> Iterator[tuple[str, Callable[[str], object]]]:
    """How each side reads a secret that it keeps for the ttl; one is over before the next begins."""
    from aws_lambda_powertools.utilities.parameters import SecretsProvider
    from aws_secretsmanager_caching import SecretCache, SecretCacheConfig

    from secretsource import CachePolicy, Live

    settings_cls = settings_class(_SECRETS, chain=("aws-sm://bench/{name}",), cache=CachePolicy(ttl=_TTL))
    with Live(settings_cls) as live:
        yield _OURS, lambda name: getattr(live.current, name)
    cache = SecretCache(config=SecretCacheConfig(secret_refresh_interval=_TTL), client=boto3_client())
    yield "aws-secretsmanager-caching", lambda name: cache.get_secret_string(f"bench/{name}")
    provider = SecretsProvider(boto3_client=boto3_client())
    yield "Powertools", lambda name: provider.get(f"bench/{name}", max_age=_TTL)


def _live_through(proxy: Proxy, read: Callable[[str], object]) -> _Outcome:
    names = [f"f{number}" for number in range(_SECRETS)]
    for name in names:
        read(name)
    turns = itertools.cycle(names)
    before = proxy.requests
    with reading(_THREADS, lambda: read(next(turns))) as well:
        sleep(_WELL)
    calls = proxy.requests - before
    with proxy.outage(), reading(_THREADS, lambda: read(next(turns))) as down:
        sleep(_DOWN)
    return _Outcome(calls, well, proxy.requests - before - calls, down)


def _said(peers: Mapping[str, _Outcome], tell: Callable[[_Outcome], str]) -> str:
    return "; ".join(f"{name} {tell(peer)}" for name, peer in peers.items())


def _calls(one: _Outcome) -> str:
    return f"{one.calls / (_SECRETS * _WELL / _TTL):.2f}"


def _most(one: _Outcome) -> str:
    return duration(one.well.quantile(0.99))


def _slowest(one: _Outcome) -> str:
    return duration(one.well.slowest)


def _slowest_down(one: _Outcome) -> str:
    return duration(one.down.slowest)


def _failed(one: _Outcome) -> str:
    return f"{one.down.failed:,} of {len(one.down.seconds):,}"
