"""Live: a settings object that follows rotation."""

from __future__ import annotations

import itertools
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from secretsource.access import CACHE
from secretsource.clock import Deadline
from secretsource.concurrency import in_background, in_event_loop
from secretsource.errors import SecretSourceError
from secretsource.live.allowance import Allowance
from secretsource.live.callbacks import Callbacks
from secretsource.live.flight import Flights
from secretsource.live.refresher import REFRESHER
from secretsource.live.retry import RetryOn, substitute
from secretsource.live.state import State
from secretsource.settings import Settings
from secretsource.settings.config import load_config
from secretsource.settings.renewal import Renewal, current_renewal
from secretsource.telemetry import note_change

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from secretsource.cache import Key, Renew
    from secretsource.live.report import Change, Health

S = TypeVar("S", bound=Settings)

_log: Final = logging.getLogger("secretsource.live")
_REVOKE_WITHIN: Final = 2.0  # seconds
_AFTER_A_MISHAP: Final = 60.0  # seconds


class Live(Generic[S]):
    """Settings that follow rotation.

    Reading never waits for the network: `current` is always a whole, validated snapshot, renewed ahead of its end by
    one thread per process. A new snapshot never changes an old one. Use it as it is, or as a (sync or async) context
    manager that closes it.

    Attributes:
        revision: Another number after every change.

    Args:
        settings_cls: The settings class.
        given: Keyword arguments for it, in every snapshot.

    Raises:
        ConfigurationError: The declaration makes no sense.
        ResolutionError: The first load failed.
        ValidationError: A field is missing or invalid in the first load.
    """

    def __init__(self, settings_cls: type[S], /, **given: Any) -> None:
        self._settings_cls, self._given = settings_cls, given
        self._policy = load_config(settings_cls).cache
        self._callbacks: Callbacks[S] = Callbacks()
        self._state: State[S] = State()
        self._fast: S | None = None
        self._before: tuple[S, float] | None = None
        self._closed, self._stand_ins = False, 0
        self.revision = 0
        self._loads = itertools.count(1)
        self._allowance = Allowance()
        self._not_before = 0.0
        self.after_fork()
        if not in_event_loop():  # there, the first load is left to `async with`, or to the first read
            self._start()

    def after_fork(self) -> None:
        """In a forked child: let go of what another thread of the parent held. For the refresher."""
        self._swapping = threading.Lock()
        self._flights: Flights[Change[S] | None] = Flights()
        self._refreshing = False
        self._callbacks.after_fork()

    def _start(self) -> None:
        with self._swapping:
            if self._state.snapshot is None and not self._closed:
                self._state = self._load("expired")
                self._set_fast()
        if not self._closed:
            REFRESHER.add(self)

    def _set_fast(self) -> None:
        """What most reads get at once: the snapshot, unless there is anything to think about first."""
        careful = self._stand_ins or self._refreshing or self._state.leased or self._state.fatal is not None
        self._fast = None if careful else self._state.snapshot

    @property
    def current(self) -> S:
        """The present snapshot.

        Raises:
            ResolutionError: From the moment on which a value may no longer be served (denied, revoked, past
                `max_stale`, lease over), until a refresh succeeds.
        """
        snapshot = self._fast
        return snapshot if snapshot is not None else self._current_with_care()

    def _current_with_care(self) -> S:
        other: S | None = substitute(self) if self._stand_ins else None
        if other is not None:
            return other
        if self._state.snapshot is None:
            self._start()
        state = self._state
        if state.fatal is not None:
            raise state.fatal_error()
        if (over := state.over(CACHE.clock)) is not None:
            raise over
        if state.snapshot is None:
            msg = "this Live is closed"
            raise SecretSourceError(msg)
        return state.snapshot

    def on_change(self, callback: Callable[[Change[S]], object]) -> Callable[[Change[S]], object]:
        """Call back after every change; usable as a decorator.

        It is called in the thread that refreshed, after the new snapshot is in place; while an earlier change is still
        being told, in that thread, afterwards. An error of it is logged, and harms nobody.
        """
        self._callbacks.add(callback)
        return callback

    def refresh(self, *, force: bool = False) -> Change[S] | None:
        """Refresh now. Threads that ask at the same time share one refresh.

        Args:
            force: Ask the stores for everything, also for what is still fresh.

        Returns:
            The change, or None where nothing changed.

        Raises:
            ResolutionError: A value may no longer be served.
        """
        if self._state.snapshot is None:
            self._start()
        change, mine = self._share(force=force)
        if mine:
            self._callbacks.tell()  # when nobody waits for the refresh any more
        if self._state.fatal is not None:
            raise self._state.fatal_error()
        return change

    def refresh_for_retry(self) -> None:
        """Refresh by force, or join those who do; unless it has been to no avail too often. For `retry_on`."""
        if (self._flights.forced or self._allowance.take()) and self.refresh(force=True) is not None:
            self._allowance.give_back()

    async def arefresh(self, *, force: bool = False) -> Change[S] | None:
        """Await `refresh`, which runs in a thread of its own meanwhile."""
        return await in_background(lambda: self.refresh(force=force))

    def _share(self, *, force: bool) -> tuple[Change[S] | None, bool]:
        return self._flights.share(lambda: self._refresh("all" if force else "ahead"), force=force)

    def _refresh(self, renew: Renew) -> Change[S] | None:
        before = self._state
        after = self._load(renew, before)
        with self._swapping:
            if after.number < self._state.number:
                return None  # another refresh that began later has arrived earlier
            if self._closed:
                self._give_back(after)
                return None
            change = after.change_from(self._state)
            self._state = after
            self._set_fast()
            if change is not None:
                self.revision += 1
                self._before = change.old, CACHE.clock.monotonic()
                self._callbacks.note(change)
        if change is not None:
            note_change(change.fields, change.versions)
        return change

    def _load(self, renew: Renew, before: State[S] | None = None, stage: str | None = None) -> State[S]:
        """Make a new state. The first one raises what goes wrong; a later one keeps what the earlier one has."""
        answers, served = ({}, True) if before is None else (before.answers, before.fatal is None)
        renewal = Renewal(renew, answers, stage, served)
        number, started, wall = next(self._loads), CACHE.clock.monotonic(), CACHE.clock.time()
        token = current_renewal.set(renewal)
        snapshot, problem = None, None
        try:
            snapshot = self._settings_cls(**self._given)
        except Exception as error:  # noqa: BLE001 - raised below, or kept for health()
            problem = error
        finally:
            current_renewal.reset(token)
        if problem is not None and (before is None or before.snapshot is None):
            raise problem
        return State.after(
            renewal, snapshot, problem, before, number=number, started=started, wall=wall, policy=self._policy
        )

    @property
    def due(self) -> float | None:
        """When it wants to be refreshed, by the monotonic clock. For the refresher."""
        due = None if self._refreshing else self._state.due_by(CACHE.clock, self._policy)
        return None if due is None else max(due, self._not_before)

    def claim(self) -> None:
        """It is about to be refreshed, and not due meanwhile. For the refresher."""
        self._refreshing, self._fast = True, None  # should it take too long, a read has to see that

    def refresh_due(self) -> None:
        """Refresh what is due, and have the next time noted. For the refresher, after `claim`."""
        try:
            self._share(force=False)
        except Exception:  # noqa: BLE001 - it must not end the refresher, nor make it spin
            _log.exception("a refresh failed")
            self._not_before = CACHE.clock.monotonic() + _AFTER_A_MISHAP
        finally:
            with self._swapping:
                self._refreshing = False
                self._set_fast()
            REFRESHER.wake()
        self._callbacks.tell()  # one that blocks does not keep the next refresh from being made

    def refresh_now(self) -> None:
        """Refresh everything; what goes wrong is in `health()`. For tests."""
        with suppress(SecretSourceError):
            self.refresh(force=True)

    def health(self) -> Health:
        """How it is doing: for a readiness route."""
        return self._state.health(CACHE.clock)

    def retry_on(self, *errors: type[BaseException], stages: tuple[str, ...] = (), previous: bool = False) -> RetryOn:
        """Decorate a function that uses the settings: on these errors one refresh, then one more try.

        All calls that failed at the same time share the refresh. Sync and async functions alike.

        Args:
            errors: What the function raises when a credential is refused.
            previous: Whether to try after that, for one `ttl` from the last change on, the snapshot before it, and then
                the newest once more: a database may hear of a new password a moment after its store.
            stages: On AWS, the stages to try after that, each with a snapshot of its own, such as
                `("AWSPENDING", "AWSPREVIOUS")` for a rotation that is under way.
        """
        return RetryOn(self, errors, stages, previous=previous)

    def around_the_last_change(self) -> Sequence[S]:
        """The snapshots before and after the last change, for one `ttl` from then on. For `retry_on`."""
        before, since = self._before or (None, 0.0)
        newest = None if self._state.fatal is not None else self._state.snapshot
        recent = CACHE.clock.monotonic() - since < self._policy.ttl
        return [before, newest] if before is not None and newest is not None and recent else []

    def count_stand_ins(self, more: int) -> None:
        """Note that in so many more calls (threads or tasks) `current` is another snapshot. For `retry_on`."""
        with self._swapping:
            self._stand_ins += more
            self._set_fast()

    def in_stage(self, stage: str) -> S | None:
        """A snapshot with the AWS secrets of another stage, or None if it has the present values."""
        state: State[S] = self._load("expired", None, stage)
        return None if state.change_from(self._state) is None else state.snapshot

    def close(self) -> None:
        """Follow no more, and give back leases. The last snapshot stays readable through whoever holds it."""
        REFRESHER.remove(self)
        with self._swapping:
            state, self._state = self._state, State()
            self._fast, self._before, self._closed = None, None, True
        self._give_back(state)

    def _give_back(self, state: State[S]) -> None:
        """Give back the leases of what no other live object uses."""
        if state.access is not None:
            state.access.revoke_leases(REFRESHER.secrets(), Deadline(_REVOKE_WITHIN, CACHE.clock))

    @property
    def secrets(self) -> Collection[Key]:
        """The secrets that it reads. For the refresher."""
        return () if self._state.access is None else self._state.access.wanted.keys()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        await in_background(self._start)
        return self

    async def __aexit__(self, *exception: object) -> None:
        await in_background(self.close)

    def __repr__(self) -> str:
        return f"Live({self._settings_cls.__name__})"
