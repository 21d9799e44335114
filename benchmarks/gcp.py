"""Google Secret Manager at 20 ms a round trip, over gRPC without TLS or login, as an emulator is spoken to."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.harness import ROUND_TRIP, count, fresh, interleaved, reads_and_lists
from benchmarks.servers.proxy import Proxy
from benchmarks.shapes import settings_class, sourced, with_nested
from tests.servers.gcpsm import PROJECT, SecretManager
from tests.servers.tls import bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Line

CHAIN: Final = (f"gcp-sm://{PROJECT}",)
_MANY: Final = 50
_NEEDED: Final = 10
_STORED: Final = 1000


class Served(NamedTuple):
    """The service, and the proxy before it."""

    service: SecretManager
    proxy: Proxy


@contextmanager
def served(secrets: int, latency: float = ROUND_TRIP) -> Iterator[Served]:
    """The service with the secrets f0, f1, ..., behind the proxy; the environment points to it."""
    server = SecretManager()
    try:
        for number in range(secrets):
            server.put(f"f{number}", "value")
        with Proxy(server.address, latency) as proxy:
            os.environ["SECRET_MANAGER_EMULATOR_HOST"] = proxy.address
            yield Served(server, proxy)
    finally:
        server.stop()


@contextmanager
def served_with_a_login(secrets: int = 1) -> Iterator[SecretManager]:
    """The same over TLS, with a token from the metadata server."""
    with served(secrets) as (service, metadata), Proxy(f"127.0.0.1:{service.tls_port}", ROUND_TRIP) as door:
        del os.environ["SECRET_MANAGER_EMULATOR_HOST"]
        os.environ.update(
            CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER=f"https://localhost:{door.address.rpartition(':')[2]}",
            GCE_METADATA_HOST=metadata.address,
            GCE_METADATA_IP=metadata.address,
            GOOGLE_CLOUD_PROJECT=PROJECT,
            GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=bundle(),
            GRPC_VERBOSITY="NONE",
        )
        yield service


def measure(runs: int) -> Iterator[Line]:
    """Beside the SDK by hand and pydantic-settings' source, and against a project that holds more than is needed."""
    with served(_MANY):
        yield from _many(runs)
    with served(_STORED, latency=0) as here:
        yield from _least(here.service)


def _many(runs: int) -> Iterator[Line]:
    client = _client()
    sides: dict[str, Callable[[], object]] = {
        "secretsource": fresh(settings_class(_MANY, chain=CHAIN)),
        "bare gRPC futures": _futures(client, _MANY),
        "a round trip": _futures(client, 1),
    }
    times = interleaved(sides, runs)
    times |= interleaved({"pydantic-settings": settings_class(_MANY, base=_peer(client))}, 3)
    what = f"{_MANY} secrets, one open channel"
    yield times.line(what, "a round trip", at_most=3)
    yield times.line(what, "bare gRPC futures")
    yield times.line(what, "pydantic-settings")


def _least(server: SecretManager) -> Iterator[Line]:
    what = f"{_NEEDED} secrets of {_STORED:,}"
    ours = settings_class(_NEEDED, chain=CHAIN)
    theirs = settings_class(_NEEDED, base=_peer(_client()), env_nested_delimiter="__")
    reads, lists = _calls(server, fresh(ours))
    yield count(f"{what}: reads", reads, _NEEDED)
    yield count(f"{what}: calls that list", lists, 0)
    yield reads_and_lists(what, _calls(server, fresh(ours)), _calls(server, theirs))
    nested = _calls(server, fresh(with_nested(ours))), _calls(server, with_nested(theirs))
    yield reads_and_lists(f"{what} and a nested model", *nested)


def _calls(server: SecretManager, load: Callable[[], object]) -> tuple[int, int]:
    """How many secrets a load reads, and how often it lists them."""
    before = server.calls
    load()
    now = server.calls
    reads, lists = (now.get(name, 0) - before.get(name, 0) for name in ("AccessSecretVersion", "ListSecrets"))
    return reads, lists


def _client() -> Any:
    import grpc
    from google.cloud.secretmanager_v1.services.secret_manager_service import SecretManagerServiceClient, transports

    channel = grpc.insecure_channel(os.environ["SECRET_MANAGER_EMULATOR_HOST"])
    return SecretManagerServiceClient(transport=transports.SecretManagerServiceGrpcTransport(channel=channel))


def _peer(client: Any) -> type:
    from pydantic_settings import GoogleSecretManagerSettingsSource

    return sourced(lambda cls: [GoogleSecretManagerSettingsSource(cls, project_id=PROJECT, secret_client=client)])


def _futures(client: Any, secrets: int) -> Callable[[], object]:
    """All reads sent at once on the SDK's channel."""
    from google.cloud.secretmanager_v1.types import service

    access = client.transport.grpc_channel.unary_unary(
        "/google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion",
        request_serializer=service.AccessSecretVersionRequest.serialize,
        response_deserializer=service.AccessSecretVersionResponse.deserialize,
    )
    names = [f"projects/{PROJECT}/secrets/f{number}/versions/latest" for number in range(secrets)]

    def load() -> object:
        calls = [
            access.future(
                service.AccessSecretVersionRequest(name=name), metadata=[("x-goog-request-params", _route(name))]
            )
            for name in names
        ]
        return [call.result().payload.data for call in calls]

    return load


def _route(name: str) -> str:
    return f"name={name.replace('/', '%2F')}"
