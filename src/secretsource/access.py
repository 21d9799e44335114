"""Access: how one load reaches the stores. Backends by scheme, through the cache, with one retry layer."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from secretsource.backend import Advice, Backend, Leasing, SecretValue
from secretsource.cache import CachePolicy, Entry, Failure, Key, MemoryCache, Renew, Reply
from secretsource.clock import Deadline
from secretsource.document import check_size
from secretsource.errors import BackendError, ConfigurationError, InvalidSecret, Outcome, joined
from secretsource.forks import first_use
from secretsource.leases import prolong_leases, revoke_leases, tend
from secretsource.registry import backend_for, check_options, whose

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

    from secretsource.cache import Pending
    from secretsource.question import Names
    from secretsource.ref import Ref

CACHE: Final = MemoryCache()
"""The one cache of this process."""

os.register_at_fork(after_in_child=CACHE.after_fork)

_AT_ONCE: Final = 60.0  # seconds; a local backend needs no time, and gets a deadline only because the contract has one
_CARRY_HOME: Final = 0.1  # seconds kept back from a backend's deadline, so that its partial results still arrive
_SECOND_TRY_AFTER: Final = (0.1, 0.5)  # seconds, drawn evenly: many clients must not come back at the same moment


_NOT_READ: Final = Reply(Entry(None, 0.0, 0.0))


@dataclass(slots=True, eq=False)
class Access:
    """How one load reaches the stores.

    Attributes:
        own: The user's own backends, by scheme.
        policy: How old a cached value may be.
        on_denied: What DENIED means for the chain.
        on_unavailable: What THROTTLED and UNAVAILABLE mean for the chain.
        names: The sources that go by a field's names, by their text.
        renew: What is asked for anew, beside what is no longer fresh.
        wanted: The secrets that were looked up, with the ttl that their refs ask for.
        closed: Whether no store is asked any more: what was not read yet counts as absent.
        production: Whether this is the profile in which an outage never falls to env, .env or a default.
    """

    own: Mapping[str, Backend] = field(default_factory=dict)
    policy: CachePolicy = field(default_factory=CachePolicy)
    on_denied: Literal["raise", "next"] = "raise"
    on_unavailable: Literal["raise", "next"] = "raise"
    closed: bool = False
    production: bool = False
    names: Mapping[str, Names] = field(default_factory=dict)
    renew: Renew = "expired"
    cache: MemoryCache = CACHE
    wanted: dict[Key, float | None] = field(default_factory=dict)
    _seen: dict[Key, Reply] = field(default_factory=dict)
    _read: dict[Ref, Entry | Failure] = field(default_factory=dict)
    _backends: dict[str, Backend] = field(default_factory=dict)

    def backend(self, scheme: str) -> Backend:
        """The backend for a scheme, the same for the whole load.

        Raises:
            UnknownBackend: Nobody answers to it.
        """
        if scheme not in self._backends:
            self._backends[scheme] = backend_for(scheme, self.own)
        return self._backends[scheme]

    def goes_on_after(self, outcome: Outcome) -> bool:
        """Whether the chain may go on after a failure."""
        if outcome is Outcome.DENIED:
            return self.on_denied == "next"
        return outcome.transient and self.on_unavailable == "next"

    def read_local(self, ref: Ref) -> Entry | Failure:
        """Read from a backend that answers at once, without cache or thread; once in a load."""
        backend, document = self.backend(ref.scheme), ref.document
        if document not in self._read:
            check_options(ref, backend)
            self._read |= _attempt(backend, [document], Deadline(_AT_ONCE, self.cache.clock))
        return self._read[document]

    def fetch(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, Reply]:
        """Read the secrets that these refs are in: each once, all backends at the same time.

        Raises:
            ConfigurationError: An SDK is not installed, or the like.
        """
        keys = self._keys(refs)
        if self.closed:
            return {ref: self._seen.get(key, _NOT_READ) for ref, key in keys.items()}
        wanted: dict[Key, float | None] = {}
        for ref, key in keys.items():
            if key not in self._seen:
                wanted[key] = _shorter(wanted.get(key), ttl_of(ref)) if ref.options else wanted.get(key)
        self.wanted.update(wanted)
        if self.renew == "ahead":
            prolong_leases(self._lessors(wanted), self.cache, self.policy, deadline)
        if held := self._look_up(wanted, deadline):
            self._look_up({key: wanted[key] for key in held}, deadline)
        return {ref: self._seen[key] for ref, key in keys.items()}

    def next_action(self) -> float | None:
        """Seconds until something has to be done about a secret that was looked up, or a login; None for never.

        What a backend has to do about its logins now is done.
        """
        kept = {key: ttl for key, ttl in self.wanted.items() if ttl is None or ttl > 0}
        times = [self.cache.next_action(key, ttl, self.policy) for key, ttl in kept.items()]
        backends = {id(backend): backend for key in self.wanted if (backend := self.backend(key.document.scheme))}
        return min([*times, *tend(backends.values(), self.cache.clock)], default=None)

    def _look_up(self, wanted: Mapping[Key, float | None], deadline: Deadline) -> set[Key]:
        """One lookup of every backend, and the keys that were held back until it is known whether a store is up."""
        pending = [self._begin(group, deadline) for group in _by_backend(wanted)]
        replies = {key: reply for group in pending for key, reply in self.cache.finish(group, deadline).items()}
        _raise_errors(reply.result for reply in replies.values())
        self._seen |= replies
        return {key for group in pending for key in group.held}

    def revoke_leases(self, in_use: Container[Key], deadline: Deadline) -> None:
        """Give back the leases of what was looked up, but for what is in use elsewhere."""
        given_up = [key for key in self.wanted if key not in in_use]
        revoke_leases(self._lessors(given_up), self.cache, deadline)

    def _lessors(self, keys: Iterable[Key]) -> dict[Key, Backend]:
        """Those of these secrets whose backends hand out leases."""
        backends = {key: self.backend(key.document.scheme) for key in keys}
        return {key: backend for key, backend in backends.items() if isinstance(backend, Leasing)}

    def _keys(self, refs: Sequence[Ref]) -> dict[Ref, Key]:
        by_scheme: dict[str, list[Ref]] = {}
        for ref in refs:
            by_scheme.setdefault(ref.scheme, []).append(ref)
        keys = {}
        for scheme, group in by_scheme.items():
            backend = self.backend(scheme)
            for ref in group:
                if ref.options:
                    check_options(ref, backend)
            origin = backend if scheme in self.own else scheme
            documents = [ref.document for ref in group]
            for ref, identity, document in zip(group, whose(backend, documents), documents, strict=True):
                keys[ref] = Key(origin, identity, document)
        return keys

    def _begin(self, wanted: Mapping[Key, float | None], deadline: Deadline) -> Pending:
        inner = deadline.sooner(min(_CARRY_HOME, deadline.remaining() / 10))

        def load(keys: Sequence[Key]) -> Mapping[Key, Entry | Failure]:
            backend = self.backend(keys[0].document.scheme)
            with first_use(backend, deadline.remaining()):
                results = ask(backend, [key.document for key in keys], inner)
            return {key: results[key.document] for key in keys}

        return self.cache.begin(wanted, load, deadline, self.policy, self.renew)


def _raise_errors(results: Iterable[Entry | Failure]) -> None:
    """Raise what is no answer of a store: all wrong configuration at once, or what would have ended a thread."""
    errors = [result.error for result in results if isinstance(result, Failure) and result.error is not None]
    configuration = [error for error in errors if isinstance(error, ConfigurationError)]
    if errors:
        raise joined(configuration) if configuration else errors[0]


def _shorter(one: float | None, other: float | None) -> float | None:
    """The shorter of two refs' own ttls for one secret."""
    given = [ttl for ttl in (one, other) if ttl is not None]
    return min(given, default=None)


