"""Azure Key Vault: `azure-kv://vault-name-or-host/secret`.

Every secret is read by its name, several at a time; the vault is never listed. The options are `version` and `cloud`
(`public`, `china`, `usgovernment`). A vault without a dot is a vault's name (`pay-vault` is
`pay-vault.vault.azure.net`), one with a dot or a port is its host. An underscore in a secret's name, which Key Vault
does not allow, becomes a hyphen.

Who logs in is decided by azure-identity's own environment variables; see `login.default_credential`.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Final

from secretsource.backend import Advice, Backend, SecretValue, needs_extra
from secretsource.backends.azure.errors import Refused, advice_on, outcome_of
from secretsource.backends.azure.login import Login, default_credential, who
from secretsource.backends.azure.place import Place, place_of
from secretsource.backends.azure.wire import CONNECT, CONNECTIONS, READ, Straight, TokenAhead, retry_after, silence
from secretsource.concurrency import PerProcess, each
from secretsource.document import Number, parse_json
from secretsource.errors import InvalidSecret, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from secretsource.clock import Deadline
    from secretsource.ref import Ref

_LEAST: Final = 0.05  # seconds; urllib3 takes no time-out of nothing


class KeyVaultBackend(Backend):
    """Reads secrets from Azure Key Vault.

    Without arguments it logs in as the environment says. For a credential of your own, give the chain a backend
    under a scheme of your choice: `backends={"pay": KeyVaultBackend(lambda: AzureCliCredential(tenant_id="..."))}`.
    """

    scheme: ClassVar[str] = "azure-kv"
    options = frozenset({"cloud"})

    def __init__(self, credential: Callable[[], Any] | None = None, **options: Any) -> None:
        """Make no call yet.

        Args:
            credential: Makes a credential (anything with `get_token`), once in each process. None stands for
                azure-identity's `DefaultAzureCredential`.
            options: Keywords of the SDK for the vault's client, and for the default credential where it knows them:
                `connection_verify="ca.pem"`, `proxies={...}`, `verify_challenge_resource=False`, `api_version="7.5"`.

        Raises:
            TypeError: `credential` is a credential. One that was used before a fork would share its connections
                with the child, so what is wanted is a function that makes one.
        """
        if credential is not None and not callable(credential):
            msg = "credential= takes a function that makes a credential, such as lambda: AzureCliCredential()"
            raise TypeError(msg)
        self._credential = credential
        self._options = options
        self._own = secrets.token_hex(6) if credential else ""  # two functions may look alike and log in differently
        self._logins: PerProcess[Hashable, Login] = PerProcess()
        self._vaults: PerProcess[Hashable, _Vault] = PerProcess()

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:  # noqa: D102 - as in Backend
        asker = self._asker()
        return each(lambda ref: self._read(ref, asker, deadline), refs, deadline, workers=CONNECTIONS)

    def classify(self, error: Exception) -> Outcome:  # noqa: D102 - as in Backend
        return outcome_of(error)

    def advise(self, error: Exception) -> Advice:  # noqa: D102 - as in Backend
        return advice_on(error)

    def identity(self, ref: Ref) -> Hashable:
        """The vault's host, and who logs in where, as far as the environment tells."""
        return self.identities([ref])[0]

    def identities(self, refs: Sequence[Ref]) -> Sequence[Hashable]:
        """The same, with one look at the environment."""
        asker = self._asker()
        return [(place.host, place.login, place.chosen, asker) for place in map(place_of, refs)]

    def close(self) -> None:  # noqa: D102 - as in Backend
        for vault in self._vaults.drain():
            vault.close()
        for login in self._logins.drain():
            login.close()

    def _asker(self) -> Hashable:
        return self._own or who()

    def _read(self, ref: Ref, asker: Hashable, deadline: Deadline) -> SecretValue | Exception:
        try:
            place = place_of(ref)
            login = place.login, place.chosen, asker
            vault = self._vaults.get((place.host, login), lambda: self._open(place, login))
            return _value(vault.get(place, deadline), place, deadline.clock.time())
        except Exception as error:  # noqa: BLE001 - handed back, without the frames that hold answer and token
            error.__cause__ = error.__context__ = None
            return error.with_traceback(None)

    def _open(self, place: Place, key: Hashable) -> _Vault:
        """Make a vault's client; meanwhile the login is under way."""
        login = self._logins.get(key, lambda: self._make_login(place))
        url, scope = f"https://{place.host}", place.scope
        wire = Straight(url, **self._options)
        if scope:
            login.start(scope)
        with needs_extra(self.scheme, "azure"):
            from azure.keyvault.secrets import SecretClient
        ours = {"transport": wire, "custom_hook_policy": TokenAhead(login, scope)}
        options = {"retry_total": 0, "permit_redirects": False, **self._options, **ours}
        return _Vault(SecretClient(url, login, **options), known=bool(scope))

    def _make_login(self, place: Place) -> Login:
        if self._credential is not None:
            make = self._credential
            return Login(lambda _: make())
        with needs_extra(self.scheme, "azure"):
            import azure.identity  # noqa: F401 - here, and not while another thread imports the rest of the SDK
        return Login(lambda watch: default_credential(place.authority, watch, self._options))


