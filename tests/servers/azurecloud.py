"""Azure on loopback: Entra ID, managed identity and Key Vault under their production host names, through a proxy.

python -m tests.servers.azurecloud [LATENCY [SECRETS]]   runs it for a benchmark, prints its environment as JSON,
and for each line on standard input the requests since the last one.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Self

import pytest

from tests.servers import tls
from tests.servers.connectproxy import ConnectProxy
from tests.servers.entra import APP, SECRET, TENANT, Entra, ManagedIdentity, Tokens
from tests.servers.keyvault import KeyVault

LOGINS = ("login.microsoftonline.com", "login.chinacloudapi.cn", "login.microsoftonline.us")
VAULTS = ("*.vault.azure.net", "*.vault.azure.cn", "*.vault.usgovcloudapi.net", "*.vault.stack.example")
IMDS = "169.254.169.254"


class AzureCloud:
    """All of it. `entra`, `machine` (managed identity) and `vault` are the servers, `proxy` leads to them."""

    def __init__(self) -> None:
        self.tokens = Tokens()
        self.entra = Entra(self.tokens, tls.server_context(*LOGINS))
        self.machine = ManagedIdentity(self.tokens)
        self.vault = KeyVault(self.tokens, tls.server_context(*VAULTS))
        self.proxy = ConnectProxy()
        self._stack = ExitStack()

    @property
    def servers(self) -> tuple[Entra, ManagedIdentity, KeyVault]:
        """The three servers."""
        return self.entra, self.machine, self.vault

    @property
    def environment(self) -> dict[str, str]:
        """What leads an SDK here; no login is in it."""
        return {**self.proxy.environment, "REQUESTS_CA_BUNDLE": tls.bundle()}

    @property
    def login(self) -> dict[str, str]:
        """The variables that log in with a client secret."""
        return {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": APP, "AZURE_CLIENT_SECRET": SECRET}

    def reset(self) -> None:
        """As it was at first."""
        for server in self.servers:
            server.reset()
        self.tokens.lifetime, self.tokens.issued = 3600, 0
        self.proxy.asked.clear()
        self.proxy.refused.clear()
        self.proxy.routes = {
            **dict.fromkeys(LOGINS, self.entra.port),
            **dict.fromkeys(VAULTS, self.vault.port),
            IMDS: self.machine.port,
        }

    def __enter__(self) -> Self:
        for server in (*self.servers, self.proxy):
            self._stack.enter_context(server)
        self.reset()
        return self

    def __exit__(self, *args: object) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def azure_cloud() -> Iterator[AzureCloud]:
    """One cloud for the session: the SDK remembers vaults by their host for as long as the process lives."""
    with AzureCloud() as cloud:
        yield cloud


@pytest.fixture
def azure(azure_cloud: AzureCloud) -> Iterator[AzureCloud]:
    """The cloud, empty, under its production names; nobody is logged in. At the end no other host was asked for."""
    azure_cloud.reset()
    os.environ.update(azure_cloud.environment)
    os.environ.pop("AZURE_POD_IDENTITY_AUTHORITY_HOST", None)
    yield azure_cloud
    azure_cloud.proxy.hang_up()
    for _ in range(1000):  # until what was left behind at a deadline has ended: it is not for the next test
        if not any(thread.name == "secretsource" for thread in threading.enumerate()):
            break
        threading.Event().wait(0.01)
    assert azure_cloud.proxy.refused == []
    assert azure_cloud.vault.lists == 0, "the vault was listed"


def main() -> None:
    """Run until standard input ends."""
    latency, count = (float(text) for text in (*sys.argv[1:], "0", "0")[:2])
    with AzureCloud() as cloud:
        for server in cloud.servers:
            server.latency = latency
        for number in range(int(count)):
            cloud.vault.put(f"secret-{number}", f"value-{number}")
        _say({**cloud.environment, **cloud.login})
        for _ in sys.stdin:
            _say([str(request) for server in cloud.servers for request in server.log])
            for server in cloud.servers:
                server.log.clear()


def _say(something: object) -> None:
    sys.stdout.write(f"{json.dumps(something)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
