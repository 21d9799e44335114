"""Reads of what is there already, and the first read by many threads."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

from benchmarks.aws import boto3_client, served
from benchmarks.harness import count, interleaved, loops, note
from benchmarks.shapes import settings_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Line
    from benchmarks.servers.proxy import Proxy

_READS: Final = 200_000
_THREADS: Final = 64
_REF: Final = "aws-sm://bench/f0"


def measure(runs: int) -> Iterator[Line]:
    """An attribute, a ref, and a herd."""
    with served(latency=0):
        yield from _attribute(runs)
        yield from _ref(runs)
    with served() as proxy:
        yield from _herd(proxy)


def _attribute(runs: int) -> Iterator[Line]:
    from pydantic_settings import BaseSettings

    ours = settings_class(1, chain=("aws-sm://bench/{name}",))()
    theirs = settings_class(1, base=BaseSettings)(f0="value")
    sides = {
        "secretsource": loops("settings.f0", {"settings": ours}, _READS),
        "BaseSettings": loops("settings.f0", {"settings": theirs}, _READS),
    }
    yield interleaved(sides, runs).line("settings.field", "BaseSettings", at_most=1.1, each=_READS)


def _ref(runs: int) -> Iterator[Line]:
    from aws_lambda_powertools.utilities import parameters
    from aws_secretsmanager_caching import SecretCache

    import secretsource

    number = _READS // 10
    cache = SecretCache(client=boto3_client())
    sides = {
        "secretsource": loops(f"get({_REF!r})", {"get": secretsource.get}, number),
        "Powertools' get_secret": loops("get('bench/f0', max_age=300)", {"get": parameters.get_secret}, number),
        "aws-secretsmanager-caching": loops("get('bench/f0')", {"get": cache.get_secret_string}, number // 10),
    }
    times = interleaved(sides, runs)
    times["aws-secretsmanager-caching"] *= 10
    yield times.faster("get(ref)", "Powertools' get_secret", 4, each=number)
    yield times.line("get(ref)", "aws-secretsmanager-caching", each=number)


def _herd(proxy: Proxy) -> Iterator[Line]:
    from botocore.client import ClientCreator

    import secretsource

    made = patch.object(ClientCreator, "create_client", autospec=True, side_effect=ClientCreator.create_client)
    before = proxy.requests
    with made as clients:
        _at_once(partial(secretsource.get, "aws-sm://bench/herd"))
    yield count(f"calls, {_THREADS} threads on one cold secret", proxy.requests - before, 1)
    yield count(f"clients made, {_THREADS} threads on one cold secret", clients.call_count, 1)
    yield from _herd_of_peers(proxy)


def _herd_of_peers(proxy: Proxy) -> Iterator[Line]:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    provider = SecretsProvider(boto3_client=boto3_client())
    before = proxy.requests
    _at_once(partial(provider.get, "bench/herd"))
    yield note("the same with Powertools and one client", f"{proxy.requests - before} calls")


def _at_once(call: Callable[[], object]) -> None:
    start = threading.Barrier(_THREADS)

    def run() -> None:
        start.wait()
        call()

    threads = [threading.Thread(target=run) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
