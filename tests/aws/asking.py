"""How these tests ask a backend, and write down what it said."""

from __future__ import annotations

from collections.abc import Mapping

from secretsource.backend import Advice, Backend, Outcome, SecretValue
from secretsource.backends.aws import ParameterStoreBackend, SecretsManagerBackend
from secretsource.clock import Deadline
from secretsource.ref import Ref

SECONDS = 20.0


def fetch(backend: Backend, *texts: str) -> Mapping[Ref, SecretValue | Exception]:
    """What the backend hands back for these refs."""
    return backend.fetch_many([Ref.parse(text) for text in texts], Deadline(SECONDS))


def said(backend: Backend, *texts: str) -> list[object]:
    """The value of each ref, or what came of it."""
    answers = fetch(backend, *texts)
    return [_judged(backend, answers.get(Ref.parse(text))) for text in texts]


def _judged(backend: Backend, answer: SecretValue | Exception | None) -> object:
    if answer is None:
        return Outcome.MISSING
    return backend.classify(answer) if isinstance(answer, Exception) else answer.raw


def advice(backend: Backend, text: str) -> Advice:
    """What the backend has to say about the failure of this ref."""
    (error,) = fetch(backend, text).values()
    assert isinstance(error, Exception)
    return backend.advise(error)


def secret(text: str) -> object:
    """What a new Secrets Manager backend says of one ref."""
    return said(SecretsManagerBackend(), text)[0]


def parameter(text: str) -> object:
    """What a new Parameter Store backend says of one ref."""
    return said(ParameterStoreBackend(), text)[0]
