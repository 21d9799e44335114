"""An end to what REST and the logins read: requests would read an answer for as long as somebody sends."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from secretsource.document import parse_json
from secretsource.errors import InvalidSecret

if TYPE_CHECKING:
    from collections.abc import Callable


LARGEST: Final = 2 * 1024 * 1024
_CHUNK: Final = 65_536
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")


def bound(session: Any, look_at: Callable[[Any, bytes], None] = lambda _response, _body: None) -> None:
    """Let a session of requests read no more than `LARGEST`.

    Args:
        session: It keeps its connections, and its client certificate if it has one.
        look_at: Is shown each answer with its body; what it raises is what comes of the request.
    """
    for prefix, adapter in list(session.adapters.items()):
        session.mount(prefix, _Bounded(adapter, look_at))


class _Bounded:
    """Takes the place of a session's adapter."""

    def __init__(self, adapter: Any, look_at: Callable[[Any, bytes], None]) -> None:
        self._adapter, self._look_at = adapter, look_at

    def send(self, request: Any, **options: Any) -> Any:
        """Send a request, and read the answer, which is whole then.

        Raises:
            InvalidSecret: It is too large, or does not look right.
            Exception: What requests raises; urllib3's own where the answer breaks off.
        """
        response = self._adapter.send(request, **{**options, "stream": True})
        body = _read(response.raw)
        response.raw = BytesIO(body)
        self._look_at(response, body)
        return response

    def close(self) -> None:
        """Let go of the connections."""
        self._adapter.close()


def _read(raw: Any) -> bytes:
    body = bytearray()
    for piece in raw.stream(_CHUNK, decode_content=True):
        body += piece
        if len(body) > LARGEST:
            raw.close()
            raise InvalidSecret(f"the answer is larger than {LARGEST // 2**20} MiB")
    return bytes(body)


def refuse_what_the_sdk_takes(response: Any, body: bytes) -> None:
    """Look at an answer of the service for what the SDK would make something of, and should not.

    Raises:
        InvalidSecret: It leads elsewhere, is not JSON, or its value is no base64.
    """
    if response.is_redirect:
        raise InvalidSecret("redirected", hint="a token is not carried to another address: check that of the service")
    if not response.ok:
        return
    document = _document(body)
    payload = document.get("payload") if isinstance(document, dict) else None
    data = payload.get("data") if isinstance(payload, dict) else None
    if isinstance(data, str) and not _BASE64.fullmatch(data):
        raise InvalidSecret("the value is not base64")


def _document(body: bytes) -> Any:
    try:
        return parse_json(body)
    except InvalidSecret as error:
        fault = error.args[0]
    raise InvalidSecret(f"the answer is {fault}" if body else "an empty answer")
