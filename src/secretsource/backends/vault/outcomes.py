"""What each error of hvac and urllib3 comes to, and what to tell the user about it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from hvac import exceptions as hvac
from urllib3 import exceptions as urllib3

from secretsource.backend import DENIED_OR_HIDDEN, Advice
from secretsource.errors import BackendError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STANDBY: Final = 307


def outcome_of(error: Exception) -> Outcome:
    """What an error means. What is not known is UNAVAILABLE."""
    if isinstance(error, BackendError):
        return error.outcome
    if isinstance(error, hvac.UnexpectedError):
        return _of_status(vars(error).get("status", 0))
    return next((OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES), Outcome.UNAVAILABLE)


def _of_status(status: int) -> Outcome:
    """Of a status that hvac has no class for."""
    redirect = 300 <= status < 400 and status != _STANDBY  # noqa: PLR2004 - HTTP's own numbers
    return Outcome.INVALID if redirect or status == 405 else Outcome.UNAVAILABLE  # noqa: PLR2004


def advice_on(error: Exception) -> Advice:
    """What to tell about an error: words of our own, the server's are not repeated."""
    if isinstance(error, BackendError):
        return Advice(error.args[0], error.hint, error.retry_after)
    tell = next((_ADVICE[kind] for kind in type(error).__mro__ if kind in _ADVICE), None)
    advice = tell(error) if tell else Advice()
    return advice._replace(hint=_with_origin(advice.hint, vars(error).get("origin")))


def note_origin(error: Exception, origin: str) -> None:
    """Note on an error where the address is given, to be told in the place of VAULT_ADDR."""
    vars(error)["origin"] = origin
    if isinstance(error, BackendError):
        error.hint = _with_origin(error.hint, origin)


def _with_origin(hint: str | None, origin: str | None) -> str | None:
    if hint is None or origin is None or (origin.startswith("the default") and "set VAULT_ADDR" in hint):
        return hint
    return hint.replace("VAULT_ADDR", origin)


def _denied(error: Exception) -> Advice:
    path = str(vars(error).get("url")).partition("?")[0]
    return Advice(DENIED_OR_HIDDEN, f'the token\'s policy has to allow "read" on {path}')


def _refused(error: Exception) -> Advice:
    """A status that says no in general."""
    status = vars(error).get("status", 0)
    known = _STATUS.get(status)
    if known is None and 300 <= status < 400:  # noqa: PLR2004 - HTTP's own numbers
        known = ("redirected", "a token is not carried to another address: set VAULT_ADDR to where it points")
    detail, hint = known or ("an error of the server", None)
    return Advice(f"{detail} ({status})", hint, vars(error).get("retry_after"))


def _down(error: Exception) -> Advice:
    errors = vars(error).get("errors") or ()
    if any("sealed" in text for text in errors):
        return Advice("the server is sealed (503)", "unseal it: vault operator unseal")
    return _refused(error)


_STATUS: Final[Mapping[int, tuple[str, str | None]]] = {
    307: ("a standby that redirects", "a token is not carried to another address: set VAULT_ADDR to the active node"),
    400: ("the server calls the request invalid", None),
    401: ("not logged in", "something before the Vault wants a login of its own"),
    404: ("there is nothing at this path", None),
    405: ("this path cannot be read", "only what the engine answers to a plain read can be had by a ref"),
    412: ("the node is behind the others", None),
    429: ("too many requests", None),
    472: ("a disaster recovery secondary", "set VAULT_ADDR to the primary"),
    473: ("a performance standby that cannot answer this", None),
    501: ("not initialised", "initialise it: vault operator init"),
    502: ("a gateway gets no answer from the Vault", None),
    503: ("down, or not ready yet", None),
    504: ("a gateway gets no answer from the Vault in time", None),
}


def _tls(error: Exception) -> Advice:
    cause = next((arg for arg in error.args if isinstance(arg, ssl.SSLCertVerificationError)), None)
    detail = f"TLS: {cause.verify_message}" if cause else "TLS: no secure connection"
    hint = "for a private CA set VAULT_CACERT; for a server by another name, VAULT_TLS_SERVER_NAME"
    return Advice(detail, hint if cause else "does the server at VAULT_ADDR speak https?")


def _say(detail: str, hint: str | None = None) -> Callable[[Exception], Advice]:
    return lambda _: Advice(detail, hint)


_ADVICE: Final[Mapping[type[Exception], Callable[[Exception], Advice]]] = {
    hvac.Forbidden: _denied,
    hvac.VaultDown: _down,
    hvac.VaultError: _refused,
    urllib3.SSLError: _tls,
    urllib3.ProxyError: _say("the proxy does not answer", "see VAULT_PROXY_ADDR, VAULT_HTTP_PROXY and HTTPS_PROXY"),
    urllib3.NameResolutionError: _say("the server's name is not known", "see VAULT_ADDR"),
    urllib3.NewConnectionError: _say("no connection", "does a Vault listen at VAULT_ADDR?"),
    urllib3.ConnectTimeoutError: _say("no connection in time", "can VAULT_ADDR be reached from here?"),
    urllib3.ReadTimeoutError: _say("no answer in time"),
    urllib3.ProtocolError: _say("the connection was cut"),
    urllib3.DecodeError: _say("the answer cannot be decoded"),
    urllib3.LocationValueError: _say("an address that makes no sense", "see VAULT_ADDR"),
    TimeoutError: _say("no answer in time"),
}

OUTCOMES: Final[Mapping[type[Exception], Outcome]] = {
    hvac.InvalidRequest: Outcome.INVALID,
    hvac.Unauthorized: Outcome.UNAUTHENTICATED,
    hvac.Forbidden: Outcome.DENIED,
    hvac.InvalidPath: Outcome.MISSING,
    hvac.UnsupportedOperation: Outcome.INVALID,
    hvac.PreconditionFailed: Outcome.UNAVAILABLE,
    hvac.RateLimitExceeded: Outcome.THROTTLED,
    hvac.InternalServerError: Outcome.UNAVAILABLE,
    hvac.VaultNotInitialized: Outcome.UNAVAILABLE,
    hvac.VaultDown: Outcome.UNAVAILABLE,
    hvac.BadGateway: Outcome.UNAVAILABLE,
    hvac.ParamValidationError: Outcome.INVALID,
    hvac.VaultError: Outcome.UNAVAILABLE,
    urllib3.DecodeError: Outcome.INVALID,
    urllib3.LocationValueError: Outcome.INVALID,
    urllib3.HTTPError: Outcome.UNAVAILABLE,
    OSError: Outcome.UNAVAILABLE,
}
