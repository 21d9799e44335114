"""The conformance suite on `env://`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import ClassVar

from secretsource.backends.env import EnvBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance

NO_STORE = "an environment is always there and refuses nobody"


class TestEnv(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BATCH: "there are no calls",
        Ability.BINARY: "a variable holds no NUL",
        Ability.CUT: NO_STORE,
        Ability.DENIED: NO_STORE,
        Ability.INACTIVE: NO_STORE,
        Ability.INVALID: "any text is a value; a NAME_FILE without its file is in tests/test_env.py",
        Ability.SLOW: NO_STORE,
        Ability.THROTTLED: NO_STORE,
        Ability.UNAUTHENTICATED: NO_STORE,
        Ability.VERSIONS: "a variable has one value",
    }

    def make_backend(self) -> EnvBackend:
        return EnvBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref.parse(f"env://{name}")

    def put(self, name: str, value: str | bytes) -> None:
        os.environ[name] = os.fsdecode(value)

    def delete(self, name: str) -> None:
        del os.environ[name]
