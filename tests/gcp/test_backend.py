"""`gcp-sm` on a loopback Secret Manager, over gRPC and over REST."""

from __future__ import annotations

import time
from typing import Any

import pytest

from secretsource import Settings, SettingsConfigDict
from secretsource.backend import Outcome, SecretValue
from secretsource.backends.gcp import SecretManagerBackend
from secretsource.errors import ConfigurationError, InvalidRef
from secretsource.ref import Ref
from tests.gcp.asking import ask, failure, ref, value
from tests.servers.gcpsm import NUMBER, PROJECT, REGION, SecretManager

BOTH = pytest.mark.parametrize("transport", ["grpc", "rest"])


@BOTH
def test_a_project_goes_by_its_id_or_its_number(
    emulator: SecretManager, backend: SecretManagerBackend, transport: str
) -> None:
    """The service answers with the number, whichever was asked for."""
    emulator.put("db", "value")
    by_id, by_number = ref("db", transport=transport), ref("db", NUMBER, transport=transport)
    assert (value(backend, by_id), value(backend, by_number)) == ("value", "value")


def test_a_dash_is_the_project_of_the_environment(
    emulator: SecretManager, backend: SecretManagerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GOOGLE_CLOUD_PROJECT comes before what the credentials say."""
    emulator.put("db", "value")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    assert value(backend, ref("db", "-")) == "value"


def test_a_dash_without_a_project_spoils_no_other_ref(emulator: SecretManager, backend: SecretManagerBackend) -> None:
    """Where neither environment nor credentials name a project, that ref says so, and the others are read."""
    emulator.put("db", "value")
    homeless, fine = ask(backend, ref("db", "-"), ref("db"))
    assert isinstance(homeless, Exception)
    assert backend.classify(homeless) is Outcome.UNAUTHENTICATED
    assert "GOOGLE_CLOUD_PROJECT" in str(homeless)
    assert isinstance(fine, SecretValue)


@BOTH
def test_an_alias_leads_to_its_version(emulator: SecretManager, backend: SecretManagerBackend, transport: str) -> None:
    """What is told as the version is the number behind the alias."""
    emulator.put("db", "first")
    emulator.put("db", "second")
    emulator.alias("db", "stable", "1")
    (answer,) = ask(backend, ref("db", version="stable", transport=transport))
    assert isinstance(answer, SecretValue)
    assert (answer.raw, answer.version) == ("first", "1")


def test_a_regional_secret_is_another_one(emulator: SecretManager, backend: SecretManagerBackend) -> None:
    """`location=` reads the region's secret, not the global one of the same name."""
    emulator.put("db", "global")
    emulator.put("db", "regional", location=REGION)
    assert (value(backend, ref("db")), value(backend, ref("db", location=REGION))) == ("global", "regional")


@BOTH
@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_the_newest_version_counts_even_if_it_is_not_enabled(
    emulator: SecretManager, backend: SecretManagerBackend, transport: str, state: str
) -> None:
    """`latest` does not fall back to an older version, and the state is told."""
    emulator.put("db", "old")
    emulator.change("db", emulator.put("db", "new"), state)
    error = failure(backend, ref("db", transport=transport))
    assert backend.classify(error) is Outcome.INACTIVE
    assert state.lower() in str(backend.advise(error).detail)
    assert value(backend, ref("db", version="1", transport=transport)) == "old"


@BOTH
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"crc": 1}, id="checksum"),
        pytest.param({"answers_as": f"projects/{NUMBER}/secrets/other/versions/1"}, id="secret"),
        pytest.param({"answers_as": f"projects/{NUMBER}/locations/{REGION}/secrets/db/versions/1"}, id="region"),
        pytest.param({"answers_as": f"projects/{NUMBER}/secrets/db/versions/2"}, id="version"),
        pytest.param({"answers_as": "x"}, id="nothing"),
    ],
)
def test_an_answer_that_does_not_fit_is_invalid(
    emulator: SecretManager, backend: SecretManagerBackend, transport: str, wrong: dict[str, Any]
) -> None:
    """A damaged value, or somebody else's, is never handed on."""
    emulator.put("db", "value", **wrong)
    error = failure(backend, ref("db", version="1", transport=transport))
    assert backend.classify(error) is Outcome.INVALID
    assert "value" not in str(error).replace("the value does not fit", "")


def test_a_huge_answer_is_invalid(emulator: SecretManager, backend: SecretManagerBackend) -> None:
    """gRPC calls it an exhausted resource, which has nothing to do with a quota."""
    emulator.put("db", "x" * 60_000, times=50)
    assert backend.classify(failure(backend, ref("db"))) is Outcome.INVALID


