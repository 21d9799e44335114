"""Parameter Store: batches, kinds, versions, labels, and names in all their spellings."""

from __future__ import annotations

from typing import Any

import pytest

from secretsource.backend import Outcome, SecretValue
from secretsource.backends.aws import ParameterStoreBackend
from tests.aws.asking import advice, fetch, parameter, said
from tests.servers.awsfront import HTML, JSON, AwsError, AwsFront, Call, changed, cut_in_body
from tests.servers.loopback import Reply

DENIED = AwsError("AccessDeniedException")


def store(aws: AwsFront, **values: str) -> None:
    """Put encrypted parameters under /shop, and a new version where there is one."""
    for name, value in values.items():
        client(aws).put_parameter(Name=f"/shop/{name}", Value=value, Type="SecureString", Overwrite=True)


def client(aws: AwsFront) -> Any:
    return aws.moto.client("ssm")


def test_an_answer_may_leave_out_its_version(aws: AwsFront) -> None:
    """Then the value has none, and not one called None."""
    store(aws, a="1")

    def bare(call: Call) -> Reply:
        return changed(aws.forward(call), lambda answer: answer["Parameters"][0].pop("Version"))

    with aws.answering("GetParameters", bare):
        (answer,) = fetch(ParameterStoreBackend(), "aws-ssm:///shop/a").values()
    assert isinstance(answer, SecretValue)
    assert (answer.raw, answer.version) == ("1", None)


@pytest.mark.parametrize("version", ["x", [1], 1.5, -1])
def test_a_version_that_cannot_be_one_is_invalid(aws: AwsFront, version: object) -> None:
    """It would be shown as the parameter's version, whatever it is."""
    store(aws, a="1")

    def odd(call: Call) -> Reply:
        return changed(aws.forward(call), lambda answer: answer["Parameters"][0].update(Version=version))

    with aws.answering("GetParameters", odd):
        assert parameter("aws-ssm:///shop/a") is Outcome.INVALID


class TestBatches:
    def test_ten_are_asked_for_in_one_call(self, aws: AwsFront) -> None:
        """Many parameters cost a tenth as many calls, rounded up."""
        values = {f"p{number}": f"value{number}" for number in range(25)}
        store(aws, **values)
        refs = [f"aws-ssm:///shop/{name}" for name in values]
        assert said(ParameterStoreBackend(), *refs) == list(values.values())
        assert aws.operations() == ["GetParameters"] * 3

    def test_the_absent_ones_are_missing(self, aws: AwsFront) -> None:
        """What AWS lists as invalid does not exist; the others are there."""
        store(aws, a="1")
        assert said(ParameterStoreBackend(), "aws-ssm:///shop/a", "aws-ssm:///shop/b") == ["1", Outcome.MISSING]

    def test_one_denied_parameter_spoils_no_other(self, aws: AwsFront) -> None:
        """AWS refuses the whole call for one name: then each is asked for by itself."""
        store(aws, a="1", b="2", c="3")
        refs = [f"aws-ssm:///shop/{name}" for name in "abc"]
        with aws.answering("/shop/b", DENIED):
            assert said(ParameterStoreBackend(), *refs) == ["1", Outcome.DENIED, "3"]

    def test_one_denied_parameter_leaves_the_right_to_batches_alone(self, aws: AwsFront) -> None:
        """When that name is allowed again, one call is enough again."""
        store(aws, a="1", b="2")
        backend, refs = ParameterStoreBackend(), ["aws-ssm:///shop/a", "aws-ssm:///shop/b"]
        with aws.answering("/shop/b", DENIED):
            said(backend, *refs)
        aws.calls.clear()
        assert said(backend, *refs) == ["1", "2"]
        assert aws.operations() == ["GetParameters"]

    def test_a_policy_may_allow_getparameter_only(self, aws: AwsFront) -> None:
        """That is found out once, and from then on each is asked for so."""
        store(aws, a="1", b="2")
        backend, refs = ParameterStoreBackend(), ["aws-ssm:///shop/a", "aws-ssm:///shop/b"]
        with aws.answering("GetParameters", DENIED):
            assert said(backend, *refs) == ["1", "2"]
            aws.calls.clear()
            assert said(backend, *refs) == ["1", "2"]
        assert aws.operations() == ["GetParameter"] * 2

    def test_a_policy_may_allow_getparameters_only(self, aws: AwsFront) -> None:
        """One refused name does not make the others be asked for in a way that is not allowed."""
        store(aws, a="1", b="2")
        with aws.answering("/shop/b", DENIED), aws.answering("GetParameter", DENIED):
            answers = said(ParameterStoreBackend(), "aws-ssm:///shop/a", "aws-ssm:///shop/b")
        assert answers == ["1", Outcome.DENIED]

    def test_a_throttled_batch_is_not_asked_again_for_each(self, aws: AwsFront) -> None:
        """Ten calls in place of one would be no answer to being told to wait."""
        store(aws, a="1", b="2")
        with aws.answering("GetParameters", AwsError("ThrottlingException")):
            answers = said(ParameterStoreBackend(), "aws-ssm:///shop/a", "aws-ssm:///shop/b")
        assert answers == [Outcome.THROTTLED] * 2
        assert aws.count() == 1


