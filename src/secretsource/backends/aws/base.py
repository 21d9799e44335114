"""What both services share: clients, threads, a second login, and the way from refs to questions and back."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from secretsource.backend import Advice, Backend, SecretValue
from secretsource.backends.aws.errors import BY_CODE, UnusableAnswer, advice_on, code_of, outcome_of
from secretsource.backends.aws.login import Login, Who, askers, logins, silence
from secretsource.concurrency import PerProcess, each_group
from secretsource.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    from botocore.awsrequest import AWSResponse

    from secretsource.clock import Deadline
    from secretsource.ref import Ref

    Result: TypeAlias = SecretValue | Exception

Q = TypeVar("Q")
"""What is asked for: a name with what goes with it. Several refs may ask the same."""

OPTIONS: Final = frozenset({"region", "profile", "role_arn", "endpoint_url"})
_ABOUT_ALL: Final = (Outcome.THROTTLED, Outcome.UNAVAILABLE, Outcome.UNAUTHENTICATED)


@dataclass(eq=False, slots=True)
class Store:
    """One service, as one asker sees it.

    Attributes:
        api: The SDK's client.
        login: What the client was made with.
        one_by_one: The right to ask for several at once is missing.
    """

    api: Any
    login: Login
    one_by_one: bool = False

    def __post_init__(self) -> None:
        self.api.meta.events.register("after-call", refuse_hollow)

    def call(self, operation: str, **arguments: Any) -> Any:
        """Call the SDK, with its wire logs off. What its parser makes of an answer that is none is an error of ours.

        Raises:
            UnusableAnswer: The answer is not JSON of the right shape, or there is none in it; or there is no login.
            Exception: The SDK's own errors.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        broken = ""
        self.login.refresh()
        with silence():
            try:
                return getattr(self.api, operation)(**arguments)
            except (BotoCoreError, ClientError):
                raise
            except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
                broken = type(error).__name__  # the error itself may hold the answer, and ends here
        raise UnusableAnswer(Outcome.INVALID, f"the answer is not one of AWS's ({broken})")


class AwsBackend(Backend, Generic[Q]):
    """The base of both backends."""

    options = OPTIONS
    service: ClassVar[str]
    """The SDK's name of the service."""
    address_variable: ClassVar[str]
    """The environment variable with the service's address."""

    def __init__(self) -> None:
        self._stores: PerProcess[Who, Store] = PerProcess()

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, Result]:  # noqa: D102 - as in Backend
        groups: dict[Who, list[Ref]] = {}
        for ref, asker in zip(refs, self.identities(refs), strict=True):
            groups.setdefault(asker, []).append(ref)
        results = each_group(lambda asker, refs: self._answers(asker, refs, deadline), groups, deadline)
        for result in results.values():
            if isinstance(result, Exception):
                result.__traceback__ = result.__cause__ = result.__context__ = None  # they may hold an answer
        return results

    def classify(self, error: Exception) -> Outcome:  # noqa: D102 - as in Backend
        return outcome_of(error)

    def advise(self, error: Exception) -> Advice:  # noqa: D102 - as in Backend
        return advice_on(error, self.service)

    def identity(self, ref: Ref) -> Who:
        """Region, address, profile, role, and a short hash of the key id in the environment."""
        return self.identities([ref])[0]

    def identities(self, refs: Sequence[Ref]) -> Sequence[Who]:
        """The same, with one look at the environment."""
        return askers(refs, self.address_variable)

    def close(self) -> None:  # noqa: D102 - as in Backend
        for store in self._stores.drain():
            logins.drop(store.login.asker, store.login)
            store.api.close()

    @abstractmethod
    def question(self, ref: Ref) -> Q:
        """What a ref asks for.

        Raises:
            UnusableAnswer: It asks for what cannot be.
        """

    @abstractmethod
    def ask(self, store: Store, questions: Sequence[Q], deadline: Deadline) -> Mapping[Q, Result]:
        """Put questions, each at most once; one whose answer is 'there is none' may be left out."""

    def _answers(self, asker: Who, refs: Sequence[Ref], deadline: Deadline) -> dict[Ref, Result]:
        questions: dict[Ref, Q] = {}
        answers: dict[Ref, Result] = {}
        for ref in refs:
            try:
                questions[ref] = self.question(ref)
            except UnusableAnswer as error:
                answers[ref] = error
        said = self._ask_logged_in(asker, list(dict.fromkeys(questions.values())), deadline)
        return answers | {ref: said[question] for ref, question in questions.items() if question in said}

    def _ask_logged_in(self, asker: Who, questions: Sequence[Q], deadline: Deadline) -> Mapping[Q, Result]:
        """Ask; and where the login is refused, once more if a new login finds other credentials."""
        if not questions:
            return {}
        store = self._store(asker)
        said = self.ask(store, questions, deadline)
        refused = [question for question, answer in said.items() if _refuses_login(answer)]
        fresh = self._logged_in_anew(asker, store) if refused else None
        return said if fresh is None else {**said, **self.ask(fresh, refused, deadline)}

    def _logged_in_anew(self, asker: Who, refused: Store) -> Store | None:
        """The same with other credentials than those that were refused, or None where there are no others."""
        self._forget(asker, refused)
        try:
            fresh = self._store(asker)
        except Exception:  # noqa: BLE001 - what is wrong with the login, the refusal says already
            return None
        return None if fresh.login.same_as(refused.login) else fresh

    def _forget(self, asker: Who, store: Store) -> None:
        self._stores.drop(asker, store)
        logins.drop(asker, store.login)

    def _store(self, asker: Who) -> Store:
        return self._stores.get(asker, lambda: self._connect(asker))

    def _connect(self, asker: Who) -> Store:
        login = logins.get(asker, lambda: Login(asker, self.scheme))
        try:
            api = login.client(self.service)
        except Exception:
            logins.drop(asker, login)  # what it lacks may be there the next time
            raise
        return Store(api, login)


