"""Vault at 20 ms a round trip: a real OpenBao, KV version 2, a token."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, create_model

from benchmarks.harness import ROUND_TRIP, count, fresh, interleaved, note
from benchmarks.servers.proxy import Proxy
from benchmarks.shapes import settings_class, sourced
from tests.servers import openbao

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.harness import Line

_PATHS: Final = 100
_FIELDS: Final = 20
_THREADS: Final = 64
_SLOW: Final = 3  # runs of what takes seconds each


@contextmanager
def served(secrets: Mapping[str, Mapping[str, str]]) -> Iterator[Proxy]:
    """A server with these secrets at `secret/`, behind the proxy; the environment points to it, with a token."""
    with _server(secrets) as (server, proxy):
        os.environ["VAULT_TOKEN"] = server.token
        yield proxy


@contextmanager
def served_by_role() -> Iterator[None]:
    """The same with one secret, for an AppRole."""
    with _server({"shop": {"value": "x"}}) as (server, _):
        rules = 'path "secret/*" { capabilities = ["read"] }'
        server.call("POST", "sys/auth/approle", {"type": "approle"})
        server.call("PUT", "sys/policies/acl/shop", {"policy": rules})
        server.call("POST", "auth/approle/role/shop", {"token_policies": ["shop"]})
        role = server.call("GET", "auth/approle/role/shop/role-id")["data"]["role_id"]
        secret = server.call("POST", "auth/approle/role/shop/secret-id", {})["data"]["secret_id"]
        os.environ.update(VAULT_ROLE_ID=role, VAULT_SECRET_ID=secret)
        os.environ.pop("VAULT_TOKEN", None)
        yield


@contextmanager
def _server(secrets: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[openbao.OpenBao, Proxy]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        openbao.dev(Path(folder)) as server,
        Proxy(server.addr.removeprefix("http://"), ROUND_TRIP) as proxy,
    ):
        for path, pairs in secrets.items():
            server.call("POST", f"secret/data/{path}", {"data": pairs})
        os.environ["VAULT_ADDR"] = f"http://{proxy.address}"
        yield server, proxy


def hvac_client() -> Any:
    """A client whose pool holds all threads."""
    import hvac
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.mount("http://", HTTPAdapter(pool_maxsize=_THREADS))
    return hvac.Client(session=session)


def measure(runs: int) -> Iterator[Line]:
    """Many fields of one path, and many paths."""
    shop = {"shop": {f"f{number}": "value" for number in range(_FIELDS)}}
    with served({**shop, **{f"many/f{number}": {"value": "x"} for number in range(_PATHS)}}) as proxy:
        yield from _one_path(proxy)
        yield from _many_paths(proxy, runs)


def _one_path(proxy: Proxy) -> Iterator[Line]:
    settings = fresh(settings_class(_FIELDS, chain=("vault://secret/shop",)))
    settings()  # finds out which version of KV it is
    before = proxy.requests
    settings()
    yield count(f"requests for {_FIELDS} fields of one path", proxy.requests - before, 1)
    peer, before = _pydantic_settings_vault(), proxy.requests
    peer()
    yield note("the same with pydantic-settings-vault", str(proxy.requests - before))


def _many_paths(proxy: Proxy, runs: int) -> Iterator[Line]:
    client = hvac_client()

    def read(number: int) -> object:
        return client.secrets.kv.v2.read_secret_version(f"many/f{number}", raise_on_deleted_version=True)

    def threads() -> object:
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(read, range(_PATHS)))

    ours = fresh(settings_class(_PATHS, chain=("vault://secret/many/{name}#value",)))
    new = interleaved({"secretsource": ours, "hvac in threads": threads}, runs, before=proxy.drop)
    new |= interleaved({"hvac one by one": lambda: [read(number) for number in range(_PATHS)]}, _SLOW)
    yield new.line(f"{_PATHS} paths, new connections", "hvac in threads", at_most=1.1)
    yield new.faster(f"{_PATHS} paths, new connections", "hvac one by one", 19)
    kept = interleaved({"secretsource": ours, "hvac in threads": threads}, runs)
    yield kept.line(f"{_PATHS} paths, open connections", "hvac in threads")


def _pydantic_settings_vault() -> Any:
    from pydantic_vault import VaultSettingsSource

    def field(number: int) -> Any:
        return Field(json_schema_extra={"vault_secret_path": "secret/data/shop", "vault_secret_key": f"f{number}"})

    fields: dict[str, Any] = {f"f{number}": (str, field(number)) for number in range(_FIELDS)}
    return create_model("Peer", __base__=sourced(lambda cls: [VaultSettingsSource(cls)]), **fields)
