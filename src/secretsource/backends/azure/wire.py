"""How requests travel: the SDK's transport, a watch over the login's requests, and the token that is sent ahead."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from secretsource.backend import needs_extra, seconds_of_retry_after
from secretsource.backends.azure.errors import innermost
from secretsource.clock import SYSTEM_CLOCK
from secretsource.document import MAX_BYTES, parse_json
from secretsource.errors import InvalidSecret, Unavailable
from secretsource.redaction import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

CONNECT: Final = 2.0  # seconds
READ: Final = 5.0  # seconds
CONNECTIONS: Final = 32
"""How many secrets are read at the same time."""

_CHUNK: Final = 65536  # bytes
_HOSTS: Final = 4  # that one transport speaks to
_TRANSIENT: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_TOOK_THE_TOKEN: Final = (HTTPStatus.OK, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
PAGE: Final = "answered with something that is no login"
_IMDS: Final = "169.254.169.254"


def silence() -> AbstractContextManager[None]:
    """Keep the SDK's logs to ourselves: wire logs, and warnings of what it raises as well and we tell in one line."""
    return quiet("azure", "msal", "urllib3", below=logging.CRITICAL)


def transport(**options: Any) -> Any:
    """A transport of azure-core with short time-outs and connections for all threads. It does not read `.netrc`.

    Args:
        options: The SDK's own options, such as `connection_verify`.
    """
    with needs_extra("azure-kv", "azure"):
        from azure.core.pipeline.transport import RequestsTransport
    made: Any = RequestsTransport(**{"connection_timeout": CONNECT, "read_timeout": READ, **options})
    made.open()
    for adapter in made.session.adapters.values():
        adapter.init_poolmanager(_HOSTS, CONNECTIONS)
    made.session.auth = _as_it_is  # no other login than the SDK's: requests would take one for the host out of .netrc
    return made


def _as_it_is(request: Any) -> Any:
    return request


