"""Whose answer it is: asked for all refs of a load at once, and the same as for each by itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import pytest

from secretsource import Settings, SettingsConfigDict
from secretsource.backend import Backend
from secretsource.backends.aws import SecretsManagerBackend
from secretsource.backends.azure import KeyVaultBackend
from secretsource.backends.gcp import SecretManagerBackend
from secretsource.backends.memory import MemoryBackend
from secretsource.backends.vault import VaultBackend
from secretsource.ref import Ref


class Asked(MemoryBackend):
    """Notes what it is asked."""

    def __init__(self) -> None:
        super().__init__({"a": "1", "b": "2", "c": "3"})
        self.asked: list[int] = []

    def identities(self, refs: Sequence[Ref]) -> Sequence[Hashable]:
        self.asked.append(len(refs))
        return super().identities(refs)


def test_a_load_asks_a_backend_once_whose_answers_they_are() -> None:
    """So that it looks at the environment once, and not once a secret."""
    backend = Asked()

    class Shop(Settings):
        model_config = SettingsConfigDict(chain=("own://{name}",), backends={"own": backend})
        a: str
        b: str
        c: str

    assert (Shop().c, backend.asked) == ("3", [3])


@pytest.mark.parametrize(
    ("backend", "refs"),
    [
        (MemoryBackend(), ["a", "b"]),
        (
            SecretsManagerBackend(),
            ["db", "db?region=eu-west-2", "arn:aws:secretsmanager:eu-west-3:1:secret:db", "db?profile=x"],
        ),
        (VaultBackend(), ["kv/a", "kv/a?namespace=red", "kv/b?addr=http://three"]),
        (KeyVaultBackend(), ["shop/a", "shop/b", "pay/a", "shop/a?cloud=china"]),
        (SecretManagerBackend(), ["project/a", "project/b"]),
    ],
)
def test_all_at_once_are_the_same_as_one_by_one(backend: Backend, refs: Sequence[str]) -> None:
    """Where a ref says something about it, and where it does not."""
    parsed = [Ref.parse(f"{backend.scheme}://{text}") for text in refs]
    assert list(backend.identities(parsed)) == [backend.identity(ref) for ref in parsed]
