"""Systems Manager's Parameter Store: `aws-ssm:///shop/password?region=eu-west-1`.

Parameters are asked for ten at a time; a SecureString comes decrypted.
"""

from __future__ import annotations

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
from secretsource.backends.aws.errors import HINT_OF_PATHS, UnusableAnswer
from secretsource.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secretsource.backends.aws.base import Result, Store
    from secretsource.clock import Deadline
    from secretsource.ref import Ref

AT_ONCE: Final = 10
_MARK: Final = ":parameter/"
_SECRET: Final = "aws/reference/secretsmanager/"  # noqa: S105 - the path under which Parameter Store shows secrets


class Wanted(NamedTuple):
    """A parameter, as it is asked for.

    Attributes:
        name: Its name or ARN.
        version: The version's number.
        label: The version's label; the newest version if there is neither.
    """

    name: str
    version: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        selector = self.version or self.label
        return self.name if selector is None else f"{self.name}:{selector}"

    @property
    def pinned(self) -> bool:
        """Whether it is another version than the newest."""
        return self.version is not None or self.label is not None

    @property
    def bare(self) -> str:
        """What its answer is told by."""
        return _bare(self.name)


class ParameterStoreBackend(AwsBackend[Wanted]):
    """Parameter Store, through boto3 and its own credential chain."""

    scheme = "aws-ssm"
    options = OPTIONS | {"label"}
    service = "ssm"
    address_variable = "AWS_ENDPOINT_URL_SSM"

    def question(self, ref: Ref) -> Wanted:  # noqa: D102 - as in AwsBackend
        wanted = Wanted(ref.location, ref.options.get("version"), ref.options.get("label"))
        if wanted.version and wanted.label:
            raise UnusableAnswer(Outcome.INVALID, "a parameter is asked for by version or by label, not by both")
        if wanted.version and not wanted.version.isdecimal():
            raise UnusableAnswer(Outcome.INVALID, "the version of a parameter is a number")
        return wanted

    def ask(self, store: Store, questions: Sequence[Wanted], deadline: Deadline) -> Mapping[Wanted, Result]:  # noqa: D102 - as in AwsBackend
        batches = [batch for group in _told_apart(questions) for batch in in_batches(group, _size(store))]
        return ask_in_batches(lambda batch: _read(store, batch, deadline), batches, deadline)


def _size(store: Store) -> int:
    return 1 if store.one_by_one else AT_ONCE


def _told_apart(questions: Sequence[Wanted]) -> list[list[Wanted]]:
    """Groups in which no name comes twice, as several versions of one do: an answer is known by its name alone."""
    groups: list[dict[str, Wanted]] = []
    for wanted in questions:
        group = next((group for group in groups if wanted.bare not in group), None)
        if group is None:
            groups.append(group := {})
        group[wanted.bare] = wanted
    return [list(group.values()) for group in groups]


def _bare(name: str) -> str:
    """A parameter's name without what different spellings of it differ by: ARN, selector, first slash."""
    name = name.partition(_MARK)[2] if _MARK in name else name
    return name.partition(":")[0].removeprefix("/").removeprefix(_SECRET)


def _read(store: Store, batch: Sequence[Wanted], deadline: Deadline) -> Mapping[Wanted, Result]:
    alone = len(batch) == 1
    if alone and store.one_by_one:
        return {batch[0]: _read_one(store, batch[0])}
    try:
        return _read_several(store, batch)
    except Exception as error:  # one parameter that is refused, or has a key that is, fails them all
        if not is_about_one(error) or (alone and not may_not_batch(error)):
            raise
    if not alone:
        return ask_in_batches(lambda single: _read(store, single, deadline), in_batches(batch, 1), deadline)
    value = _read_one(store, batch[0])  # some policies allow this operation only
    store.one_by_one = True
    return {batch[0]: value}


def _read_one(store: Store, wanted: Wanted) -> SecretValue:
    answer = store.call("get_parameter", Name=str(wanted), WithDecryption=True)
    if "Parameter" not in answer:
        raise UnusableAnswer(Outcome.INVALID, "there is no parameter in the answer")
    if wanted.bare not in _names_of(answer["Parameter"]):
        raise UnusableAnswer(Outcome.INVALID, "AWS answered for another parameter")
    return _value(answer["Parameter"], wanted)


def _read_several(store: Store, batch: Sequence[Wanted]) -> Mapping[Wanted, Result]:
    answer = store.call("get_parameters", Names=[str(wanted) for wanted in batch], WithDecryption=True)
    if not answer.keys() & {"Parameters", "InvalidParameters"}:
        raise UnusableAnswer(Outcome.INVALID, "there are no parameters in the answer")
    found = {name: item for item in answer.get("Parameters", ()) for name in _names_of(item)}
    absent = {_bare(str(name)) for name in answer.get("InvalidParameters", ())}
    return {wanted: _result(wanted, found.get(wanted.bare), absent) for wanted in batch}


def _names_of(item: Mapping[str, Any]) -> set[str]:
    return {_bare(text_in(item, key)) for key in ("Name", "ARN") if item.get(key)}


def _result(wanted: Wanted, item: Mapping[str, Any] | None, absent: set[str]) -> Result:
    if item is None:
        return _absence(wanted) if wanted.bare in absent else UnusableAnswer(Outcome.INVALID, "AWS gave no answer")
    try:
        return _value(item, wanted)
    except UnusableAnswer as error:
        return error


def _absence(wanted: Wanted) -> UnusableAnswer:
    unrooted = "/" in wanted.name and not wanted.name.startswith(("/", "arn:"))
    why = f"; {HINT_OF_PATHS}" if unrooted else ""
    return UnusableAnswer(Outcome.MISSING, f"AWS has none of this name{' and version' if wanted.pinned else ''}{why}")


def _value(item: Mapping[str, Any], wanted: Wanted) -> SecretValue:
    raw, version = item.get("Value"), str(item["Version"]) if item.get("Version") else None
    if not isinstance(raw, str):
        raise UnusableAnswer(Outcome.INVALID, "there is no text in the answer")
    if version is not None and not version.isdecimal():
        raise UnusableAnswer(Outcome.INVALID, "Version in the answer is no whole number")
    if wanted.version not in (None, version):
        raise UnusableAnswer(Outcome.INVALID, "AWS answered with another version")
    return SecretValue(raw, version=version, created=in_utc(item.get("LastModifiedDate")))