@BOTH
def test_the_service_says_when_to_come_back(
    emulator: SecretManager, backend: SecretManagerBackend, transport: str
) -> None:
    """The wait that it asks for is handed on."""
    emulator.put("db", "value")
    with emulator.failing("db", "RESOURCE_EXHAUSTED", retry_after=1.5):
        error = failure(backend, ref("db", transport=transport))
    assert (backend.classify(error), backend.advise(error).retry_after) == (Outcome.THROTTLED, 1.5)


@BOTH
def test_an_answer_without_a_checksum_has_to_have_a_value(
    emulator: SecretManager, backend: SecretManagerBackend, transport: str
) -> None:
    """Some emulators know no checksum; nothing at all is not taken for an empty value."""
    emulator.put("db", "value", crc=-1)
    emulator.put("nothing", "value", crc=-1, times=0)
    assert value(backend, ref("db", transport=transport)) == "value"
    assert backend.classify(failure(backend, ref("nothing", transport=transport))) is Outcome.INVALID


class Shop(Settings):
    """Ten secrets of a project that has a thousand."""

    model_config = SettingsConfigDict(chain=(f"gcp-sm://{PROJECT}",))
    s0: str
    s111: str
    s222: str
    s333: str
    s444: str
    s555: str
    s666: str
    s777: str
    s888: str
    s999: str


def test_ten_secrets_of_a_thousand_cost_ten_reads(emulator: SecretManager) -> None:
    """Nothing is listed, nothing is read that was not asked for."""
    for number in range(1000):
        emulator.put(f"s{number}", f"value {number}")
    shop = Shop.load()
    assert (shop.s0, shop.s999) == ("value 0", "value 999")
    assert emulator.calls == {"AccessSecretVersion": 10}


def test_fifty_secrets_cost_less_than_three_round_trips(emulator: SecretManager, backend: SecretManagerBackend) -> None:
    """They are streams of one connection."""
    refs = [ref(f"s{number}") for number in range(50)]
    for number in range(50):
        emulator.put(f"s{number}", "value")
    ask(backend, *refs)
    emulator.delay(0.2)
    start = time.monotonic()
    answers = ask(backend, *refs)
    assert time.monotonic() - start < 0.6
    assert all(isinstance(answer, SecretValue) for answer in answers)


def test_one_load_may_use_both_transports(emulator: SecretManager, backend: SecretManagerBackend) -> None:
    """They are asked at the same time."""
    emulator.put("db", "value")
    answers = ask(backend, ref("db"), ref("db", transport="rest"), ref("absent", transport="rest"))
    assert [getattr(answer, "raw", None) for answer in answers] == ["value", "value", None]


@pytest.mark.parametrize(
    ("option", "text"), [("version", "../../other"), ("version", "1:access"), ("location", "evil.example/x")]
)
def test_an_option_that_could_lead_elsewhere_is_refused(
    emulator: SecretManager, backend: SecretManagerBackend, option: str, text: str
) -> None:
    """Version and location become a part of a path and of a host name that gets a token."""
    assert isinstance(failure(backend, ref("db", **{option: text})), InvalidRef)
    assert emulator.calls == {}


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("SECRET_MANAGER_EMULATOR_HOST", "secrets.example:9090"),
        ("SECRET_MANAGER_EMULATOR_HOST", "127.0.0.1.example:9090"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "http://10.0.0.1:9090"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "ftp://localhost"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "https://someone@localhost"),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "https://localhost/v1"),
    ],
)
def test_an_address_in_the_clear_has_to_be_on_this_machine(
    backend: SecretManagerBackend, monkeypatch: pytest.MonkeyPatch, variable: str, address: str
) -> None:
    """Secrets do not cross a network without TLS, and an address is nothing but an address."""
    monkeypatch.setenv(variable, address)
    error = failure(backend, ref("db"))
    assert isinstance(error, ConfigurationError)
    assert variable in str(error)


def test_gcloud_s_override_may_be_an_emulator_too(
    gcpsm: SecretManager, backend: SecretManagerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With http:// it is one: no TLS and no login."""
    gcpsm.put("db", "value")
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", f"http://{gcpsm.address}/")
    assert value(backend, ref("db")) == "value"


def test_identity_tells_logins_and_addresses_apart(
    backend: SecretManagerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose answer it is depends on the environment's address and credentials file."""
    one: Ref = ref("db")
    seen = {backend.identity(one)}
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    seen.add(backend.identity(one))
    monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", "localhost:9")
    seen.add(backend.identity(one))
    assert len(seen) == 3
