"""Where AWS is asked, and in whose name: region, address, profile, role, credentials that change."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from secretsource.backend import Outcome
from secretsource.backends.aws import SecretsManagerBackend
from tests.aws.asking import advice, parameter, said, secret
from tests.servers.awsfront import AwsError, AwsFront, Call
from tests.servers.loopback import Reply

ROLE = "arn:aws:iam::123456789012:role/reader"
AS_ROLE = f"role_arn={ROLE}"
CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def db(aws: AwsFront) -> AwsFront:
    """AWS with a secret and a parameter in it, in every region that these tests ask."""
    for region in ("eu-west-1", "us-east-1"):
        aws.moto.client("secretsmanager", region).create_secret(Name="db", SecretString=region)
    aws.moto.client("ssm").put_parameter(Name="/db", Value="parameter", Type="String")
    return aws


def write_profiles(folder: Path, monkeypatch: pytest.MonkeyPatch, **key_ids: str) -> None:
    """AWS config files with these profiles."""
    file = folder / "credentials"
    file.write_text(
        "".join(
            f"[{name}]\naws_access_key_id = {key_id}\naws_secret_access_key = not-a-real-key\nregion = us-east-1\n"
            for name, key_id in key_ids.items()
        )
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))


def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)


class TestRegion:
    def test_the_ref_s_region_comes_first(self, db: AwsFront) -> None:
        """`region=` beats the environment; both regions are asked in one lookup."""
        answers = said(SecretsManagerBackend(), "aws-sm://db", "aws-sm://db?region=us-east-1")
        assert answers == ["eu-west-1", "us-east-1"]

    def test_an_arn_tells_its_region(self, db: AwsFront) -> None:
        """Without `region=`, an ARN is asked for where it says that it is."""
        arn = db.moto.client("secretsmanager", "us-east-1").describe_secret(SecretId="db")["ARN"]
        assert secret(f"aws-sm://{arn}") == "us-east-1"

    def test_an_arn_without_a_region_leaves_it_to_the_environment(self, db: AwsFront) -> None:
        """It is not an ARN of AWS's; AWS is asked, and says that it has none such."""
        assert [secret("aws-sm://arn:aws:none"), secret("aws-sm://arn:aws:secretsmanager::1:none")] == [
            Outcome.MISSING
        ] * 2

    def test_aws_region_is_enough(self, db: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        """boto3 reads AWS_DEFAULT_REGION alone; where only AWS_REGION is set, as in ECS, that is taken."""
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        assert secret("aws-sm://db") == "eu-west-1"
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        assert secret("aws-sm://db") == "us-east-1"

    def test_no_region_is_told(self, db: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is nothing to ask, and the hint says what to set."""
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        assert secret("aws-sm://db") is Outcome.UNAUTHENTICATED
        assert "AWS_DEFAULT_REGION" in str(advice(SecretsManagerBackend(), "aws-sm://db").hint)

    def test_a_region_that_cannot_be_one_is_invalid(self, db: AwsFront) -> None:
        """It would become a part of a host name."""
        assert secret("aws-sm://db?region=evil.example%23") is Outcome.INVALID


class TestAddress:
    def test_the_ref_s_address_comes_first(self, db: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        """`endpoint_url=` beats the environment's."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", CLOSED)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", CLOSED)
        assert secret(f"aws-sm://db?endpoint_url={db.url}") == "eu-west-1"

    def test_each_service_may_have_its_own(self, db: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        """As in every AWS SDK, a service's own variable beats the general one."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", CLOSED)
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", db.url)
        assert (parameter("aws-ssm:///db"), secret("aws-sm://db")) == ("parameter", Outcome.UNAVAILABLE)

    def test_nobody_there_is_unavailable(self, db: AwsFront) -> None:
        """A closed port is told at once, with what to check."""
        told = advice(SecretsManagerBackend(), f"aws-sm://db?endpoint_url={CLOSED}")
        assert told.detail == "no connection to AWS"
        assert "endpoint" in str(told.hint)

    def test_an_address_that_is_none_is_invalid(self, db: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        """The environment's is not checked before the SDK is."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9")
        assert secret("aws-sm://db") is Outcome.INVALID
        assert "AWS_ENDPOINT_URL" in str(advice(SecretsManagerBackend(), "aws-sm://db").hint)

    def test_a_changed_environment_is_followed(self, db: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        """A backend that has a client makes another when the environment means another account or place."""
        backend = SecretsManagerBackend()
        before = said(backend, "aws-sm://db")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
        assert (before, said(backend, "aws-sm://db")) == (["eu-west-1"], ["us-east-1"])
        assert [call.key_id for call in db.calls] == ["AKIDNOTREAL", "AKIDOTHER"]


class TestProfile:
    def test_the_ref_s_profile_is_used_alone(
        self, db: AwsFront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`profile=` beats keys in the environment, as it does in boto3; AWS_PROFILE does not."""
        write_profiles(tmp_path, monkeypatch, shop="AKIDSHOP")
        monkeypatch.setenv("AWS_PROFILE", "shop")
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        assert [secret("aws-sm://db?profile=shop"), secret("aws-sm://db")] == ["us-east-1"] * 2
        assert [call.key_id for call in db.calls] == ["AKIDSHOP", "AKIDNOTREAL"]

    def test_an_unknown_profile_is_told(self, db: AwsFront) -> None:
        """Nobody to ask as."""
        told = advice(SecretsManagerBackend(), "aws-sm://db?profile=nobody")
        assert told.detail == "the AWS config files have no such profile"
        assert secret("aws-sm://db?profile=nobody") is Outcome.UNAUTHENTICATED


class TestRole:
    def test_the_role_is_assumed_once_for_both_services(self, db: AwsFront) -> None:
        """STS gives keys, and every call is signed with them; the ref's stand-in for AWS is asked for them too."""
        with_role = f"?{AS_ROLE}&endpoint_url={db.url}"
        assert [secret(f"aws-sm://db{with_role}"), parameter(f"aws-ssm:///db{with_role}")] == ["eu-west-1", "parameter"]
        assert db.operations() == ["AssumeRole", "GetSecretValue", "GetParameters"]
        login, *calls = db.calls
        assert login.key_id == "AKIDNOTREAL"
        assert login.arguments["RoleArn"] == ROLE
        assert all(call.key_id.startswith("ASIA") for call in calls)

    def test_keys_that_end_are_renewed(self, db: AwsFront) -> None:
        """A role's keys are fetched anew before they expire."""
        soon = f"{datetime.now(UTC) + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}".encode()

        def short(call: Call) -> Reply:
            reply = db.forward(call)
            return replace(reply, body=re.sub(rb"(?<=<Expiration>)[^<]+", soon, reply.body))

        backend = SecretsManagerBackend()
        with db.answering("AssumeRole", short):
            said(backend, f"aws-sm://db?{AS_ROLE}")
        before = db.count("AssumeRole")
        assert said(backend, f"aws-sm://db?{AS_ROLE}") == ["eu-west-1"]
        assert db.count("AssumeRole") == before + 1
        said(backend, f"aws-sm://db?{AS_ROLE}")
        assert db.count("AssumeRole") == before + 1

    def test_a_refused_role_is_a_refused_login(self, db: AwsFront) -> None:
        """It is tried once for all, is not mistaken for a denied secret, and the hint names the trust policy."""
        refs = [f"aws-sm://db{number}?{AS_ROLE}" for number in range(45)]
        with db.answering("AssumeRole", AwsError("AccessDenied")):
            assert set(said(SecretsManagerBackend(), *refs)) == {Outcome.UNAUTHENTICATED}
            assert db.operations() == ["AssumeRole"]
            assert "trust policy" in str(advice(SecretsManagerBackend(), refs[0]).hint)
        assert secret(f"aws-sm://db?{AS_ROLE}") == "eu-west-1"

    def test_a_role_refused_to_old_keys_is_taken_with_new_ones(
        self, db: AwsFront, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A login that failed is not kept, nor are the keys that it was tried with."""
        without_keys(monkeypatch)
        write_profiles(tmp_path, monkeypatch, default="AKIDOLD")
        backend = SecretsManagerBackend()

        def refuse_the_old(call: Call) -> Reply:
            return AwsError("AccessDenied").xml if call.key_id == "AKIDOLD" else db.forward(call)

        with db.answering("AssumeRole", refuse_the_old):
            before = said(backend, f"aws-sm://db?{AS_ROLE}")
            write_profiles(tmp_path, monkeypatch, default="AKIDNEW")
            assert (before, said(backend, f"aws-sm://db?{AS_ROLE}")) == ([Outcome.UNAUTHENTICATED], ["eu-west-1"])

    def test_an_address_of_aws_s_own_is_not_sts_s(
        self, db: AwsFront, monkeypatch: pytest.MonkeyPatch, reached: list[str]
    ) -> None:
        """A VPC endpoint serves one service; the role is assumed where the environment says."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", db.url)
        vpc = "https://vpce-1.secretsmanager.eu-west-1.vpce.amazonaws.com"
        assert secret(f"aws-sm://db?{AS_ROLE}&endpoint_url={vpc}") is Outcome.UNAVAILABLE
        assert db.operations() == ["AssumeRole"]
        reached.clear()


class TestCredentials:
    def test_none_is_unauthenticated_until_there_are_some(
        self, db: AwsFront, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A client without credentials is not kept: they may come later."""
        without_keys(monkeypatch)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        backend = SecretsManagerBackend()
        before = said(backend, "aws-sm://db", "aws-sm://other")
        write_profiles(tmp_path, monkeypatch, default="AKIDLATE")
        assert (before, said(backend, "aws-sm://db")) == ([Outcome.UNAUTHENTICATED] * 2, ["eu-west-1"])
        assert db.count() == 1

    @pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
    def test_a_refused_login_is_tried_anew_with_what_is_there_now(
        self, db: AwsFront, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str
    ) -> None:
        """Keys that a tool writes to the credentials file anew are found when the old ones are refused."""
        without_keys(monkeypatch)
        write_profiles(tmp_path, monkeypatch, default="AKIDOLD")
        backend = SecretsManagerBackend()
        said(backend, "aws-sm://db")
        write_profiles(tmp_path, monkeypatch, default="AKIDNEW")

        def refuse_the_old(call: Call) -> Reply:
            return AwsError(code).reply if call.key_id == "AKIDOLD" else db.forward(call)

        with db.answering("GetSecretValue", refuse_the_old):
            assert said(backend, "aws-sm://db") == ["eu-west-1"]
        assert [call.key_id for call in db.calls] == ["AKIDOLD", "AKIDOLD", "AKIDNEW"]

    def test_the_same_login_is_not_tried_twice(self, db: AwsFront) -> None:
        """Where there are no other credentials, one refusal is enough."""
        with db.answering("GetSecretValue", AwsError("InvalidSignatureException")):
            assert secret("aws-sm://db") is Outcome.UNAUTHENTICATED
        assert db.count() == 1

    def test_half_a_key_is_told(self, db: AwsFront, monkeypatch: pytest.MonkeyPatch) -> None:
        """A key id without its key."""
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        assert advice(SecretsManagerBackend(), "aws-sm://db").detail == "only a part of the AWS credentials is set"
