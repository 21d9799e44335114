"""Vault's environment variables: the CLI's own, and those that say how to log in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from secretsource.errors import NotAuthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ADDR: Final = "https://127.0.0.1:8200"
_ADDRESSES: Final = ("VAULT_AGENT_ADDR", "BAO_AGENT_ADDR", "VAULT_ADDR", "BAO_ADDR")
_TRUE: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})


class Variables:
    """The variables, by their name without `VAULT_`. OpenBao's `BAO_` counts where `VAULT_` is not set.

    A variable that is set to nothing counts as not set, as it does for the CLI.
    """

    __slots__ = ("environ",)

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def get(self, name: str) -> str | None:
        """The value of `VAULT_<name>`."""
        return self.environ.get(f"VAULT_{name}") or self.environ.get(f"BAO_{name}") or None

    def flag(self, name: str) -> bool:
        """Whether `VAULT_<name>` says yes."""
        return self.get(name) in _TRUE

    def read(self, name: str) -> str | None:
        """The value of `VAULT_<name>`, or what is in the file that `VAULT_<name>_FILE` names.

        Raises:
            NotAuthenticated: There is no reading that file.
        """
        path = self.get(f"{name}_FILE")
        return self.get(name) or (read_file(Path(path), f"VAULT_{name}_FILE") if path else None)

    def has(self, name: str) -> bool:
        """Whether `VAULT_<name>` or `VAULT_<name>_FILE` is set."""
        return bool(self.get(name) or self.get(f"{name}_FILE"))

    def need(self, name: str, method: str) -> str:
        """As `read`, where a login cannot do without.

        Raises:
            NotAuthenticated: It is not set.
        """
        if value := self.read(name):
            return value
        msg = f"the {method} login needs VAULT_{name}"
        raise NotAuthenticated(msg)

    def addr(self) -> str:
        """The server's address; an agent's or proxy's goes before it."""
        return (self.get("AGENT_ADDR") or self.get("ADDR") or DEFAULT_ADDR).rstrip("/")

    def origin(self, addr: str) -> str:
        """Where an address is given, in words."""
        if addr != self.addr():
            return "the addr of the ref"
        set_ones = (name for name in _ADDRESSES if self.environ.get(name))
        return next(set_ones, f"the default address, {DEFAULT_ADDR}")

    def token_file(self) -> Path:
        """Where the CLI's login leaves its token."""
        home = self.environ.get("HOME")
        return Path(home or Path.home(), ".vault-token")


def read_file(path: Path, meaning: str) -> str:
    """The text of a small file that holds one word.

    Raises:
        NotAuthenticated: There is no reading it.
    """
    fault = None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        fault = type(error).__name__
    msg = f"the file of {meaning} cannot be read ({fault})"
    raise NotAuthenticated(msg)
