"""The conformance suite on `file://`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.file import FileBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from tests.files import failing


class TestFile(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BATCH: "there are no calls",
        Ability.CUT: "there is no connection",
        Ability.INACTIVE: "a file is there or not",
        Ability.SLOW: "a disk answers at once",
        Ability.THROTTLED: "a disk does not ask for patience",
        Ability.UNAUTHENTICATED: "there is no login",
        Ability.VERSIONS: "a file has one content",
    }

    @pytest.fixture(autouse=True)
    def _folder(self, open_folder: Path) -> None:
        self.folder = open_folder

    def make_backend(self) -> FileBackend:
        return FileBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref.parse(f"file://{self.folder}/{name}")

    def put(self, name: str, value: str | bytes) -> None:
        """As `echo` and editors write it: with one line end more than the value has."""
        (self.folder / name).write_bytes((value.encode() if isinstance(value, str) else value) + b"\n")

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()

    def failing(self, name: str, outcome: Outcome) -> AbstractContextManager[None]:
        return failing(self.folder / name, outcome)
