"""Many secrets of AWS Secrets Manager at 20 ms a round trip."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness import ROUND_TRIP, count, fresh, interleaved
from benchmarks.servers.aws import SecretsManager
from benchmarks.servers.proxy import Proxy
from benchmarks.shapes import settings_class, sourced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.harness import Line

KEYS: Final = {
    "AWS_ACCESS_KEY_ID": "not-a-real-key",
    "AWS_SECRET_ACCESS_KEY": "not-a-real-secret",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_MANY: Final = 200
_BATCH: Final = 20


@contextmanager
def served(latency: float = ROUND_TRIP) -> Iterator[Proxy]:
    """Secrets Manager behind the proxy; the environment points to it."""
    with SecretsManager() as server, Proxy(server.address, latency) as proxy:
        os.environ.update(KEYS, AWS_ENDPOINT_URL=f"http://{proxy.address}")
        yield proxy


def by_hand(client: Any, names: Sequence[str]) -> dict[str, str]:
    """What one writes without a library: all batches at the same time."""
    batches = [names[start : start + _BATCH] for start in range(0, len(names), _BATCH)]
    with ThreadPoolExecutor(len(batches)) as pool:
        answers = list(pool.map(lambda ids: client.batch_get_secret_value(SecretIdList=ids), batches))
    return {item["Name"]: item["SecretString"] for answer in answers for item in answer["SecretValues"]}


def boto3_client() -> Any:
    """A client whose pool holds all batches."""
    import boto3
    from botocore.config import Config

    return boto3.client("secretsmanager", config=Config(max_pool_connections=32))


def round_trip(address: str) -> Callable[[], object]:
    """One request over an open connection, with nothing around it."""
    connection = HTTPConnection(address)
    body = json.dumps({"SecretId": "bench/f0"})

    def ask() -> object:
        connection.request("POST", "/", body, {"X-Amz-Target": "secretsmanager.GetSecretValue"})
        return connection.getresponse().read()

    return ask


def measure(runs: int) -> Iterator[Line]:
    """Beside boto3 by hand, and beside those who read one secret a call."""
    with served() as proxy:
        names = [f"bench/f{number}" for number in range(_MANY)]
        client, settings = boto3_client(), settings_class(_MANY, chain=("aws-sm://bench/{name}",))
        sides = {"secretsource": fresh(settings), "boto3 by hand": lambda: by_hand(client, names)}
        before = proxy.requests
        sides["secretsource"]()
        yield count(f"requests for {_MANY} secrets", proxy.requests - before, ceil(_MANY / _BATCH))
        new = interleaved(sides, runs, before=proxy.drop)
        yield new.line(f"{_MANY} secrets, new connections", "boto3 by hand", at_most=1.15)
        kept = interleaved({**sides, "a round trip": round_trip(proxy.address)}, runs)
        yield kept.line(f"{_MANY} secrets, open connections", "a round trip", at_most=1.5)
        yield kept.line(f"{_MANY} secrets, open connections", "boto3 by hand")
        yield from _one_by_one(runs)


def _one_by_one(runs: int) -> Iterator[Line]:
    """The peers, which would take seconds for 200: with 20."""
    names = [f"bench/f{number}" for number in range(_BATCH)]
    sides = {
        "secretsource": fresh(settings_class(_BATCH, chain=("aws-sm://bench/{name}",))),
        "pydantic-settings": _pydantic_settings(names),
        "Powertools": _powertools(names),
        "aws-secretsmanager-caching": _caching(names),
    }
    times = interleaved(sides, max(3, runs // 3))
    for peer in list(sides)[1:]:
        yield times.line(f"{_BATCH} secrets", peer)


def _pydantic_settings(names: Sequence[str]) -> Callable[[], object]:
    """A source for each secret; it is made for one secret with many keys."""
    from pydantic_settings import AWSSecretsManagerSettingsSource

    base = sourced(lambda cls: [AWSSecretsManagerSettingsSource(cls, name) for name in names])
    return settings_class(len(names), base=base, extra="ignore")


def _powertools(names: Sequence[str]) -> Callable[[], object]:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    provider = SecretsProvider(boto3_client=boto3_client())
    return lambda: [provider.get(name, force_fetch=True) for name in names]


def _caching(names: Sequence[str]) -> Callable[[], object]:
    from aws_secretsmanager_caching import SecretCache

    client = boto3_client()

    def load() -> object:
        cache = SecretCache(client=client)
        return [cache.get_secret_string(name) for name in names]

    return load
