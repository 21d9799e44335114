"""`gcp-sm` with Application Default Credentials, under Google's own host names: every way in, and every way out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from secretsource.backend import Outcome
from secretsource.backends.gcp import SecretManagerBackend
from secretsource.backends.gcp.login import HOLD, Login
from secretsource.clock import Clock, Deadline
from secretsource.errors import InvalidSecret, NotAuthenticated, Unavailable
from tests.gcp.asking import ref
from tests.gcp.lookups import Said, looked_up
from tests.servers import gcpauth
from tests.servers.connectproxy import CLOSED, HOLE, ConnectProxy
from tests.servers.gcpsm import PROJECT, REGION, SecretManager
from tests.servers.loopback import LoopbackServer, Reply, Request
from tests.servers.tls import bundle

DB = f"gcp-sm://{PROJECT}/db"
OVER_REST = f"{DB}?transport=rest"
SERVICE, REGIONAL = "secretmanager.googleapis.com", f"secretmanager.{REGION}.rep.googleapis.com"
RESOURCES = "cloudresourcemanager.googleapis.com"
BOUNDARIES = "iamcredentials.googleapis.com"
"""Where google-auth asks, by the way, which regions an account is confined to."""


@pytest.fixture
def network(gcpsm: SecretManager) -> Iterator[ConnectProxy]:
    """The way to Google."""
    gcpsm.put("db", "value")
    with ConnectProxy({SERVICE: gcpsm.tls_port, REGIONAL: gcpsm.tls_port}) as proxy:
        yield proxy


@pytest.fixture
def look_up(network: ConnectProxy) -> Callable[..., list[Said]]:
    """Look up refs in a process whose way to Google is the proxy, and which has no credentials yet."""

    def do(*steps: str | tuple[str, object], **environment: str) -> list[Said]:
        local = {"NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost,127.0.0.1"}
        return looked_up(*steps, **{**network.environment, **local, **environment})

    return do


@pytest.fixture
def key_file(gcpsm: SecretManager, tmp_path: Path) -> str:
    """A service account's key, which the service trusts."""
    path, public_key = gcpauth.service_account_file(tmp_path, f"http://{gcpsm.address}/token")
    gcpsm.trust(gcpauth.EMAIL, public_key)
    return str(path)


def _metadata(gcpsm: SecretManager) -> dict[str, str]:
    return {"GCE_METADATA_HOST": gcpsm.address, "GCE_METADATA_IP": gcpsm.address}


def _revoke(gcpsm: SecretManager) -> tuple[str, object]:
    return f"http://{gcpsm.address}/steer", {"tokens": True, "do": "revoke"}


def _refuse(gcpsm: SecretManager, error: str) -> tuple[str, object]:
    return f"http://{gcpsm.address}/steer", {"tokens": True, "set": "refusal", "value": error}


def test_a_service_account_s_key_signs_its_own_token(
    gcpsm: SecretManager, network: ConnectProxy, look_up: Callable[..., list[Said]], key_file: str
) -> None:
    """Nothing is asked for a token, on either transport; `-` is the key's project, and a region has its own host."""
    gcpsm.put("db", "regional", location=REGION)
    refs = [DB, OVER_REST, "gcp-sm://-/db", f"{DB}?location={REGION}", f"{OVER_REST}&location={REGION}"]
    said = look_up(*refs, GOOGLE_APPLICATION_CREDENTIALS=key_file)
    assert [one.value for one in said] == ["value", "value", "value", "regional", "regional"]
    assert set(network.asked) - {BOUNDARIES} == {SERVICE, REGIONAL}
    assert gcpsm.logins == {}


def test_a_developer_s_own_login_is_found(
    gcpsm: SecretManager, network: ConnectProxy, look_up: Callable[..., list[Said]], tmp_path: Path
) -> None:
    """`gcloud auth application-default login` leaves a file where the SDK looks."""
    network.routes["oauth2.googleapis.com"] = gcpsm.tls_port
    gcpauth.user_file(tmp_path)
    said = look_up(DB, OVER_REST, CLOUDSDK_CONFIG=str(tmp_path))
    assert [one.value for one in said] == ["value", "value"]
    assert gcpsm.logins == {"/token": 1}


