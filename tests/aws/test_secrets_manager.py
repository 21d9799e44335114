"""Secrets Manager: batches, versions, ids, and answers that are none."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from secretsource.backend import Outcome, SecretValue
from secretsource.backends.aws import SecretsManagerBackend
from tests.aws.asking import SECONDS, advice, fetch, said, secret
from tests.servers.awsfront import EMPTY, HTML, JSON, AwsError, AwsFront, Call, changed, cut_in_body
from tests.servers.loopback import Reply

DENIED = AwsError("AccessDeniedException")
PAGE = Reply(403, b"<html>log in first</html>", {"Content-Type": "text/html"})
MANY = 45
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"


def store(aws: AwsFront, **values: str) -> dict[str, str]:
    """Put secrets into AWS; their ARNs."""
    api = aws.moto.client("secretsmanager")
    return {name: api.create_secret(Name=name, SecretString=value)["ARN"] for name, value in values.items()}


def many(aws: AwsFront) -> list[str]:
    """The refs of many secrets, `secret0` with the value `value0` and so on."""
    store(aws, **{f"secret{number}": f"value{number}" for number in range(MANY)})
    return [f"aws-sm://secret{number}" for number in range(MANY)]


VALUES = [f"value{number}" for number in range(MANY)]


class TestBatches:
    def test_twenty_are_asked_for_in_one_call(self, aws: AwsFront) -> None:
        """Many secrets cost a twentieth as many calls, rounded up."""
        assert said(SecretsManagerBackend(), *many(aws)) == VALUES
        assert aws.operations() == ["BatchGetSecretValue"] * 3

    def test_batches_are_in_flight_at_the_same_time(self, aws: AwsFront) -> None:
        """No batch waits for another: each is answered only once all have been asked."""
        refs, together = many(aws), threading.Barrier(3)

        def answer(call: Call) -> Reply:
            together.wait(SECONDS)
            return aws.forward(call)

        with aws.answering("BatchGetSecretValue", answer):
            assert said(SecretsManagerBackend(), *refs) == VALUES

    def test_one_alone_needs_no_right_to_batches(self, aws: AwsFront) -> None:
        """A single secret is asked for with GetSecretValue, the right that everyone has."""
        store(aws, db="v")
        assert secret("aws-sm://db") == "v"
        assert aws.operations() == ["GetSecretValue"]

    def test_the_same_secret_is_asked_for_once(self, aws: AwsFront) -> None:
        """Refs that differ only in how they say the same are one question."""
        store(aws, db="v")
        assert said(SecretsManagerBackend(), "aws-sm://db", "aws-sm://db?region=eu-west-1") == ["v", "v"]
        assert aws.operations() == ["GetSecretValue"]

    def test_without_the_right_to_batches_each_is_asked_for_from_then_on(self, aws: AwsFront) -> None:
        """AccessDenied for BatchGetSecretValue itself is found out once for each client."""
        refs, backend = many(aws)[:25], SecretsManagerBackend()
        with aws.answering("BatchGetSecretValue", DENIED):
            assert said(backend, *refs) == VALUES[:25]
            assert aws.count("BatchGetSecretValue") <= 2
            aws.calls.clear()
            assert said(backend, *refs) == VALUES[:25]
        assert aws.operations() == ["GetSecretValue"] * 25

    def test_a_proxy_s_page_leaves_the_right_to_batches_alone(self, aws: AwsFront) -> None:
        """A 403 that is not AWS's says nothing of rights."""
        refs, backend = many(aws)[:3], SecretsManagerBackend()
        with aws.answering("BatchGetSecretValue", PAGE):
            said(backend, *refs)
        aws.calls.clear()
        assert said(backend, *refs) == VALUES[:3]
        assert aws.operations() == ["BatchGetSecretValue"]

    def test_batches_are_given_up_only_for_what_works(self, aws: AwsFront) -> None:
        """Where a single secret is denied as well, it is not the right to batches that lacks."""
        refs, backend = many(aws)[:3], SecretsManagerBackend()
        with aws.answering("BatchGetSecretValue", DENIED), aws.answering("GetSecretValue", DENIED):
            assert said(backend, *refs) == [Outcome.DENIED] * 3
        aws.calls.clear()
        assert said(backend, *refs) == VALUES[:3]
        assert aws.operations() == ["BatchGetSecretValue"]

    def test_one_denied_secret_leaves_the_right_to_batches_alone(self, aws: AwsFront) -> None:
        """What is denied in `Errors` is one secret, and batches go on."""
        refs, backend = many(aws)[:3], SecretsManagerBackend()
        with aws.answering("secret1", DENIED):
            said(backend, *refs)
            assert said(backend, *refs) == ["value0", Outcome.DENIED, "value2"]
        assert aws.operations() == ["BatchGetSecretValue"] * 2

    def test_each_item_s_error_is_its_own(self, aws: AwsFront) -> None:
        """Of a batch, each secret comes to what AWS says of it."""
        store(aws, a="1", b="2", c="3", d="4", e="5")
        aws.moto.client("secretsmanager").delete_secret(SecretId="c")
        with aws.answering("b", DENIED), aws.answering("d", AwsError("DecryptionFailure")):
            answers = said(SecretsManagerBackend(), *(f"aws-sm://{name}" for name in "abcdef"))
        assert answers == ["1", Outcome.DENIED, Outcome.INACTIVE, Outcome.INVALID, "5", Outcome.MISSING]
        assert aws.operations() == ["BatchGetSecretValue"]

    def test_a_batch_that_fails_for_the_sake_of_one_spoils_none(self, aws: AwsFront) -> None:
        """moto fails a whole batch for a secret without a value: the others are then asked for by themselves."""
        store(aws, a="1", b="2")
        aws.moto.client("secretsmanager").create_secret(Name="hollow")
        answers = said(SecretsManagerBackend(), "aws-sm://a", "aws-sm://hollow", "aws-sm://b")
        assert answers == ["1", Outcome.MISSING, "2"]

    @pytest.mark.parametrize("code", ["ThrottlingException", "InternalServiceError", "ExpiredTokenException"])
    def test_what_is_wrong_with_all_is_not_asked_again_for_each(self, aws: AwsFront, code: str) -> None:
        """A throttled batch must not become twenty calls."""
        refs = many(aws)[:20]
        with aws.answering("BatchGetSecretValue", AwsError(code)):
            answers = said(SecretsManagerBackend(), *refs)
        assert len(set(answers)) == 1
        assert aws.operations() == ["BatchGetSecretValue"]

    def test_pages_are_followed(self, aws: AwsFront) -> None:
        """What does not fit into one answer is fetched with its token."""
        refs = many(aws)[:20]

        def half(call: Call) -> Reply:
            first = "NextToken" not in call.arguments
            reply = aws.forward(call, SecretIdList=call.ids[:12] if first else call.ids[12:], NextToken="")
            return changed(reply, lambda answer: answer.update(NextToken="more" if first else None))

        with aws.answering("BatchGetSecretValue", half):
            assert said(SecretsManagerBackend(), *refs) == VALUES[:20]
        assert aws.count() == 2

    def test_pages_without_end_end(self, aws: AwsFront) -> None:
        """A token that always leads to another is not followed for ever."""
        refs = many(aws)[:3]
        again = Reply(body=b'{"SecretValues": [], "NextToken": "more"}', headers=JSON)
        with aws.answering("BatchGetSecretValue", again):
            assert said(SecretsManagerBackend(), *refs) == [Outcome.INVALID] * 3
        assert aws.count() == 3


