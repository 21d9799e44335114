"""AWS Secrets Manager: `aws-sm://prod/db?region=eu-west-1#password`.

Several secrets are asked for twenty at a time; one alone, or one with a version or a stage, by itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from secretsource.backend import SecretValue
from secretsource.backends.aws.base import (
    OPTIONS,
    AwsBackend,
    ask_in_batches,
    in_batches,
    in_utc,
    is_about_one,
    may_not_batch,
    text_in,
)
from secretsource.backends.aws.errors import UnusableAnswer
from secretsource.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from secretsource.backends.aws.base import Result, Store
    from secretsource.clock import Deadline
    from secretsource.ref import Ref

AT_ONCE: Final = 20
_VERSION_LENGTH: Final = range(32, 65)  # characters, says AWS's own model of the service
_SUFFIX: Final = re.compile(r"-[A-Za-z0-9]{6}$")  # the end of a secret's ARN, which is no part of its name
_MARK: Final = ":secret:"


class Wanted(NamedTuple):
    """A secret, as it is asked for.

    Attributes:
        id: Its name, ARN, or ARN without the suffix.
        version: The version's id.
        stage: The version's staging label; AWSCURRENT if there is neither.
    """

    id: str
    version: str | None = None
    stage: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether it is another version than the current one."""
        return self.version is not None or self.stage is not None


class SecretsManagerBackend(AwsBackend[Wanted]):
    """Secrets Manager, through boto3 and its own credential chain."""

    scheme = "aws-sm"
    options = OPTIONS | {"stage"}
    service = "secretsmanager"
    address_variable = "AWS_ENDPOINT_URL_SECRETS_MANAGER"

    def question(self, ref: Ref) -> Wanted:  # noqa: D102 - as in AwsBackend
        wanted = Wanted(ref.location, ref.options.get("version"), ref.options.get("stage"))
        if wanted.version is not None and len(wanted.version) not in _VERSION_LENGTH:
            raise UnusableAnswer(Outcome.INVALID, "a version of a secret has 32 to 64 characters")
        return wanted

    def ask(self, store: Store, questions: Sequence[Wanted], deadline: Deadline) -> Mapping[Wanted, Result]:  # noqa: D102 - as in AwsBackend
        plain = [wanted for wanted in questions if not wanted.pinned]
        batches = in_batches(plain, 1 if store.one_by_one else AT_ONCE)
        batches += [[wanted] for wanted in questions if wanted.pinned]
        return ask_in_batches(lambda batch: _read(store, batch, deadline), batches, deadline)


def _read(store: Store, batch: Sequence[Wanted], deadline: Deadline) -> Mapping[Wanted, Result]:
    if len(batch) == 1:
        return {batch[0]: _read_one(store, batch[0])}
    try:
        return _read_several(store, batch)
    except Exception as error:
        if not is_about_one(error):
            raise
        no_right = may_not_batch(error)  # a secret that is denied comes in `Errors`: this is the right itself
    answers = ask_in_batches(lambda single: _read(store, single, deadline), in_batches(batch, 1), deadline)
    if no_right and any(isinstance(answer, SecretValue) for answer in answers.values()):
        store.one_by_one = True
    return answers


def _read_one(store: Store, wanted: Wanted) -> SecretValue:
    pins = {"VersionId": wanted.version, "VersionStage": wanted.stage}
    answer = store.call("get_secret_value", SecretId=wanted.id, **{name: pin for name, pin in pins.items() if pin})
    value = _value(answer)
    said = {*_ids_of(answer), *_short_ids_of(answer)}
    if said and wanted.id not in said:  # one that says no name at all can only be the answer to this question
        raise UnusableAnswer(Outcome.INVALID, "AWS answered for another secret")
    if wanted.version not in (None, value.version):
        raise UnusableAnswer(Outcome.INVALID, "AWS answered with another version")
    return value


def _read_several(store: Store, batch: Sequence[Wanted]) -> Mapping[Wanted, Result]:
    """What BatchGetSecretValue says of each."""
    return _by_question(batch, list(_pages(store, [wanted.id for wanted in batch])))


def _pages(store: Store, ids: list[str]) -> Iterator[Mapping[str, Any]]:
    more: dict[str, str] = {}
    for _ in ids:  # a page holds one secret at least
        answer = store.call("batch_get_secret_value", SecretIdList=ids, **more)
        if not answer.keys() & {"SecretValues", "Errors"}:
            raise UnusableAnswer(Outcome.INVALID, "there are no secrets in the answer")
        yield answer
        if not (token := answer.get("NextToken")):
            return
        more = {"NextToken": token}


def _by_question(batch: Sequence[Wanted], answers: Sequence[Mapping[str, Any]]) -> Mapping[Wanted, Result]:
    items = [item for answer in answers for item in (*answer.get("SecretValues", ()), *answer.get("Errors", ()))]
    said = {name: item for item in items for name in _ids_of(item)}
    if any(wanted.id not in said for wanted in batch):  # then it may have been asked for by less than a whole ARN
        said = {name: item for item in items for name in _short_ids_of(item)} | said
    return {wanted: _result(said.get(wanted.id)) for wanted in batch}


def _result(item: Mapping[str, Any] | None) -> Result:
    if item is None:
        return UnusableAnswer(Outcome.INVALID, "AWS gave no answer for this secret")
    try:
        return _error(item) if "ErrorCode" in item else _value(item)
    except UnusableAnswer as error:
        return error


def _error(item: Mapping[str, Any]) -> Exception:
    from botocore.exceptions import ClientError

    code, message = text_in(item, "ErrorCode"), item.get("Message", "")
    return ClientError({"Error": {"Code": code, "Message": message}}, "BatchGetSecretValue")


def _ids_of(item: Mapping[str, Any]) -> list[str]:
    return [text_in(item, key) for key in ("SecretId", "Name", "ARN") if key in item]


def _short_ids_of(item: Mapping[str, Any]) -> Iterator[str]:
    """The ARN without its suffix; and where an answer tells an ARN alone, as an error does, the name in it."""
    for full in _ids_of(item):
        if (short := _SUFFIX.sub("", full)) != full and _MARK in full:
            yield short
            if "Name" not in item:
                yield short.partition(_MARK)[2]


def _value(answer: Mapping[str, Any]) -> SecretValue:
    raw = answer.get("SecretString", answer.get("SecretBinary"))
    if raw is None:
        raise UnusableAnswer(Outcome.INVALID, "there is no value in the answer")
    if not isinstance(raw, str | bytes):
        raise UnusableAnswer(Outcome.INVALID, "the secret is neither text nor bytes")
    version = text_in(answer, "VersionId") if "VersionId" in answer else None
    return SecretValue(raw, version=version, created=in_utc(answer.get("CreatedDate")))