def test_a_developer_s_login_that_is_over_is_unauthenticated(
    gcpsm: SecretManager, network: ConnectProxy, look_up: Callable[..., list[Said]], tmp_path: Path
) -> None:
    """Google refuses it, and the hint says what to run."""
    network.routes["oauth2.googleapis.com"] = gcpsm.tls_port
    gcpauth.user_file(tmp_path, refresh_token="not-a-real-token-any-more")
    (said,) = look_up(DB, CLOUDSDK_CONFIG=str(tmp_path))
    assert said.outcome == "UNAUTHENTICATED"
    assert "gcloud auth application-default login" in str(said.hint)


@pytest.mark.parametrize("content", [None, "", "not JSON", '{"type": "unheard of"}'], ids=str)
def test_a_file_that_the_variable_names_and_that_is_no_use_is_unauthenticated(
    look_up: Callable[..., list[Said]], tmp_path: Path, content: str | None
) -> None:
    """The hint is about that file; to set the variable would be no news."""
    if content is not None:
        (tmp_path / "key.json").write_text(content)
    (said,) = look_up(DB, GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "key.json"))
    assert said.outcome == "UNAUTHENTICATED"
    assert str(said.hint).startswith("the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be used")


def test_a_directory_is_no_credentials_file(look_up: Callable[..., list[Said]], tmp_path: Path) -> None:
    """What Python says of it is not the network's fault."""
    (said,) = look_up(DB, GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path))
    assert (said.outcome, "IsADirectoryError" in said.text) == ("UNAUTHENTICATED", True)
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(said.hint)


class Busy(LoopbackServer):
    """A token exchange that wants fewer requests, or answers something else."""

    said = Reply(429, b"", {"Retry-After": "1"})

    def answer(self, request: Request) -> Reply:
        return self.said


ODD = {
    "page": Reply(200, b"<html>not-a-real-token</html>"),
    "nothing": Reply(200, b""),
    "list": Reply(200, ["not-a-real-token"]),
    "object": Reply(200, {}),
    "line break": Reply(200, {"access_token": "not-a-real-token\nx", "expires_in": 3600}),
    "sign": Reply(200, {"access_token": "not-a-real-token\u20ac", "expires_in": 3600}),
    "time in words": Reply(200, {"access_token": "not-a-real-token", "expires_in": "soon"}),
    "deep": Reply(200, b"[" * 10_000),
    "huge": Reply(200, b"x" * 4 * 2**20, cut=True, keep=3 * 2**20),
}


@pytest.mark.parametrize("reply", ODD.values(), ids=ODD)
def test_a_login_s_answer_that_is_none_is_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    """A portal's page, JSON of a wrong type, a token that no header takes: the text shows nothing of it."""
    with Busy() as sts:
        sts.said = reply
        file = gcpauth.federated_file(tmp_path, f"http://127.0.0.1:{sts.port}/sts")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        with pytest.raises(InvalidSecret) as caught:
            Login(Clock(), anonymous=False).headers(f"https://{REGIONAL}/", Deadline(5))
    assert "answer" in str(caught.value)
    assert "not-a-real-token" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("reply", [Reply(500), Reply(503, b"<html>back soon</html>"), Reply(502, {"error": 5})])
def test_a_token_exchange_that_is_down_refuses_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    """Whatever it says besides."""
    with Busy() as sts:
        sts.said = reply
        file = gcpauth.federated_file(tmp_path, f"http://127.0.0.1:{sts.port}/sts")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        with pytest.raises(Unavailable, match=f"had an error .{reply.status}"):
            Login(Clock(), anonymous=False).headers(f"https://{REGIONAL}/", Deadline(5))


_SOURCE_IN_A_NUMBER = json.dumps(
    {"type": "external_account", "audience": "a", "subject_token_type": "t", "token_url": "x", "credential_source": 5}
)


