"""What the errors of Google's libraries mean, and what to say about them. The tables are at the end.

gRPC and REST raise different classes for the same answer; the status is the same, so that decides.
"""

from __future__ import annotations

import re
from os import environ
from typing import TYPE_CHECKING, Any, Final, TypeVar

from secretsource.backend import DENIED_OR_HIDDEN, Advice, seconds_of_retry_after
from secretsource.backends.gcp.login import FILE, UNUSABLE_FILE
from secretsource.clock import SYSTEM_CLOCK
from secretsource.errors import BackendError, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

_DELAY: Final = re.compile(r"(\d{1,6}(?:\.\d+)?)s?")


def outcome_of(error: Exception) -> Outcome:
    """What an error means. What is not known is UNAVAILABLE."""
    if isinstance(error, BackendError):
        return error.outcome
    status = _status(error)
    if status is None:
        return Outcome.UNAVAILABLE if _may_pass(error) else _of_class(error, OUTCOME_OF_CLASS, Outcome.UNAVAILABLE)
    if status == "RESOURCE_EXHAUSTED" and "larger than max" in str(error):
        return Outcome.INVALID  # gRPC's own refusal of a message, which has nothing to do with a quota
    return OUTCOME_OF_STATUS.get(status, Outcome.UNAVAILABLE)


def refuses_token(answer: object) -> bool:
    """Whether the service, and not the login, says that the token is no good."""
    return isinstance(answer, Exception) and _status(answer) == "UNAUTHENTICATED"


def is_out_of_reach(answer: object) -> bool:
    """Whether nobody answered, or only to say that the service is not there."""
    if not isinstance(answer, Exception):
        return False
    return isinstance(answer, TimeoutError) or _status(answer) in ("DEADLINE_EXCEEDED", "UNAVAILABLE")


def advice_on(error: Exception) -> Advice:
    """What to tell the user: words of our own, and of Google's only names that are known."""
    if isinstance(error, BackendError):
        return Advice(error.args[0], error.hint, error.retry_after)
    status = _status(error)
    if status is None:
        if _may_pass(error):
            return Advice("the other side of the login had an error that may pass", _NO_NETWORK)
        detail, hint = _of_class(error, WORDS_OF_CLASS, (f"Google's SDK says {type(error).__name__}", None))
        return Advice(detail, _hint_on_file(error) if hint == _ADC and environ.get(FILE) else hint)
    detail, hint = WORDS_OF_STATUS.get(status, ("Secret Manager could not answer", None))
    if status == "FAILED_PRECONDITION":
        detail = _state(error) or detail
    if status == "UNAVAILABLE" and re.search("handshake|CERTIFICATE|SSL", str(error)):
        detail, hint = WORDS_OF_CLASS["requests.exceptions.SSLError"]
    detail, hint = WORDS_OF_REASON.get(str(getattr(error, "reason", None)), (detail, hint))
    return Advice(f"{detail} ({status})", hint, _retry_after(error))


def _hint_on_file(error: Exception) -> str:
    """What to say where the variable is set: to set it would be no news."""
    unusable = type(error).__name__ == "DefaultCredentialsError"
    return UNUSABLE_FILE if unusable else f"it is the login of the file that {FILE} names"


def _status(error: Exception) -> str | None:
    """The name of the service's status (as in `google.rpc.Code`), or None where the service did not answer."""
    names = _names(error)
    if "google.api_core.exceptions.GoogleAPICallError" in names:
        response: Any = getattr(error, "response", None)
        if hasattr(response, "status_code"):
            return _status_in(response) or STATUS_OF_HTTP.get(response.status_code, "UNKNOWN")
        return str(getattr(getattr(error, "grpc_status_code", None), "name", "UNKNOWN"))
    if "grpc.RpcError" in names:
        code = getattr(error, "code", None)
        return str(getattr(code() if callable(code) else None, "name", "UNKNOWN"))
    return None


