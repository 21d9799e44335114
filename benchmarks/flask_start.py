"""From the start of a process to a Flask app with 20 secrets, from each store, at 20 ms a round trip.

What is compared is what the secrets add to an app. Three processes run by turns:

- `bare`: Flask, and an app whose 20 values are a BaseSettings' of its own, without any store;
- `ours`: the same app with a SecretSource, and the values out of a store;
- `SDK`: nothing but the import of the store's SDK, as somebody would import it who reads the store by hand; beside it
  an empty process.

So ours is `ours - bare`: our modules, the SDK's import, clients, login, reading, validation and `app.config`. It may
take 1.5 times the SDK's import (`SDK` less an empty process) and three round trips.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks import aws, azure, gcp, vault
from benchmarks.harness import ROUND_TRIP, Medians, interleaved, python
from tests.servers.gcpsm import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from benchmarks.harness import Line

_SECRETS: Final = 20
_ROUND_TRIPS: Final = 3
_GOAL: Final = 1.5
_NAMES: Final = [f"secret_{number}" for number in range(_SECRETS)]
_FIELDS: Final = "".join(f"    {name}: str\n" for name in _NAMES)
_OURS: Final = f"""
from flask import Flask
from secretsource import Settings
from secretsource.flask import SecretSource

class Shop(Settings):
    model_config = {{{{"chain": ({{source!r}},)}}}}
{_FIELDS}
app = Flask("shop")
SecretSource(app, Shop)
assert app.config["SECRET_19"]
"""
_BARE: Final = f"""
from flask import Flask
from pydantic_settings import BaseSettings

class Shop(BaseSettings):
{_FIELDS}
app = Flask("shop")
app.config.from_mapping({{name.upper(): value for name, value in Shop(**dict.fromkeys({_NAMES!r}, "value"))}})
assert app.config["SECRET_19"]
"""


class _Store(NamedTuple):
    """One store: its servers, the source of all fields, and how its SDK is imported."""

    serve: Callable[[], AbstractContextManager[object]]
    source: str
    sdk: str


@contextmanager
def _azure() -> Iterator[None]:
    with azure.served(_SECRETS):
        yield


@contextmanager
def _gcp() -> Iterator[None]:
    with gcp.served_with_a_login() as service:
        for name in _NAMES:
            service.put(name, "value")
        yield


_STORES: Final = {
    "aws-sm, keys in the environment": _Store(aws.served, "aws-sm://shop/{name}", "import boto3"),
    "vault, a token": _Store(
        lambda: vault.served({f"shop/{name}": {"value": "x"} for name in _NAMES}),
        "vault://secret/shop/{name}#value",
        "import hvac",
    ),
    "azure-kv, client secret": _Store(
        _azure,
        "azure-kv://myvault",
        "from azure.identity import DefaultAzureCredential; from azure.keyvault.secrets import SecretClient",
    ),
    "gcp-sm, metadata server": _Store(
        _gcp, f"gcp-sm://{PROJECT}", "import google.auth; from google.cloud import secretmanager"
    ),
}


def measure(runs: int) -> Iterator[Line]:
    """Each store by itself."""
    for name, store in _STORES.items():
        with ExitStack() as stack:
            stack.enter_context(store.serve())
            yield _line(name, store, runs)


def _line(name: str, store: _Store, runs: int) -> Line:
    times = interleaved(
        {
            "ours": python("-c", _OURS.format(source=store.source)),
            "bare": python("-c", _BARE),
            "SDK": python("-c", store.sdk),
            "nothing": python("-c", "pass"),
        },
        runs,
    )
    added = Medians(
        {
            "secretsource": times["ours"] - times["bare"],
            f"the SDK's import and {_ROUND_TRIPS} round trips": times["SDK"]
            - times["nothing"]
            + _ROUND_TRIPS * ROUND_TRIP,
        }
    )
    what = f"what {_SECRETS} secrets add to the start of an app: {name}"
    return added.line(what, f"the SDK's import and {_ROUND_TRIPS} round trips", at_most=_GOAL)