class TestIds:
    def test_names_and_arns_find_the_same_secret(self, aws: AwsFront) -> None:
        """By name, by ARN, and by ARN without its random end, alone or all in one batch."""
        arn = store(aws, **{"prod/db": "v", "prod/db2": "w"})["prod/db"]
        refs = ["aws-sm://prod/db", f"aws-sm://{arn}", f"aws-sm://{arn[:-7]}", "aws-sm://prod/db2"]
        assert said(SecretsManagerBackend(), *refs) == ["v", "v", "v", "w"]
        assert aws.operations() == ["BatchGetSecretValue"]
        assert [secret(ref) for ref in refs] == ["v", "v", "v", "w"]

    def test_an_error_for_an_arn_is_that_name_s(self, aws: AwsFront) -> None:
        """AWS may name by its ARN what was asked for by name."""
        arn = store(aws, db="v", other="w")["db"]

        def by_arn(call: Call) -> Reply:
            reply = aws.forward(call, SecretIdList=["other"])
            error = {"SecretId": arn, "ErrorCode": "AccessDeniedException", "Message": "no"}
            return changed(reply, lambda answer: answer.update(Errors=[error]))

        with aws.answering("BatchGetSecretValue", by_arn):
            assert said(SecretsManagerBackend(), "aws-sm://db", "aws-sm://other") == [Outcome.DENIED, "w"]

    @pytest.mark.parametrize("others", [[], ["aws-sm://other"]], ids=["alone", "in a batch"])
    def test_an_answer_for_another_secret_is_invalid(self, aws: AwsFront, others: list[str]) -> None:
        """What AWS did not say of this very name is never taken for its value."""
        store(aws, db="v", other="w")

        def astray(call: Call) -> Reply:
            def rename(answer: dict[str, Any]) -> None:
                for item in answer.get("SecretValues", [answer]):
                    item |= {"Name": f"{item['Name']}2", "ARN": item["ARN"].replace("db", "db2")}

            return changed(aws.forward(call), rename)

        with aws.answering("GetSecretValue", astray), aws.answering("BatchGetSecretValue", astray):
            assert said(SecretsManagerBackend(), "aws-sm://db", *others)[0] is Outcome.INVALID

    @pytest.mark.parametrize(
        ("members", "expected"),
        [
            ({"ARN": f"{ARN}db-AbCdEf"}, "v"),
            ({"ARN": f"{ARN}db-abcdef-AbCdEf"}, Outcome.INVALID),
            ({"ARN": f"{ARN}other-AbCdEf"}, Outcome.INVALID),
            ({"ARN": f"{ARN}db-AbCdEf", "Name": "other"}, Outcome.INVALID),
            ({}, "v"),
        ],
    )
    def test_an_answer_may_leave_out_its_name(
        self, aws: AwsFront, members: dict[str, str], expected: str | Outcome
    ) -> None:
        """What looks like AWS may tell the ARN only, or neither; one that says another name is still refused."""
        answer = Reply(body=json.dumps({"SecretString": "v", **members}).encode(), headers=JSON)
        with aws.answering("GetSecretValue", answer):
            assert secret("aws-sm://db") == expected

    def test_a_name_that_ends_as_an_arn_does_is_not_mistaken(self, aws: AwsFront) -> None:
        """`db-abcdef` is a name of its own, not `db` with the end of an ARN."""
        store(aws, **{"db": "v", "db-abcdef": "w"})
        assert said(SecretsManagerBackend(), "aws-sm://db-abcdef", "aws-sm://db") == ["w", "v"]


