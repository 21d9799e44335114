"""How these tests ask a Vault, and write down what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from secretsource.backend import Advice, Outcome, SecretValue
from secretsource.backends.vault import VaultBackend
from secretsource.clock import Clock, Deadline
from secretsource.errors import SecretSourceError
from secretsource.ref import Ref

SECONDS = 10.0


class HandClock(Clock):
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def deadline(self) -> Deadline:
        return Deadline(SECONDS, self)


def fetch(backend: VaultBackend, texts: Sequence[str], deadline: Deadline | None = None) -> list[object]:
    """What the backend hands back for each of these refs, without `vault://`."""
    refs = [Ref.parse(f"vault://{text}") for text in texts]
    answers = backend.fetch_many(refs, deadline or Deadline(SECONDS))
    return [answers.get(ref) for ref in refs]


def value(backend: VaultBackend, text: str, deadline: Deadline | None = None) -> SecretValue:
    """The value of a ref that has one."""
    (answer,) = fetch(backend, [text], deadline)
    assert isinstance(answer, SecretValue), repr(answer)
    return answer


def said(backend: VaultBackend, text: str, deadline: Deadline | None = None) -> object:
    """The pairs that a ref holds, or what came of it."""
    (answer,) = fetch(backend, [text], deadline)
    if isinstance(answer, Exception):
        return backend.classify(answer)
    return dict(answer.raw) if isinstance(answer, SecretValue) and isinstance(answer.raw, Mapping) else Outcome.MISSING


def told(backend: VaultBackend, text: str, deadline: Deadline | None = None) -> tuple[Outcome, Advice]:
    """What came of a ref that fails, and what the backend has to say about it."""
    (error,) = fetch(backend, [text], deadline)
    assert isinstance(error, Exception), repr(error)
    assert not isinstance(error, SecretSourceError) or isinstance(error.__context__, KeyError | None)
    return backend.classify(error), backend.advise(error)
