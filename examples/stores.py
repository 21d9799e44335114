"""The shop's secrets: each function puts some into a store, and has the variables with which a program finds it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.servers import moto

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers.azurecloud import AzureCloud
    from tests.servers.gcpsm import SecretManager
    from tests.servers.openbao import OpenBao

SHOP = {"secret_key": "not-a-real-secret-key", "mail": {"password": "not-a-real-smtp-password"}}
PAY = {"stripe_key": "not-a-real-stripe-key"}
AWS_SHOP = {
    "signing_key": "not-a-real-signing-key",
    "database": {"username": "shop", "password": "not-a-real-db-password", "host": "db.internal"},
}

READ_ALL = 'path "kv/data/*" { capabilities = ["read"] }'
READ_SHOP = 'path "kv/data/shop" { capabilities = ["read"] }'


class Vault:
    """OpenBao, which speaks Vault's API, with the shop's secrets.

    Attributes:
        variables: With these a program may read all of them.
    """

    def __init__(self, server: OpenBao) -> None:
        self._server = server
        self.put("shop", SHOP)
        self.put("pay", PAY)
        self.variables = {"VAULT_ADDR": server.addr, "VAULT_TOKEN": server.token_for(READ_ALL)}

    def put(self, path: str, data: Mapping[str, object]) -> None:
        """Write a new version of a secret."""
        self._server.call("POST", f"kv/data/{path}", {"data": data})

    def token_without_payments(self) -> str:
        """A token that may read the shop's secret, and not that of the payments."""
        return self._server.token_for(READ_SHOP)


def aws(server: moto.Moto) -> Mapping[str, str]:
    """moto, which speaks AWS's API."""
    server.client("secretsmanager").create_secret(Name="production/shop", SecretString=json.dumps(AWS_SHOP))
    return {"AWS_ENDPOINT_URL": server.url, "AWS_REGION": moto.REGION, **moto.KEYS}


def azure(server: AzureCloud) -> Mapping[str, str]:
    """A stand-in for Key Vault and Entra ID under their real host names, which a proxy leads to it."""
    server.vault.put("mail-password", "not-a-real-smtp-password", "pay-vault")
    return {**server.environment, **server.login}


def gcp(server: SecretManager) -> Mapping[str, str]:
    """A stand-in for Google Secret Manager, reached as its emulator is."""
    server.put("signing_key", "not-a-real-signing-key")
    return {"SECRET_MANAGER_EMULATOR_HOST": server.address}
