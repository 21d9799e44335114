"""The conformance suite on `gcp-sm://`, over gRPC and over REST."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.gcp import SecretManagerBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from tests.servers.gcpsm import PROJECT, STATUS_OF, SecretManager


class TestOverGrpc(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BATCH: "a call accesses one version",
        Ability.EMPTY: "Secret Manager takes no empty value",
    }
    how: ClassVar[Mapping[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _service(self, gcpsm: SecretManager, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = gcpsm
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", gcpsm.address)

    def make_backend(self) -> SecretManagerBackend:
        return SecretManagerBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        pinned = {} if version is None else {"version": version}
        return Ref("gcp-sm", f"{PROJECT}/{name}", {**self.how, **pinned})

    def put(self, name: str, value: str | bytes) -> str:
        return self.service.put(name, value)

    def delete(self, name: str) -> None:
        self.service.delete(name)

    def failing(self, name: str, outcome: Outcome) -> AbstractContextManager[None]:
        return self.service.failing(name, STATUS_OF[outcome.name])

    def slow(self, name: str, seconds: float) -> AbstractContextManager[None]:
        return self.service.failing(name, "", delay=seconds)

    def calls(self) -> int:
        return sum(self.service.calls.values())


class TestOverRest(TestOverGrpc):
    how: ClassVar[Mapping[str, str]] = {"transport": "rest"}
