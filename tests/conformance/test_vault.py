"""The conformance suite on `vault://`, over OpenBao's KV version 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.vault import VaultBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from tests.conformance.slowness import slow
from tests.servers import loopback
from tests.servers import vaultfront as answers
from tests.servers.vaultfront import VaultFront

ANSWER = {
    Outcome.DENIED: answers.DENIED,
    Outcome.UNAUTHENTICATED: answers.UNAUTHENTICATED,
    Outcome.THROTTLED: answers.THROTTLED,
    Outcome.UNAVAILABLE: loopback.CUT,
    Outcome.INVALID: answers.HTML,
}


class TestVault(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BINARY: "a KV engine holds JSON, which has no bytes",
        Ability.BATCH: "Vault answers one path a request",
    }

    @pytest.fixture(autouse=True)
    def _vault(self, front: VaultFront) -> None:
        self.front, self.call = front, front.openbao.call

    def make_backend(self) -> VaultBackend:
        return VaultBackend(self.front.environ)

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref("vault", f"secret/{name}", {} if version is None else {"version": version}, "value")

    def put(self, name: str, value: str | bytes) -> str:
        return str(self.call("POST", f"secret/data/{name}", {"data": {"value": value}})["data"]["version"])

    def delete(self, name: str) -> None:
        self.call("DELETE", f"secret/metadata/{name}")

    def failing(self, name: str, outcome: Outcome) -> AbstractContextManager[None]:
        if outcome is Outcome.INACTIVE:
            return self._deleted(name)
        return self.front.failing(f"secret/data/{name}$", ANSWER[outcome])

    @contextmanager
    def _deleted(self, name: str) -> Iterator[None]:
        self.call("DELETE", f"secret/data/{name}")
        yield
        self.call("POST", f"secret/undelete/{name}", {"versions": [1]})

    def slow(self, name: str, seconds: float) -> AbstractContextManager[None]:
        return slow(self.front, seconds)

    def calls(self) -> int:
        return len(self.front.log)
