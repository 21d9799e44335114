"""One ref, resolved by hand, through the same cache as the settings classes. No pydantic in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from secretsource.access import CACHE, Access, seconds_to_answer, ttl_of
from secretsource.cache import CachePolicy
from secretsource.clock import Deadline
from secretsource.concurrency import in_background
from secretsource.document import as_bytes, as_text
from secretsource.errors import Outcome, error_for
from secretsource.question import Question, Step
from secretsource.redaction import remember
from secretsource.ref import Ref
from secretsource.registry import backend_for, whose
from secretsource.resolver import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from secretsource.cache import Entry
    from secretsource.question import Answer

TIMEOUT: Final = 10.0
_ABSENT: Final = "it does not exist"
_OFTEN: Final = 100  # reads within a second
_MOMENT: Final = 0.001  # seconds

T = TypeVar("T")


class _Warm(Generic[T]):
    """A value that came out of the cache, with all that has to be as it was for it to come again.

    Whether that is so is looked up at each read: the cache has not changed, the value is fresh, and it is the same
    backend's answer to the same login. The last costs most, as every environment variable that decides it is read. So
    a value that is read often is not checked again within the next moment, in which only the cache is watched.
    """

    __slots__ = (
        "_backend",
        "_document",
        "_entry",
        "_identity",
        "_reads",
        "_since",
        "_ttl",
        "revision",
        "until",
        "value",
    )

    def __init__(self, ref: Ref, value: T, entry: Entry, revision: int, identity: Hashable) -> None:
        self.value, self.revision = value, revision
        self.until = 0.0
        self._backend, self._document, self._identity = backend_for(ref.scheme), ref.document, identity
        self._entry, self._ttl = entry, ttl_of(ref)
        self._since, self._reads = 0.0, 0

    def holds(self) -> bool:
        """Whether the cache would give this value now."""
        same = (
            self.revision == CACHE.revision
            and self._entry.fresh(CACHE.clock, _POLICY, self._ttl)
            and backend_for(self._document.scheme) is self._backend
            and self._backend.identity(self._document) == self._identity
        )
        if same:
            self._note_read(CACHE.clock.monotonic())
        return same

    def _note_read(self, now: float) -> None:
        if now - self._since > 1:
            self._since, self._reads = now, 0
        self._reads += 1
        if self._reads > _OFTEN:
            self.until = now + _MOMENT


_POLICY: Final = CachePolicy()
_texts: Final[dict[str, _Warm[str]]] = {}
_bytes: Final[dict[str, _Warm[bytes]]] = {}


def get(ref: str | Ref, *, timeout: float = TIMEOUT) -> str:
    """Resolve one ref to text.

    >>> import os; os.environ["SHOP_DEBUG"] = "true"
    >>> get("env://SHOP_DEBUG")
    'true'

    Args:
        ref: Such as `vault://kv/pay#stripe`.
        timeout: Seconds that it may take at most.

    Raises:
        InvalidRef: It is not a ref.
        ConfigurationError: The timeout is none.
        SecretNotFound: The store says that it does not exist.
        BackendError: The lookup failed; the class says how.
    """
    warm = _texts.get(ref) if isinstance(ref, str) else None
    if warm is not None and warm.revision == CACHE.revision and CACHE.clock.monotonic() < warm.until:
        return warm.value
    return _value_of(ref, as_text, timeout, _texts)


def get_bytes(ref: str | Ref, *, timeout: float = TIMEOUT) -> bytes:
    """Resolve one ref to bytes; text comes as UTF-8. Arguments and errors are those of `get`."""
    return _value_of(ref, as_bytes, timeout, _bytes)


async def aget(ref: str | Ref, *, timeout: float = TIMEOUT) -> str:  # noqa: ASYNC109 - the load's own deadline
    """Await `get`, which runs in a thread of its own meanwhile."""
    return await in_background(lambda: get(ref, timeout=timeout))


def _value_of(ref: str | Ref, accept: Callable[[object], T], timeout: float, known: dict[str, _Warm[T]]) -> T:
    warm = known.get(str(ref)) if isinstance(ref, str | Ref) else None
    if warm is not None and warm.holds():
        return warm.value
    parsed = ref if isinstance(ref, Ref) else Ref.parse(ref)
    revision, identity = CACHE.revision, _identity(parsed)
    answer: Any = _answer_to(parsed, accept, timeout)
    value: T = answer.value
    if answer.cached and answer.ref is parsed and identity == _identity(parsed):  # a pointer may point elsewhere soon
        known[str(ref)] = _Warm(parsed, value, answer.entry, revision, identity)
    return value


def _identity(ref: Ref) -> Hashable:
    return whose(backend_for(ref.scheme), [ref.document])[0]


def _answer_to(ref: Ref, accept: Callable[[object], object], timeout: float) -> Answer:
    question = look_up(ref, accept=accept, timeout=timeout)
    answer: Any = question.answer
    if answer.outcome is Outcome.FOUND:
        remember(answer.value)
        found: Answer = answer
        return found
    last = question.trail[-1]
    raise error_for(answer.outcome)(last.detail or _ABSENT, ref=last.ref, hint=answer.hint)


def look_up(
    ref: Ref, *, accept: Callable[[object], object] = lambda value: value, timeout: float = TIMEOUT
) -> Question:
    """Ask for one ref, and return the question with its answer and its trail, whatever the outcome.

    Raises:
        ConfigurationError: Wrong before anything is asked.
    """
    question = Question((str(ref),), [Step(ref, (ref.key,) if ref.key is not None else ())], accept)
    resolve([question], Access(), Deadline(seconds_to_answer(timeout), CACHE.clock))
    return question


def clear_cache() -> None:
    """Forget every value in this process; the next load asks the stores anew."""
    CACHE.clear()
    _texts.clear()
    _bytes.clear()
