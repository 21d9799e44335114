"""A keyring in memory, of the class that every real one is of, and a way to have the `keyring` package use it."""

from __future__ import annotations

from collections.abc import Iterator

import keyring
import keyring.backend
import pytest
from keyring.errors import InitError, KeyringLocked, PasswordDeleteError

from secretsource.backend import Outcome


class MemoryKeyring(keyring.backend.KeyringBackend):
    """Keeps passwords in a dict. While `outcome` is set it fails, as a locked or a lost keyring does."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring is typed in parts
        self.passwords: dict[tuple[str, str], str] = {}
        self.outcome: Outcome | None = None
        self.calls = 0

    def get_password(self, service: str, username: str) -> str | None:
        self.calls += 1
        if self.outcome is Outcome.UNAUTHENTICATED:
            raise KeyringLocked("the collection is locked")
        if self.outcome is Outcome.UNAVAILABLE:
            raise InitError("the bus is gone")
        return self.passwords.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.passwords.pop((service, username), None) is None:
            raise PasswordDeleteError("there is no such password")


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    """An empty keyring, in use while the test runs."""
    before, ours = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(ours)
    yield ours
    keyring.set_keyring(before)
