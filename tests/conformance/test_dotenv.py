"""The conformance suite on `dotenv://`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.dotenv import DotenvBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance


class TestDotenv(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BATCH: "there are no calls",
        Ability.BINARY: "a .env is text",
        Ability.CUT: "there is no connection",
        Ability.DENIED: "root may read any file; tests/test_dotenv.py has it as another user",
        Ability.INACTIVE: "a name is there or not",
        Ability.THROTTLED: "a disk does not ask for patience",
        Ability.UNAUTHENTICATED: "there is no login",
        Ability.VERSIONS: "a name has one value",
    }

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path: Path) -> None:
        self.file, self.lines = tmp_path / ".env", dict[str, str]()

    def make_backend(self) -> DotenvBackend:
        return DotenvBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref.parse(f"dotenv://{self.file}?interpolate=false#{name}")

    def put(self, name: str, value: str | bytes) -> None:
        text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r")
        self.lines[name] = f'{name}="{text}"\n'
        self._write()

    def delete(self, name: str) -> None:
        del self.lines[name]
        self._write()

    def _write(self) -> None:
        self.file.write_text("".join(self.lines.values()), encoding="utf-8")

    @contextmanager
    def failing(self, name: str, outcome: Outcome) -> Iterator[None]:
        self.file.chmod(0o666)
        yield
        self.file.chmod(0o600)
