"""Stores for tests: they hold what a test puts in, fail as it says, and let no real backend be called."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from secretsource.access import CACHE
from secretsource.backend import Advice, Backend, Outcome, SecretValue
from secretsource.clock import Clock
from secretsource.document import dump_json, parse_json
from secretsource.live.refresher import REFRESHER
from secretsource.lookup import clear_cache
from secretsource.ref import Ref
from secretsource.registry import standing_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from secretsource.clock import Deadline

REAL: Final = frozenset({"env"})
"""The schemes that stay as they are: a test sets variables as it always does."""


class TestClock(Clock):
    """Time that passes when a test says so."""

    __test__ = False

    def __init__(self) -> None:
        self._monotonic, self._wall = super().monotonic(), super().time()

    def monotonic(self) -> float:
        """Seconds; they pass by `advance` alone."""
        return self._monotonic

    def time(self) -> float:
        """Seconds since the epoch; they pass by `advance` alone."""
        return self._wall

    def sleep(self, seconds: float) -> None:
        """Let time pass, without waiting."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass, without waiting."""
        self._monotonic += seconds
        self._wall += seconds


class ToldToFail(Exception):
    """What a store was told to answer."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.name)


class Stores:
    """What all stores hold, in a test. Its `repr` shows no value.

    Attributes:
        clock: The cache's clock: `clock.advance(300)` lets five minutes pass.
        calls: The secrets that were asked for, in order, as refs without keys.
    """

    def __init__(self) -> None:
        self.clock = TestClock()
        self.calls: list[str] = []
        self._contents: dict[tuple[str, str], tuple[object, int]] = {}
        self._failures: dict[tuple[str, str], Outcome] = {}
        self._backends: dict[str, _FakeBackend] = {}

    def set(self, ref: str, value: Any) -> None:
        """Put a value where a ref points; with a `#key`, beside the other keys of that secret.

        Args:
            ref: Such as `vault://kv/shop#password`.
            value: Text or bytes; anything else is put in as JSON.
        """
        place, key = _place(ref)
        held, version = self._contents.get(place, (None, 0))
        if key is not None:
            held = {**(held if isinstance(held, dict) else {}), key: value}
        else:
            held = value if isinstance(value, str | bytes | dict) else dump_json(value)
        self._contents[place] = held, version + 1
        self._failures.pop(place, None)

    def rotate(self, ref: str, value: Any) -> None:
        """Put a new version, and have it noticed: the next load finds it, and every Live object has followed.

        To see what happens before it is noticed, use `set` and `clock.advance`.
        """
        self.set(ref, value)
        clear_cache()
        REFRESHER.refresh_all()

    def fail(self, ref: str, outcome: Outcome) -> None:
        """Answer so from now on for the secret that a ref is in, until it is set again."""
        self._failures[_place(ref)[0]] = outcome

    def backend(self, scheme: str) -> Backend | None:
        """What stands in for a scheme, or None for one that stays real."""
        if scheme in REAL:
            return None
        return self._backends.setdefault(scheme, _FakeBackend(scheme, self))

    def answer(self, ref: Ref) -> SecretValue | Exception | None:
        """What the store says of a whole secret."""
        place = ref.scheme, ref.location
        self.calls.append(str(ref))
        if place in self._failures:
            return ToldToFail(self._failures[place])
        if place not in self._contents:
            return None
        held, version = self._contents[place]
        return SecretValue(parse_json(dump_json(held)) if isinstance(held, dict) else held, version=str(version))  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<Stores with {len(self._contents)} secrets>"


class _FakeBackend(Backend):
    """Stands in for one scheme's backend."""

    def __init__(self, scheme: str, stores: Stores) -> None:
        self.scheme = scheme  # type: ignore[misc]  # each object stands in for another scheme
        self.local = scheme in ("dotenv", "file")  # type: ignore[misc]
        self._stores = stores

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:  # noqa: ARG002
        """What the test has put there."""
        answers = {ref: self._stores.answer(ref) for ref in refs}
        return {ref: answer for ref, answer in answers.items() if answer is not None}

    def classify(self, error: Exception) -> Outcome:
        """What the test has said."""
        return error.outcome if isinstance(error, ToldToFail) else Outcome.UNAVAILABLE

    def advise(self, error: Exception) -> Advice:  # noqa: ARG002
        """That it was said."""
        return Advice("the test says so")


def _place(text: str) -> tuple[tuple[str, str], str | None]:
    ref = Ref.parse(text, schemes=[text.partition("://")[0]])
    return (ref.scheme, ref.location), ref.key


@contextmanager
def stores() -> Iterator[Stores]:
    """While inside, all stores are a test's own, the cache is empty, and time stands still."""
    fake, before = Stores(), CACHE.clock
    clear_cache()
    CACHE.clock = fake.clock
    try:
        with standing_in(fake.backend):
            yield fake
    finally:
        CACHE.clock = before
        clear_cache()


@contextmanager
def override(values: Mapping[str, Any]) -> Iterator[Stores]:
    """While inside, these refs have these values, and every other store is empty.

    >>> import secretsource
    >>> with override({"vault://kv/pay#stripe": "for a test"}):
    ...     secretsource.get("vault://kv/pay#stripe")
    'for a test'

    Args:
        values: What to find, by ref.
    """
    with stores() as fake:
        for ref, value in values.items():
            fake.set(ref, value)
        yield fake