class TestValues:
    @pytest.mark.parametrize("kind", ["String", "StringList", "SecureString"])
    def test_each_kind_is_its_text(self, aws: AwsFront, kind: str) -> None:
        """A SecureString comes decrypted, a list as the text it is."""
        client(aws).put_parameter(Name="/shop/x", Value="one,two", Type=kind)
        assert parameter("aws-ssm:///shop/x") == "one,two"

    def test_the_time_and_version_come_with_the_value(self, aws: AwsFront) -> None:
        """What a resolution shows."""
        store(aws, a="1")
        store(aws, a="2")
        (value,) = fetch(ParameterStoreBackend(), "aws-ssm:///shop/a").values()
        assert isinstance(value, SecretValue)
        assert (value.version, value.created is not None) == ("2", True)


class TestVersions:
    @pytest.fixture(autouse=True)
    def _three_versions(self, aws: AwsFront) -> None:
        for value in ("one", "two", "three"):
            store(aws, a=value)
        client(aws).label_parameter_version(Name="/shop/a", ParameterVersion=2, Labels=["good"])

    def test_versions_and_labels_of_one_parameter_are_told_apart(self, aws: AwsFront) -> None:
        """AWS gives them all one name in its answer."""
        refs = [f"aws-ssm:///shop/a{pin}" for pin in ("", "?version=1", "?label=good", "?version=3")]
        assert said(ParameterStoreBackend(), *refs) == ["three", "one", "two", "three"]

    @pytest.mark.parametrize("pin", ["version=9", "label=bad"])
    def test_an_absent_version_is_missing(self, pin: str) -> None:
        """A version or label that the parameter does not have does not exist."""
        assert parameter(f"aws-ssm:///shop/a?{pin}") is Outcome.MISSING

    @pytest.mark.parametrize("pin", ["version=new", "version=1&label=good"])
    def test_what_cannot_be_asked_for_is_invalid(self, aws: AwsFront, pin: str) -> None:
        """A version is a number, and excludes a label; nothing is sent."""
        assert said(ParameterStoreBackend(), f"aws-ssm:///shop/a?{pin}") == [Outcome.INVALID]
        assert aws.count() == 0

    def test_another_version_than_asked_for_is_invalid(self, aws: AwsFront) -> None:
        """A pinned version is that version or an error."""

        def newer(call: Call) -> Reply:
            return changed(aws.forward(call), lambda answer: answer["Parameters"][0].update(Version=4))

        with aws.answering("GetParameters", newer):
            assert parameter("aws-ssm:///shop/a?version=1") is Outcome.INVALID


