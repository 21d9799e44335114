"""The tests' own walls: nothing leaves this machine, and no account of it is seen."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


def test_no_connection_leaves_this_machine(reached: list[str]) -> None:
    """Connecting to another host fails as without a network, and is remembered."""
    with socket.socket() as client, pytest.raises(OSError, match="do not leave this machine"):
        client.connect(("192.0.2.1", 443))
    assert reached == ["('192.0.2.1', 443)"]
    reached.clear()


def test_no_name_outside_is_looked_up(reached: list[str]) -> None:
    """Looking up another host's name fails as without a network, and is remembered."""
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("vault.invalid", 443)
    assert reached == ["vault.invalid"]
    reached.clear()


def test_loopback_is_open(reached: list[str]) -> None:
    """Servers on loopback can be reached, by name too."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    assert reached == []


def test_no_account_of_this_machine_is_seen() -> None:
    """The home folder is the tests' own, and there are no credentials in it or in the environment."""
    accounts = (".aws", ".azure", ".config/gcloud", ".netrc", ".vault-token")
    assert not [name for name in accounts if (Path.home() / name).exists()]
    assert not [name for name in os.environ if name.startswith(("VAULT_TOKEN", "AWS_ACCESS", "AZURE_CLIENT"))]
