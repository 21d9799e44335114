"""Logging in to Microsoft Entra ID: what is tried, one login for all threads, and what a failure means."""

from __future__ import annotations

import os
import re
import shutil
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from secretsource.backend import needs_extra
from secretsource.backends.azure.wire import Watch, silence, transport
from secretsource.clock import SYSTEM_CLOCK
from secretsource.concurrency import Task
from secretsource.errors import (
    BackendError,
    ConfigurationError,
    InvalidSecret,
    NotAuthenticated,
    Throttled,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from secretsource.clock import Clock

EARLY: Final = 300.0  # seconds before its end that a token is taken for ended, as the SDK does
HOLD: Final = 30.0  # seconds after a second login in which a token that is refused at once is not worth a third

_WHO: Final = (
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_USERNAME",
    "IDENTITY_ENDPOINT",
)


def who() -> tuple[str | None, ...]:
    """Whose login it is, as far as the environment tells."""
    return tuple(map(os.environ.get, _WHO))


class Login:
    """One identity's way in: a credential of azure-identity, and the tokens that it gave.

    It is itself what the SDK calls a `TokenCredential`. Any number of threads that need a token make one login, and
    share its failure too.
    """

    def __init__(self, make: Callable[[Watch], Any], clock: Clock = SYSTEM_CLOCK) -> None:
        """Prepare a login; nothing is sent yet.

        Args:
            make: Makes the credential; it may send its requests through the `Watch`.
            clock: Tells when a token ends.
        """
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[object, Any] = {}
        self._credential: Any = None
        self._watch = Watch()
        self._failure: tuple[int, BackendError | ConfigurationError] | None = None
        self._logins = 0
        self._hold_until = 0.0

    def get_token(self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **options: Any) -> Any:
        """A token for these scopes: one that is still good, or a new one.

        Raises:
            BackendError: There is none to be had.
        """
        key, seen = (scopes, tenant_id), self._logins
        token = None if claims else self._good(key)
        if token is not None:
            return token
        with self._lock:
            token = None if claims else self._good(key)
            if token is None:
                self._share_failure_since(seen)
                token = self._log_in(scopes, {"claims": claims, "tenant_id": tenant_id, **options})
                self._tokens[key] = token
            return token

    def start(self, scope: str) -> None:
        """Log in in the background, unless a login has ended before that comes to run."""
        seen = self._logins
        Task(lambda: self.get_token(scope, enable_cae=True) if self._logins == seen else None)

    def refuse(self, token: str, *, accepted: bool = False) -> None:
        """Take in that a vault refused a token: it is forgotten, with the credential, which would give it again.

        Args:
            token: The token.
            accepted: The same vault took it before. Then it was revoked, and a new login helps.
        """
        with self._lock:
            now = self._clock.monotonic()
            if (accepted or now >= self._hold_until) and any(token == known.token for known in self._tokens.values()):
                self._hold_until = now + HOLD
                self._tokens.clear()
                self._drop_credential()

    def close(self) -> None:
        """Let go of connections. A login that is under way keeps its own until it has ended."""
        if self._lock.acquire(blocking=False):
            self._drop_credential()
            self._lock.release()

    def _good(self, key: object) -> Any:
        token = self._tokens.get(key)
        return token if token is not None and token.expires_on - self._clock.time() > EARLY else None

    def _share_failure_since(self, seen: int) -> None:
        """Fail as the login did that this thread has been waiting for."""
        if self._failure is not None and self._failure[0] > seen:
            raise _again(self._failure[1])

    def _log_in(self, scopes: tuple[str, ...], options: Mapping[str, Any]) -> Any:
        failure: BackendError | ConfigurationError
        self._watch.trouble = None
        try:
            if self._credential is None:
                with silence():
                    self._credential = self._make(self._watch)
            with silence():  # once more, for the loggers that are new
                return _fit(self._credential.get_token(*scopes, **options))
        except (ConfigurationError, InvalidSecret) as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - whatever a credential raises, the login has failed
            failure = _meaning(error, self._watch, self._credential)
        finally:
            self._logins += 1
        self._failure = self._logins, failure
        self._drop_credential()  # the next login looks at environment and files anew
        raise failure  # out here, where nothing of the SDK's is its context

    def _drop_credential(self) -> None:
        close = getattr(self._credential, "close", None)
        self._credential = None
        if close is not None:
            close()


def _fit(token: Any) -> Any:
    """A token that can be sent in a header.

    Raises:
        InvalidSecret: It cannot.
    """
    text = token.token
    if not isinstance(text, str) or not (text.isascii() and text.isprintable()):
        raise InvalidSecret("the answer to the login has no token in it")
    return token


def default_credential(authority: str | None, watch: Watch, options: Mapping[str, Any]) -> Any:
    """azure-identity's `DefaultAzureCredential`, without the members that only slow down a server.

    In the order in which they are tried: the environment (client secret, certificate), workload identity, managed
    identity, and last the Azure CLIs, each only if its command is on PATH: what `az login` left on a laptop is found,
    and a server that has no `az` does not wait for one. VS Code, PowerShell, the shared token cache, brokers and the
    browser are left out. With `AZURE_TOKEN_CREDENTIALS` set (`dev`, `prod` or the name of one credential),
    azure-identity's own choice holds, and nothing is left out here. On a laptop, `AzureCliCredential` there also
    saves the second in which a managed identity is looked for.
    """
    with needs_extra("azure-kv", "azure"):
        from azure.identity import DefaultAzureCredential
    watch.over(transport(**options))
    chosen = {"authority": authority} if authority else {}
    return DefaultAzureCredential(**{"retry_total": 0, **chosen, **_left_out(), **options, "transport": watch})


def _left_out() -> dict[str, bool]:
    if os.environ.get("AZURE_TOKEN_CREDENTIALS"):
        return {}
    return {
        "exclude_broker_credential": True,
        "exclude_cli_credential": shutil.which("az") is None,
        "exclude_developer_cli_credential": shutil.which("azd") is None,
        "exclude_interactive_browser_credential": True,
        "exclude_powershell_credential": True,
        "exclude_shared_token_cache_credential": True,
        "exclude_visual_studio_code_credential": True,
    }


def _again(error: BackendError | ConfigurationError) -> BackendError | ConfigurationError:
    """The same error for another thread: raised twice, one error would gather both threads' tracebacks."""
    if isinstance(error, BackendError):
        return type(error)(error.args[0], hint=error.hint, retry_after=error.retry_after)
    return error.with_traceback(None)


def _meaning(error: Exception, watch: Watch, credential: object) -> BackendError:
    """What a failed login means. Of the SDK's words, only names and codes get through."""
    if credential is None:
        return NotAuthenticated(f"the credential cannot be made ({type(error).__name__})", hint=_advice(str(error)))
    tried = ", ".join(dict.fromkeys(_MEMBER.findall(str(error)))) or type(credential).__name__
    trouble = watch.trouble
    if trouble is not None and not (trouble.probe and "," in tried):
        kind = _KINDS.get(trouble.status, Unavailable)
        detail = f"the login server {trouble.host} {trouble.what}"
        hint = f"tried {tried}; {_AUTHORITY if 'SSL' in trouble.what else _NETWORK}"
        return kind(detail, hint=hint, retry_after=trouble.retry_after)
    if (network_error := _unreached(error)) is not None:
        return Unavailable(f"the login server cannot be reached ({network_error})", hint=f"tried {tried}")
    code = re.search(r"AADSTS\d+", str(error))
    detail = f"the login was refused ({code[0]})" if code else "no credential gave a token"
    return NotAuthenticated(detail, hint=f"tried {tried}; {_advice(str(error))}")


_KINDS: Final[Mapping[int, type[BackendError]]] = {
    HTTPStatus.OK: InvalidSecret,
    HTTPStatus.TOO_MANY_REQUESTS: Throttled,
}


def _advice(text: str) -> str:
    return next((advice for pattern, advice in _ADVICE.items() if re.search(pattern, text)), _HOW)


def _unreached(error: BaseException | None) -> str | None:
    """The network error that is behind a credential's error, by its class's name."""
    while error is not None:
        if any(kind.__name__ in ("ServiceRequestError", "ServiceResponseError") for kind in type(error).__mro__):
            return type(error).__name__
        error = error.__cause__ or error.__context__
    return None


_MEMBER: Final = re.compile(r"(?m)^\t(\w+)(?::|$)")  # a line of the SDK's list of what it tried
_AUTHORITY: Final = "for a private certificate authority set REQUESTS_CA_BUNDLE"
_NETWORK: Final = "check the network and HTTPS_PROXY"
_HOW: Final = (
    "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH), "
    "run where there is a workload or managed identity, or log in with `az login`"
)
_ADVICE: Final = {  # by what the SDK or the login server says
    r"AADSTS7000215\b": "AZURE_CLIENT_SECRET is not a secret of this app",
    r"AADSTS7000222\b": "the client secret has expired: make a new one",
    r"AADSTS700016\b": "AZURE_CLIENT_ID is not an app of this tenant",
    r"AADSTS70002[1347]\b|AADSTS70021\b": "the app trusts no such certificate or federated identity",
    r"AADSTS9000[12]\b|get authority configuration|[Ii]nvalid tenant": "AZURE_TENANT_ID is not a tenant of this cloud",
    r"not configured to acquire tokens for tenant": "the vault is in another tenant than the login",
    r"AZURE_TOKEN_CREDENTIALS": "AZURE_TOKEN_CREDENTIALS takes dev, prod or the name of one credential",
    r"PEM|PKCS": "AZURE_CLIENT_CERTIFICATE_PATH is not a certificate with its key, or has a password",
    r"No such file": "AZURE_CLIENT_CERTIFICATE_PATH or AZURE_FEDERATED_TOKEN_FILE is not there",
}