def _status_in(response: Any) -> str | None:
    """The status that a REST answer's own JSON tells: a 404 of anybody else does not mean that a secret is absent."""
    try:
        status = response.json()["error"]["status"]
        known = status in OUTCOME_OF_STATUS
    except (ValueError, LookupError, TypeError):
        return None
    return status if known else None


def _state(error: Exception) -> str | None:
    return next((f"the version is {word.lower()}" for word in ("DISABLED", "DESTROYED") if word in str(error)), None)


def _retry_after(error: Exception) -> float | None:
    """Seconds that the service asks to wait: a RetryInfo, which gRPC has as a message and REST as JSON."""
    for detail in getattr(error, "details", None) or ():
        if isinstance(detail, dict):
            if match := _DELAY.fullmatch(str(detail.get("retryDelay"))):
                return float(match[1])
        elif hasattr(detail, "retry_delay"):
            return float(detail.retry_delay.ToTimedelta().total_seconds())
    headers = getattr(getattr(error, "response", None), "headers", {})
    return seconds_of_retry_after(headers.get("Retry-After", ""), SYSTEM_CLOCK.time())


def _names(error: Exception) -> list[str]:
    """The full names of an error's class and its bases, so that no SDK has to be imported to compare them."""
    return [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]


def _may_pass(error: Exception) -> bool:
    """Whether a login failed because the other side had an error, and refused nothing."""
    names = _names(error)
    if "google.auth.exceptions.OAuthError" in names:  # it says "Error code ..." where the other side speaks OAuth
        said = str(error.args[0]) if error.args else ""
        return bool(said) and not re.match(r"Error code (?!server_error|temporarily_unavailable|internal_)", said)
    return "google.auth.exceptions.RefreshError" in names and bool(getattr(error, "retryable", False))


def _of_class(error: Exception, table: Mapping[str, T], otherwise: T) -> T:
    return next((table[name] for name in _names(error) if name in table), otherwise)


_ADC: Final = (
    "tried GOOGLE_APPLICATION_CREDENTIALS, gcloud's own file and the metadata server: set the variable, "
    "run 'gcloud auth application-default login', or run where there is a service account"
)
_NO_NETWORK: Final = "check the network, proxies, and the address of the service"
WORDS_OF_STATUS: Final[Mapping[str, tuple[str, str | None]]] = {
    "ABORTED": ("Secret Manager gave up the request", None),
    "CANCELLED": ("the request was cancelled", None),
    "DEADLINE_EXCEEDED": ("no answer from Secret Manager in time", _NO_NETWORK),
    "FAILED_PRECONDITION": ("the version is not enabled", "enable the version, or name another with ?version="),
    "INVALID_ARGUMENT": ("Secret Manager cannot use this name or version", None),
    "NOT_FOUND": ("there is no such secret, or no such version of it", None),
    "PERMISSION_DENIED": (
        DENIED_OR_HIDDEN,
        "needs secretmanager.versions.access on it, as in roles/secretmanager.secretAccessor",
    ),
    "RESOURCE_EXHAUSTED": ("too many requests", None),
    "UNAUTHENTICATED": ("Secret Manager refuses the token", "log in again, or see whether the key was revoked"),
    "UNAVAILABLE": ("Secret Manager cannot be reached, or cannot answer", _NO_NETWORK),
    "UNIMPLEMENTED": ("what answers at this address is not Secret Manager", "check the address of the service"),
}
WORDS_OF_REASON: Final = {  # the `reason` that Google adds to a refusal which has nothing to do with the secret
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": (
        "the token is not meant for Secret Manager",
        "give the machine or the token the scope cloud-platform",
    ),
    "BILLING_DISABLED": ("the project has no billing", "turn on billing for the project"),
    "CONSUMER_INVALID": ("there is no such project, or it is not ours", "check the project's id"),
    "SERVICE_DISABLED": (
        "the project does not use Secret Manager",
        "turn on the API secretmanager.googleapis.com in the project",
    ),
}
WORDS_OF_CLASS: Final[Mapping[str, tuple[str, str | None]]] = {
    "google.auth.exceptions.DefaultCredentialsError": ("no Google credentials were found that can be used", _ADC),
    "google.auth.exceptions.MutualTLSChannelError": ("the client certificate cannot be used", None),
    "google.auth.exceptions.RefreshError": (
        "the login was refused",
        "check the credentials; if they are gcloud's own, run 'gcloud auth application-default login' again",
    ),
    "google.auth.exceptions.TransportError": ("no connection for the login", _NO_NETWORK),
    "google.auth.exceptions.GoogleAuthError": ("the login failed", _ADC),
    "google.protobuf.json_format.ParseError": ("the answer is not one of Secret Manager's", None),
    "requests.exceptions.SSLError": (
        "the TLS connection failed",
        "for a private certificate authority set GRPC_DEFAULT_SSL_ROOTS_FILE_PATH, for REST REQUESTS_CA_BUNDLE",
    ),
    "requests.exceptions.Timeout": ("no answer from Secret Manager in time", _NO_NETWORK),
    "requests.exceptions.RequestException": ("no connection to Secret Manager", _NO_NETWORK),
    "secretsource.backends.gcp.login.LoginTimeout": ("no Google credentials in time", _ADC),
    "urllib3.exceptions.HTTPError": ("the connection was closed before the answer was whole", None),
    "builtins.TimeoutError": ("no answer in time", None),
}