@pytest.mark.parametrize(
    "content",
    ["[1]", "null", "[" * 10_000, '{"type": "impersonated_service_account"}', _SOURCE_IN_A_NUMBER],
    ids=["list", "null", "deep", "impersonation of nobody", "source of a wrong type"],
)  # fmt: skip
def test_a_credentials_file_of_another_shape_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    """It is JSON, and what Google gave out is not."""
    (tmp_path / "key.json").write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(NotAuthenticated, match="the credentials file cannot be used") as caught:
        Login(Clock(), anonymous=False).headers(f"https://{REGIONAL}/", Deadline(5))
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(caught.value.hint)


def test_a_subject_token_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder stands in the file's place."""
    file = gcpauth.federated_file(tmp_path, "http://127.0.0.1:9/sts")
    (tmp_path / "subject-token").unlink()
    (tmp_path / "subject-token").mkdir()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(NotAuthenticated, match="a file of the login cannot be read"):
        Login(Clock(), anonymous=False).headers(f"https://{REGIONAL}/", Deadline(5))


def test_a_token_exchange_may_throttle(look_up: Callable[..., list[Said]], tmp_path: Path) -> None:
    """It is no refused login: the core waits and tries again."""
    with Busy() as sts:
        file = gcpauth.federated_file(tmp_path, f"http://127.0.0.1:{sts.port}/sts")
        (said,) = look_up(DB, GOOGLE_APPLICATION_CREDENTIALS=str(file), GOOGLE_CLOUD_PROJECT=PROJECT)
    assert said.outcome == "THROTTLED"


def test_the_metadata_server_gives_a_token(gcpsm: SecretManager, look_up: Callable[..., list[Said]]) -> None:
    """On Google's machines; it tells the project too. One token serves both transports."""
    said = look_up(DB, OVER_REST, "gcp-sm://-/db", **_metadata(gcpsm))
    assert [one.value for one in said] == ["value"] * 3
    assert sum(count for path, count in gcpsm.logins.items() if path.endswith("/token")) == 1


@pytest.mark.parametrize("db", [DB, OVER_REST], ids=["grpc", "rest"])
def test_a_token_that_was_revoked_leads_to_one_new_login(
    gcpsm: SecretManager, look_up: Callable[..., list[Said]], db: str
) -> None:
    """The SDK would go on with the old one until it expires."""
    said = look_up(db, _revoke(gcpsm), db, **_metadata(gcpsm))
    assert [one.value for one in said] == ["value", "value"]
    assert sum(count for path, count in gcpsm.logins.items() if path.endswith("/token")) == 2


@pytest.mark.parametrize("db", [DB, OVER_REST], ids=["grpc", "rest"])
def test_a_key_that_was_revoked_is_unauthenticated(
    gcpsm: SecretManager, look_up: Callable[..., list[Said]], key_file: str, db: str
) -> None:
    """A new login with the same key is refused as well, and tried once (not at all, if it gives the same token)."""
    before, after = look_up(db, _revoke(gcpsm), db, GOOGLE_APPLICATION_CREDENTIALS=key_file)
    assert (before.value, after.outcome) == ("value", "UNAUTHENTICATED")
    assert gcpsm.calls["AccessSecretVersion"] in (2, 3)


def test_a_key_file_that_was_exchanged_is_read_again(
    gcpsm: SecretManager, look_up: Callable[..., list[Said]], key_file: str
) -> None:
    """When the old key is refused, the login is begun anew from the file."""
    (Path(key_file).parent / "new").mkdir()
    new, public_key = gcpauth.service_account_file(Path(key_file).parent / "new", "http://localhost/token")
    move = f"http://{gcpsm.address}/steer"
    steps = [
        DB,
        _revoke(gcpsm),
        (move, {"tokens": True, "do": "trust", "with": {"email": "new", "public_key": public_key}}),
        (move, {"do": "exchange", "with": {"old": key_file, "new": str(new)}}),
        DB,
    ]
    assert [one.value for one in look_up(*steps, GOOGLE_APPLICATION_CREDENTIALS=key_file)] == ["value", "value"]


