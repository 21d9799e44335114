"""What the conformance suite has to know about a store, and how it asks a driver: just as the core does."""

# ruff: noqa: S101 - a suite is made of assertions
from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from contextlib import contextmanager
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

import pytest

from secretsource import clear_cache, registry
from secretsource.backend import Backend, Outcome, SecretValue
from secretsource.clock import Deadline
from secretsource.document import ABSENT, parse_json, pick

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from secretsource.ref import Ref

SECONDS: Final = 10.0
"""How long one `fetch_many` may take in the suite."""
SEVERAL: Final = 25  # more than one batch of any store holds

Answer: TypeAlias = str | bytes | Outcome
"""A value, or the outcome where there is none."""

_numbers = itertools.count(1)


class Ability(StrEnum):
    """What a store, or its harness, may be unable to do."""

    BINARY = "keeps bytes that are not text"
    VERSIONS = "keeps old versions, which a ref can pin"
    EMPTY = "keeps an empty value"
    BATCH = "gives many secrets in fewer calls than there are secrets"
    ONE_CALL = "gives one secret in one call"
    LARGE = "keeps a value of 20 kB"
    UNICODE = "keeps text of every alphabet"
    WHITESPACE = "keeps blanks and line ends at both ends of a value"
    DENIED = "can refuse one name"
    UNAUTHENTICATED = "can refuse a login"
    THROTTLED = "can ask for fewer requests"
    CUT = "can drop the connection"
    SLOW = "can hold its answer back"
    INACTIVE = "can have a secret that is disabled or destroyed"
    INVALID = "can answer with something unusable"
    FORK = "can be used by a forked process"


FAULTS: Final[Mapping[Ability, Outcome]] = {
    Ability.DENIED: Outcome.DENIED,
    Ability.UNAUTHENTICATED: Outcome.UNAUTHENTICATED,
    Ability.THROTTLED: Outcome.THROTTLED,
    Ability.CUT: Outcome.UNAVAILABLE,
    Ability.INACTIVE: Outcome.INACTIVE,
    Ability.INVALID: Outcome.INVALID,
}
"""The outcome that each fault has to come to."""


class Harness(ABC):
    """How the suite reaches one store. Subclasses fill in the methods; fixtures come in through an autouse fixture.

    Attributes:
        cannot: The abilities that are not there, each with the reason; their tests are skipped with it.
        sdk: Top-level modules, beside the well-known SDKs, that must not be imported before the first lookup.
    """

    cannot: ClassVar[Mapping[Ability, str]] = {}
    sdk: ClassVar[Sequence[str]] = ()

    def __init_subclass__(cls, **options: object) -> None:
        """Refuse a suite with a method missing: pytest passes over an abstract class without a word."""
        super().__init_subclass__(**options)
        missing = [name for name in _TO_FILL_IN if getattr(getattr(cls, name), "__isabstractmethod__", False)]
        if missing and cls.__name__.startswith("Test") and getattr(cls, "__test__", True):
            raise TypeError(
                f"{cls.__name__} has no {', '.join(missing)}: fill in what is missing, or, where it is only the base of"
                " other suites, give it a name that does not begin with Test"
            )

    @abstractmethod
    def make_backend(self) -> Backend:
        """A new backend object. Making it makes no call."""

    @abstractmethod
    def ref(self, name: str, *, version: str | None = None) -> Ref:
        """Where `name` lives in this store, with a key if the store needs one."""

    @abstractmethod
    def put(self, name: str, value: str | bytes) -> str | None:
        """Write a value straight into the store, not through the backend.

        Returns:
            The new version, if the store has versions.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Make a name absent."""

    def failing(self, name: str, outcome: Outcome) -> AbstractContextManager[None]:
        """While inside, the store answers so for this name; UNAVAILABLE is a connection that is cut."""
        fault = next(ability for ability in FAULTS if FAULTS[ability] is outcome)
        raise self._not_filled_in(f"failing({name!r}, {outcome})", fault)

    def slow(self, name: str, seconds: float) -> AbstractContextManager[None]:
        """While inside, the store takes so many seconds to answer for this name."""
        raise self._not_filled_in(f"slow({name!r}, {seconds})", Ability.SLOW)

    def calls(self) -> int:
        """Requests that the store has seen so far; 0 for ever where there are none."""
        return 0

    def _not_filled_in(self, what: str, ability: Ability) -> TypeError:
        """What to say of a harness that does not do what a test needs."""
        return TypeError(
            f"{type(self).__name__} has no {what}: fill it in, or name Ability.{ability.name} in `cannot`, with the"
            " reason"
        )

    # what the suite does with it

    @cached_property
    def made(self) -> list[Backend]:
        """The backends that this test has made."""
        return []

    @pytest.fixture(autouse=True)
    def _close_backends(self) -> Iterator[None]:
        yield
        for backend in self.made:
            backend.close()

    def new_backend(self) -> Backend:
        """A new backend, which is closed when the test is over."""
        self.made.append(self.make_backend())
        return self.made[-1]

    def need(self, ability: Ability) -> None:
        """Skip the test, with the reason, if the store is not able to do this."""
        if ability in self.cannot:
            pytest.skip(f"{ability.name}: {self.cannot[ability]}")

    def can(self, *abilities: Ability) -> list[Ability]:
        """Those of the abilities that the store has."""
        return [ability for ability in abilities if ability not in self.cannot]

    def new_name(self) -> str:
        """A name that is not in use: lower-case letters and digits, which every store allows."""
        return f"conformance{next(_numbers)}"

    def stored(self, value: str | bytes) -> str:
        """A new name that holds this value."""
        name = self.new_name()
        self.put(name, value)
        return name

    def fetch(
        self, backend: Backend, refs: Sequence[Ref], seconds: float = SECONDS
    ) -> Mapping[Ref, SecretValue | Exception]:
        """What the driver hands back for these refs, an error of the whole call for each of them."""
        documents = list(dict.fromkeys(ref.document for ref in refs))
        try:
            answers = backend.fetch_many(documents, Deadline(seconds))
        except Exception as error:  # noqa: BLE001 - what it means is the backend's to say
            return dict.fromkeys(documents, error)
        assert set(answers) <= set(documents), "an answer to a question that was not asked"
        return answers

    def ask(self, backend: Backend, *refs: Ref, seconds: float = SECONDS) -> list[Answer]:
        """What one batch says of each ref."""
        answers = self.fetch(backend, refs, seconds)
        return [_judge(backend, answers.get(ref.document), ref.key) for ref in refs]

    def read(self, backend: Backend, name: str) -> Answer:
        """What the backend says of one name."""
        return self.ask(backend, self.ref(name))[0]


_TO_FILL_IN: Final = ("make_backend", "ref", "put", "delete")


@contextmanager
def answering(backend: Backend) -> Iterator[None]:
    """While inside, this backend is the one that `secretsource.get` asks for its scheme, with an empty cache."""
    clear_cache()
    with registry.standing_in({backend.scheme: backend}.get):
        yield
    clear_cache()


def _judge(backend: Backend, answer: SecretValue | Exception | None, key: str | None) -> Answer:
    if answer is None:
        return Outcome.MISSING
    if isinstance(answer, Exception):
        outcome = backend.classify(answer)
        assert isinstance(outcome, Outcome)
        assert outcome is not Outcome.FOUND, "an error is never FOUND"
        return outcome
    raw = answer.raw
    found = raw if key is None else pick(parse_json(raw) if isinstance(raw, str | bytes) else raw, key)
    if found is ABSENT:
        return Outcome.MISSING
    assert isinstance(found, str | bytes)
    return found
