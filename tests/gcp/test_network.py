"""`gcp-sm` on a network that is slow, broken or silent."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from secretsource import access
from secretsource.backend import Outcome
from secretsource.backends.gcp import SecretManagerBackend
from secretsource.cache import Entry
from secretsource.clock import Deadline
from tests.gcp.asking import failure, ref, value
from tests.servers.faultproxy import FaultProxy
from tests.servers.gcpsm import SecretManager
from tests.servers.loopback import LoopbackServer, Reply, Request

BOTH = pytest.mark.parametrize("transport", ["grpc", "rest"])


@pytest.fixture
def network(gcpsm: SecretManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """The way to the service."""
    gcpsm.put("db", "value")
    with FaultProxy(gcpsm.address) as proxy:
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", proxy.listen)
        yield proxy


@BOTH
@pytest.mark.parametrize("fault", ["refuse", "reset", "close", "blackhole"])
def test_a_broken_network_is_unavailable(
    network: FaultProxy, backend: SecretManagerBackend, transport: str, fault: str
) -> None:
    """However it is broken, it is told within the deadline, and with what to look at."""
    start = time.monotonic()
    with network.fault(fault):  # type: ignore[arg-type] # the list above has the kinds there are
        error = failure(backend, ref("db", transport=transport), seconds=1.5)
    assert backend.classify(error) is Outcome.UNAVAILABLE
    assert "network" in str(backend.advise(error).hint)
    assert time.monotonic() - start < 2.5


@BOTH
def test_a_service_that_is_back_is_used_at_once(
    network: FaultProxy, backend: SecretManagerBackend, transport: str
) -> None:
    """After a refused connection nothing waits long before it tries again."""
    one = ref("db", transport=transport)
    with network.fault("refuse"):
        for _ in range(3):
            assert backend.classify(failure(backend, one)) is Outcome.UNAVAILABLE
    start = time.monotonic()
    while not isinstance(access.ask(backend, [one], Deadline(10))[one], Entry):
        assert time.monotonic() - start < 2
    assert time.monotonic() - start < 2


def test_a_connection_that_swallows_everything_is_left(network: FaultProxy, backend: SecretManagerBackend) -> None:
    """A NAT that forgot it answers nothing and ends nothing: the second try takes a new one."""
    assert value(backend, ref("db")) == "value"
    with network.fault("blackhole", times=1):
        answer = access.ask(backend, [ref("db")], Deadline(20))[ref("db")]
    assert isinstance(answer, Entry)
    assert network.connections <= 2  # one, where the fault met a frame of gRPC's own instead of the request


class Stranger(LoopbackServer):
    """Somebody else's server, where Secret Manager was expected."""

    said = Reply()

    def answer(self, request: Request) -> Reply:
        return self.said


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stranger]:
    """A server that is not Secret Manager."""
    with Stranger() as server:
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", f"localhost:{server.port}")
        yield server


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (Reply(200, b"<html>Welcome to the portal</html>"), Outcome.INVALID),
        (Reply(200, b""), Outcome.INVALID),
        (Reply(200, {"name": "projects/demo-project/secrets/db/versions/1", "payload": []}), Outcome.INVALID),
        (Reply(200, {}), Outcome.INVALID),
        (Reply(404, b"<html>No such page</html>"), Outcome.UNAVAILABLE),
        (Reply(404, {"error": {"status": "GONE_FISHING"}}), Outcome.UNAVAILABLE),
        (Reply(404, {"error": {"status": ["NOT_FOUND"]}}), Outcome.UNAVAILABLE),
        (Reply(404, ["NOT_FOUND"]), Outcome.UNAVAILABLE),
        (Reply(403, b""), Outcome.DENIED),
        (Reply(429, b"", {"Retry-After": "7"}), Outcome.THROTTLED),
        (Reply(502, b""), Outcome.UNAVAILABLE),
        (Reply(418, b""), Outcome.UNAVAILABLE),
    ],
)
def test_a_stranger_s_answer_never_means_that_a_secret_is_absent(
    stranger: Stranger, backend: SecretManagerBackend, said: Reply, outcome: Outcome
) -> None:
    """Only Secret Manager's own words say MISSING."""
    stranger.said = said
    error = failure(backend, ref("db", transport="rest"))
    assert backend.classify(error) is outcome
    assert backend.advise(error).retry_after == (7 if said.status == 429 else None)


def test_grpc_to_a_stranger_is_unavailable(stranger: Stranger, backend: SecretManagerBackend) -> None:
    """A web server does not speak gRPC."""
    assert backend.classify(failure(backend, ref("db"), seconds=2)) is Outcome.UNAVAILABLE
