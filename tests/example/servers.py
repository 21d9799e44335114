"""The servers of a production: four stores and a database, on free loopback ports.

Vault is OpenBao, AWS is moto; Azure and Google Cloud are stand-ins that speak their protocols to the real SDKs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.servers import moto, openbao, postgres
from tests.servers.azurecloud import AzureCloud
from tests.servers.gcpsm import SecretManager

T = TypeVar("T")


@dataclass(frozen=True)
class Servers:
    """All of them, each of which is there when it has started: nobody waits for one that he does not use yet.

    Attributes:
        vault: With an engine of key-value pairs at `kv`.
    """

    vault: Future[openbao.OpenBao]
    aws: Future[moto.Moto]
    azure: Future[AzureCloud]
    gcp: Future[SecretManager]
    database: Future[postgres.Postgres]


@contextmanager
def starting(folder: Path) -> Iterator[Servers]:
    """Start all of them at the same time; stop them at the end."""
    with ExitStack() as stack, ThreadPoolExecutor() as pool:

        def start(server: Callable[[], AbstractContextManager[T]]) -> Future[T]:
            return pool.submit(lambda: stack.enter_context(server()))

        vault = start(lambda: _vault(folder))
        yield Servers(vault, start(moto.running), start(AzureCloud), start(_google), start(postgres.running))


@contextmanager
def _vault(folder: Path) -> Iterator[openbao.OpenBao]:
    with openbao.dev(folder) as server:
        server.mount("kv")
        yield server


@contextmanager
def _google() -> Iterator[SecretManager]:
    server = SecretManager()
    try:
        yield server
    finally:
        server.stop()
