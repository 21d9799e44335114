"""The conformance suite on `keyring://`, over a keyring in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.keyring import KeyringBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from tests.servers.keyrings import MemoryKeyring

SERVICE = "shop"


class TestKeyring(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BATCH: "a keyring gives one password a call",
        Ability.BINARY: "a password is text",
        Ability.DENIED: "a keyring is open or locked",
        Ability.INACTIVE: "a password is there or not",
        Ability.INVALID: "a password is text, and any text is one",
        Ability.SLOW: "a keyring may wait for its owner, and is waited for",
        Ability.THROTTLED: "a keyring does not ask for patience",
        Ability.VERSIONS: "a name has one password",
    }

    @pytest.fixture(autouse=True)
    def _keyring(self, memory_keyring: MemoryKeyring) -> None:
        self.keyring = memory_keyring

    def make_backend(self) -> KeyringBackend:
        return KeyringBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref.parse(f"keyring://{SERVICE}/{name}")

    def put(self, name: str, value: str | bytes) -> None:
        self.keyring.set_password(SERVICE, name, str(value))

    def delete(self, name: str) -> None:
        self.keyring.delete_password(SERVICE, name)

    @contextmanager
    def failing(self, name: str, outcome: Outcome) -> Iterator[None]:
        self.keyring.outcome = outcome
        yield
        self.keyring.outcome = None

    def calls(self) -> int:
        return self.keyring.calls
