"""What AWS's errors mean: the tables are whole, and no text of the SDK goes further than it may."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import botocore.exceptions
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from secretsource.backend import Outcome
from secretsource.backends.aws import ParameterStoreBackend, SecretsManagerBackend
from secretsource.backends.aws.errors import BY_CLASS, BY_CODE, advice_on, outcome_of
from tests.aws.asking import advice, secret
from tests.servers.awsfront import AwsError, AwsFront
from tests.servers.loopback import Reply

OUR_OPERATIONS = {
    "secretsmanager": None,  # all of them
    "ssm": {"GetParameter", "GetParameters"},
    "sts": {"AssumeRole", "AssumeRoleWithWebIdentity"},
}


def sdk_classes() -> Iterator[type[Exception]]:
    for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass):
        if kind.__module__ == botocore.exceptions.__name__ and issubclass(kind, Exception):
            yield kind


def modelled_codes() -> Iterator[tuple[str, str]]:
    session = botocore.session.Session()
    for service, operations in OUR_OPERATIONS.items():
        model = session.get_service_model(service)
        for name in operations or model.operation_names:
            for shape in model.operation_model(name).error_shapes:
                yield service, shape.metadata.get("error", {}).get("code", shape.name)


def client_error(code: str, message: str = "", status: int = 400, operation: str = "GetSecretValue") -> ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)  # type: ignore[typeddict-item]  # as much of it as is read


class TestTables:
    def test_every_class_of_the_sdk_is_in_one(self) -> None:
        """Each exception of botocore has an outcome on purpose: by its name, or by that of a base of its own."""
        roots = {"BotoCoreError", "Exception", "BaseException", "object"}
        answers = {"ClientError", "EventStreamError"}  # these are told by their code
        warnings = {kind.__name__ for kind in sdk_classes() if issubclass(kind, Warning)}
        unknown = [
            kind.__name__
            for kind in sdk_classes()
            if kind.__name__ not in roots | answers | warnings
            and not {base.__name__ for base in kind.__mro__} & BY_CLASS.keys()
        ]
        assert not unknown

    def test_every_class_in_it_is_one_of_the_sdk_s(self) -> None:
        """A name that the SDK does not have would be a mistyped one."""
        assert BY_CLASS.keys() - {kind.__name__ for kind in sdk_classes()} == {
            "HTTPError",
            "TimeoutError",
            "ValueError",
        }

    def test_every_modelled_error_is_in_it(self) -> None:
        """Each error that the services' own models list for what we call, and for all of Secrets Manager."""
        assert not {code for _, code in modelled_codes()} - BY_CODE.keys()

    def test_what_the_sdk_tries_again_is_transient(self) -> None:
        """What botocore knows as throttling or passing is so for us."""
        throttled = vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"]
        passing = vars(TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"]
        assert {code: BY_CODE.get(code) for code in throttled} == dict.fromkeys(throttled, Outcome.THROTTLED)
        assert not [code for code in passing if not BY_CODE[code].transient]
        classes = vars(TransientRetryableChecker)["_TRANSIENT_EXCEPTION_CLS"]
        assert {outcome_of(make(getattr(botocore.exceptions, kind.__name__))) for kind in classes} == {
            Outcome.UNAVAILABLE
        }

    def test_only_what_is_not_there_is_missing(self) -> None:
        """Three codes, and no class, let a chain go on."""
        missing = {code for code, outcome in BY_CODE.items() if outcome is Outcome.MISSING}
        assert missing == {"ParameterNotFound", "ParameterVersionNotFound", "ResourceNotFoundException"}
        assert Outcome.MISSING not in BY_CLASS.values()

    def test_the_most_exact_name_wins(self) -> None:
        """An unusable profile is not a connection, though both are BotoCoreErrors."""
        assert outcome_of(make(botocore.exceptions.ReadTimeoutError)) is Outcome.UNAVAILABLE
        assert outcome_of(make(botocore.exceptions.NoRegionError)) is Outcome.UNAUTHENTICATED
        assert outcome_of(make(botocore.exceptions.UnknownEndpointError)) is Outcome.INVALID


def make(kind: type[Exception]) -> Exception:
    """An exception of this class, whatever it takes to make one."""
    if issubclass(kind, botocore.exceptions.WaiterError):
        return kind("x", "x", {})
    return kind(**dict.fromkeys(re.findall(r"\{(\w+)", getattr(kind, "fmt", "")), "x"))


def test_every_class_has_words() -> None:
    """Whatever it is, there is something to tell, and it is not the SDK's text."""
    errors = [make(kind) for kind in sdk_classes() if "fmt" in vars(kind)]
    assert len(errors) > 60
    assert not [error for error in errors if advice_on(error, "ssm").detail in (None, "", str(error))]


class TestCodes:
    @pytest.mark.parametrize(
        ("status", "outcome"),
        [(400, "UNAVAILABLE"), (401, "UNAUTHENTICATED"), (403, "DENIED"), (429, "THROTTLED"), (500, "UNAVAILABLE")],
    )
    def test_an_unknown_code_goes_by_its_status(self, status: int, outcome: str) -> None:
        """And what is not known at all is UNAVAILABLE, never MISSING."""
        assert outcome_of(client_error("Unheard.Of", status=status)) is Outcome[outcome]

    def test_deleted_is_told_from_other_invalid_requests(self) -> None:
        """AWS has one code for a secret that is scheduled for deletion and for what cannot be asked."""
        deleted = "You can't perform this operation on the secret because it was marked for deletion."
        mismatch = "You provided a VersionStage that is not associated to the provided VersionId."
        outcomes = [outcome_of(client_error("InvalidRequestException", text)) for text in (deleted, mismatch)]
        assert outcomes == [Outcome.INACTIVE, Outcome.INVALID]

    def test_a_denied_role_is_no_denied_secret(self) -> None:
        """AccessDenied from STS is a refused login."""
        error = client_error("AccessDenied", operation="AssumeRoleWithWebIdentity", status=403)
        assert outcome_of(error) is Outcome.UNAUTHENTICATED

    @pytest.mark.parametrize(
        ("code", "outcome"),
        [
            ("DecryptionFailure", Outcome.INVALID),
            ("KMSInvalidStateException", Outcome.INACTIVE),
            ("KMSAccessDeniedException", Outcome.DENIED),
            ("KMSThrottlingException", Outcome.THROTTLED),
        ],
    )
    def test_a_key_that_fails_is_told_apart_from_a_right_that_lacks(
        self, aws: AwsFront, code: str, outcome: Outcome
    ) -> None:
        """KMS has its own failures, which come through."""
        with aws.answering("db", AwsError(code)):
            assert secret("aws-sm://db") is outcome


REFUSAL = (
    "User: arn:aws:sts::123456789012:assumed-role/web/i-0123 is not authorized to perform: "
    "secretsmanager:GetSecretValue on resource: db because no identity-based policy allows it; canary"
)


class TestAdvice:
    def test_a_refusal_names_who_may_not_do_what(self, aws: AwsFront) -> None:
        """What one wants to know at night: the principal, the action, the right that lacks, and the other reading."""
        with aws.answering("db", AwsError("AccessDeniedException", REFUSAL)):
            told = advice(SecretsManagerBackend(), "aws-sm://db")
        assert told.detail == (
            "denied, or absent and hidden by policy (AccessDeniedException: secretsmanager:GetSecretValue"
            " as arn:aws:sts::123456789012:assumed-role/web/i-0123)"
        )
        assert "kms:Decrypt" in str(told.hint)

    def test_a_parameter_needs_another_right(self, aws: AwsFront) -> None:
        """The hint is the service's own."""
        with aws.answering("/db", AwsError("AccessDeniedException")):
            assert "ssm:GetParameters" in str(advice(ParameterStoreBackend(), "aws-ssm:///db").hint)

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("AccessDeniedException", "Access to KMS is not allowed"),
            ("AccessDeniedException", "User: x is not authorized to perform: kms:Decrypt on resource: y"),
            ("AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, or ..."),
            ("KMSAccessDeniedException", ""),
        ],
    )
    def test_a_denied_key_says_that_there_is_something_to_open(self, aws: AwsFront, code: str, message: str) -> None:
        """Here AWS does tell: the key is denied only of what is there."""
        with aws.answering("db", AwsError(code, message)), aws.answering("/db", AwsError(code, message)):
            assert secret("aws-sm://db") is Outcome.DENIED
            told = [advice(SecretsManagerBackend(), "aws-sm://db"), advice(ParameterStoreBackend(), "aws-ssm:///db")]
        assert all(str(one.detail).startswith("it is there, but its KMS key is denied") for one in told)
        assert {one.hint for one in told} == {"needs kms:Decrypt on the key"}

    def test_a_hint_is_for_the_service_that_was_asked(self) -> None:
        """Only a parameter's name begins with a slash."""
        error = client_error("ValidationException")
        assert (advice_on(error, "secretsmanager").hint, "aws-ssm:///" in str(advice_on(error, "ssm").hint)) == (
            None,
            True,
        )

    def test_no_message_of_aws_is_passed_on(self) -> None:
        """Whatever the code: of its message, only names of AWS's own making are shown."""
        told = {code: advice_on(client_error(code, f"canary {REFUSAL} canary"), "ssm") for code in BY_CODE}
        assert not [code for code, advice in told.items() if code not in str(advice.detail)]
        assert "canary" not in repr(told)

    def test_a_code_is_a_name_and_nothing_else(self, aws: AwsFront) -> None:
        """What a server puts in the place of a code is shown only if it looks like one."""
        with aws.answering("db", AwsError("canary\nsays <b>hello</b>")):
            told = advice(SecretsManagerBackend(), "aws-sm://db")
        assert told.detail == "AWS could not answer (Unknown)"

    def test_the_time_to_wait_is_passed_on(self, aws: AwsFront) -> None:
        """Retry-After in seconds or as a date; what is neither is left out."""
        times = []
        soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
        dates = ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri Dec 31 23:59:59 1999", soon)
        for text in ("7", "0.5", *dates, "9" * 400, "Fri, 99 Dec 1999", "soon", ""):
            with aws.answering("db", Reply(429, headers={"Retry-After": text})):
                times.append(advice(SecretsManagerBackend(), "aws-sm://db").retry_after)
        assert times[:4] == [7.0, 0.5, 0.0, 0.0]
        assert 15 < (times[4] or 0) <= 20
        assert times[5:] == [None] * 4
