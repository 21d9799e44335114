"""How answers come in: the SDK reads whatever is sent, for as long as it is sent; here there is an end to that."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from botocore.session import Session

from secretsource.backends.aws.errors import UnusableAnswer
from secretsource.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

LARGEST: Final = 16 * 1024 * 1024
"""Twenty secrets of 64 KiB, every character of them escaped, take half of that."""


class BoundedSession(Session):
    """A session whose clients, and those that it logs in with, read no answer without end."""

    def create_client(self, *args: Any, **options: Any) -> Any:
        """A client as the SDK makes it."""
        client = super().create_client(*args, **options)
        endpoint = vars(client).get("_endpoint")  # no public way leads there; without it, an answer is read whole
        if endpoint is not None:
            endpoint.http_session = _Bounded(endpoint.http_session)
        return client


class _Bounded:
    """Takes the place of a client's HTTP session."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Send a request, and read the answer.

        Raises:
            UnusableAnswer: It is too large.
            Exception: The SDK's own errors; urllib3's, where the answer breaks off.
        """
        request.stream_output = True  # the SDK leaves the body alone
        response: AWSResponse = self._session.send(request)
        body = _read(response.raw)
        is_page = "html" in response.headers.get("content-type", "")
        if is_page and response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            body = b""  # a gateway's, which the SDK would try to parse instead of looking at the status
        response.raw = _Whole(body)
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


class _Whole:
    """A body that has come, as the SDK reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterable[bytes]:
        """All of it."""
        return (self._body,)


def _read(raw: Any) -> bytes:
    body = bytearray()
    for piece in raw.stream():
        body += piece
        if len(body) > LARGEST:
            raw.close()
            raise UnusableAnswer(Outcome.INVALID, f"the answer is larger than {LARGEST // 2**20} MiB")
    return bytes(body)
