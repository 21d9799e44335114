"""Azure Key Vault at 20 ms a round trip: over TLS, through a proxy, with a client secret."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness import ROUND_TRIP, count, fresh, interleaved, reads_and_lists
from benchmarks.servers.child import Child
from benchmarks.shapes import settings_class, sourced, with_nested
from secretsource.registry import close_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Line

URL: Final = "https://myvault.vault.azure.net"
CHAIN: Final = ("azure-kv://myvault",)
_MANY: Final = 50
_NEEDED: Final = 10
_STORED: Final = 1000
_SLOW: Final = 3  # runs of what takes seconds each


@contextmanager
def served(secrets: int, latency: float = ROUND_TRIP) -> Iterator[Child]:
    """Key Vault with the secrets secret-0, secret-1, ... and Entra ID; the environment points to them and logs in."""
    with Child("tests.servers.azurecloud", str(latency), str(secrets)) as cloud:
        os.environ.update(cloud.said)
        yield cloud
    close_all()  # a client keeps to the proxy that it was made with


def measure(runs: int) -> Iterator[Line]:
    """Beside the SDK in threads and pydantic-settings' source, and against a vault that holds more than is needed."""
    with served(_MANY):
        yield from _many(runs)
    with served(_STORED, latency=0) as cloud:
        yield from _least(cloud)


def _many(runs: int) -> Iterator[Line]:
    from concurrent.futures import ThreadPoolExecutor

    client = _client()
    names = [f"secret-{number}" for number in range(_MANY)]

    def in_threads() -> object:
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(client.get_secret, names))

    sides: dict[str, Callable[[], object]] = {
        "secretsource": fresh(settings_class(_MANY, stem="secret_", chain=CHAIN)),
        "the SDK in 16 threads": in_threads,
        "a round trip": lambda: client.get_secret("secret-0"),
    }
    times = interleaved(sides, runs)
    times |= interleaved({"pydantic-settings": settings_class(_MANY, stem="secret_", base=_peer())}, _SLOW)
    what = f"{_MANY} secrets, open connections"
    yield times.line(what, "a round trip", at_most=5)
    yield times.line(what, "the SDK in 16 threads")
    yield times.line(what, "pydantic-settings")


def _least(cloud: Child) -> Iterator[Line]:
    what = f"{_NEEDED} secrets of {_STORED:,}"
    ours = settings_class(_NEEDED, stem="secret_", chain=CHAIN)
    theirs = settings_class(_NEEDED, stem="secret_", base=_peer())
    reads, lists = _calls(cloud, fresh(ours))
    yield count(f"{what}: reads", reads, _NEEDED)
    yield count(f"{what}: calls that list", lists, 0)
    yield reads_and_lists(what, _calls(cloud, fresh(ours)), _calls(cloud, theirs))
    nested = _calls(cloud, fresh(with_nested(ours))), _calls(cloud, with_nested(theirs))
    yield reads_and_lists(f"{what} and a nested model", *nested)


def _calls(cloud: Child, load: Callable[[], object]) -> tuple[int, int]:
    """How often a load asks for a secret, and how often it lists them."""
    cloud.order("")
    load()
    paths = [request.partition(" ")[2].rstrip("/") for request in cloud.order("")]
    return sum(path.startswith("/secrets/") for path in paths), paths.count("/secrets")


def _client() -> Any:
    from azure.identity import EnvironmentCredential
    from azure.keyvault.secrets import SecretClient

    return SecretClient(URL, EnvironmentCredential())


def _peer() -> type:
    from azure.identity import EnvironmentCredential
    from pydantic_settings import AzureKeyVaultSettingsSource

    credential = EnvironmentCredential()
    return sourced(lambda cls: [AzureKeyVaultSettingsSource(cls, URL, credential, dash_to_underscore=True)])
