"""One ref, resolved by hand, through the same cache as the settings classes. No pydantic in here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from secretsource.access import CACHE, Access
from secretsource.clock import Deadline
from secretsource.concurrency import in_background
from secretsource.document import as_bytes, as_text
from secretsource.errors import Outcome, error_for
from secretsource.redaction import remember
from secretsource.ref import Ref
from secretsource.resolver import Question, Step, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT: Final = 10.0
_ABSENT: Final = "it does not exist"

T = TypeVar("T")


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
        SecretNotFound: The store says that it does not exist.
        BackendError: The lookup failed; the class says how.
    """
    return _value_of(ref, as_text, timeout)


def get_bytes(ref: str | Ref, *, timeout: float = TIMEOUT) -> bytes:
    """Resolve one ref to bytes; text comes as UTF-8. Arguments and errors are those of `get`."""
    return _value_of(ref, as_bytes, timeout)


async def aget(ref: str | Ref, *, timeout: float = TIMEOUT) -> str:  # noqa: ASYNC109 - the load's own deadline
    """Await `get`, which runs in a thread of its own meanwhile."""
    return await in_background(lambda: get(ref, timeout=timeout))


def _value_of(ref: str | Ref, accept: Callable[[object], T], timeout: float) -> T:
    question = look_up(ref if isinstance(ref, Ref) else Ref.parse(ref), accept=accept, timeout=timeout)
    answer: Any = question.answer
    if answer.outcome is Outcome.FOUND:
        remember(answer.value)
        value: T = answer.value
        return value
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
    resolve([question], Access(), Deadline(timeout, CACHE.clock))
    return question


def clear_cache() -> None:
    """Forget every value in this process; the next load asks the stores anew."""
    CACHE.clear()
