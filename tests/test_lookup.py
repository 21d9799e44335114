"""One ref by hand: `get`, `get_bytes`, and the cache they share with the classes."""

from __future__ import annotations

from typing import Any

import pytest

import secretsource
from secretsource import ConfigurationError, InvalidRef, InvalidSecret, SecretNotFound, UnknownBackend
from secretsource.backends.memory import MemoryBackend
from secretsource.ref import Ref


def test_a_ref_is_resolved_to_text_or_bytes() -> None:
    """Whole, by key, JSON as text, binary as bytes."""
    store = MemoryBackend()
    store.set("a", '{"k": "v", "n": 1.10, "o": {"x": [1]}}')
    store.set("b", b"\xff")
    assert secretsource.get("memory://a#k") == secretsource.get(Ref.parse("memory://a#k")) == "v"
    assert secretsource.get("memory://a#n") == "1.10"
    assert secretsource.get("memory://a#o") == '{"x": [1]}'
    assert secretsource.get("memory://a#o/x/0") == "1"
    assert secretsource.get_bytes("memory://b") == b"\xff"
    assert secretsource.get_bytes("memory://a#k") == b"v"
    with pytest.raises(InvalidSecret, match="not text"):
        secretsource.get("memory://b")


def test_a_value_is_read_once_and_forgotten_on_demand() -> None:
    """Until its ttl ends, or `clear_cache` is called."""
    store = MemoryBackend()
    store.set("a", "one")
    assert [secretsource.get("memory://a") for _ in range(3)] == ["one"] * 3
    store.set("a", "two")
    assert secretsource.get("memory://a") == "one"
    assert secretsource.get("memory://a?version=2") == "two"
    secretsource.clear_cache()
    assert secretsource.get("memory://a") == "two"
    assert store.calls == (("a",), ("a",), ("a",))


def test_ttl_zero_asks_every_time() -> None:
    """In the ref, for this one alone."""
    store = MemoryBackend()
    store.set("a", "one")
    assert secretsource.get("memory://a?ttl=0") == "one"
    store.set("a", "two")
    assert secretsource.get("memory://a?ttl=0") == "two"


def test_the_environment_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never cached, and a pointer is followed."""
    monkeypatch.setenv("X", "one")
    assert secretsource.get("env://X") == "one"
    monkeypatch.setenv("X", "two")
    assert secretsource.get("env://X") == "two"
    MemoryBackend().set("a", "ref+env://X")
    monkeypatch.setenv("X", "ref+memory://a")
    assert secretsource.get("env://X") == "ref+env://X"


@pytest.mark.parametrize("pointer", ["ref+", "ref+nonsense", "ref+vault://", "ref+not-a-real-password"])
def test_a_pointer_to_nowhere_is_invalid_and_not_quoted(pointer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be a password that happens to begin so."""
    monkeypatch.setenv("X", pointer)
    with pytest.raises(InvalidSecret, match="ref\\+") as caught:
        secretsource.get("env://X")
    assert pointer[4:] not in str(caught.value) or pointer == "ref+"


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 10**400])
def test_a_timeout_may_be_as_long_as_one_likes(timeout: float) -> None:
    """What is longer than any wait can be is as long as that."""
    MemoryBackend().set("a", "value")
    assert secretsource.get("memory://a", timeout=timeout) == "value"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "soon", None, True])
def test_a_timeout_that_is_none_is_refused(timeout: Any) -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match="timeout is a number of seconds above 0"):
        secretsource.get("memory://a", timeout=timeout)


def test_a_position_in_a_list_is_a_small_number() -> None:
    """Any other key is just not there."""
    MemoryBackend().set("list", '["a", "b"]')
    assert secretsource.get("memory://list#1") == "b"
    with pytest.raises(SecretNotFound):
        secretsource.get("memory://list#" + "9" * 5000)


@pytest.mark.parametrize(("ref", "kind"), [("nonsense", InvalidRef), ("nowhere://x", UnknownBackend)])
def test_what_is_wrong_before_anything_is_asked(ref: str, kind: type[Exception]) -> None:
    """The same errors as for a class."""
    with pytest.raises(kind):
        secretsource.get(ref)
