"""The conformance suite on `file://`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.file import FileBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance


class TestFile(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BATCH: "there are no calls",
        Ability.CUT: "there is no connection",
        Ability.DENIED: "root may read any file; tests/test_file.py has it as another user",
        Ability.INACTIVE: "a file is there or not",
        Ability.THROTTLED: "a disk does not ask for patience",
        Ability.UNAUTHENTICATED: "there is no login",
        Ability.VERSIONS: "a file has one content",
    }

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_backend(self) -> FileBackend:
        return FileBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref.parse(f"file://{self.folder}/{name}")

    def put(self, name: str, value: str | bytes) -> None:
        """As `echo` and editors write it: with one line end more than the value has."""
        self.folder.joinpath(name).write_bytes((value.encode() if isinstance(value, str) else value) + b"\n")

    def delete(self, name: str) -> None:
        self.folder.joinpath(name).unlink()

    @contextmanager
    def failing(self, name: str, outcome: Outcome) -> Iterator[None]:
        self.folder.joinpath(name).chmod(0o666)
        yield
        self.folder.joinpath(name).chmod(0o600)