STATUS_OF_HTTP: Final = {  # for an answer without a status of Google's: a proxy's, or a page of somebody else's
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "UNIMPLEMENTED",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

OUTCOME_OF_STATUS: Final = {
    "CANCELLED": Outcome.UNAVAILABLE,
    "UNKNOWN": Outcome.UNAVAILABLE,
    "INVALID_ARGUMENT": Outcome.INVALID,
    "DEADLINE_EXCEEDED": Outcome.UNAVAILABLE,
    "NOT_FOUND": Outcome.MISSING,
    "ALREADY_EXISTS": Outcome.INVALID,
    "PERMISSION_DENIED": Outcome.DENIED,
    "RESOURCE_EXHAUSTED": Outcome.THROTTLED,
    "FAILED_PRECONDITION": Outcome.INACTIVE,
    "ABORTED": Outcome.UNAVAILABLE,
    "OUT_OF_RANGE": Outcome.INVALID,
    "UNIMPLEMENTED": Outcome.UNAVAILABLE,
    "INTERNAL": Outcome.UNAVAILABLE,
    "UNAVAILABLE": Outcome.UNAVAILABLE,
    "DATA_LOSS": Outcome.INVALID,
    "UNAUTHENTICATED": Outcome.UNAUTHENTICATED,
}

# The name of a class stands for its subclasses too.
OUTCOME_OF_CLASS: Final = {
    "google.api_core.exceptions.AsyncRestUnsupportedParameterError": Outcome.UNAVAILABLE,
    "google.api_core.exceptions.DuplicateCredentialArgs": Outcome.UNAUTHENTICATED,
    "google.api_core.exceptions.GoogleAPIError": Outcome.UNAVAILABLE,
    "google.auth.exceptions.ResponseError": Outcome.UNAVAILABLE,
    "google.auth.exceptions.TimeoutError": Outcome.UNAVAILABLE,
    "google.auth.exceptions.TransportError": Outcome.UNAVAILABLE,
    "google.auth.exceptions.GoogleAuthError": Outcome.UNAUTHENTICATED,
    "google.protobuf.json_format.Error": Outcome.INVALID,
    "google.protobuf.message.Error": Outcome.INVALID,
    "requests.exceptions.JSONDecodeError": Outcome.INVALID,
    "requests.exceptions.RequestException": Outcome.UNAVAILABLE,
    "secretsource.backends.gcp.login.LoginTimeout": Outcome.UNAVAILABLE,
    "urllib3.exceptions.HTTPError": Outcome.UNAVAILABLE,
}