def ask_in_batches(
    ask: Callable[[Sequence[Q]], Mapping[Q, Result]], batches: Sequence[Sequence[Q]], deadline: Deadline
) -> dict[Q, Result]:
    """Put several batches at once. The failure of a batch is the answer to each of its questions."""
    return each_group(lambda _, batch: ask(batch), dict(enumerate(batches)), deadline)


def in_batches(questions: Sequence[Q], size: int) -> list[Sequence[Q]]:
    """Questions in groups of at most `size`."""
    return [questions[start : start + size] for start in range(0, len(questions), size)]


def refuse_hollow(http_response: AWSResponse, parsed: Mapping[str, Any], **_: Any) -> None:
    """Look at an answer in which the SDK found nothing, and which it takes for a success all the same.

    Raises:
        UnusableAnswer: It was cut (UNAVAILABLE), or never was one of AWS's (INVALID).
    """
    if http_response.status_code >= HTTPStatus.MULTIPLE_CHOICES or parsed.keys() - {"ResponseMetadata"}:
        return
    body = http_response.content.strip()
    promised = http_response.headers.get("content-length")
    broken = body.startswith(b"{") and not body.endswith(b"}")
    if len(http_response.content) < int(promised) if promised else broken:
        raise UnusableAnswer(Outcome.UNAVAILABLE, "the answer was cut short")
    raise UnusableAnswer(Outcome.INVALID, "the answer is not one of AWS's" if body else "the answer is empty")


def text_in(answer: Mapping[str, Any], key: str) -> str:
    """A text in an answer. The SDK hands on whatever is in its place.

    Raises:
        UnusableAnswer: It is none.
    """
    text = answer[key]
    if not isinstance(text, str):
        raise UnusableAnswer(Outcome.INVALID, f"{key} in the answer is no text")
    return text


def in_utc(time: object) -> datetime | None:
    """The time that came with a value."""
    return time.astimezone(UTC) if isinstance(time, datetime) else None


def is_about_one(error: Exception) -> bool:
    """Whether a whole batch may have failed for the sake of one of its names, or for want of the right to batches."""
    outcome = outcome_of(error)
    return outcome is Outcome.DENIED or (code_of(error) in BY_CODE and outcome not in _ABOUT_ALL)


def may_not_batch(error: Exception) -> bool:
    """Whether it may be the operation for several at once that is refused; by AWS, and not by a proxy's page."""
    code = code_of(error)
    is_aws_s = code is not None and not code.isdecimal()  # where there is none in an answer, the SDK takes the status
    return is_aws_s and (outcome_of(error) is Outcome.DENIED or code == "UnknownOperationException")


def _refuses_login(answer: Result) -> bool:
    return isinstance(answer, Exception) and outcome_of(answer) is Outcome.UNAUTHENTICATED