@pytest.mark.parametrize("db", [DB, OVER_REST], ids=["grpc", "rest"])
def test_a_federated_identity_is_exchanged_for_a_token(
    gcpsm: SecretManager, look_up: Callable[..., list[Said]], tmp_path: Path, db: str
) -> None:
    """Workload identity federation: a token of somebody else's, in a file, for one of Google's."""
    path = gcpauth.federated_file(tmp_path, f"http://{gcpsm.address}/sts")
    said = look_up(db, db, GOOGLE_APPLICATION_CREDENTIALS=str(path), GOOGLE_CLOUD_PROJECT=PROJECT)
    assert [one.value for one in said] == ["value", "value"]
    assert gcpsm.logins == {"/sts": 1}


def test_a_project_that_nobody_wants_is_not_asked_for(
    gcpsm: SecretManager, network: ConnectProxy, look_up: Callable[..., list[Said]], tmp_path: Path
) -> None:
    """A foreign identity has to ask the resource manager for its project; it does so for `-`, and then once."""
    network.routes[RESOURCES] = gcpsm.tls_port
    path = gcpauth.federated_file(tmp_path, f"http://{gcpsm.address}/sts")
    assert [one.value for one in look_up(DB, GOOGLE_APPLICATION_CREDENTIALS=str(path))] == ["value"]
    assert RESOURCES not in network.asked
    said = look_up("gcp-sm://-/db", "gcp-sm://-/db", GOOGLE_APPLICATION_CREDENTIALS=str(path))
    assert [one.value for one in said] == ["value", "value"]
    assert network.asked.count(RESOURCES) == 1


def test_a_project_that_cannot_be_had_is_told(
    look_up: Callable[..., list[Said]], gcpsm: SecretManager, network: ConnectProxy, tmp_path: Path
) -> None:
    """Nobody answers, or somebody without it: the hint says how to name the project."""
    path = gcpauth.federated_file(tmp_path, f"http://{gcpsm.address}/sts")
    with Busy() as page:
        network.routes[RESOURCES] = page.port
        (said,) = look_up("gcp-sm://-/db", GOOGLE_APPLICATION_CREDENTIALS=str(path))
    assert said.outcome == "UNAVAILABLE"


def test_a_foreign_identity_is_unauthenticated(
    gcpsm: SecretManager, look_up: Callable[..., list[Said]], tmp_path: Path
) -> None:
    """Google's refusal to exchange it is told as a refused login, and its text not repeated."""
    path = gcpauth.federated_file(tmp_path, f"http://{gcpsm.address}/sts", subject="not-a-real-foreign-token")
    (said,) = look_up(DB, GOOGLE_APPLICATION_CREDENTIALS=str(path), GOOGLE_CLOUD_PROJECT=PROJECT)
    assert said.outcome == "UNAUTHENTICATED"
    assert "foreign" not in said.text


def test_a_login_that_is_out_of_order_is_unavailable(
    gcpsm: SecretManager, look_up: Callable[..., list[Said]], tmp_path: Path
) -> None:
    """It refuses nobody, so it may work later."""
    path = gcpauth.federated_file(tmp_path, f"http://{gcpsm.address}/sts")
    environment = {"GOOGLE_APPLICATION_CREDENTIALS": str(path), "GOOGLE_CLOUD_PROJECT": PROJECT}
    out_of_order = _refuse(gcpsm, "temporarily_unavailable")
    (said,) = look_up(out_of_order, DB, **environment)
    assert said.outcome == "UNAVAILABLE"
    assert said.seconds < 10


@pytest.mark.parametrize("path", ["/nonexistent/key.json", __file__])
def test_a_file_that_is_no_key_is_unauthenticated(look_up: Callable[..., list[Said]], path: str) -> None:
    """Missing or broken: told at once, with where to look."""
    (said,) = look_up(DB, GOOGLE_APPLICATION_CREDENTIALS=path)
    assert said.outcome == "UNAUTHENTICATED"
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(said.hint)


