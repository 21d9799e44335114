"""The tables of `gcp-sm` are whole: every error of Google's libraries has its outcome."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import ModuleType

import google.api_core.exceptions
import google.auth.exceptions
import grpc
import pytest
import requests
import requests.exceptions
from google.api_core.exceptions import from_grpc_status
from google.protobuf import json_format, message

from secretsource.backend import DENIED_OR_HIDDEN, Outcome
from secretsource.backends.gcp import SecretManagerBackend, errors
from secretsource.backends.gcp.login import LoginTimeout
from tests.gcp.asking import failure, ref
from tests.servers.gcpsm import SecretManager

STATUSES = [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]


def _classes(module: ModuleType, base: type[Exception] = Exception) -> list[type[Exception]]:
    found = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, base)]
    return [kind for kind in found if kind.__module__ == module.__name__]


def test_every_status_has_an_outcome() -> None:
    """The table has the statuses of gRPC, and no other."""
    assert set(errors.OUTCOME_OF_STATUS) == {status.name for status in STATUSES}


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.name)
def test_a_status_is_the_same_as_google_s_class_and_as_grpc_s_own(status: grpc.StatusCode) -> None:
    """What counts is the status, in whatever class it comes."""

    class Raw(grpc.RpcError):  # type: ignore[misc] # gRPC has no types
        def code(self) -> grpc.StatusCode:
            return status

    outcomes = {errors.outcome_of(from_grpc_status(status, "text")), errors.outcome_of(Raw())}
    assert outcomes == {errors.OUTCOME_OF_STATUS[status.name]}


@pytest.mark.parametrize(
    "status",
    ["ABORTED", "FAILED_PRECONDITION", "INTERNAL", "INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED",
     "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "UNAVAILABLE", "DEADLINE_EXCEEDED"],
)  # fmt: skip
def test_both_transports_mean_the_same(emulator: SecretManager, backend: SecretManagerBackend, status: str) -> None:
    """gRPC and REST raise different classes for one status, which come to one outcome and one advice."""
    emulator.put("db", "value")
    with emulator.failing("db", status):
        grpc_error, rest_error = failure(backend, ref("db")), failure(backend, ref("db", transport="rest"))
    expected = errors.OUTCOME_OF_STATUS[status]
    assert (backend.classify(grpc_error), backend.classify(rest_error)) == (expected, expected)
    assert backend.advise(grpc_error) == backend.advise(rest_error)


@pytest.mark.parametrize("kind", _classes(google.api_core.exceptions), ids=lambda kind: kind.__name__)
def test_every_error_of_api_core_is_known(kind: type[Exception]) -> None:
    """A call's error goes by its status, any other by its class."""
    is_call = issubclass(kind, google.api_core.exceptions.GoogleAPICallError)
    assert is_call or _row(kind), f"{kind.__name__} has no row"


@pytest.mark.parametrize("kind", _classes(google.auth.exceptions), ids=lambda kind: kind.__name__)
def test_every_error_of_google_auth_is_known(kind: type[Exception]) -> None:
    """A login that fails is UNAUTHENTICATED, unless the network or the other side is at fault."""
    transient = {"TransportError", "TimeoutError", "ResponseError"}
    assert _row(kind)
    error = kind.__new__(kind)
    expected = Outcome.UNAVAILABLE if kind.__name__ in transient else Outcome.UNAUTHENTICATED
    assert errors.outcome_of(error) is expected


@pytest.mark.parametrize(
    "kind", _classes(requests.exceptions, requests.exceptions.RequestException), ids=lambda kind: kind.__name__
)
def test_every_error_of_requests_is_known(kind: type[Exception]) -> None:
    """REST raises them raw: no usable connection, or no JSON."""
    expected = Outcome.INVALID if kind.__name__ == "JSONDecodeError" else Outcome.UNAVAILABLE
    assert _row(kind)
    assert errors.outcome_of(kind.__new__(kind)) is expected


@pytest.mark.parametrize(
    "kind",
    [*_classes(json_format, json_format.Error), *_classes(message, message.Error)],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_protobuf_is_invalid(kind: type[Exception]) -> None:
    """An answer that is no message."""
    assert errors.outcome_of(kind.__new__(kind)) is Outcome.INVALID


def test_a_variable_that_is_set_is_not_to_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hint on a login is about the file that the variable names, where it names one."""
    failures = [google.auth.exceptions.OAuthError("Error code invalid_grant"), LoginTimeout()]
    assert all("set the variable" in str(errors.advice_on(error).hint) for error in failures)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/key.json")
    hints = {errors.advice_on(error).hint for error in failures}
    assert hints == {"it is the login of the file that GOOGLE_APPLICATION_CREDENTIALS names"}


def test_a_login_that_may_work_later_is_unavailable() -> None:
    """google-auth marks what may be tried again."""
    error = google.auth.exceptions.RefreshError("text", retryable=True)
    assert errors.outcome_of(error) is Outcome.UNAVAILABLE
    assert "pass" in str(errors.advice_on(error).detail)


def test_a_date_to_come_back_at_is_a_time_to_wait() -> None:
    """REST may have it in Retry-After."""
    response = requests.Response()
    response.status_code = 429
    response.headers["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    error = google.api_core.exceptions.TooManyRequests("text", response=response)
    assert errors.outcome_of(error) is Outcome.THROTTLED
    assert 15 < (errors.advice_on(error).retry_after or 0) <= 20


def test_google_s_reason_makes_the_words() -> None:
    """A refusal because the API is off is told from one for want of rights."""
    off = google.api_core.exceptions.PermissionDenied("text")
    off._error_info = type("Info", (), {"reason": "SERVICE_DISABLED"})()
    told = errors.advice_on(off)
    assert "secretmanager.googleapis.com" in str(told.hint)
    plain = errors.advice_on(google.api_core.exceptions.PermissionDenied("text"))
    assert "secretmanager.versions.access" in str(plain.hint)
    assert (DENIED_OR_HIDDEN in str(plain.detail), DENIED_OR_HIDDEN in str(told.detail)) == (True, False)


def _row(kind: type[Exception]) -> bool:
    return any(name in errors.OUTCOME_OF_CLASS for name in errors._names(kind.__new__(kind)))
