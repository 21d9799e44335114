"""The conformance suite on `aws-ssm://`, over moto."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.aws import ParameterStoreBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from tests.conformance.slowness import slow_for
from tests.servers.awsfront import FAULT_OF, AwsFront


class TestParameterStore(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {
        Ability.BINARY: "a parameter is text",
        Ability.EMPTY: "Parameter Store takes no empty value",
        Ability.INACTIVE: "a parameter is there or not",
        Ability.LARGE: "a parameter has 8 kB at most",
    }

    @pytest.fixture(autouse=True)
    def _aws(self, aws: AwsFront) -> None:
        self.front, self.api = aws, aws.moto.client("ssm")

    def make_backend(self) -> ParameterStoreBackend:
        return ParameterStoreBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref("aws-ssm", f"/shop/{name}", {} if version is None else {"version": version})

    def put(self, name: str, value: str | bytes) -> str:
        answer = self.api.put_parameter(Name=f"/shop/{name}", Value=value, Type="SecureString", Overwrite=True)
        return str(answer["Version"])

    def delete(self, name: str) -> None:
        self.api.delete_parameter(Name=f"/shop/{name}")

    def failing(self, name: str, outcome: Outcome) -> AbstractContextManager[None]:
        return self.front.answering(f"/shop/{name}", FAULT_OF[outcome.name])

    def slow(self, name: str, seconds: float) -> AbstractContextManager[None]:
        return slow_for(self.front, f"/shop/{name}", seconds)

    def calls(self) -> int:
        return self.front.count()
