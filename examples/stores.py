"""The stores of the demo: real servers on free loopback ports, with the shop's secrets in them.

A store is one function that starts its server, fills it, hands over the variables with which a program finds it, and
stops it at the end.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.servers import moto, openbao
from tests.servers.azurecloud import AzureCloud
from tests.servers.gcpsm import SecretManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SHOP = {"secret_key": "not-a-real-secret-key", "mail": {"password": "not-a-real-smtp-password"}}
PAY = {"stripe_key": "not-a-real-stripe-key"}
AWS_SHOP = {
    "signing_key": "not-a-real-signing-key",
    "database": {"username": "shop", "password": "not-a-real-db-password", "host": "db.internal"},
}

READ_ALL = 'path "kv/data/*" { capabilities = ["read"] }'
READ_SHOP = 'path "kv/data/shop" { capabilities = ["read"] }'


class Vault:
    """An OpenBao with the shop's secrets.

    Attributes:
        variables: With these a program may read all of them.
    """

    def __init__(self, server: openbao.OpenBao) -> None:
        self._server = server
        server.mount("kv")
        self.put("shop", SHOP)
        self.put("pay", PAY)
        self.variables = {"VAULT_ADDR": server.addr, "VAULT_TOKEN": server.token_for(READ_ALL)}

    def put(self, path: str, data: Mapping[str, object]) -> None:
        """Write a new version of a secret."""
        self._server.call("POST", f"kv/data/{path}", {"data": data})

    def token_without_payments(self) -> str:
        """A token that may read the shop's secret, and not that of the payments."""
        return self._server.token_for(READ_SHOP)


@contextmanager
def vault(folder: Path) -> Iterator[Vault]:
    """OpenBao, which speaks Vault's API."""
    with openbao.dev(folder) as server:
        yield Vault(server)


@contextmanager
def aws() -> Iterator[Mapping[str, str]]:
    """moto, which speaks AWS's API."""
    with moto.running() as server:
        client = server.client("secretsmanager")
        client.create_secret(Name="production/shop", SecretString=json.dumps(AWS_SHOP))
        yield {"AWS_ENDPOINT_URL": server.url, "AWS_REGION": moto.REGION, **moto.KEYS}


@contextmanager
def azure() -> Iterator[Mapping[str, str]]:
    """A stand-in for Key Vault and Entra ID under their real host names, which a proxy leads here."""
    with AzureCloud() as cloud:
        cloud.vault.put("mail-password", "not-a-real-smtp-password", "pay-vault")
        yield {**cloud.environment, **cloud.login}


@contextmanager
def gcp() -> Iterator[Mapping[str, str]]:
    """A stand-in for Google Secret Manager, reached as its emulator is."""
    server = SecretManager()
    try:
        server.put("signing_key", "not-a-real-signing-key")
        yield {"SECRET_MANAGER_EMULATOR_HOST": server.address}
    finally:
        server.stop()
