"""`gcp-sm` on a network that is slow, broken or silent."""

from __future__ import annotations

import time
from collections.abc import Iterator

import google_crc32c
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

MIB = 2**20
NAME = "projects/demo-project/secrets/db/versions/1"
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


def answer(data: object = "dmFsdWU=", **payload: object) -> Reply:
    return Reply(200, {"name": NAME, "payload": {"data": data, **payload}})


@pytest.mark.parametrize("checksum", [{}, {"dataCrc32c": str(google_crc32c.value(b"value"))}], ids=["none", "right"])
@pytest.mark.parametrize("data", ["dm!Fs@dWU=", "dmFs\ndWU=", "dmFsdWU=!", "\u20ac", "dmFsdWU=\0"])
def test_base64_is_read_strictly(
    stranger: Stranger, backend: SecretManagerBackend, data: str, checksum: dict[str, object]
) -> None:
    """The SDK leaves out what is none: without a checksum, damage would pass for another value."""
    stranger.said = answer(**checksum)
    assert value(backend, ref("db", transport="rest")) == "value"
    stranger.said = answer(data, **checksum)
    error = failure(backend, ref("db", transport="rest"))
    assert (backend.classify(error), str(error)) == (Outcome.INVALID, "INVALID: the value is not base64")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty answer"),
        (b"<html>", "the answer is not JSON"),
        (b'{"name": "projects/', "the answer is not JSON"),
        (b"[1]", "not one of Secret Manager's"),
        (b'{"name": "\xff"}', "the answer is not text"),
        (b'{"name": "\\ud800"}', "not one of Secret Manager's"),
        (b"[" * 10_000, "nested deeper"),
        (b'{"name": ' + b"9" * 5_000 + b"}", "a number of more than"),
        (answer(5).wire().partition(b"\r\n\r\n")[2], "not one of Secret Manager's"),
        (answer(None).wire().partition(b"\r\n\r\n")[2], "no value in the answer"),
    ],
)
def test_a_200_that_is_no_secret_is_invalid(
    stranger: Stranger, backend: SecretManagerBackend, body: bytes, words: str
) -> None:
    """And the text says what is wrong with it."""
    stranger.said = Reply(200, body, {"Content-Type": "application/json"})
    error = failure(backend, ref("db", transport="rest"))
    assert backend.classify(error) is Outcome.INVALID
    assert words in str(backend.advise(error).detail)


def test_a_huge_answer_is_not_read_to_its_end(stranger: Stranger, backend: SecretManagerBackend) -> None:
    """It is INVALID as soon as it is too large, before the connection breaks further on."""
    stranger.said = Reply(200, b"x" * 4 * MIB, cut=True, keep=3 * MIB)
    error = failure(backend, ref("db", transport="rest"))
    assert (backend.classify(error), error.args[0]) == (Outcome.INVALID, "the answer is larger than 2 MiB")


def test_an_answer_that_breaks_off_is_unavailable(stranger: Stranger, backend: SecretManagerBackend) -> None:
    """In the midst of its body."""
    stranger.said = Reply(200, b"{" + b" " * 1000, cut=True, keep=500)
    error = failure(backend, ref("db", transport="rest"))
    assert backend.classify(error) is Outcome.UNAVAILABLE
    assert "before the answer was whole" in str(backend.advise(error).detail)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(stranger: Stranger, backend: SecretManagerBackend, status: int) -> None:
    """What another address says is not the service's answer."""
    with Stranger() as elsewhere:
        elsewhere.said = answer()
        stranger.said = Reply(status, b"", {"Location": elsewhere.url})
        error = failure(backend, ref("db", transport="rest"))
    assert (backend.classify(error), elsewhere.log) == (Outcome.INVALID, [])


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
