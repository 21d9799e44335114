"""`get` for the same ref again and again: quick, and never another answer than the cache's."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence

import pytest

import secretsource
from secretsource import SecretNotFound, lookup, registry
from secretsource.access import CACHE
from secretsource.backend import Backend, Outcome, SecretValue
from secretsource.ref import Ref
from tests.test_cache import FakeClock

REF = "tenants://db"
OFTEN = 1_000


class Tenants(Backend):
    """A store in which each tenant, whom the environment names, has a value of its own."""

    scheme = "tenants"

    def __init__(self) -> None:
        self.edition, self.there, self.reads, self.asked = "", True, 0, 0

    def fetch_many(self, refs: Sequence[Ref], deadline: object) -> Mapping[Ref, SecretValue | Exception]:
        self.reads += 1
        value = SecretValue(f"{os.environ['TENANT']}{self.edition}")
        return dict.fromkeys(refs, value) if self.there else {}

    def classify(self, error: Exception) -> Outcome:
        return Outcome.UNAVAILABLE

    def identity(self, ref: Ref) -> Hashable:
        self.asked += 1
        return os.environ["TENANT"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock of the process's cache."""
    clock = FakeClock()
    monkeypatch.setattr(CACHE, "clock", clock)
    return clock


@pytest.fixture
def store(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tenants]:
    """What answers to `tenants://`, with nothing in the cache; the tenant is a."""
    monkeypatch.setenv("TENANT", "a")
    secretsource.clear_cache()
    yield registry._backends.get("tenants", Tenants)  # type: ignore[misc]  # the pool holds all kinds
    registry._backends.drop("tenants")
    secretsource.clear_cache()


def read_often() -> str:
    """Read until nothing but the cache is looked at, and give what the last read gave."""
    return [secretsource.get(REF) for _ in range(OFTEN)][-1]


def test_what_is_read_often_is_handed_out_without_working_out_whose_it_is(store: Tenants) -> None:
    """That takes longer than all the rest."""
    assert read_often() == "a"
    assert (store.reads, store.asked < OFTEN / 4) == (1, True)


@pytest.mark.parametrize("reads", [1, 2, 3, 50])
def test_a_changed_environment_counts_from_the_next_read(
    store: Tenants, reads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text and bytes alike, there and back."""
    for tenant in ("a", "b", "a"):
        monkeypatch.setenv("TENANT", tenant)
        assert {secretsource.get(REF) for _ in range(reads)} == {tenant}
        assert {secretsource.get(Ref.parse(REF)) for _ in range(reads)} == {tenant}
        assert {secretsource.get_bytes(REF) for _ in range(reads)} == {tenant.encode()}
    assert store.reads == 2


def test_in_the_middle_of_a_hundred_reads_a_second_it_counts_a_millisecond_later(
    store: Tenants, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The most that a read can be behind."""
    read_often()
    monkeypatch.setenv("TENANT", "b")
    clock.sleep(0.001)
    assert (secretsource.get(REF), store.reads) == ("b", 2)


def test_a_value_past_its_ttl_is_read_anew(store: Tenants, clock: FakeClock) -> None:
    """However often it was read before."""
    read_often()
    store.edition = "-2"
    clock.sleep(300)
    assert (secretsource.get(REF), store.reads) == ("a-2", 2)


def test_a_wall_clock_past_the_ttl_counts_as_well(store: Tenants, clock: FakeClock) -> None:
    """As when the machine was suspended, and the other clock with it."""
    read_often()
    clock.wall += 300
    clock.now += 0.001
    secretsource.get(REF)
    assert store.reads == 2


def test_after_clear_cache_the_store_is_asked_at_once(store: Tenants) -> None:
    """In the same moment."""
    read_often()
    store.edition = "-2"
    secretsource.clear_cache()
    assert secretsource.get(REF) == "a-2"


def test_a_newer_value_in_the_cache_is_handed_out_at_once(store: Tenants, clock: FakeClock) -> None:
    """Whoever fetched it: here a ref to the same secret, with a shorter ttl."""
    read_often()
    clock.sleep(2)
    store.edition = "-2"
    read_often()
    assert secretsource.get(f"{REF}?ttl=1") == "a-2" == secretsource.get(REF)


def test_a_value_that_is_gone_is_not_handed_out_again(store: Tenants, clock: FakeClock) -> None:
    """Once its ttl has passed, and the grace in which a store may come round."""
    read_often()
    store.there = False
    clock.sleep(300)
    read_often()
    clock.sleep(30)
    for _ in range(2):
        with pytest.raises(SecretNotFound):
            secretsource.get(REF)


def test_a_pointer_is_followed_anew_each_time(store: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leads to is in the cache; where it leads is not."""
    monkeypatch.setenv("POINTER", f"ref+{REF}")
    assert {secretsource.get("env://POINTER") for _ in range(OFTEN)} == {"a"}
    monkeypatch.setenv("POINTER", "something else")
    assert (secretsource.get("env://POINTER"), store.reads) == ("something else", 1)


def test_what_is_kept_for_the_next_read_shows_no_value(store: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    """As nothing else does."""
    monkeypatch.setenv("TENANT", "not-a-real-secret")
    read_often()
    assert "not-a-real" not in f"{lookup._texts!r}"