def _by_backend(wanted: Mapping[Key, float | None]) -> list[dict[Key, float | None]]:
    groups: dict[object, dict[Key, float | None]] = {}
    for key, ttl in wanted.items():
        groups.setdefault(key.origin, {})[key] = ttl
    return list(groups.values())


def seconds_to_answer(timeout: object) -> float:
    """A timeout that somebody has given, checked.

    Raises:
        ConfigurationError: It is no number of seconds above 0.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        msg = "timeout is a number of seconds above 0"
        raise ConfigurationError(msg)
    return float(min(timeout, sys.float_info.max))


def ttl_of(ref: Ref) -> float | None:
    """The ttl (seconds) that a ref asks for, or None."""
    text = ref.options.get("ttl")
    return None if text is None else float(text)


def ask(backend: Backend, refs: Sequence[Ref], deadline: Deadline) -> dict[Ref, Entry | Failure]:
    """Ask a backend, and once more for what failed in passing, if there is time."""
    results = _attempt(backend, refs, deadline)
    again = [ref for ref, result in results.items() if isinstance(result, Failure) and result.outcome.transient]
    if again:
        pause = max(random.uniform(*_SECOND_TRY_AFTER), *(_retry_after(results[ref]) for ref in again))  # noqa: S311 - jitter
        if pause < deadline.remaining():
            deadline.clock.sleep(pause)
            results.update(_attempt(backend, again, deadline))
    return results


def _retry_after(result: Entry | Failure) -> float:
    return result.retry_after or 0.0 if isinstance(result, Failure) else 0.0


def _attempt(backend: Backend, refs: Sequence[Ref], deadline: Deadline) -> dict[Ref, Entry | Failure]:
    clock = deadline.clock
    start = clock.monotonic()
    answers: Mapping[Ref, SecretValue | Exception]
    try:
        answers = backend.fetch_many(refs, deadline)
    except Exception as error:  # noqa: BLE001 - the backend says what it means, see _judge
        answers = dict.fromkeys(refs, error)
    if not isinstance(answers, Mapping):
        fault = InvalidSecret(f"the backend handed back a {type(answers).__name__} in place of a mapping")
        answers = dict.fromkeys(refs, fault)
    milliseconds, wall = (clock.monotonic() - start) * 1000, clock.time()
    return {ref: _judge(backend, answers.get(ref), start, wall, milliseconds) for ref in refs}


def _judge(
    backend: Backend, answer: SecretValue | Exception | None, start: float, wall: float, milliseconds: float
) -> Entry | Failure:
    """Turn what a backend handed back into an entry or a failure. No SDK error goes beyond this point."""
    if isinstance(answer, Exception):
        failure = _failure(backend, answer, milliseconds)
        if failure.outcome is Outcome.MISSING:
            return Entry(None, start, wall, milliseconds, failure.detail)
        return failure
    if answer is None:
        return Entry(None, start, wall, milliseconds)
    if not isinstance(answer, SecretValue):
        return Failure(Outcome.INVALID, f"the backend handed back a {type(answer).__name__}", milliseconds=milliseconds)
    return _checked(answer, start, wall, milliseconds)


def _checked(value: SecretValue, start: float, wall: float, milliseconds: float) -> Entry | Failure:
    try:
        if isinstance(value.raw, str | bytes):
            check_size(value.raw)
    except InvalidSecret as error:
        return Failure(Outcome.INVALID, error.args[0], milliseconds=milliseconds)
    return Entry(value, start, wall, milliseconds)


def _failure(backend: Backend, error: Exception, milliseconds: float) -> Failure:
    if isinstance(error, ConfigurationError):
        return Failure(Outcome.INVALID, str(error), milliseconds=milliseconds, error=error)
    if isinstance(error, BackendError):
        return Failure(error.outcome, error.args[0], error.hint, error.retry_after, milliseconds)
    outcome, advice = _said(lambda: backend.classify(error)), _said(lambda: backend.advise(error))
    if not isinstance(outcome, Outcome) or outcome is Outcome.FOUND:
        detail = f"the backend cannot say what {type(error).__name__} means"
        return Failure(Outcome.INVALID, detail, milliseconds=milliseconds)
    if not isinstance(advice, Advice):  # the outcome counts all the same: one that is denied is not served on
        advice = Advice()
    return Failure(outcome, advice.detail or type(error).__name__, advice.hint, advice.retry_after, milliseconds)


def _said(say: Callable[[], object]) -> object:
    """What a driver says of an error, or None where it fails at that."""
    try:
        return say()
    except Exception:  # noqa: BLE001 - it is somebody else's code, and its error may hold anything
        return None
