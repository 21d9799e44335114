"""Where the values of one settings object came from. No value is in here."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from secretsource.errors import Outcome
from secretsource.settings.leaves import leaves_by_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic_settings import BaseSettings

    from secretsource.cache import Entry
    from secretsource.question import Attempt, Question
    from secretsource.ref import Ref
    from secretsource.settings.explanation import Explanation, Resolution

Path = tuple[str, ...]


class _Origin(NamedTuple):
    """What is kept of one answer."""

    outcome: Outcome
    ref: Ref | None
    trail: Sequence[Attempt]
    version: str | None = None
    created: datetime | None = None
    expires: datetime | None = None
    fetched: float | None = None
    cached: bool = False
    content_type: str | None = None


_NOT_ASKED = _Origin(Outcome.MISSING, None, ())


class Record:
    """Where each leaf came from. It travels with the settings object, also in a pickle.

    Attributes:
        settings: The class's name.
        profile: The profile's name.
        secret_paths: The leaves that came out of a secret store.

    Args:
        settings_cls: The class.
        profile: The profile's name.
        questions: What was asked of the chain.
        secret_paths: See above.
        suppliers: For leaves that another source than the chain supplies: which.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        profile: str = "",
        questions: Iterable[Question] = (),
        secret_paths: frozenset[Path] = frozenset(),
        suppliers: Mapping[Path, str] = MappingProxyType({}),
    ) -> None:
        self.settings = settings_cls.__name__
        self.profile = profile
        self.secret_paths = secret_paths
        self._origins: dict[Path, _Origin] = {question.path: _origin(question) for question in questions}
        self._fields: Mapping[Path, tuple[int, ...]] = {
            path: leaf.optional for path, leaf in leaves_by_path(settings_cls).items()
        }
        self._suppliers = dict(suppliers)

    def resolution(self, field: str) -> Resolution:
        """The resolution of one leaf.

        Raises:
            KeyError: There is no such leaf.
        """
        path = tuple(field.split("."))
        if path not in self._fields:
            below = [".".join(leaf) for leaf in self._fields if leaf[: len(path)] == path]
            known = ", ".join(below or (".".join(leaf) for leaf in self._fields))
            msg = f"{self.settings} has no leaf {field!r}; there are: {known}"
            raise KeyError(msg)
        return self._resolution(path)

    def explanation(self) -> Explanation:
        """All leaves' resolutions, in the order of the class."""
        from secretsource.settings.explanation import Explanation  # when somebody asks

        return Explanation(self.settings, self.profile, [self._resolution(path) for path in self._fields])

    def _resolution(self, path: Path) -> Resolution:
        from secretsource.settings.explanation import Resolution

        origin = self._origins.get(path, _NOT_ASKED)
        field = ".".join(path)
        if origin.outcome is Outcome.MISSING and path in self._suppliers:
            return Resolution(field, Outcome.FOUND, backend=self._suppliers[path], trail=tuple(origin.trail))
        return Resolution(
            field=field,
            outcome=origin.outcome,
            ref=origin.ref,
            backend=self._backend(path, origin),
            version=origin.version,
            created=origin.created,
            age=None if origin.fetched is None else max(0.0, time.time() - origin.fetched),
            expires=origin.expires,
            cached=origin.cached,
            content_type=origin.content_type,
            trail=tuple(origin.trail),
        )

    def _backend(self, path: Path, origin: _Origin) -> str | None:
        if origin.ref is not None:
            return origin.ref.scheme
        return "default" if self._has_default(path) else None

    def _has_default(self, path: Path) -> bool:
        """Whether a default stands for a leaf: its own, or that of the outermost model of which nothing was found."""
        depths = range(1, len(path) + 1)
        absent = next((depth for depth in depths if not self._is_found_below(path[:depth])), None)
        return absent in self._fields[path]

    def _is_found_below(self, model: Path) -> bool:
        return any(
            origin.outcome is Outcome.FOUND for path, origin in self._origins.items() if path[: len(model)] == model
        )

    def __eq__(self, other: object) -> bool:
        """Records do not tell settings apart: two with the same values are the same, wherever they came from."""
        return isinstance(other, Record)

    def __hash__(self) -> int:
        return hash(Record)

    def __repr__(self) -> str:
        return f"<Record of {self.settings}>"


def _origin(question: Question) -> _Origin:
    answer: Any = question.answer
    ref = answer.ref if answer.outcome is not Outcome.MISSING else None
    entry: Entry | None = answer.entry
    if entry is None or entry.value is None:
        return _Origin(answer.outcome, ref, question.trail)
    value = entry.value
    return _Origin(
        answer.outcome,
        ref,
        question.trail,
        value.version,
        value.created,
        value.expires or _lease_end(entry),
        entry.wall,
        answer.cached,
        value.content_type,
    )


def _lease_end(entry: Entry) -> datetime | None:
    lease = entry.value.lease if entry.value is not None else None
    if lease is None or lease.seconds <= 0:
        return None
    return datetime.fromtimestamp(entry.wall + lease.seconds, UTC)


def searched(question: Question | None) -> str:
    """Every place that was searched for a leaf, and what each said, in a sentence."""
    if question is None:
        return "given by the caller"
    if not question.trail:
        return "no source of the chain may supply it"
    places = [f"{attempt.ref} ({attempt.outcome}{_because(attempt)})" for attempt in question.trail]
    return f"searched {', '.join(places)}"


def _because(attempt: Attempt) -> str:
    return f": {attempt.detail}" if attempt.detail else ""
