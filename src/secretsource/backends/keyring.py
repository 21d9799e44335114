"""`keyring://service/name`: the keyring of the operating system, through the `keyring` package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secretsource.backend import Advice, Backend, Outcome, SecretValue, needs_extra
from secretsource.errors import InvalidSecret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyring.backend import KeyringBackend as Keyring

    from secretsource.clock import Deadline
    from secretsource.ref import Ref

_PLAINTEXT = "PlaintextKeyring"  # keyrings.alt has several of this name; they write base64 into a file


class PlaintextRefused(Exception):
    """The only keyring there is keeps its passwords in the clear."""


class KeyringBackend(Backend):
    """Reads passwords of the keyring that the `keyring` package chooses (`PYTHON_KEYRING_BACKEND` and its config file).

    A keyring that keeps its passwords in the clear is refused, and one that keeps none (`null`, `fail`) is
    UNAVAILABLE, never "missing".
    """

    scheme = "keyring"

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:
        """Ask one name after the other: a keyring may show its owner a dialogue, and should not show ten.

        Raises:
            MissingExtra: The `keyring` package is not installed.
            keyring.errors.KeyringError: There is no keyring, or it stays locked.
            PlaintextRefused: There is only one that keeps passwords in the clear.
        """
        if not refs:
            return {}
        keyrings = _trusted_keyrings()
        answers: dict[Ref, SecretValue | Exception] = {}
        for ref in refs:
            answer = TimeoutError() if deadline.expired else _look_up(keyrings, ref)
            if answer is not None:
                answers[ref] = answer
        return answers

    def classify(self, error: Exception) -> Outcome:
        """By the table at the end of this file."""
        if isinstance(error, InvalidSecret):
            return error.outcome
        return next((outcome for kind, outcome in _outcomes().items() if isinstance(error, kind)), Outcome.UNAVAILABLE)

    def advise(self, error: Exception) -> Advice:
        """What to do about a keyring that is locked, in the clear or not there."""
        from keyring.errors import KeyringLocked, NoKeyringError

        if isinstance(error, InvalidSecret):
            return Advice(error.args[0], error.hint)
        if isinstance(error, PlaintextRefused):
            return Advice("the keyring keeps its passwords in the clear", "uninstall keyrings.alt, or choose another")
        if isinstance(error, KeyringLocked):
            return Advice("the keyring is locked", "unlock it: log in to the desktop session that it belongs to")
        if isinstance(error, NoKeyringError):
            return Advice("this machine has no keyring", "see `keyring --list-backends`")
        if isinstance(error, TimeoutError):
            return Advice("no time is left to ask the keyring")
        return Advice(
            f"the keyring fails ({type(error).__name__})", "see PYTHON_KEYRING_BACKEND and `keyring diagnose`"
        )


def _look_up(keyrings: Sequence[Keyring], ref: Ref) -> SecretValue | Exception | None:
    from keyring.errors import KeyringError, KeyringLocked

    if "version" in ref.options:
        return InvalidSecret("keyring has no versions", hint="leave ?version= out")
    service, _, name = ref.location.partition("/")
    try:
        found = (keyring.get_password(service, name) for keyring in keyrings)
        password = next((password for password in found if password is not None), None)
    except KeyringLocked:  # it stays locked for every other name
        raise
    except KeyringError as error:
        return error
    return None if password is None else SecretValue(password)


def _trusted_keyrings() -> list[Keyring]:
    """The keyring that is set, or those that it chains, without the ones in the clear.

    Raises:
        keyring.errors.NoKeyringError: There is none.
        PlaintextRefused: All of them are in the clear.
    """
    with needs_extra("keyring", "keyring"):
        import keyring
    from keyring.backends import fail, null
    from keyring.errors import NoKeyringError

    chosen = keyring.get_keyring()
    chain: Sequence[Keyring] = getattr(chosen, "backends", [chosen])
    real = [one for one in chain if not isinstance(one, null.Keyring | fail.Keyring)]
    if not real:
        raise NoKeyringError
    trusted = [one for one in real if not _in_the_clear(one)]
    if not trusted:
        raise PlaintextRefused
    return trusted


def _in_the_clear(keyring: Keyring) -> bool:
    return any(kind.__name__ == _PLAINTEXT for kind in type(keyring).__mro__)


def _outcomes() -> Mapping[type[Exception], Outcome]:
    from keyring import errors

    return {
        PlaintextRefused: Outcome.INVALID,
        errors.KeyringLocked: Outcome.UNAUTHENTICATED,
        errors.NoKeyringError: Outcome.UNAVAILABLE,
        errors.InitError: Outcome.UNAVAILABLE,
        errors.PasswordSetError: Outcome.UNAVAILABLE,
        errors.PasswordDeleteError: Outcome.UNAVAILABLE,
        errors.KeyringError: Outcome.UNAVAILABLE,
    }
