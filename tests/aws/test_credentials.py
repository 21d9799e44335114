"""Where the SDK looks for credentials, and what each of these places may have instead of any."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from secretsource.backend import Advice, Outcome
from secretsource.backends.aws import SecretsManagerBackend
from tests.aws.asking import fetch, said
from tests.servers.awsfront import HTML, AwsError, AwsFront
from tests.servers.loopback import CUT, LoopbackServer, Reply, Request

CANARY = "not-a-real-secret"
KEYS = {"Version": 1, "AccessKeyId": "AKIDPROCESS", "SecretAccessKey": CANARY}
START = "https://shop.awsapps.com/start"
SSO = f"sso_start_url = {START}\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = reader\n"
ROLE = "arn:aws:iam::123456789012:role/reader"
ASSUMED = "<AssumeRole{}Response xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>{}</AssumeRole{}Response>"


@pytest.fixture
def home(aws: AwsFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without credentials, and a secret that could be read."""
    aws.moto.client("secretsmanager").create_secret(Name="db", SecretString="value")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write_profile(home: Path, lines: str) -> None:
    (home / "config").write_text(f"[profile shop]\nregion = eu-west-1\n{lines}\n")


def write_process(home: Path, script: str) -> None:
    """A profile whose credentials a shell script prints."""
    path = home / "print-credentials"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    write_profile(home, f"credential_process = {path}")


def told(ref: str = "aws-sm://db?profile=shop", backend: SecretsManagerBackend | None = None) -> tuple[Outcome, Advice]:
    """What came of it, and the words for that, which never hold what was found."""
    backend = backend or SecretsManagerBackend()
    (error,) = fetch(backend, ref).values()
    assert isinstance(error, Exception), repr(error)
    assert error.__context__ is None
    advice = backend.advise(error)
    assert CANARY not in f"{advice} {error!r}"
    return backend.classify(error), advice


class TestProcess:
    def test_it_logs_in(self, home: Path, aws: AwsFront) -> None:
        """The script below is right when it prints what AWS wants."""
        write_process(home, f"echo '{json.dumps(KEYS)}'")
        assert said(SecretsManagerBackend(), "aws-sm://db?profile=shop") == ["value"]
        assert aws.calls[-1].key_id == "AKIDPROCESS"

    @pytest.mark.parametrize(
        "script",
        [
            f"echo {CANARY}",
            "true",
            f"echo {CANARY} >&2; exit 1",
            "echo '{\"Version\": 1}'",
            "echo '{\"Version\": 2}'",
            "echo '[1]'",
            "echo null",
            f"echo '{json.dumps({**KEYS, 'Expiration': CANARY})}'",
            f"echo '{json.dumps({**KEYS, 'Expiration': '2020-01-01T00:00:00Z'})}'",
            r"printf '\377\376'",
        ],
        ids=["text", "nothing", "failure", "no keys", "version", "list", "null", "no time", "expired", "bytes"],
    )
    def test_without_credentials_it_is_named(self, home: Path, script: str) -> None:
        """Whatever it did instead, its profile has no credentials; what it printed is not shown."""
        write_process(home, script)
        outcome, advice = told()
        assert outcome is Outcome.UNAUTHENTICATED
        assert advice.detail == "the credential process of the profile shop gives no credentials"
        assert "credential_process" in str(advice.hint)

    @pytest.mark.parametrize("command", ["/nonexistent/command", "/dev/null", "'"])
    def test_a_command_that_cannot_be_run_is_named(self, home: Path, command: str) -> None:
        """A file that is not there, one that is no program, and a quotation mark too many."""
        write_profile(home, f"credential_process = {command}")
        outcome, advice = told()
        assert outcome is Outcome.UNAUTHENTICATED
        assert "credential process of the profile shop" in str(advice.detail)

    def test_a_profile_may_come_from_the_environment(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is named all the same."""
        write_process(home, "true")
        monkeypatch.setenv("AWS_PROFILE", "shop")
        assert "profile shop" in str(told("aws-sm://db")[1].detail)

    def test_it_may_fail_later(self, home: Path) -> None:
        """When its first credentials are about to end, it is run again; that is no answer of AWS's either."""
        soon = f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"
        write_process(home, f"echo '{json.dumps({**KEYS, 'SessionToken': 'x', 'Expiration': soon})}'")
        backend = SecretsManagerBackend()
        assert said(backend, "aws-sm://db?profile=shop") == ["value"]
        write_process(home, f"echo {CANARY}")
        outcome, advice = told(backend=backend)
        assert outcome is Outcome.UNAUTHENTICATED
        assert "credential process" in str(advice.detail)

    @pytest.mark.parametrize("keys", [{**KEYS, "AccessKeyId": 5}, {**KEYS, "AccessKeyId": "A\nB"}])
    def test_what_cannot_be_sent_is_no_credential(self, home: Path, keys: dict[str, object]) -> None:
        """A number, or a line break, which is the usual mishap where keys come out of a file."""
        (home / "printed").write_text(json.dumps(keys))
        write_process(home, f"cat {home / 'printed'}")
        outcome, advice = told()
        assert outcome is Outcome.UNAUTHENTICATED
        assert "no text, or have a line break" in str(advice.detail)


class TestFiles:
    @pytest.mark.parametrize("content", [f"{CANARY}\n", "[profile a]\nx = 1\n[profile a]\n", "[profile a\n"])
    @pytest.mark.parametrize("file", ["config", "credentials"])
    def test_one_that_cannot_be_parsed_is_told(self, home: Path, file: str, content: str) -> None:
        """And where the files are."""
        (home / file).write_text(content)
        outcome, advice = told("aws-sm://db")
        assert outcome is Outcome.UNAUTHENTICATED
        assert advice.detail == "an AWS config file cannot be parsed"
        assert "AWS_CONFIG_FILE" in str(advice.hint)

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            (f"role_arn = {ROLE}\nsource_profile = nobody", "make no sense"),
            (f"role_arn = {ROLE}\ncredential_source = Nowhere", "make no sense"),
            (f"role_arn = {ROLE}\nsource_profile = other\n[profile other]\nrole_arn = {ROLE}\nsource_profile = shop",
             "name each other"),
        ],
    )  # fmt: skip
    def test_profiles_that_lead_nowhere_are_told(self, home: Path, lines: str, words: str) -> None:
        """A source that is not there, or goes round in a circle."""
        write_profile(home, lines)
        outcome, advice = told()
        assert outcome is Outcome.UNAUTHENTICATED
        assert words in str(advice.detail)


