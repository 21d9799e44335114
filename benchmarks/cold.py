"""From the start of a process to the first value of each store, and what it is spent on.

The SDK by hand does one thing after the other: import, client, login, read. Ours imports while it logs in, so it is
split into what passes while any thread imports, and the rest; a second read shows what of that is the read itself.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks import aws, azure, gcp, vault
from benchmarks.harness import Medians, duration, python
from tests.servers.gcpsm import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from benchmarks.harness import Line

_OURS: Final = """
import builtins, json, sys, threading
from time import perf_counter

spans, inside, real = [], threading.local(), builtins.__import__

def timed(*arguments, **options):
    if getattr(inside, "it", False):
        return real(*arguments, **options)
    inside.it, start = True, perf_counter()
    try:
        return real(*arguments, **options)
    finally:
        inside.it = False
        spans.append((start, perf_counter()))

def covered():
    total = end = 0.0
    for first, last in sorted(spans):
        total, end = total + max(0.0, last - max(first, end)), max(last, end)
    return total

builtins.__import__ = timed
begin = perf_counter()
from secretsource import clear_cache, get
get(sys.argv[1])
whole, imports = perf_counter() - begin, covered()
clear_cache()
again = perf_counter()
get(sys.argv[1])
again = perf_counter() - again
print(json.dumps({"import": imports, "client, login, read": whole - imports, "second read": again}))
"""
_BY_HAND: Final = """
import json, os
from time import perf_counter

steps = {steps!r}
spent, names = {{}}, {{"os": os}}
for step, code in steps.items():
    start = perf_counter()
    exec(code, names)
    spent[step] = perf_counter() - start
print(json.dumps(spent))
"""
_NAMES: Final = ("import", "client", "login", "read")


class _Store(NamedTuple):
    """One store: its servers, a ref, and how the SDK reads it by hand."""

    serve: Callable[[], AbstractContextManager[object]]
    ref: str
    by_hand: str


_AWS: Final = """
import boto3
---
session = boto3.Session()
client = session.client("secretsmanager")
---
session.get_credentials().get_frozen_credentials()
---
client.get_secret_value(SecretId="bench/f0")
"""
_VAULT: Final = """
import hvac
---
client = hvac.Client()
---
client.auth.approle.login(os.environ["VAULT_ROLE_ID"], os.environ["VAULT_SECRET_ID"])
---
client.secrets.kv.v2.read_secret_version("shop", raise_on_deleted_version=True)
"""
_AZURE: Final = f"""
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient
---
login = DefaultAzureCredential()
client = SecretClient({azure.URL!r}, login)
---
login.get_token("https://vault.azure.net/.default")
---
client.get_secret("secret-0")
"""
_GCP: Final = f"""
import google.auth
from google.auth.transport.requests import Request
from google.cloud.secretmanager import SecretManagerServiceClient
---
login, _ = google.auth.default()
address = os.environ["CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"].removeprefix("https://")
client = SecretManagerServiceClient(credentials=login, client_options={{"api_endpoint": address}})
---
login.refresh(Request())
---
client.access_secret_version(name="projects/{PROJECT}/secrets/f0/versions/latest")
"""
_STORES: Final = {
    "aws-sm, keys in the environment": _Store(aws.served, "aws-sm://bench/f0", _AWS),
    "vault, AppRole": _Store(vault.served_by_role, "vault://secret/shop#value", _VAULT),
    "azure-kv, client secret": _Store(lambda: azure.served(1), "azure-kv://myvault/secret-0", _AZURE),
    "gcp-sm, metadata server": _Store(gcp.served_with_a_login, f"gcp-sm://{PROJECT}/f0", _GCP),
}


def measure(runs: int) -> Iterator[Line]:
    """Each store, beside its SDK by hand."""
    for name, store in _STORES.items():
        with ExitStack() as stack:
            stack.enter_context(store.serve())
            yield _line(name, store, runs)


def _line(name: str, store: _Store, runs: int) -> Line:
    steps = dict(zip(_NAMES, store.by_hand.split("---\n"), strict=True))
    ours, theirs = python("-c", _OURS, store.ref), python("-c", _BY_HAND.format(steps=steps))
    spent = [(_split(ours), _split(theirs)) for _ in range(runs + 1)][1:]
    us, them = (_medians([pair[side] for pair in spent]) for side in range(2))
    line = Medians({"secretsource": us["all"], "the SDK by hand": them["all"]}).line(name, "the SDK by hand")
    return replace(line, ours=_told(us), beside=f"the SDK by hand {_told(them)}")


def _split(process: Callable[[], str]) -> Mapping[str, float]:
    start = perf_counter()
    said: dict[str, float] = json.loads(process())
    return {"all": perf_counter() - start - said.get("second read", 0.0), **said}


def _medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(run[name] for run in runs) for name in runs[0]}


def _told(spent: Mapping[str, float]) -> str:
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in spent.items() if name != "all")
    return f"{duration(spent['all'])} ({parts})"