class Straight:
    """A transport to one host, which hands requests straight to the connections below requests.

    What requests does around each request takes as long as all the rest of a read. Proxies and authorities are looked
    up as requests does it, but once.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._transport = transport(**options)
        session, config = self._transport.session, self._transport.connection_config
        proxies = dict(options.get("proxies") or {})
        found = session.merge_environment_settings(url, proxies, None, config.verify, config.cert)
        verify, cert, adapter = found["verify"], found["cert"], session.get_adapter(url)
        self._pool = adapter.get_connection_with_tls_context(SimpleNamespace(url=url), verify, found["proxies"], cert)
        adapter.cert_verify(self._pool, url, verify, cert)
        self._read_authorities_once()

    def _read_authorities_once(self) -> None:
        """Share one TLS context: to read the bundle of authorities takes 20 ms, and each connection would do so."""
        from urllib3.util.ssl_ import create_urllib3_context

        file, folder = self._pool.ca_certs, self._pool.ca_cert_dir
        if file or folder:
            context = create_urllib3_context()
            context.load_verify_locations(file, folder)
            self._pool.conn_kw["ssl_context"] = context
            self._pool.ca_certs = self._pool.ca_cert_dir = None

    def send(
        self, request: Any, *, connection_timeout: float = CONNECT, read_timeout: float = READ, **_: Any
    ) -> Answer:
        """Send a request, as a transport does.

        Raises:
            urllib3.exceptions.HTTPError: There was no answer.
        """
        from urllib3 import Timeout

        url = urlsplit(request.url)
        raw = self._pool.urlopen(
            request.method,
            f"{url.path}?{url.query}",
            headers=dict(request.headers),
            timeout=Timeout(connect=connection_timeout, read=read_timeout),
            retries=False,
            redirect=False,
            preload_content=False,
            enforce_content_length=True,
        )
        return Answer(raw, request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Answer:
    """A response, as far as the SDK's policies and we look into it."""

    def __init__(self, raw: Any, request: Any) -> None:
        self._raw = raw
        self._body: bytes | None = None
        self.request = request
        self.status_code: int = raw.status
        self.headers: Mapping[str, str] = raw.headers

    def body(self) -> bytes:
        """All of the body.

        Raises:
            InvalidSecret: It is larger than any secret.
            Unavailable: It ended too early, or does not come.
        """
        if self._body is None:
            self._body = self._read()
        return self._body

    def _read(self) -> bytes:
        from urllib3.exceptions import HTTPError

        body = bytearray()
        cut = False
        try:
            while (part := self._raw.read(_CHUNK)) and len(body) <= MAX_BYTES:
                body += part
        except HTTPError:  # it may hold what came so far, and ends here
            cut = True
        if cut or not (body or "content-length" in self.headers):  # an end within the headers shows as an empty body
            raise Unavailable("the answer was cut short")
        if len(body) > MAX_BYTES:
            self._raw.close()
            raise InvalidSecret("the answer is larger than 1 MiB")
        return bytes(body)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a login server gave no usable answer.

    Attributes:
        host: Which one.
        what: What it did, to follow its name in a sentence.
        status: The HTTP status, or 0 where there was no answer. 200 is a page that stands in an answer's place.
        retry_after: Seconds that it asked us to wait.
        probe: It was only tried whether there is one.
    """

    host: str
    what: str
    status: int = 0
    retry_after: float | None = None
    probe: bool = False


class Watch:
    """A transport for a credential. It remembers the trouble on the way, of which the SDK's errors say nothing."""

    def __init__(self) -> None:
        self.trouble: Trouble | None = None
        self._transport: Any = None

    def over(self, transport: Any) -> None:
        """Send through this transport."""
        self._transport = transport

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request, as a transport does."""
        host = urlsplit(request.url).hostname or ""
        if "connection_timeout" in options:  # a probe: the SDK bounds only the first half of the wait
            options.setdefault("read_timeout", options["connection_timeout"])
        try:
            response = self._transport.send(request, **options)
        except Exception as error:
            self.trouble = Trouble(host, f"cannot be reached ({innermost(error)})", probe=host == _IMDS)
            raise
        self.trouble = _trouble_in(response, host) or self.trouble
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _trouble_in(response: Any, host: str) -> Trouble | None:
    status, headers = response.status_code, response.headers
    if status == HTTPStatus.OK:
        return None if _is_object(response.body()) else Trouble(host, PAGE, status, probe=host == _IMDS)
    if status not in _TRANSIENT and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    by_a_proxy = host == _IMDS and "json" not in headers.get("content-type", "")  # off Azure, it answers for nobody
    return Trouble(host, f"answered {status}", status, retry_after(headers), probe=by_a_proxy)


def _is_object(body: bytes) -> bool:
    """Whether it may be an answer to a login, and not the page of a portal."""
    try:
        return isinstance(parse_json(body), dict)
    except InvalidSecret:
        return False


class _GivesTokens(Protocol):
    def get_token(self, *scopes: str, **options: Any) -> Any: ...
    def refuse(self, token: str, *, accepted: bool = False) -> None: ...


class TokenAhead:
    """A policy of the SDK's pipeline that sends the token with the first request already.

    The SDK sends a request without one first, to be told which token the vault wants. Where the host's name tells
    that, the round trip is saved. The check is the same: the host is one of those that the token is for. When a vault
    refuses all the same (it belongs to another tenant, or the token was revoked), the SDK's way follows, and
    it asks for a token that is not the refused one.
    """

    next: Any  # the rest of the pipeline, set by the SDK

    def __init__(self, login: _GivesTokens, scope: str | None) -> None:
        self._login = login
        self._scope = scope
        self._accepted = ""  # the token that this vault took last

    def send(self, request: Any) -> Any:
        """Send a request on, as a policy does."""
        headers = request.http_request.headers
        if self._scope and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self._login.get_token(self._scope, enable_cae=True).token}"
        response = self.next.send(request)
        token, status = headers.get("Authorization", "").removeprefix("Bearer "), response.http_response.status_code
        if token and status == HTTPStatus.UNAUTHORIZED:
            self._login.refuse(token, accepted=token == self._accepted)
            response.http_response.body()  # read, it frees the connection for the second try
        elif status in _TOOK_THE_TOKEN:
            self._accepted = token
        return response


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait for, in any of the three ways that Azure says so."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (text := headers.get(name, "").strip()) and text.replace(".", "", 1).isdecimal():
            return float(text) / 1000
    return seconds_of_retry_after(headers.get("retry-after", ""), SYSTEM_CLOCK.time())
