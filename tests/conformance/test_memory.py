"""The conformance suite on `memory://`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

from secretsource.backend import Outcome
from secretsource.backends.memory import MemoryBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance


class TestMemory(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {Ability.SLOW: "what is in memory is there at once"}

    def make_backend(self) -> MemoryBackend:
        return MemoryBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref("memory", name, {"version": version} if version else {})

    def put(self, name: str, value: str | bytes) -> str:
        return MemoryBackend().set(name, value)

    def delete(self, name: str) -> None:
        MemoryBackend().delete(name)

    @contextmanager
    def failing(self, name: str, outcome: Outcome) -> Iterator[None]:
        MemoryBackend().fail(name, outcome)
        yield
        MemoryBackend().fail(name, Outcome.FOUND)

    def calls(self) -> int:
        return len(MemoryBackend().calls)
