"""`keyring://`: the keyring of the operating system."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import keyring
import pytest
from keyring import errors
from keyring.backends import fail, null
from keyring.backends.chainer import ChainerBackend

from secretsource.backend import Outcome, SecretValue
from secretsource.backends.keyring import KeyringBackend, PlaintextRefused, _outcomes
from secretsource.clock import Clock, Deadline
from secretsource.errors import MissingExtra
from secretsource.ref import Ref
from tests.servers.keyrings import MemoryKeyring

REF = Ref("keyring", "shop/db")


class PlaintextKeyring(MemoryKeyring):
    """Named as those of keyrings.alt that keep passwords in the clear."""


class Derived(PlaintextKeyring):
    """One that is made from such a keyring is no better."""


class Chain(ChainerBackend):
    backends: list[MemoryKeyring] = []  # noqa: RUF012 - as in the base


@pytest.fixture(autouse=True)
def _keep_the_keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def read(ref: Ref = REF) -> SecretValue | Exception | None:
    return KeyringBackend().fetch_many([ref], Deadline(1)).get(ref)


def raw(ref: Ref = REF) -> object:
    answer = read(ref)
    assert isinstance(answer, SecretValue)
    return answer.raw


def test_the_service_ends_at_the_first_slash(memory_keyring: MemoryKeyring) -> None:
    """`keyring://service/name`, where the name may hold slashes."""
    memory_keyring.set_password("shop", "db/password", "value")
    assert raw(Ref.parse("keyring://shop/db/password")) == "value"


@pytest.mark.parametrize("kind", [PlaintextKeyring, Derived])
def test_a_keyring_in_the_clear_is_refused(kind: type[MemoryKeyring]) -> None:
    """Its passwords are readable by whoever reads the file: INVALID, with what to do."""
    plain = kind()
    plain.set_password("shop", "db", "value")
    keyring.set_keyring(plain)
    with pytest.raises(PlaintextRefused) as caught:
        read()
    backend = KeyringBackend()
    assert backend.classify(caught.value) is Outcome.INVALID
    assert backend.advise(caught.value).hint == "uninstall keyrings.alt, or choose another"
    assert plain.calls == 0


@pytest.mark.parametrize("kind", [null.Keyring, fail.Keyring])
def test_no_keyring_is_unavailable(kind: type[null.Keyring | fail.Keyring]) -> None:
    """The null keyring says None to everything: that is not taken for "missing"."""
    keyring.set_keyring(kind())
    with pytest.raises(errors.NoKeyringError) as caught:
        read()
    backend = KeyringBackend()
    assert backend.classify(caught.value) is Outcome.UNAVAILABLE
    assert backend.advise(caught.value).detail == "this machine has no keyring"


def test_in_a_chain_only_the_trusted_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """keyring chains all that it finds; the one in the clear is passed over, even if it alone has the password."""
    plain, first, second = PlaintextKeyring(), MemoryKeyring(), MemoryKeyring()
    monkeypatch.setattr(Chain, "backends", [plain, first, second])
    keyring.set_keyring(Chain())  # type: ignore[no-untyped-call]  # keyring is typed in parts
    plain.set_password("shop", "db", "clear")
    assert read() is None
    second.set_password("shop", "db", "value")
    assert raw() == "value"
    assert (plain.calls, first.calls, second.calls) == (0, 2, 2)


def test_a_locked_keyring_is_asked_once(memory_keyring: MemoryKeyring) -> None:
    """It may show a dialogue, and would show one for each name."""
    memory_keyring.outcome = Outcome.UNAUTHENTICATED
    refs = [Ref("keyring", f"shop/{number}") for number in range(5)]
    with pytest.raises(errors.KeyringLocked):
        KeyringBackend().fetch_many(refs, Deadline(1))
    assert memory_keyring.calls == 1


@pytest.mark.parametrize("name", ["nowhere.Keyring", "keyring.backends.fail.Nobody", "word"])
def test_a_keyring_that_cannot_be_loaded_says_where_it_is_chosen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The variable names a module, or a class, that is not there; the package raises what Python raises."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)
    monkeypatch.setattr("keyring.core._keyring_backend", None)
    with pytest.raises((ImportError, AttributeError, ValueError)) as caught:
        read()
    backend = KeyringBackend()
    assert backend.classify(caught.value) is Outcome.UNAVAILABLE
    advice = backend.advise(caught.value)
    assert advice.detail == f"the keyring fails ({caught.type.__name__})"
    assert "PYTHON_KEYRING_BACKEND" in str(advice.hint)


def test_past_the_deadline_nobody_is_asked(memory_keyring: MemoryKeyring) -> None:
    """What is left over is UNAVAILABLE, not missing."""
    answer = KeyringBackend().fetch_many([REF], Deadline(0, Clock()))[REF]
    assert isinstance(answer, TimeoutError)
    assert KeyringBackend().advise(answer).detail == "no time is left to ask the keyring"
    assert memory_keyring.calls == 0


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra brings it."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingExtra, match=r"pip install 'secretsource\[keyring\]'"):
        read()


def test_the_table_covers_every_error_of_the_package() -> None:
    """An error class that keyring gains has to find its outcome."""
    theirs = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert theirs == set(_outcomes()) - {PlaintextRefused}