class TestWebIdentity:
    @pytest.fixture(autouse=True)
    def _role(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / "token").write_text("a.b.c")
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(home / "token"))

    @pytest.mark.parametrize("kind", ["absent", "folder", "bytes"])
    def test_a_token_file_that_cannot_be_read_is_told(self, home: Path, kind: str) -> None:
        """There is no credential in it."""
        (home / "token").unlink()
        if kind == "folder":
            (home / "token").mkdir()
        if kind == "bytes":
            (home / "token").write_bytes(b"\xff\xfe")
        outcome, advice = told("aws-sm://db")
        assert (outcome, advice.detail) == (
            Outcome.UNAUTHENTICATED,
            "the web identity's token file cannot be read",
        )
        assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(advice.hint)

    @pytest.mark.parametrize(
        ("reply", "outcome"),
        [
            (HTML, Outcome.INVALID),
            (Reply(200), Outcome.INVALID),
            (Reply(200, {"a": 1}), Outcome.INVALID),
            (Reply(200, b"<a>" * 20_000 + b"</a>" * 20_000), Outcome.INVALID),
            (Reply(200, ASSUMED.format("WithWebIdentity", "", "WithWebIdentity").encode()), Outcome.INVALID),
            (Reply(302, headers={"Location": "http://127.0.0.1:9"}), Outcome.INVALID),
            (Reply(403, b"<p>blocked"), Outcome.INVALID),
            (Reply(502, b"<p>bad gateway", {"Content-Type": "text/html"}), Outcome.UNAVAILABLE),
            (CUT, Outcome.UNAVAILABLE),
        ],
    )
    def test_an_answer_of_sts_that_is_none(self, aws: AwsFront, reply: Reply, outcome: Outcome) -> None:
        """A page of a portal is no login, as with every store; a server that is down is UNAVAILABLE."""
        with aws.answering("AssumeRoleWithWebIdentity", reply):
            answers = [told(ref) for ref in ("aws-sm://db", f"aws-sm://db?role_arn={ROLE}")]
        assert [came_to for came_to, _ in answers] == [outcome] * 2
        assert ("AWS_ENDPOINT_URL_STS" in str(answers[0][1].hint)) is (outcome is Outcome.INVALID)

    def test_a_role_s_answer_that_is_none(self, aws: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        """The same where a ref wants a role."""
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDNOTREAL")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        with aws.answering("AssumeRole", HTML):
            assert told(f"aws-sm://db?role_arn={ROLE}")[0] is Outcome.INVALID


class TestSso:
    @pytest.fixture(autouse=True)
    def _profile(self, home: Path, aws: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO", aws.url)
        write_profile(home, SSO)

    @staticmethod
    def remember(content: str) -> None:
        """Write what `aws sso login` leaves behind."""
        folder = Path(os.environ["HOME"], ".aws", "sso", "cache")
        folder.mkdir(parents=True)
        (folder / f"{hashlib.sha1(START.encode()).hexdigest()}.json").write_text(content)

    @pytest.mark.parametrize(
        "cached",
        [None, "{", "[1]", json.dumps({"accessToken": CANARY, "expiresAt": "2020-01-01T00:00:00Z"}), '{"a": 1}'],
    )
    def test_without_a_token_that_is_good_it_says_how_to_log_in(
        self, monkeypatch: pytest.MonkeyPatch, home: Path, cached: str | None
    ) -> None:
        """Never logged in, ended, or not to be read."""
        monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(home / ".aws/sso/cache"))
        if cached is not None:
            self.remember(cached)
        outcome, advice = told()
        assert outcome is Outcome.UNAUTHENTICATED
        assert "SSO login of the profile shop" in str(advice.detail)
        assert advice.hint == "aws sso login --profile shop"

    @pytest.mark.parametrize("code", ["ResourceNotFoundException", "ForbiddenException", "UnauthorizedException"])
    def test_what_sso_does_not_find_is_no_missing_secret(
        self, monkeypatch: pytest.MonkeyPatch, home: Path, aws: AwsFront, code: str
    ) -> None:
        """An account or a role that is not there is a refused login: no default may take a secret's place."""
        monkeypatch.setattr("botocore.credentials.SSOProvider._SSO_TOKEN_CACHE_DIR", str(home / ".aws/sso/cache"))
        self.remember(json.dumps({"accessToken": CANARY, "expiresAt": "2999-01-01T00:00:00Z", "startUrl": START}))
        status = {"ResourceNotFoundException": 404, "ForbiddenException": 403, "UnauthorizedException": 401}[code]
        with aws.answering("", Reply(status, {"message": "no"}, {"x-amzn-ErrorType": code})):
            outcome, advice = told()
        assert outcome is Outcome.UNAUTHENTICATED
        assert "aws sso login" in str(advice.hint)


class Container(LoopbackServer):
    """The address from which a container has its credentials."""

    def answer(self, request: Request) -> Reply:
        return Reply(200, {"Code": "Failed", "Message": CANARY})


class TestContainer:
    @pytest.fixture
    def container(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
        with Container() as server:
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{server.port}/creds")
            yield server

    def test_an_answer_without_credentials_is_invalid(self, container: Container) -> None:
        """It is no login."""
        assert told("aws-sm://db")[0] is Outcome.INVALID

    @pytest.mark.parametrize(
        ("reply", "outcome"),
        [(Reply(500), Outcome.UNAVAILABLE), (CUT, Outcome.UNAVAILABLE), (Reply(403), Outcome.UNAUTHENTICATED)],
    )
    def test_one_that_is_down_refuses_nobody(self, container: Container, reply: Reply, outcome: Outcome) -> None:
        """Values that were read before stay, as with any server that is down; a refusal drops them."""
        container.fail("/creds", reply)
        came_to, advice = told("aws-sm://db")
        assert came_to is outcome
        assert "container" in str(advice.detail)

    def test_what_the_sdk_does_not_ask_is_wrongly_set(
        self, container: Container, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another host, or a token's file that is not there."""
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nonexistent")
        assert told("aws-sm://db")[0] is Outcome.UNAUTHENTICATED
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://shop.example/creds")
        assert told("aws-sm://db")[0] is Outcome.UNAUTHENTICATED
        assert container.log == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:99999", "http://127.0.0.1:0", "http://[::1"])
def test_an_address_with_a_port_that_cannot_be_is_wrongly_set(
    aws: AwsFront, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Nobody has answered, so it is not said that somebody's answer is bad."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", address)
    outcome, advice = told("aws-sm://db")
    assert (outcome, advice.detail) == (Outcome.INVALID, "the AWS SDK cannot use its settings")


def test_a_secret_that_is_not_there_is_still_missing(aws: AwsFront) -> None:
    """The rule for logins is for logins only."""
    with aws.answering("db", AwsError("ResourceNotFoundException")):
        assert said(SecretsManagerBackend(), "aws-sm://db") == [Outcome.MISSING]
