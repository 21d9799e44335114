"""What Key Vault's and the SDK's errors mean, and what to say about them. The tables are at the end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Self

from secretsource.backend import DENIED_OR_HIDDEN, Advice
from secretsource.document import parse_json
from secretsource.errors import BackendError, InvalidSecret, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME: Final = re.compile(r"[A-Za-z]{1,60}")


class Refused(Exception):
    """A vault's answer that is no secret: of the SDK's error only what may be shown. It holds no token and no body."""

    def __init__(self, status: int, code: str = "", reason: str = "", seconds: float | None = None) -> None:
        super().__init__(f"{status} {code} {reason}".strip())
        self.status_code = status
        self.code = code
        self.reason = reason
        self.retry_after = seconds

    @classmethod
    def by(cls, status: int, body: bytes, seconds: float | None) -> Self:
        """An answer with this status and body, and the seconds it asks us to wait."""
        try:
            answer = parse_json(body)
        except InvalidSecret:
            answer = None
        error = answer.get("error") if isinstance(answer, dict) else None
        inner = error.get("innererror") if isinstance(error, dict) else None
        return cls(status, _code(error), _code(inner), seconds)


def _code(error: Any) -> str:
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _NAME.fullmatch(code) else ""


def outcome_of(error: Exception) -> Outcome:
    """What an error means. What is not known is UNAVAILABLE."""
    if isinstance(error, BackendError):
        return error.outcome
    if isinstance(error, Refused) and (told := BY_CODE.get(error.reason) or BY_CODE.get(error.code)):
        return told
    if (told := BY_STATUS.get(getattr(error, "status_code", None) or 0)) is not None:
        return told
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((BY_CLASS[name] for name in names if name in BY_CLASS), Outcome.UNAVAILABLE)


def advice_on(error: Exception) -> Advice:
    """What to tell the user: our words, and of the vault's only its codes."""
    if isinstance(error, BackendError):
        return Advice(error.args[0], error.hint, error.retry_after)
    if isinstance(error, Refused):
        known = error.reason or error.code
        detail, hint = WORDS_OF_CODE.get(known) or WORDS_OF_OUTCOME.get(outcome_of(error), ("no usable answer", None))
        return Advice(f"{detail} ({known or error.status_code})", hint, error.retry_after)
    for kind in _kinds(error):
        if kind in WORDS_OF_CLASS:
            return Advice(*WORDS_OF_CLASS[kind])
    return Advice(f"the Azure SDK says {type(error).__name__}")


def _kinds(error: object) -> Iterator[str]:
    """The names of an error's class and of those behind it, innermost first: that one says most."""
    inner = getattr(error, "inner_exception", None) or getattr(error, "reason", None)
    if inner is None and isinstance(error, Exception) and error.args and isinstance(error.args[0], Exception):
        inner = error.args[0]
    if isinstance(inner, Exception):
        yield from _kinds(inner)
    yield from (kind.__name__ for kind in type(error).__mro__)


def innermost(error: Exception) -> str:
    """The name of the class of the error behind all others."""
    return next(_kinds(error))


