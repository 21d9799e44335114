"""`memory://`: values in this process, for tests."""

from __future__ import annotations

import pytest

from secretsource.backend import Outcome, SecretValue
from secretsource.backends.memory import MemoryBackend
from secretsource.clock import Deadline
from secretsource.ref import Ref


def read(backend: MemoryBackend, location: str, version: str | None = None) -> SecretValue | Exception | None:
    ref = Ref("memory", location, {"version": version} if version else {})
    return backend.fetch_many([ref], Deadline(1)).get(ref)


def raw(backend: MemoryBackend, location: str, version: str | None = None) -> object:
    answer = read(backend, location, version)
    assert isinstance(answer, SecretValue)
    return answer.raw


def test_those_made_without_values_share_one_store() -> None:
    """What a test sets on one is what every `memory://` ref finds."""
    MemoryBackend().set("shop/db", "value")
    assert raw(MemoryBackend(), "shop/db") == "value"


def test_one_made_with_values_keeps_to_itself() -> None:
    """Even if there are none."""
    MemoryBackend().set("shop/db", "shared")
    own, empty = MemoryBackend({"shop/db": "own"}), MemoryBackend({})
    assert raw(own, "shop/db") == "own"
    assert read(empty, "shop/db") is None


def test_versions_are_counted() -> None:
    """Each value is a new version; the newest is the one without a version."""
    backend = MemoryBackend({})
    assert [backend.set("key", "first"), backend.set("key", "second")] == ["1", "2"]
    assert [raw(backend, "key", "1"), raw(backend, "key", "2"), raw(backend, "key")] == ["first", "second", "second"]
    assert read(backend, "key", "3") is None


def test_versions_may_be_named() -> None:
    """A version that is set again is the newest again."""
    backend = MemoryBackend({})
    backend.set("key", "first", version="blue")
    backend.set("key", "second", version="green")
    backend.set("key", "third", version="blue")
    answer = read(backend, "key")
    assert isinstance(answer, SecretValue)
    assert (answer.raw, answer.version) == ("third", "blue")


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.FOUND])
def test_a_location_fails_as_told(outcome: Outcome) -> None:
    """Until it is told to be found again."""
    backend = MemoryBackend({"key": "value"})
    backend.fail("key", outcome)
    answer = read(backend, "key")
    assert isinstance(answer, Exception)
    assert backend.classify(answer) is outcome
    assert backend.advise(answer).detail == f"told to be {outcome}"
    backend.fail("key", Outcome.FOUND)
    assert raw(backend, "key") == "value"


def test_calls_are_noted() -> None:
    """One for each `fetch_many`, with the locations that it asked for."""
    backend = MemoryBackend({})
    backend.fetch_many([Ref("memory", "a"), Ref("memory", "b")], Deadline(1))
    read(backend, "c")
    assert backend.calls == (("a", "b"), ("c",))


def test_clear_forgets_everything() -> None:
    """Values, failures and calls."""
    backend = MemoryBackend({"key": "value"})
    backend.fail("key", Outcome.DENIED)
    backend.clear()
    assert read(backend, "key") is None
    assert backend.calls == (("key",),)


def test_deleting_what_is_not_there_is_fine() -> None:
    """It is absent, as was wanted."""
    MemoryBackend({}).delete("key")
