"""The tables from the SDK's errors to outcomes are whole."""

from __future__ import annotations

import inspect
from types import ModuleType

import azure.core.exceptions
import azure.identity
import pytest
import urllib3.exceptions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from secretsource.backend import Outcome
from secretsource.backends.azure import KeyVaultBackend
from secretsource.backends.azure.errors import BY_CLASS, BY_CODE, BY_STATUS, WORDS_OF_CODE, WORDS_OF_OUTCOME, Refused
from secretsource.errors import InvalidSecret


def errors_of(module: ModuleType) -> list[type[Exception]]:
    """The exception classes that a module has of its own."""
    kinds = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)]
    return [kind for kind in kinds if kind.__module__.startswith(module.__name__.partition(".")[0])]


@pytest.mark.parametrize(
    "kind",
    [
        *errors_of(azure.core.exceptions),
        *errors_of(azure.identity),
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_the_sdk_has_a_row(kind: type[Exception]) -> None:
    """A new class in the SDK is a decision to take, not a default."""
    assert kind.__name__ in BY_CLASS


@pytest.mark.parametrize("kind", errors_of(urllib3.exceptions), ids=lambda kind: kind.__name__)
def test_every_error_of_the_transport_is_covered(kind: type[Exception]) -> None:
    """Below the SDK, a base class stands for its family."""
    assert any(base.__name__ in BY_CLASS for base in kind.__mro__)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (AzureError("?"), Outcome.UNAVAILABLE),
        (ClientAuthenticationError("?"), Outcome.UNAUTHENTICATED),
        (CredentialUnavailableError("?"), Outcome.UNAUTHENTICATED),
        (DecodeError("?"), Outcome.INVALID),
        (HttpResponseError("?"), Outcome.UNAVAILABLE),
        (IncompleteReadError("?"), Outcome.UNAVAILABLE),
        (ResourceNotFoundError("?"), Outcome.MISSING),
        (ServiceRequestError("?"), Outcome.UNAVAILABLE),
        (ServiceResponseError("?"), Outcome.UNAVAILABLE),
        (urllib3.exceptions.NewConnectionError(None, "?"), Outcome.UNAVAILABLE),  # type: ignore[arg-type]  # no pool here
        (TimeoutError(), Outcome.UNAVAILABLE),
        (InvalidSecret("?"), Outcome.INVALID),
        (KeyError("?"), Outcome.UNAVAILABLE),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, Exception) else item.name,
)
def test_an_error_has_its_outcome(error: Exception, outcome: Outcome) -> None:
    """The nearest class that is known decides; what is not known is UNAVAILABLE."""
    assert KeyVaultBackend().classify(error) is outcome


def test_status_decides_where_there_is_one() -> None:
    """An error of the SDK's that carries a status is what the status says."""
    error = HttpResponseError("?")
    for status, outcome in BY_STATUS.items():
        error.status_code = status
        assert KeyVaultBackend().classify(error) is outcome


def test_an_sdk_s_text_is_never_shown() -> None:
    """What is said about an error is in words of our own, whatever the error says."""
    for kind in (*errors_of(azure.core.exceptions), CredentialUnavailableError):
        error: Exception = Exception.__new__(kind)
        error.args = ("not-a-real-secret",)
        assert "not-a-real-secret" not in repr(KeyVaultBackend().advise(error))


def test_every_outcome_and_code_has_words() -> None:
    """No row is without its words."""
    assert set(BY_STATUS.values()) <= WORDS_OF_OUTCOME.keys()
    assert BY_CODE.keys() <= WORDS_OF_CODE.keys()


def test_a_code_is_a_name_and_nothing_else() -> None:
    """What a server puts in the place of a code is shown only if it looks like one."""
    body = b'{"error": {"code": "<script>", "innererror": {"code": ["x"]}}}'
    refused = Refused.by(403, body, None)
    assert (refused.code, refused.reason) == ("", "")
