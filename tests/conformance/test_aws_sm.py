"""The conformance suite on `aws-sm://`, over moto."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import ClassVar

import pytest

from secretsource.backend import Outcome
from secretsource.backends.aws import SecretsManagerBackend
from secretsource.ref import Ref
from secretsource.testing import Ability, BackendConformance
from tests.conformance.slowness import slow_for
from tests.servers.awsfront import FAULT_OF, AwsFront


class TestSecretsManager(BackendConformance):
    cannot: ClassVar[Mapping[Ability, str]] = {Ability.EMPTY: "Secrets Manager takes no empty value"}

    @pytest.fixture(autouse=True)
    def _aws(self, aws: AwsFront) -> None:
        self.front, self.api = aws, aws.moto.client("secretsmanager")

    def make_backend(self) -> SecretsManagerBackend:
        return SecretsManagerBackend()

    def ref(self, name: str, *, version: str | None = None) -> Ref:
        return Ref("aws-sm", name, {} if version is None else {"version": version})

    def put(self, name: str, value: str | bytes) -> str:
        values = {"SecretString" if isinstance(value, str) else "SecretBinary": value}
        there = self.api.list_secrets(Filters=[{"Key": "name", "Values": [name]}])["SecretList"]
        if any(secret["Name"] == name for secret in there):
            return str(self.api.put_secret_value(SecretId=name, **values)["VersionId"])
        return str(self.api.create_secret(Name=name, **values)["VersionId"])

    def delete(self, name: str) -> None:
        self.api.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)

    def failing(self, name: str, outcome: Outcome) -> AbstractContextManager[None]:
        return self.front.answering(name, FAULT_OF[outcome.name])

    def slow(self, name: str, seconds: float) -> AbstractContextManager[None]:
        return slow_for(self.front, name, seconds)

    def calls(self) -> int:
        return self.front.count()