WORDS_OF_OUTCOME: Final[Mapping[Outcome, tuple[str, str | None]]] = {
    Outcome.INACTIVE: ("the secret is being deleted or recovered", None),
    Outcome.DENIED: (DENIED_OR_HIDDEN, "needs the secret permission 'get' on this vault"),
    Outcome.UNAUTHENTICATED: ("the vault refuses the login", "see that the login is in the vault's own tenant"),
    Outcome.THROTTLED: ("too many requests to this vault", None),
    Outcome.UNAVAILABLE: ("the vault could not answer", None),
    Outcome.INVALID: ("Key Vault does not accept this name or version", None),
}
_BY_ACCESS_POLICY: Final = (
    f"{DENIED_OR_HIDDEN}: no access policy lets us read it",
    "needs the secret permission 'get' in the vault's policy",
)
WORDS_OF_CODE: Final[Mapping[str, tuple[str, str | None]]] = {
    "AccessDenied": _BY_ACCESS_POLICY,
    "ForbiddenByConnection": ("the vault takes private connections only", "read it from inside its network"),
    "ForbiddenByFirewall": ("the vault's firewall refuses our address", "add the address to the vault's network rules"),
    "ForbiddenByPolicy": _BY_ACCESS_POLICY,
    "ForbiddenByRbac": (
        f"{DENIED_OR_HIDDEN}: no role lets us read it",
        "needs the role 'Key Vault Secrets User' on this vault or secret",
    ),
    "ObjectIsDeletedButRecoverable": ("the secret is deleted, and can be recovered", "recover it"),
    "SecretDisabled": ("the secret is disabled", "enable it, or a version of it"),
    "SecretNotFound": ("not in this vault, or deleted and not yet purged", None),
    "VaultNotFound": ("there is no such vault", "check its name, and cloud="),
}
_NETWORK: Final = "check the network and HTTPS_PROXY"
WORDS_OF_CLASS: Final[Mapping[str, tuple[str, str | None]]] = {  # the SDK's and, below it, urllib3's
    "ConnectTimeoutError": ("no connection to the vault in time", _NETWORK),
    "NameResolutionError": ("there is no host of this name", "check the vault's name, and cloud="),
    "NewConnectionError": ("no connection to the vault", _NETWORK),
    "ProtocolError": ("the connection was closed before the answer", None),
    "ProxyError": ("the proxy does not let us through", "check HTTPS_PROXY and NO_PROXY"),
    "SSLError": ("the TLS connection failed", "for a private certificate authority set REQUESTS_CA_BUNDLE"),
    "ServiceRequestError": ("no connection to the vault", _NETWORK),
    "ServiceResponseError": ("the connection was closed before the answer", None),
    "TimeoutError": ("no answer in time", "see whether the vault and the login server can be reached"),
    "ValueError": (
        "the host asks for a token that is not meant for it",
        "is this the vault's own host? If it is, give KeyVaultBackend(verify_challenge_resource=False)",
    ),
}

BY_CODE: Final[Mapping[str, Outcome]] = {
    "ObjectIsDeletedButRecoverable": Outcome.INACTIVE,
    "SecretDisabled": Outcome.INACTIVE,
    "SecretNotFound": Outcome.MISSING,
}
BY_STATUS: Final[Mapping[int, Outcome]] = {  # a 404 without Key Vault's code is somebody else's, and says nothing
    400: Outcome.INVALID,
    401: Outcome.UNAUTHENTICATED,
    403: Outcome.DENIED,
    409: Outcome.INACTIVE,
    429: Outcome.THROTTLED,
}
BY_CLASS: Final[Mapping[str, Outcome]] = {  # a name stands for its subclasses too
    "AuthenticationRequiredError": Outcome.UNAUTHENTICATED,
    "AzureError": Outcome.UNAVAILABLE,
    "ClientAuthenticationError": Outcome.UNAUTHENTICATED,
    "CredentialUnavailableError": Outcome.UNAUTHENTICATED,
    "DecodeError": Outcome.INVALID,
    "DeserializationError": Outcome.INVALID,
    "HTTPError": Outcome.UNAVAILABLE,  # urllib3's own
    "HTTPWarning": Outcome.UNAVAILABLE,
    "HttpResponseError": Outcome.UNAVAILABLE,
    "IncompleteReadError": Outcome.UNAVAILABLE,
    "ODataV4Error": Outcome.UNAVAILABLE,
    "ResourceExistsError": Outcome.INACTIVE,
    "ResourceModifiedError": Outcome.UNAVAILABLE,
    "ResourceNotFoundError": Outcome.MISSING,
    "ResourceNotModifiedError": Outcome.UNAVAILABLE,
    "ResponseNotReadError": Outcome.UNAVAILABLE,
    "SerializationError": Outcome.INVALID,
    "ServiceRequestError": Outcome.UNAVAILABLE,
    "ServiceRequestTimeoutError": Outcome.UNAVAILABLE,
    "ServiceResponseError": Outcome.UNAVAILABLE,
    "ServiceResponseTimeoutError": Outcome.UNAVAILABLE,
    "StreamClosedError": Outcome.UNAVAILABLE,
    "StreamConsumedError": Outcome.UNAVAILABLE,
    "TimeoutError": Outcome.UNAVAILABLE,
    "TooManyRedirectsError": Outcome.UNAVAILABLE,
    "ValueError": Outcome.UNAUTHENTICATED,
}
