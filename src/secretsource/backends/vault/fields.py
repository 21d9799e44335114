"""The fields of an answer, each taken only as what Vault itself sends there."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self

from secretsource.document import Number
from secretsource.errors import InvalidSecret

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_VAULT: Final = "is it a Vault that answers at VAULT_ADDR?"
_LONGEST: Final = 2.0**33  # seconds; what Vault itself counts in holds no more


@dataclass(frozen=True, slots=True, repr=False)
class Fields:
    """A JSON object in an answer. What is not there, and what is null, counts as nothing said.

    Attributes:
        values: The object. Its numbers are `Number`s, as `parse_json` has them.
        where: What it is, to be named in errors.
    """

    values: Mapping[str, Any]
    where: str

    @classmethod
    def inside(cls, document: Mapping[str, Any], key: str, where: str) -> Self:
        """The object under a key.

        Raises:
            InvalidSecret: There is none. The other methods raise it too, where a field is of the wrong type.
        """
        values = document.get(key)
        if not isinstance(values, dict):
            raise _wrong(key, where, "no JSON object")
        return cls(values, where)

    def seconds(self, key: str) -> float:
        """For how long something holds; zero where nothing is said."""
        said = self.values.get(key)
        seconds = 0.0 if said is None else float(said) if isinstance(said, Number) else math.nan
        if not 0 <= seconds <= _LONGEST:
            raise _wrong(key, self.where, "no number of seconds")
        return seconds

    def flag(self, key: str) -> bool:
        """Whether something is so."""
        said = self.values.get(key)
        if said not in (None, True, False):
            raise _wrong(key, self.where, "neither true nor false")
        return said is True

    def text(self, key: str) -> str:
        """A text, or an empty one."""
        said = self.values.get(key)
        if said is not None and type(said) is not str:  # a Number is a str too
            raise _wrong(key, self.where, "no text")
        return said or ""

    def whole(self, key: str) -> str | None:
        """The digits of a whole number."""
        said = self.values.get(key)
        if said is not None and not (isinstance(said, Number) and re.fullmatch("[0-9]{1,20}", said)):
            raise _wrong(key, self.where, "no whole number")
        return None if said is None else str(said)

    def moment(self, key: str) -> datetime | None:
        """A time."""
        said, moment = self.text(key), None
        with suppress(ValueError, OverflowError):  # their texts hold what was said
            moment = datetime.fromisoformat(said).astimezone(UTC) if said else None
        if said and moment is None:
            raise _wrong(key, self.where, "no time")
        return moment


def can_be_sent(text: str) -> bool:
    """Whether a text can go into a header."""
    return text.isascii() and text.isprintable()


def _wrong(key: str, where: str, what: str) -> InvalidSecret:
    return InvalidSecret(f"{key} in {where} is {what}", hint=NOT_VAULT)
