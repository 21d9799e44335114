"""One client for each identity and process, bound in time; and what an identity is."""

from __future__ import annotations

import re
import sys
import threading

import pytest

import secretsource
from secretsource.backend import Outcome
from secretsource.backends.aws import ParameterStoreBackend, SecretsManagerBackend
from secretsource.errors import MissingExtra
from secretsource.ref import Ref
from tests.aws.asking import fetch, said
from tests.servers.awsfront import AwsFront
from tests.servers.loopback import CUT, Reply

AS_ROLE = "role_arn=arn:aws:iam::123456789012:role/reader"


def put(aws: AwsFront) -> None:
    aws.moto.client("secretsmanager").create_secret(Name="db", SecretString="value")


class TestIdentity:
    def test_it_tells_logins_and_places_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever leads to another account's or region's secret makes another identity."""
        backend, seen = SecretsManagerBackend(), set()
        for options in ("", "?region=us-east-1", "?profile=a", "?profile=b", f"?{AS_ROLE}", "?endpoint_url=http://x"):
            seen.add(backend.identity(Ref.parse(f"aws-sm://db{options}")))
        for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL"):
            monkeypatch.setenv(name, "https://other")
            seen.add(backend.identity(Ref.parse("aws-sm://db")))
        assert len(seen) == 11

    def test_it_shows_no_key_id(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not even that part of a login which is no secret."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDCANARY")
        assert "CANARY" not in repr(ParameterStoreBackend().identity(Ref.parse("aws-ssm:///db")))


def test_64_threads_share_one_login_and_one_call(aws: AwsFront) -> None:
    """Whoever comes first logs in and asks; the others wait for that."""
    put(aws)
    start, values = threading.Barrier(64), []

    def work() -> None:
        start.wait(20)
        values.append(secretsource.get(f"aws-sm://db?{AS_ROLE}"))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert values == ["value"] * 64
    assert aws.operations() == ["AssumeRole", "GetSecretValue"]


def test_64_threads_of_one_backend_make_one_client(aws: AwsFront) -> None:
    """Without the cache, each has its call; the login is one all the same."""
    put(aws)
    backend, start, answers = SecretsManagerBackend(), threading.Barrier(64), []

    def work() -> None:
        start.wait(20)
        answers.extend(said(backend, f"aws-sm://db?{AS_ROLE}"))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == ["value"] * 64
    assert (aws.count("AssumeRole"), aws.count("GetSecretValue")) == (1, 64)


def test_a_missing_sdk_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named at the first lookup."""
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    (error,) = fetch(SecretsManagerBackend(), "aws-sm://db?profile=no-sdk").values()
    assert isinstance(error, MissingExtra)
    assert "pip install 'secretsource[aws]'" in str(error)


def test_the_sdk_is_bound_and_does_not_try_again(aws: AwsFront) -> None:
    """Its own time-outs and retries are minutes; ours are one try of seconds, and the core tries again."""
    put(aws)
    backend = SecretsManagerBackend()
    with aws.answering("db", CUT):
        assert said(backend, "aws-sm://db") == [Outcome.UNAVAILABLE]
    assert aws.count() == 1
    config = backend._store(backend.identity(Ref.parse("aws-sm://db"))).api.meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 5)
    assert re.search(r"secretsource/\d", aws.calls[0].request.headers["user-agent"])


def test_closing_forgets_the_login(aws: AwsFront) -> None:
    """What a closed backend held is let go of, the role's keys too; used again, it logs in again."""
    put(aws)
    backend = SecretsManagerBackend()
    for _ in range(2):
        assert said(backend, f"aws-sm://db?{AS_ROLE}") == ["value"]
        backend.close()
    assert aws.count("AssumeRole") == 2


MIB = 2**20


class TestBounds:
    """An answer is read up to a limit, and not for as long as somebody sends."""

    def test_a_huge_answer_is_not_read_to_its_end(self, aws: AwsFront) -> None:
        """It is INVALID as soon as it is too large, before the connection breaks further on."""
        with aws.answering("db", Reply(200, b"x" * 18 * MIB, cut=True, keep=17 * MIB)):
            error = fetch(SecretsManagerBackend(), "aws-sm://db")[Ref.parse("aws-sm://db")]
        assert SecretsManagerBackend().classify(error) is Outcome.INVALID  # type: ignore[arg-type] # it is an error
        assert str(error) == "the answer is larger than 16 MiB"

    def test_nor_is_that_to_a_login(self, aws: AwsFront) -> None:
        """STS, or who stands in for it, has the same limit."""
        with aws.answering("AssumeRole", Reply(200, b"x" * 18 * MIB, cut=True, keep=17 * MIB)):
            assert said(SecretsManagerBackend(), f"aws-sm://db?{AS_ROLE}") == [Outcome.INVALID]

    def test_all_that_a_batch_can_hold_is_read(self, aws: AwsFront) -> None:
        """Twenty secrets as large as AWS takes them."""
        client = aws.moto.client("secretsmanager")
        for number in range(20):
            client.create_secret(Name=f"large{number}", SecretString="\x01" * 65_536)
        answers = said(SecretsManagerBackend(), *(f"aws-sm://large{number}" for number in range(20)))
        assert answers == ["\x01" * 65_536] * 20
        assert aws.count() == 1

    def test_an_answer_that_breaks_off_is_unavailable(self, aws: AwsFront) -> None:
        """In the midst of its body."""
        with aws.answering("db", Reply(200, b"{" + b" " * 1000, cut=True, keep=500)):
            assert said(SecretsManagerBackend(), "aws-sm://db") == [Outcome.UNAVAILABLE]


def test_no_log_quotes_an_answer_to_a_login(aws: AwsFront, caplog: pytest.LogCaptureFixture) -> None:
    """The SDK warns about one that it cannot parse, and quotes it, with the keys that may be in it."""
    with aws.answering("AssumeRole", Reply(200, b"<AssumeRoleResponse><SecretAccessKey>not-a-real-secret</Secret")):
        assert said(SecretsManagerBackend(), f"aws-sm://db?{AS_ROLE}") == [Outcome.INVALID]
    assert "not-a-real-secret" not in caplog.text
