"""The conformance suite on `azure-kv://`, over a vault on loopback under its production name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.azure import KeyVaultBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from tests.conformance.slowness import slow
from tests.servers.azurecloud import AzureCloud
from tests.servers.keyvault import ANSWERS


class TestKeyVault(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BATCH: "Key Vault gives one secret a request",
        Ability.BINARY: "a secret in Key Vault is text",
    }
    sdk = ("msal", "urllib3")

    @pytest.fixture(autouse=True)
    def _azure(self, azure: AzureCloud) -> None:
        os.environ.update(azure.login)
        self.azure = azure

    def make_backend(self) -> KeyVaultBackend:
        return KeyVaultBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref.parse(f"azure-kv://myvault/{name}{f'?version={version}' if version else ''}")

    def put(self, name: str, value: str | bytes) -> str:
        return self.azure.vault.put(name, str(value))

    def delete(self, name: str) -> None:
        self.azure.vault.delete(name)

    def failing(self, name: str, outcome: Outcome) -> AbstractContextManager[None]:
        return self.azure.vault.failing(f"/secrets/{name}/", ANSWERS[outcome.name])

    def slow(self, name: str, seconds: float) -> AbstractContextManager[None]:
        return slow(self.azure.vault, seconds)

    def calls(self) -> int:
        return sum(len(server.log) for server in self.azure.servers)