class TestNames:
    def test_name_and_arn_find_the_same_parameter(self, aws: AwsFront) -> None:
        """By name and by ARN, at the same time."""
        store(aws, a="1")
        arn = client(aws).get_parameter(Name="/shop/a")["Parameter"]["ARN"]
        assert said(ParameterStoreBackend(), "aws-ssm:///shop/a", f"aws-ssm://{arn}") == ["1", "1"]

    def test_a_name_without_a_slash_is_one(self, aws: AwsFront) -> None:
        """At the top, AWS takes names with and without the first slash."""
        client(aws).put_parameter(Name="plain", Value="1", Type="String")
        assert parameter("aws-ssm://plain") == "1"

    def test_a_path_without_its_first_slash_is_pointed_out(self, aws: AwsFront) -> None:
        """It is missing, and the trail says what was probably meant."""
        store(aws, a="1")
        assert parameter("aws-ssm://shop/a") is Outcome.MISSING
        assert "begins with one" in str(advice(ParameterStoreBackend(), "aws-ssm://shop/a").detail)

    def test_secrets_that_parameter_store_shows_are_found(self, aws: AwsFront) -> None:
        """`/aws/reference/secretsmanager/...` reads through to Secrets Manager; an absent one spoils no other."""
        store(aws, db="parameter")
        aws.moto.client("secretsmanager").create_secret(Name="db", SecretString="secret")
        refs = [f"aws-ssm:///{name}" for name in ("aws/reference/secretsmanager/db", "shop/db")]
        absent = "aws-ssm:///aws/reference/secretsmanager/none"
        assert said(ParameterStoreBackend(), *refs, absent) == ["secret", "parameter", Outcome.MISSING]

    def test_an_answer_for_another_parameter_is_invalid(self, aws: AwsFront) -> None:
        """What AWS did not say of this very name is never taken for its value."""
        store(aws, a="1", b="2")

        def astray(call: Call) -> Reply:
            return aws.forward(call, **({"Names": ["/shop/b"]} if "Names" in call.arguments else {"Name": "/shop/b"}))

        backend = ParameterStoreBackend()
        with aws.answering("GetParameters", astray):
            assert said(backend, "aws-ssm:///shop/a") == [Outcome.INVALID]
        with aws.answering("GetParameters", DENIED), aws.answering("GetParameter", astray):
            assert said(backend, "aws-ssm:///shop/a") == [Outcome.INVALID]


NO_ANSWERS = {
    "html": (HTML, Outcome.INVALID),
    "nothing asked for": (Reply(body=b'{"Other": 1}', headers=JSON), Outcome.INVALID),
    "no text": (Reply(body=b'{"Parameters": [{"Name": "/shop/a"}]}', headers=JSON), Outcome.INVALID),
    "no name": (Reply(body=b'{"Parameters": [{"Name": 5, "Value": "v"}]}', headers=JSON), Outcome.INVALID),
    "absent are numbers": (Reply(body=b'{"InvalidParameters": [5]}', headers=JSON), Outcome.INVALID),
    "neither there nor absent": (Reply(body=b'{"Parameters": []}', headers=JSON), Outcome.INVALID),
    "a key of KMS that is none": (AwsError("InvalidKeyId"), Outcome.INVALID),
    "a server error": (AwsError("InternalServerError", status=500), Outcome.UNAVAILABLE),
}


class TestAnswersThatAreNone:
    @pytest.mark.parametrize(("answer", "outcome"), NO_ANSWERS.values(), ids=NO_ANSWERS)
    @pytest.mark.parametrize("names", ["a", "ab"], ids=["alone", "in a batch"])
    def test_each_has_its_outcome(self, aws: AwsFront, answer: Reply, outcome: Outcome, names: str) -> None:
        """None is a value, none is MISSING."""
        with aws.answering("GetParameters", answer), aws.answering("GetParameter", answer):
            answers = said(ParameterStoreBackend(), *(f"aws-ssm:///shop/{name}" for name in names))
        assert answers == [outcome] * len(names)

    def test_a_cut_body_is_unavailable(self, aws: AwsFront) -> None:
        """The SDK takes it for a success without parameters."""
        store(aws, a="1")
        with aws.answering("GetParameters", lambda call: cut_in_body(aws.forward(call))):
            assert parameter("aws-ssm:///shop/a") is Outcome.UNAVAILABLE
