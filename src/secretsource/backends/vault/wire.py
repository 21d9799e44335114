"""Requests to a Vault, and what may come back. urllib3 carries them; errors are hvac's own.

hvac's adapter takes twice the processor time for a read, keeps no headers of an error, follows redirects with the token
in hand, and hands back whatever is not JSON as if it were an answer.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import urllib3
from hvac.adapters import Adapter
from hvac.exceptions import VaultError

from secretsource.backend import seconds_of_retry_after
from secretsource.backends.vault.connection import connect
from secretsource.backends.vault.fields import NOT_VAULT, can_be_sent
from secretsource.document import MAX_BYTES, parse_json
from secretsource.errors import ConfigurationError, InvalidSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from secretsource.backends.vault.variables import Variables
    from secretsource.clock import Deadline

    HvacAdapter = Adapter[Any]
else:
    HvacAdapter = Adapter

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 5.0
_AT_ONCE: Final = 65_536
_NOTHING_TO_SAY: Final = 204
_FIRST_ERROR: Final = 300


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            InvalidSecret: It is nothing of the kind.
        """
        document, fault = None, "the answer is JSON, but not an object"
        try:
            document = parse_json(self.body)
        except InvalidSecret as error:
            fault = f"the answer is {error.args[0]}" if self.body else "an empty answer"
        if not isinstance(document, dict):
            raise InvalidSecret(f"{fault}{self._kind()}", hint=NOT_VAULT)
        return document

    def _kind(self) -> str:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return f" ({kind})" if re.fullmatch("[a-z0-9/+.-]{1,40}", kind) and kind != "application/json" else ""


class Sender(NamedTuple):
    """Who asks, and where in the server.

    Attributes:
        token: The token, or None.
        namespace: The namespace, or None for the topmost.
    """

    token: str | None
    namespace: str | None

    @property
    def headers(self) -> dict[str, str]:
        """What a request carries.

        Raises:
            ConfigurationError: Token or namespace cannot be sent in a header.
        """
        for what, text in (("token: see VAULT_TOKEN", self.token), ("namespace: see VAULT_NAMESPACE", self.namespace)):
            if text and not can_be_sent(text):
                raise ConfigurationError(f"a line break, or another character that cannot be sent, is in the {what}")
        headers = {"X-Vault-Request": "true", "User-Agent": "secretsource", "Accept": "application/json"}
        if self.token:
            headers["X-Vault-Token"] = self.token
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        return headers

    def __repr__(self) -> str:
        return f"Sender(namespace={self.namespace!r})"


class Wire:
    """Connections to one Vault, for any number of threads.

    Attributes:
        addr: The server's address.
    """

    def __init__(self, addr: str, variables: Variables) -> None:
        self.addr = addr
        self._pool = connect(addr, variables)

    def ask(self, method: str, path: str, sender: Sender, deadline: Deadline, *, body: object = None) -> dict[str, Any]:
        """Send a request, and read the JSON object that answers it; numbers keep their text.

        Raises:
            VaultError: The server answered with an error status. `.retry_after` is there where it named a time.
            HTTPError: urllib3's, where no answer came.
            InvalidSecret: The answer is not JSON.
            ConfigurationError: There is something in the way of asking.
        """
        data = None if body is None else json.dumps(body).encode()
        seconds = max(deadline.remaining(), 0.001)
        response = self._pool.urlopen(
            method,
            f"{self.addr}/v1/{path}",
            body=data,
            headers=sender.headers,
            redirect=False,  # the token would go along to wherever it points
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=min(READ_SECONDS, seconds)),
        )
        reply = Reply(response.status, response.headers, _read(response))
        if response.status >= _FIRST_ERROR:
            raise _error(method, path, reply, deadline.clock.time())
        return {} if response.status == _NOTHING_TO_SAY and method != "GET" else reply.document()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._pool.clear()


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    pieces, size = [], 0
    while piece := response.read(_AT_ONCE):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BYTES:
            response.close()
            msg = "the answer is larger than 1 MiB"
            raise InvalidSecret(msg)
    response.release_conn()
    return b"".join(pieces)


def _error(method: str, path: str, reply: Reply, now: float) -> VaultError:
    """The error of hvac for a status. It holds no text of the answer beyond the errors that Vault lists."""
    try:
        document = reply.document()
    except InvalidSecret:
        document = {}
    listed = document.get("errors")
    errors = [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
    error = VaultError.from_status(reply.status, None, errors=errors, method=method, url=path, json=document)
    wait = seconds_of_retry_after(reply.headers.get("retry-after", ""), now)
    vars(error).update(status=reply.status, retry_after=wait)
    return error


class LoginAdapter(HvacAdapter):
    """What hvac's login methods speak through: no more time than the deadline leaves, and no token but hvac's."""

    def __init__(self, wire: Wire, namespace: str | None, deadline: Deadline) -> None:
        # hvac's own __init__ would make a requests session
        self.base_uri, self.namespace, self.token = wire.addr, namespace, None
        self._wire, self._deadline = wire, deadline

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002 - hvac's signature
        raise_exception: bool = True,  # noqa: ARG002, FBT001, FBT002 - hvac's signature
        **kwargs: Any,
    ) -> Any:
        """Send what a method of hvac wants sent."""
        path = url.strip("/").removeprefix("v1/")
        sender = Sender(self.token, self.namespace)
        return self._wire.ask(method.upper(), path, sender, self._deadline, body=kwargs.get("json"))

    def get_login_token(self, response: Any) -> str:
        """The token out of the answer to a login."""
        return str(response["auth"]["client_token"])
