"""The conformance suite on `dotenv://`, with a file for each name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.dotenv import DotenvBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from tests.files import failing


class TestDotenv(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BATCH: "there are no calls",
        Ability.BINARY: "a .env is text",
        Ability.CUT: "there is no connection",
        Ability.INACTIVE: "a name is there or not",
        Ability.SLOW: "a disk answers at once",
        Ability.THROTTLED: "a disk does not ask for patience",
        Ability.UNAUTHENTICATED: "there is no login",
        Ability.VERSIONS: "a name has one value",
    }

    @pytest.fixture(autouse=True)
    def _folder(self, open_folder: Path) -> None:
        self.folder = open_folder

    def make_backend(self) -> DotenvBackend:
        return DotenvBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref.parse(f"dotenv://{self.folder}/{name}?interpolate=false#NAME")

    def put(self, name: str, value: str | bytes) -> None:
        text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r")
        (self.folder / name).write_text(f'NAME="{text}"\n', encoding="utf-8")

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()

    def failing(self, name: str, outcome: Outcome) -> AbstractContextManager[None]:
        return failing(self.folder / name, outcome)
