"""Stores for tests: they hold what a test puts in, fail as it says, and let no real backend be called."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from secretsource.access import CACHE
from secretsource.backend import Advice, Backend, Outcome, SecretValue
from secretsource.clock import Clock
from secretsource.document import dump_json, parse_json
from secretsource.errors import ConfigurationError, InvalidSecret
from secretsource.live.refresher import REFRESHER
from secretsource.lookup import clear_cache
from secretsource.plugins import plug_ins
from secretsource.ref import Ref, did_you_mean
from secretsource.registry import BUILT_IN, standing_in
from secretsource.testing.contents import whole, with_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from secretsource.clock import Deadline

_PATIENCE: Final = 30.0  # seconds
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
        """Go on at once: no time passes by itself."""

    def advance(self, seconds: float) -> None:
        """Let time pass, without waiting. Every `Live` that is due by then has refreshed when it returns."""
        self._monotonic += seconds
        self._wall += seconds
        for refresh in REFRESHER.refresh_due():
            refresh.wait(_PATIENCE)
        REFRESHER.wake()


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
        self._contents: dict[Ref, tuple[object, int]] = {}
        self._failures: dict[Ref, Outcome] = {}
        self._backends: dict[str, _FakeBackend] = {}

    def set(self, ref: str, value: Any) -> None:
        """Put a value where a ref points; with a `#key`, beside the other keys of that secret.

        Args:
            ref: Such as `vault://kv/shop#password`. With options, the value is for refs with the same options alone.
            value: Text or bytes; anything else is put in as JSON.

        Raises:
            ConfigurationError: Nothing stands in for the ref's scheme.
            TypeError: The value is of a kind that no store could hold there.
        """
        parsed = _parse(ref)
        document, key = parsed.document, parsed.key
        held, version = self._contents.get(document, self._contents.get(_plain(document), (None, 0)))
        self._contents[document] = whole(value) if key is None else with_key(held, key, value), version + 1
        self._failures.pop(document, None)

    def rotate(self, ref: str, value: Any) -> None:
        """Put a new version, and have it noticed: the next load finds it, and every Live object has followed.

        To see what happens before it is noticed, use `set` and `clock.advance`.
        """
        self.set(ref, value)
        clear_cache()
        REFRESHER.refresh_all()

    def fail(self, ref: str, outcome: Outcome) -> None:
        """Answer so from now on for the secret that a ref is in, until it is set again.

        Raises:
            ConfigurationError: Nothing stands in for the ref's scheme.
            TypeError: What it is told is no `Outcome`.
            ValueError: It is FOUND, which is no failure.
        """
        if not isinstance(outcome, Outcome):
            msg = f"fail() takes an Outcome, such as Outcome.DENIED, not a {type(outcome).__name__}"
            raise TypeError(msg)
        if outcome is Outcome.FOUND:
            msg = "FOUND is no failure; set() the secret again to end one"
            raise ValueError(msg)
        self._failures[_parse(ref).document] = outcome

    def backend(self, scheme: str) -> Backend | None:
        """What stands in for a scheme, or None for one that stays real."""
        if scheme in REAL:
            return None
        return self._backends.setdefault(scheme, _FakeBackend(scheme, self))

    def answer(self, ref: Ref) -> SecretValue | Exception | None:
        """What the store says of a whole secret: what its options were given, or else what it was given without."""
        self.calls.append(str(ref))
        for document in (ref, _plain(ref)):
            if document in self._failures:
                return ToldToFail(self._failures[document])
            if document in self._contents:
                held, version = self._contents[document]
                raw = parse_json(dump_json(held)) if isinstance(held, dict) else held
                return SecretValue(raw, version=str(version))  # type: ignore[arg-type]
        return _of_a_variable(ref)

    def warn_of_mistyped(self) -> None:
        """Warn of a scheme that looks like a mistyped one: the test put something there, and nobody asked for it."""
        unasked = {ref.scheme for ref in (*self._contents, *self._failures)} - {*self._backends, *BUILT_IN}
        for scheme in sorted(unasked):
            if (meant := did_you_mean(scheme, BUILT_IN)) and not plug_ins(scheme):
                warnings.warn(f"a test set {scheme}://, and nothing asked for it{meant}", stacklevel=3)

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

    def advise(self, error: Exception) -> Advice:
        """That it was said."""
        return Advice("the test says so") if isinstance(error, ToldToFail) else Advice()


def _parse(text: str) -> Ref:
    ref = Ref.parse(text, schemes=[text.partition("://")[0]])
    if ref.scheme in REAL:
        msg = f"nothing stands in for {ref.scheme}://: variables stay what they are; use pytest's monkeypatch.setenv"
        raise ConfigurationError(msg)
    return ref


def _plain(document: Ref) -> Ref:
    """The same place without options, which also speaks for refs with options that were given nothing themselves."""
    return Ref(document.scheme, document.location)


def _of_a_variable(ref: Ref) -> InvalidSecret | None:
    """What to say of a file that some `X_FILE` names: it is not read here, and whether it is there is not the point."""
    if ref.scheme != "file" or ref.location not in {path for name, path in os.environ.items() if _is_file(name)}:
        return None
    fault = "a variable names this file, and in this test nothing was set for it"
    return InvalidSecret(fault, hint=f"set({str(ref)!r}, ...): files are stood in for, too")


def _is_file(variable: str) -> bool:
    return variable.upper().endswith("_FILE")


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
        fake.warn_of_mistyped()


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
