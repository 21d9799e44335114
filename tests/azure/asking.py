"""How these tests ask Key Vault, and write down what it said."""

from __future__ import annotations

from secretsource.backend import Advice, Outcome, SecretValue
from secretsource.backends.azure import KeyVaultBackend
from secretsource.clock import Deadline
from secretsource.ref import Ref

SECONDS = 20.0


def fetch(
    *texts: str, backend: KeyVaultBackend | None = None, seconds: float = SECONDS
) -> list[SecretValue | Exception]:
    """What a backend, a new one if none is given, hands back for these refs."""
    refs = [Ref.parse(text) for text in texts]
    answers = (backend or KeyVaultBackend()).fetch_many(refs, Deadline(seconds))
    return [answers[ref] for ref in refs]


def value(text: str, backend: KeyVaultBackend | None = None) -> SecretValue:
    """The secret that a ref leads to."""
    (answer,) = fetch(text, backend=backend)
    assert isinstance(answer, SecretValue), KeyVaultBackend().advise(answer)
    return answer


def failure(text: str, backend: KeyVaultBackend | None = None) -> Exception:
    """The error in place of the secret."""
    (answer,) = fetch(text, backend=backend)
    assert isinstance(answer, Exception), "a secret came back"
    return answer


def outcome(text: str, backend: KeyVaultBackend | None = None) -> Outcome:
    """What a lookup that fails comes to."""
    return KeyVaultBackend().classify(failure(text, backend))


def advice(text: str, backend: KeyVaultBackend | None = None) -> Advice:
    """What there is to say about a lookup that fails."""
    return KeyVaultBackend().advise(failure(text, backend))