class TestVersions:
    def test_a_stage_gives_the_version_that_has_it(self, aws: AwsFront) -> None:
        """AWSCURRENT, AWSPREVIOUS and stages of one's own, each by itself and at the same time as a plain ref."""
        store(aws, db="old")
        aws.moto.client("secretsmanager").put_secret_value(SecretId="db", SecretString="new")
        refs = ["aws-sm://db", "aws-sm://db?stage=AWSPREVIOUS", "aws-sm://db?stage=AWSCURRENT"]
        assert said(SecretsManagerBackend(), *refs) == ["new", "old", "new"]

    @pytest.mark.parametrize("pin", ["stage=NONESUCH", f"version={'0' * 36}"])
    def test_an_absent_version_is_missing(self, aws: AwsFront, pin: str) -> None:
        """A version or stage that the secret does not have does not exist."""
        store(aws, db="v")
        assert secret(f"aws-sm://db?{pin}") is Outcome.MISSING

    def test_the_trail_tells_an_absent_version_from_an_absent_secret(self, aws: AwsFront) -> None:
        """AWS has one code for both, and tells them apart in its words."""
        store(aws, db="v")
        of_version = advice(SecretsManagerBackend(), f"aws-sm://db?version={'0' * 36}").detail
        of_secret = advice(SecretsManagerBackend(), "aws-sm://nowhere").detail
        assert of_version == ("there is a secret of this name, but no such version of it (ResourceNotFoundException)")
        assert of_secret == "AWS has none of this name (ResourceNotFoundException)"

    def test_the_trail_tells_an_absent_stage_too(self, aws: AwsFront) -> None:
        """In the words that AWS itself has for it."""
        message = "Secrets Manager can't find the specified secret value for staging label: NOPE"
        with aws.answering("db", AwsError("ResourceNotFoundException", message)):
            told = advice(SecretsManagerBackend(), "aws-sm://db?stage=NOPE").detail
        assert told == "there is a secret of this name, but no such stage of it (ResourceNotFoundException)"

    def test_another_version_than_asked_for_is_invalid(self, aws: AwsFront) -> None:
        """A pinned version is that version or an error."""
        store(aws, db="v")
        version = aws.moto.client("secretsmanager").get_secret_value(SecretId="db")["VersionId"]

        def newer(call: Call) -> Reply:
            return changed(aws.forward(call), lambda answer: answer.update(VersionId="1" * 36))

        with aws.answering("db", newer):
            assert secret(f"aws-sm://db?version={version}") is Outcome.INVALID

    def test_a_version_id_that_cannot_be_one_is_invalid(self, aws: AwsFront) -> None:
        """It is refused by its length; nothing is sent."""
        assert secret("aws-sm://db?version=3") is Outcome.INVALID
        assert aws.count() == 0

    def test_the_time_and_version_come_with_the_value(self, aws: AwsFront) -> None:
        """What a resolution shows: when it was made, in UTC, and which version it is."""
        arn = store(aws, db="v", other="w")["db"]
        version = aws.moto.client("secretsmanager").get_secret_value(SecretId=arn)["VersionId"]
        for refs in (["aws-sm://db"], ["aws-sm://db", "aws-sm://other"]):
            value = next(iter(fetch(SecretsManagerBackend(), *refs).values()))
            assert isinstance(value, SecretValue)
            assert value.version == version
            assert value.created is not None
            assert value.created.tzinfo is UTC
            assert abs((datetime.now(UTC) - value.created).total_seconds()) < 60


