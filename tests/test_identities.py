"""Whose answer it is: asked for all refs of a load at once, and the same as for each by itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from secretsource import Settings, SettingsConfigDict
from secretsource.backend import Backend
from secretsource.backends.aws import SecretsManagerBackend
from secretsource.backends.memory import MemoryBackend
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


def test_all_at_once_are_the_same_as_one_by_one() -> None:
    """Where the ref says something about it, and where it does not."""
    texts = (
        "db",
        "db?region=eu-west-2",
        "arn:aws:secretsmanager:eu-west-3:123456789012:secret:db-AbCdEf",
        "db?profile=x",
    )
    refs = [Ref.parse(f"aws-sm://{text}") for text in texts]
    backends: Sequence[Backend] = (SecretsManagerBackend(), MemoryBackend())
    for backend in backends:
        assert list(backend.identities(refs)) == [backend.identity(ref) for ref in refs]
    assert len(set(SecretsManagerBackend().identities(refs))) == len(refs)