def test_without_credentials_the_hint_names_what_was_tried(look_up: Callable[..., list[Said]]) -> None:
    """File, gcloud, metadata server: and the second lookup does not search all over again."""
    closed = {"GCE_METADATA_DETECT_RETRIES": "3", "GCE_METADATA_TIMEOUT": "3"}  # as they are by default
    first, second = look_up(DB, DB, **closed)
    assert (first.outcome, second.outcome) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    assert all(word in str(first.hint) for word in ("GOOGLE_APPLICATION_CREDENTIALS", "gcloud", "metadata"))
    assert first.seconds < 5
    assert second.seconds < 0.6


def test_a_metadata_server_that_is_silent_is_given_up(
    network: ConnectProxy, look_up: Callable[..., list[Said]]
) -> None:
    """A black hole in its place costs a few seconds, within the deadline."""
    network.routes["169.254.169.254"] = network.routes["metadata.google.internal"] = HOLE
    real = {"GCE_METADATA_HOST": "metadata.google.internal", "GCE_METADATA_IP": "169.254.169.254"}
    patient = {"GCE_METADATA_DETECT_RETRIES": "3", "GCE_METADATA_TIMEOUT": "3"}
    (said,) = look_up(DB, **real, **patient)
    assert said.outcome in ("UNAUTHENTICATED", "UNAVAILABLE")
    assert "metadata" in str(said.hint)
    assert said.seconds < 6


@pytest.mark.parametrize("db", [DB, OVER_REST], ids=["grpc", "rest"])
@pytest.mark.parametrize("route", [HOLE, CLOSED], ids=["silent", "closed"])
def test_a_service_out_of_reach_is_unavailable(
    network: ConnectProxy, look_up: Callable[..., list[Said]], key_file: str, db: str, route: str
) -> None:
    """Whatever the network does, the lookup ends within its time."""
    network.routes[SERVICE] = route
    (said,) = look_up(db, GOOGLE_APPLICATION_CREDENTIALS=key_file)
    assert said.outcome == "UNAVAILABLE"
    assert said.seconds < 11


@pytest.mark.parametrize("db", [DB, OVER_REST], ids=["grpc", "rest"])
def test_a_certificate_of_nobody_s_is_unavailable_with_a_hint(
    look_up: Callable[..., list[Said]], key_file: str, db: str
) -> None:
    """It looks like an outage to gRPC, and is none."""
    variable = "REQUESTS_CA_BUNDLE" if db == OVER_REST else "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
    (said,) = look_up(db, GOOGLE_APPLICATION_CREDENTIALS=key_file, **{variable: ""})
    assert said.outcome == "UNAVAILABLE"
    assert variable in str(said.hint)


def test_an_address_of_one_s_own_gets_tls_and_a_token(
    gcpsm: SecretManager, network: ConnectProxy, look_up: Callable[..., list[Said]], key_file: str
) -> None:
    """gcloud's variable for it, with https, is Secret Manager in every way."""
    own = {"CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": f"https://localhost:{gcpsm.tls_port}/"}
    said = look_up(DB, OVER_REST, GOOGLE_APPLICATION_CREDENTIALS=key_file, **own)
    assert [one.value for one in said] == ["value", "value"]
    assert SERVICE not in network.asked


class _Watch(Clock):
    """A clock that a test sets forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


def test_a_search_that_failed_is_repeated_after_a_while(
    gcpsm: SecretManager, backend: SecretManagerBackend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not at once, as it may take long; but what was missing then may be there now."""
    path, clock = tmp_path / "federated.json", _Watch()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", f"https://localhost:{gcpsm.tls_port}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle())
    gcpsm.put("db", "value")

    def outcome() -> Outcome:
        (answer,) = backend.fetch_many([ref("db", transport="rest")], Deadline(10, clock)).values()
        return backend.classify(answer) if isinstance(answer, Exception) else Outcome.FOUND

    assert outcome() is Outcome.UNAUTHENTICATED
    gcpauth.federated_file(tmp_path, f"http://{gcpsm.address}/sts")
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "universe_domain": "example.com"}))  # so that google-auth looks no further
    assert outcome() is Outcome.UNAUTHENTICATED
    clock.ahead = HOLD
    assert outcome() is Outcome.FOUND
