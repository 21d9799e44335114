"""What the tests of `gcp-sm` share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from secretsource.backends.gcp import SecretManagerBackend
from tests.servers.gcpsm import SecretManager


@pytest.fixture
def emulator(gcpsm: SecretManager, monkeypatch: pytest.MonkeyPatch) -> SecretManager:
    """The service, as an emulator that the environment leads to."""
    monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", gcpsm.address)
    return gcpsm


@pytest.fixture
def backend() -> Iterator[SecretManagerBackend]:
    """A new backend."""
    made = SecretManagerBackend()
    yield made
    made.close()