class _Vault:
    """One vault's client. Of a vault that has to be asked which token it wants, one thread finds that out for all."""

    def __init__(self, client: Any, *, known: bool) -> None:
        self._client = client
        self._known = known
        self._first = threading.Lock()

    def close(self) -> None:
        self._client.close()

    def get(self, place: Place, deadline: Deadline) -> bytes:
        """What the vault says about a secret.

        Raises:
            Refused: It does not give it.
            InvalidSecret, Unavailable: The answer is too large, or not whole.
            Exception: The SDK's own errors.
        """
        if not self._known:
            with self._first:
                if not self._known:
                    try:
                        return self._ask(place, deadline)
                    finally:
                        self._known = True
        return self._ask(place, deadline)

    def _ask(self, place: Place, deadline: Deadline) -> bytes:
        from azure.core.rest import HttpRequest

        left = max(deadline.remaining(), _LEAST)
        limits = {"connection_timeout": min(CONNECT, left), "read_timeout": min(READ, left)}
        with silence():
            answer = self._client.send_request(HttpRequest("GET", place.path), stream=True, **limits)
            body: bytes = answer.body()
        if answer.status_code != HTTPStatus.OK:
            raise Refused.by(answer.status_code, body, retry_after(answer.headers))
        return body


def _value(body: bytes, place: Place, now: float) -> SecretValue:
    """The secret in an answer, if it is the one that was asked for."""
    answer = parse_json(body)
    bundle = answer if isinstance(answer, dict) else {}
    value, address = bundle.get("value"), bundle.get("id")
    if type(value) is not str or type(address) is not str:  # a Number is a str too
        msg = "the answer is not one of Key Vault's"
        raise InvalidSecret(msg)
    *_, kind, name, version = ("", "", *address.split("/"))
    if (kind, name.lower()) != ("secrets", place.name.lower()) or place.version not in ("", version):
        msg = "the vault answered with another secret"
        raise InvalidSecret(msg)
    attributes, content_type = bundle.get("attributes") or {}, bundle.get("contentType")
    if not isinstance(attributes, dict) or type(content_type) not in (str, NoneType):
        msg = "what the answer says about the secret makes no sense"
        raise InvalidSecret(msg)
    times = {key: _time(key, attributes[key]) for key in ("created", "exp", "nbf") if attributes.get(key) is not None}
    expires, starts = times.get("exp"), times.get("nbf")
    warning = None
    if expires and expires.timestamp() <= now:
        warning = f"expired on {expires:%Y-%m-%d}"
    elif starts and starts.timestamp() > now:
        warning = f"not valid before {starts:%Y-%m-%d}"
    return SecretValue(value, version, times.get("created"), expires, warning=warning, content_type=content_type)


def _time(key: str, seconds: object) -> datetime:
    moment = None
    if isinstance(seconds, Number):
        with suppress(ValueError, OverflowError, OSError):  # their texts hold what was said
            moment = datetime.fromtimestamp(float(seconds), UTC)
    if moment is None:
        msg = f"{key} in the answer is no time"
        raise InvalidSecret(msg)
    return moment