def answer_of(**members: object) -> Reply:
    """An answer of Secrets Manager with these members, right in every other way."""
    return Reply(body=json.dumps({"Name": "db", "ARN": "arn:x", **members}).encode(), headers=JSON)


NO_ANSWERS: dict[str, tuple[Reply | Callable[[Reply], Reply], Outcome]] = {
    "cut body": (cut_in_body, Outcome.UNAVAILABLE),
    "half of the JSON": (lambda reply: Reply(body=reply.body[:40], headers=JSON), Outcome.INVALID),
    "html": (HTML, Outcome.INVALID),
    "nothing": (EMPTY, Outcome.INVALID),
    "an empty object": (Reply(body=b"{}", headers=JSON), Outcome.INVALID),
    "a list": (Reply(body=b"[1, 2]", headers=JSON), Outcome.INVALID),
    "null": (Reply(body=b"null", headers=JSON), Outcome.INVALID),
    "deep nesting": (Reply(body=b"[" * 100_000, headers=JSON), Outcome.INVALID),
    "no utf-8": (Reply(body=b'{"SecretString": "\xff"}', headers=JSON), Outcome.INVALID),
    "a redirect": (Reply(302, headers={"Location": "http://127.0.0.1:9/"}), Outcome.INVALID),
    "a page that says 403": (Reply(403, b"<html>no</html>", {"Content-Type": "text/html"}), Outcome.DENIED),
    "a page that says 404": (Reply(404, b"<html>?</html>", {"Content-Type": "text/html"}), Outcome.INVALID),
    "a page that says 503": (Reply(503, b"<html>wait</html>", {"Content-Type": "text/html"}), Outcome.UNAVAILABLE),
    "a bare 429": (Reply(429), Outcome.THROTTLED),
}


