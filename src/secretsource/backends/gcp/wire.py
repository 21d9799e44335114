"""The two ways to speak to Secret Manager, with the SDK's own transports and messages.

Neither knows a credential: the headers of a login come with each call. So one login serves both and all addresses, the
time that it takes is bounded, and its failures are told from the service's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from secretsource.backend import needs_extra
from secretsource.backends.gcp.bounds import bound, refuse_what_the_sdk_takes
from secretsource.backends.gcp.login import LOGGERS
from secretsource.clock import Deadline
from secretsource.concurrency import each
from secretsource.forks import taking_turns_with_forks
from secretsource.redaction import quiet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from secretsource.backends.gcp.place import Place

    Answers: TypeAlias = dict[str, Any]
    """For each name the SDK's answer, or an error."""

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 5.0
_GRACE: Final = 0.5
"""Seconds that gRPC has for ending a call that is out of time."""
_SOONEST: Final = 0.001  # seconds; a timeout of zero is refused by urllib3
_CONNECTIONS: Final = 10  # as many as a session of requests keeps
_ACCESS: Final = "/google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion"
_LARGEST: Final = 2 * 1024 * 1024
_CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _LARGEST),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.min_reconnect_backoff_ms", int(CONNECT_SECONDS * 1000)),  # which bounds one attempt to connect
    ("grpc.http2.bdp_probe", 0),  # a fork's child, in older releases, sends these pings on whatever socket comes next
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection
)


class Wire(Protocol):
    """A connection, or several, to one address."""

    def read(self, names: Sequence[str], headers: Mapping[str, str], deadline: Deadline) -> Answers:
        """Access versions, all at the same time."""

    def close(self) -> None:
        """Hang up."""


def connect(place: Place) -> Wire:
    """Get ready to speak to a place; nothing is sent yet.

    Raises:
        MissingExtra: The SDK is not installed.
    """
    return _Rest(place) if place.transport == "rest" else _Grpc(place)


def _client(place: Place, transport: Any) -> Any:
    """The SDK's client, which chooses the address and, where it is told to, brings a client certificate."""
    with needs_extra("gcp-sm", "gcp"):
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.secretmanager_v1.services.secret_manager_service import SecretManagerServiceClient

    address = f"http://{place.address}" if place.plain and transport == "rest" else place.address
    with quiet(*LOGGERS):
        return SecretManagerServiceClient(
            credentials=AnonymousCredentials(), transport=transport, client_options={"api_endpoint": address}
        )


class _Grpc:
    """All reads at once as streams of one HTTP/2 connection."""

    def __init__(self, place: Place) -> None:
        with needs_extra("gcp-sm", "gcp"):
            from google.cloud.secretmanager_v1.services.secret_manager_service import transports
            from google.cloud.secretmanager_v1.types import service

        client = _client(place, partial(transports.SecretManagerServiceGrpcTransport, channel=partial(_channel, place)))
        self._transport = client.transport
        self._about_us = _about_us()
        self._request = service.AccessSecretVersionRequest
        self._access = client.transport.grpc_channel.unary_unary(  # the SDK's own stub logs answers at DEBUG
            _ACCESS,
            request_serializer=service.AccessSecretVersionRequest.serialize,
            response_deserializer=service.AccessSecretVersionResponse.deserialize,
        )
        _begin_to_connect(client.transport.grpc_channel)

    def read(self, names: Sequence[str], headers: Mapping[str, str], deadline: Deadline) -> Answers:
        seconds = min(READ_SECONDS, deadline.remaining())
        shared = [*self._about_us, *headers.items()]
        with quiet(*LOGGERS), taking_turns_with_forks():
            calls = {
                name: self._access.future(self._request(name=name), timeout=seconds, metadata=[*shared, _route(name)])
                for name in names
            }
            patience = Deadline(seconds + _GRACE)
            return {name: _outcome(call, patience) for name, call in calls.items()}

    def close(self) -> None:
        self._transport.close()


def _channel(place: Place, host: str, *, ssl_credentials: Any = None, **_: Any) -> Any:
    import grpc

    if place.plain:
        return grpc.insecure_channel(host, _CHANNEL_OPTIONS)
    return grpc.secure_channel(host, ssl_credentials or grpc.ssl_channel_credentials(), _CHANNEL_OPTIONS)


def _begin_to_connect(channel: Any) -> None:
    """Let a channel connect while the login is under way. Without this it would do so at the first read.

    What gRPC has for it, `subscribe`, leaves a thread behind that can hold up the end of the process.
    """
    check = getattr(getattr(channel, "_channel", None), "check_connectivity_state", None)
    if check is not None:
        check(True)  # noqa: FBT003 - the signature of gRPC's own


def _outcome(call: Any, patience: Deadline) -> Any:
    """What a call came to. gRPC ends it in time; but its threads may be stuck, and then it ends here."""
    import grpc
    from google.api_core.exceptions import from_grpc_error

    try:
        error = call.exception(patience.remaining())
    except grpc.FutureTimeoutError:
        return TimeoutError("gRPC has lost the call")
    return call.result() if error is None else from_grpc_error(error)


class _Rest:
    """A few connections, one read at a time on each."""

    def __init__(self, place: Place) -> None:
        client = _client(place, "rest")
        from google.cloud.secretmanager_v1.types import service

        self._transport = client.transport
        bound(vars(client.transport)["_session"], refuse_what_the_sdk_takes)
        self._about_us = _about_us()
        self._request = service.AccessSecretVersionRequest

    def read(self, names: Sequence[str], headers: Mapping[str, str], deadline: Deadline) -> Answers:
        read_one = partial(self._read_one, headers=headers, deadline=deadline)
        return each(read_one, names, deadline, workers=_CONNECTIONS)

    def _read_one(self, name: str, *, headers: Mapping[str, str], deadline: Deadline) -> Any:
        from google.api_core.exceptions import Unauthenticated
        from google.auth.exceptions import InvalidOperation

        left = max(_SOONEST, deadline.remaining())
        timeout = min(CONNECT_SECONDS, left), min(READ_SECONDS, left)
        metadata = [*self._about_us, *headers.items(), _route(name)]
        try:
            with quiet(*LOGGERS):
                return self._transport.access_secret_version(
                    self._request(name=name), timeout=timeout, metadata=metadata
                )
        except InvalidOperation:  # the session would log in anew after a 401, and cannot: that is done elsewhere
            return Unauthenticated("the token was refused")

    def close(self) -> None:
        self._transport.close()


def _route(name: str) -> tuple[str, str]:
    from google.api_core.gapic_v1.routing_header import to_grpc_metadata

    route: tuple[str, str] = to_grpc_metadata((("name", name),))
    return route


def _about_us() -> list[tuple[str, str]]:
    """The header by which Google counts its SDKs."""
    from google.cloud.secretmanager_v1.services.secret_manager_service.transports.base import DEFAULT_CLIENT_INFO

    return [DEFAULT_CLIENT_INFO.to_grpc_metadata()]
