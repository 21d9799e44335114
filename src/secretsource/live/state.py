"""What a live object knows at one moment. Immutable, and swapped whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from pydantic import ValidationError

from secretsource.access import ttl_of
from secretsource.errors import Outcome, Problem, ResolutionError, SecretSourceError
from secretsource.live.report import Change, Health
from secretsource.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from secretsource.access import Access
    from secretsource.cache import CachePolicy, Entry, Failure
    from secretsource.clock import Clock
    from secretsource.question import Answer
    from secretsource.settings.renewal import Renewal

_AT_LEAST: Final = 0.05  # seconds between two refreshes
_AFTER_A_PROBLEM: Final = 1.0  # the same after one that failed, whatever the reason
_ROUNDING: Final = 1.0  # more than sums of times can be off

S = TypeVar("S", bound=Settings)
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class State(Generic[S]):
    """A snapshot, what it was made of, and how the last refresh went.

    Attributes:
        snapshot: The settings, or None before the first load and after the end.
        answers: What they were made of, by path.
        leased: Those of them that came with a lease.
        lease_entries: The cache's entries that those came from, each once.
        kept_for: How old each of the others may get, in seconds.
        ends: When the first of those gets too old, by the monotonic and by the wall clock.
        stale: Why a field has kept its value, by path.
        fatal: The problems because of which the snapshot may not be served any more.
        error: What went wrong, in words.
        success: When the last refresh without a problem began, by the wall clock.
        number: Which load made this, in the order in which they began. A test may turn the clock back, but not this.
        due: When the next one has to, by the monotonic clock.
        due_wall: The same by the wall clock.
        access: How the stores were reached.
    """

    snapshot: S | None = None
    answers: Mapping[Path, Answer] = field(default_factory=dict)
    leased: Mapping[Path, Answer] = field(default_factory=dict)
    lease_entries: Sequence[Entry] = ()
    kept_for: Mapping[Path, float] = field(default_factory=dict)
    ends: tuple[float, float] = (math.inf, math.inf)
    stale: Mapping[Path, Failure] = field(default_factory=dict)
    fatal: Sequence[Problem] | None = None
    error: str | None = None
    success: float | None = None
    number: int = 0
    due: float | None = None
    due_wall: float | None = None
    access: Access | None = None

    @classmethod
    def after(  # noqa: PLR0913 - one argument for each thing that a refresh comes to
        cls,
        renewal: Renewal,
        snapshot: S | None,
        problem: Exception | None,
        before: State[S] | None,
        *,
        number: int,
        started: float,
        wall: float,
        policy: CachePolicy,
    ) -> Self:
        """The state after a refresh; what the new one lacks stays as it was before."""
        if snapshot is None and before is not None:  # it failed: serve on what there is, unless that is forbidden
            snapshot, answers = before.snapshot, before.answers
        else:
            answers = renewal.answers
        leased = {path: answer for path, answer in answers.items() if answer.entry and answer.entry.lease}
        access = renewal.access or (before.access if before is not None else None)
        seconds = _next_action(access, policy, _AT_LEAST if problem is None else _AFTER_A_PROBLEM)
        well = problem is None and not renewal.stale
        return cls(
            snapshot=snapshot,
            answers=answers,
            leased=leased,
            lease_entries=tuple(
                {id(answer.entry): answer.entry for answer in leased.values() if answer.entry}.values()
            ),
            kept_for=(kept_for := _kept_for(answers, policy)),
            ends=_ends(answers, kept_for),
            stale=renewal.stale,
            fatal=tuple(problem.problems) if isinstance(problem, ResolutionError) else None,
            error=None if well else _words(problem, renewal.stale),
            success=wall if well else (before.success if before is not None else None),
            number=number,
            due=None if seconds is None else started + seconds,
            due_wall=None if seconds is None else wall + seconds,
            access=access,
        )

    def due_by(self, clock: Clock, policy: CachePolicy) -> float | None:
        """When the next refresh is due; at once, where that is further off than any refresh is ever put.

        Then the clock was turned back since: it was a test's, and ran ahead.
        """
        if self.due is None or self.due - clock.monotonic() <= max(policy.ttl, _AFTER_A_PROBLEM) + _ROUNDING:
            return self.due
        return 0.0

    def fatal_error(self) -> ResolutionError:
        """The error of a snapshot that may not be served; made anew, as each raise adds to its traceback."""
        name = type(self.snapshot).__name__ if self.snapshot is not None else "settings"
        return ResolutionError(self.fatal or (), title=name)

    def over(self, clock: Clock) -> ResolutionError | None:
        """The error of a snapshot of which a value may not be served any more, or None.

        A read asks where there are leases, and while a refresh is under way: it may take longer than a value is good.
        """
        in_time = clock.monotonic() < self.ends[0] and clock.time() < self.ends[1]
        if in_time and not any(entry.lease_over(clock) for entry in self.lease_entries):
            return None
        over = {path: words for path in self.answers if (words := self._over(path, clock))}
        problems = [_problem(path, self.answers[path], words, self.stale.get(path)) for path, words in over.items()]
        return ResolutionError(problems, title=type(self.snapshot).__name__) if problems else None

    def _over(self, path: Path, clock: Clock) -> str | None:
        """Why a value may not be served any more, or None."""
        entry = self.answers[path].entry
        if entry is not None and entry.lease_over(clock):
            return "its lease is over"
        too_old = entry is not None and path in self.kept_for and entry.age(clock) >= self.kept_for[path]
        return "its store has not answered for too long" if too_old else None

    def change_from(self, before: State[S]) -> Change[S] | None:
        """What is different from a state before."""
        if self.snapshot is None or before.snapshot is None or self.snapshot is before.snapshot:
            return None
        paths = [path for path in {**before.answers, **self.answers} if self._differs(before, path)]
        versions = {".".join(path): version for path in paths if (version := _version(self.answers.get(path)))}
        if not paths:
            return None
        return Change(tuple(".".join(path) for path in paths), before.snapshot, self.snapshot, versions)

    def _differs(self, before: State[S], path: Path) -> bool:
        old, new = before.answers.get(path), self.answers.get(path)
        if old is None or new is None:
            return old is not new
        return (old.outcome, old.value) != (new.outcome, new.value)

    def health(self, clock: Clock) -> Health:
        """How it is doing at this moment."""
        over = self.over(clock)
        ages = [answer.entry.age(clock) for answer in self.answers.values() if answer.entry is not None]
        return Health(
            ok=self.snapshot is not None and self.error is None and over is None,
            last_success=_moment(self.success),
            last_error=self.error or (None if over is None else str(over)),
            oldest_age=max(ages, default=None),
            stale_fields=tuple(".".join(path) for path in self.stale),
            next_refresh=_moment(self.due_wall),
        )


def _next_action(access: Access | None, policy: CachePolicy, at_least: float) -> float | None:
    """Seconds to the next refresh; None where caching is turned off, and only `refresh` asks anew.

    It comes each `ttl`, also where the stores' own values are good for longer: files are read with it.
    """
    if policy.ttl <= 0:
        return None
    seconds = None if access is None else access.next_action()
    return policy.ttl if seconds is None else max(min(seconds, policy.ttl), at_least)


def _words(problem: Exception | None, stale: Mapping[Path, Failure]) -> str:
    if problem is not None:
        known = isinstance(problem, SecretSourceError | ValidationError)
        return str(problem) if known else f"{type(problem).__name__} while the settings were made"
    return "; ".join(f"{'.'.join(path)}: {why.outcome}: {why.detail}" for path, why in stale.items())


def _kept_for(answers: Mapping[Path, Answer], policy: CachePolicy) -> dict[Path, float]:
    """Seconds for which a value without a lease may be served, and a moment for the refresh that tells its end."""
    plain = {path: answer.ref for path, answer in answers.items() if answer.entry and not answer.entry.lease}
    own = {path: ttl_of(ref) for path, ref in plain.items() if ref is not None}
    return {path: max(policy.max_stale, policy.ttl, ttl or 0.0) + _ROUNDING for path, ttl in own.items()}


def _ends(answers: Mapping[Path, Answer], kept_for: Mapping[Path, float]) -> tuple[float, float]:
    kept = [(entry, seconds) for path, seconds in kept_for.items() if (entry := answers[path].entry) is not None]
    monotonic = min((entry.monotonic + seconds for entry, seconds in kept), default=math.inf)
    return monotonic, min((entry.wall + seconds for entry, seconds in kept), default=math.inf)


def _problem(path: Path, answer: Answer, words: str, why: Failure | None) -> Problem:
    outcome = Outcome.UNAVAILABLE if why is None else why.outcome
    message = words if why is None else f"{words}, and no other value could be had: {why.detail}"
    return Problem(".".join(path), outcome, answer.ref, message, None if why is None else why.hint)


def _version(answer: Answer | None) -> str | None:
    entry = answer.entry if answer is not None and answer.outcome is Outcome.FOUND else None
    return entry.value.version if entry is not None and entry.value is not None else None


def _moment(wall: float | None) -> datetime | None:
    return None if wall is None else datetime.fromtimestamp(wall, UTC)
