"""Where a ref leads: the vault's address, the secret's name, the cloud that both are in."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from secretsource.errors import InvalidRef

if TYPE_CHECKING:
    from secretsource.ref import Ref

_VERSION: Final = re.compile(r"[0-9A-Za-z-]{1,127}")  # anything else could lead to another address


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Azure's clouds.

    Attributes:
        names: What it is called: by us first, then as `az cloud list` has it.
        suffix: What its vaults' host names end in, which is also the audience of their tokens.
        login: The host that logs in.
    """

    names: tuple[str, str]
    suffix: str
    login: str

    @property
    def scope(self) -> str:
        """What a token has to be for, so that a vault of this cloud takes it."""
        return f"https://{self.suffix}/.default"


PUBLIC: Final = Cloud(("public", "AzureCloud"), "vault.azure.net", "login.microsoftonline.com")
CLOUDS: Final = (
    PUBLIC,
    Cloud(("china", "AzureChinaCloud"), "vault.azure.cn", "login.chinacloudapi.cn"),
    Cloud(("usgovernment", "AzureUSGovernment"), "vault.usgovcloudapi.net", "login.microsoftonline.us"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret is.

    Attributes:
        host: The vault's host, with the port if one was given.
        name: The secret's name.
        version: The version that is asked for, or an empty string for the newest.
        scope: What a token has to be for, where the host's name tells that; else the vault has to be asked.
        login: The host that logs in.
        chosen: Whether `cloud=` says which one that is.
    """

    host: str
    name: str
    version: str
    scope: str | None
    login: str
    chosen: bool

    @property
    def path(self) -> str:
        """The secret's address in the vault."""
        return f"/secrets/{self.name}/{self.version}"

    @property
    def authority(self) -> str | None:
        """The host that logs in, or None where azure-identity's `AZURE_AUTHORITY_HOST` names it."""
        return None if os.environ.get("AZURE_AUTHORITY_HOST") and not self.chosen else self.login


@lru_cache(maxsize=1024)
def place_of(ref: Ref) -> Place:
    """Where a ref leads.

    Raises:
        InvalidRef: There is no such cloud, or there can be no such version.
    """
    vault, _, name = ref.location.partition("/")
    asked = _cloud_called(ref.options["cloud"]) if "cloud" in ref.options else None
    is_host = "." in vault or ":" in vault
    host = vault.lower() if is_host else f"{vault.lower()}.{(asked or PUBLIC).suffix}"
    known = next((cloud for cloud in CLOUDS if host.endswith(f".{cloud.suffix}")), None)
    version = ref.options.get("version", "")
    if version and not _VERSION.fullmatch(version):
        msg = f"{ref}: a version of a Key Vault secret is letters and digits"
        raise InvalidRef(msg)
    login = (asked or known or PUBLIC).login
    return Place(host, name.replace("_", "-"), version, known.scope if known else None, login, asked is not None)


def _cloud_called(name: str) -> Cloud:
    for cloud in CLOUDS:
        if name.lower() in (known.lower() for known in cloud.names):
            return cloud
    known = ", ".join(f"{short} ({long})" for short, long in (cloud.names for cloud in CLOUDS))
    msg = f"there is no Azure cloud {name!r}; cloud= takes {known}"
    raise InvalidRef(msg)
