"""Questions to a backend, as the core puts them."""

from __future__ import annotations

from secretsource.backend import SecretValue
from secretsource.backends.gcp import SecretManagerBackend
from secretsource.clock import Deadline
from secretsource.ref import Ref
from tests.servers.gcpsm import PROJECT


def ref(secret: str, project: str = PROJECT, **options: str) -> Ref:
    """A ref to a secret of the loopback service."""
    return Ref("gcp-sm", f"{project}/{secret}", options)


def ask(backend: SecretManagerBackend, *refs: Ref, seconds: float = 10) -> list[SecretValue | Exception]:
    """What the backend says of each ref."""
    answers = backend.fetch_many(refs, Deadline(seconds))
    return [answers[one] for one in refs]


def value(backend: SecretManagerBackend, one: Ref) -> str | bytes:
    """The value behind a ref, which has to be there."""
    (answer,) = ask(backend, one)
    assert isinstance(answer, SecretValue), answer
    assert isinstance(answer.raw, str | bytes)
    return answer.raw


def failure(backend: SecretManagerBackend, one: Ref, seconds: float = 10) -> Exception:
    """The error behind a ref, whether it is about this ref or about the whole call."""
    try:
        (answer,) = ask(backend, one, seconds=seconds)
    except Exception as error:  # noqa: BLE001 - what it means is asked afterwards
        return error
    assert isinstance(answer, Exception), answer
    return answer