class TestAnswersThatAreNone:
    @pytest.mark.parametrize(("answer", "outcome"), NO_ANSWERS.values(), ids=NO_ANSWERS)
    @pytest.mark.parametrize("names", [["db"], ["db", "other"]], ids=["alone", "in a batch"])
    def test_each_has_its_outcome(
        self, aws: AwsFront, answer: Reply | Callable[[Reply], Reply], outcome: Outcome, names: list[str]
    ) -> None:
        """The SDK takes many of these for a success with nothing in it. None is a value, none is MISSING."""
        store(aws, db="v", other="w")
        say = answer if isinstance(answer, Reply) else lambda call: answer(aws.forward(call))
        with aws.answering("GetSecretValue", say), aws.answering("BatchGetSecretValue", say):
            answers = said(SecretsManagerBackend(), *(f"aws-sm://{name}" for name in names))
        assert answers == [outcome] * len(names)

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (answer_of(Name=5, SecretString="canary"), "Name in the answer is no text"),
            (answer_of(ARN=["canary"], SecretString="canary"), "ARN in the answer is no text"),
            (answer_of(VersionId=5, SecretString="canary"), "VersionId in the answer is no text"),
            (answer_of(SecretBinary="Y2Fu!YXJ@5"), "not one of AWS's"),
            (answer_of(CreatedDate="canary", SecretString="canary"), "not one of AWS's"),
        ],
    )
    def test_a_member_of_the_wrong_kind_is_invalid(self, aws: AwsFront, answer: Reply, words: str) -> None:
        """What is damaged in one place is not trusted in the others; the text says where, and not what."""
        with aws.answering("db", answer):
            told = advice(SecretsManagerBackend(), "aws-sm://db")
            assert secret("aws-sm://db") is Outcome.INVALID
        assert words in str(told.detail)
        assert "canary" not in repr(told)

    @pytest.mark.parametrize(
        "answer",
        [
            {"SecretValues": [{"Name": 5, "SecretString": "v"}]},
            {"SecretValues": [], "Errors": [{"SecretId": ["db"], "ErrorCode": "x"}]},
            {"SecretValues": [], "Errors": [{"SecretId": name, "ErrorCode": 5} for name in ("db", "other")]},
        ],
    )
    def test_a_batch_of_the_wrong_kind_is_invalid(self, aws: AwsFront, answer: dict[str, Any]) -> None:
        """Nobody knows what it is about."""
        with aws.answering("BatchGetSecretValue", Reply(body=json.dumps(answer).encode(), headers=JSON)):
            answers = said(SecretsManagerBackend(), "aws-sm://db", "aws-sm://other")
        assert answers == [Outcome.INVALID] * 2

    def test_one_odd_item_of_a_batch_does_not_spoil_the_others(self, aws: AwsFront) -> None:
        """Each has its own answer, as far as it is known whose it is."""
        items = {
            "SecretValues": [{"Name": "db", "SecretString": "v"}, {"Name": "odd", "SecretString": 5}],
            "Errors": [{"SecretId": "other", "ErrorCode": 5}],
        }
        with aws.answering("BatchGetSecretValue", Reply(body=json.dumps(items).encode(), headers=JSON)):
            answers = said(SecretsManagerBackend(), "aws-sm://db", "aws-sm://odd", "aws-sm://other")
        assert answers == ["v", Outcome.INVALID, Outcome.INVALID]

    @pytest.mark.parametrize(
        "answer",
        [answer_of(), answer_of(SecretString=5), answer_of(SecretString={"a": 1}), answer_of(SecretString=None)],
        ids=["no value", "a number", "an object", "null"],
    )
    def test_a_value_of_the_wrong_kind_is_invalid(self, aws: AwsFront, answer: Reply) -> None:
        """A secret is text or bytes."""
        with aws.answering("db", answer):
            assert secret("aws-sm://db") is Outcome.INVALID

    def test_no_part_of_a_broken_answer_is_kept(self, aws: AwsFront) -> None:
        """The SDK's parser puts the answer into its error; ours does not have it, nor the frames that had it."""
        with aws.answering("db", Reply(body=b'{"SecretString": "canary\xff"}', headers=JSON)):
            (error,) = fetch(SecretsManagerBackend(), "aws-sm://db").values()
        assert isinstance(error, Exception)
        assert "canary" not in repr((error, vars(error)))
        assert (error.__cause__, error.__context__, error.__traceback__) == (None, None, None)
