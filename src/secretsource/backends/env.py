"""`env://NAME`: an environment variable; or the file that `NAME_FILE` points to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from secretsource.backend import Advice, Backend, Outcome, SecretValue
from secretsource.backends._files import UnfitFile, advice_on, outcome_of, read_each, read_secret_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secretsource.clock import Deadline
    from secretsource.ref import Ref


class EnvBackend(Backend):
    """Reads the variable of exactly this name.

    Where it is not set, and a variable of that name with `_FILE` after it is, the value is what that file holds (one
    line end at its end goes). This is how images such as postgres take their passwords. A `NAME_FILE` whose file is
    not there is INVALID: somebody meant to give a value.
    """

    scheme = "env"
    local = True
    secret = False

    def fetch_many(self, refs: Sequence[Ref], deadline: Deadline) -> Mapping[Ref, SecretValue | Exception]:  # noqa: ARG002 - nobody has to be waited for
        """Look each name up."""
        return read_each(refs, lambda ref: _look_up(ref.location))

    def classify(self, error: Exception) -> Outcome:
        """Errors come from a file that a `NAME_FILE` points to: by the table in `_files`."""
        return outcome_of(error)

    def advise(self, error: Exception) -> Advice:
        """What is wrong with the file, and what to do."""
        return advice_on(error)


def _look_up(name: str) -> SecretValue | None:
    text = os.environ.get(name)
    if text is not None:
        return SecretValue(as_given(text))
    path = os.environ.get(f"{name}_FILE")
    return _from_file(f"{name}_FILE", path) if path else None


def as_given(text: str) -> str | bytes:
    """Python puts surrogates in the place of what is not UTF-8; this gives such a value back as the bytes it was."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def _from_file(variable: str, path: str) -> SecretValue:
    try:
        return read_secret_file(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    raise UnfitFile(f"{variable} names a file that is not there", f"mount that file, or unset {variable}")
