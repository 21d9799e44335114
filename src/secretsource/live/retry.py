"""retry_on: when a credential is refused, one refresh for all, then one more try."""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from pydantic import ValidationError

from secretsource.concurrency import in_background
from secretsource.errors import ResolutionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from secretsource.live.live import Live

P = ParamSpec("P")
R = TypeVar("R")

_substitutes: ContextVar[dict[int, Any]] = ContextVar("secretsource_substitutes", default={})  # noqa: B039 - never changed


def substitute(live: Live[Any]) -> Any:
    """The snapshot that stands in for the present one in this call, or None."""
    return _substitutes.get().get(id(live))


class RetryOn:
    """A decorator; see `Live.retry_on`."""

    def __init__(
        self, live: Live[Any], errors: tuple[type[BaseException], ...], stages: tuple[str, ...], *, previous: bool
    ) -> None:
        self._live, self._errors, self._stages, self._previous = live, errors, stages, previous

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap a function, sync or async."""
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, R]", self._wrap_async(function))

        @functools.wraps(function)
        def retrying(*args: P.args, **kwargs: P.kwargs) -> R:
            used = self._live.revision
            try:
                return function(*args, **kwargs)
            except self._errors as error:
                failed = error
            return self._again(lambda: function(*args, **kwargs), used, failed)

        return retrying

    def _again(self, call: Callable[[], R], used: int, failed: BaseException) -> R:
        if self._has_changed(used):
            try:
                return call()
            except self._errors as error:
                failed = error
        for other in self._others():
            if (snapshot := other()) is None:
                continue
            with standing_in(self._live, snapshot):
                try:
                    return call()
                except self._errors as error:
                    failed = error
        raise failed

    def _others(self) -> Iterator[Callable[[], Any]]:
        """Where to look for what else to try: a snapshot each, or None to pass it over."""
        if self._previous:
            for snapshot in self._live.around_the_last_change():
                yield functools.partial(_itself, snapshot)
        for stage in self._stages:
            yield functools.partial(self._in_stage, stage)

    def _in_stage(self, stage: str) -> Any:
        """The snapshot of a stage, or None where there is none that differs from the present one."""
        try:
            return self._live.in_stage(stage)
        except (ResolutionError, ValidationError):
            return None

    def _has_changed(self, used: int) -> bool:
        """Whether there are other values than those that failed; refreshing, if nobody has done so since."""
        if self._live.revision == used:
            self._live.refresh_for_retry()
        return self._live.revision != used

    def _wrap_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def retrying(*args: Any, **kwargs: Any) -> Any:
            used = self._live.revision
            try:
                return await function(*args, **kwargs)
            except self._errors as error:
                failed = error
            return await self._again_async(lambda: function(*args, **kwargs), used, failed)

        return retrying

    async def _again_async(self, call: Callable[[], Any], used: int, failed: BaseException) -> Any:
        if await in_background(lambda: self._has_changed(used)):
            try:
                return await call()
            except self._errors as error:
                failed = error
        for other in self._others():
            if (snapshot := await in_background(other)) is None:
                continue
            with standing_in(self._live, snapshot):
                try:
                    return await call()
                except self._errors as error:
                    failed = error
        raise failed


def _itself(snapshot: Any) -> Any:
    return snapshot


@contextmanager
def standing_in(live: Live[Any], snapshot: Any) -> Iterator[None]:
    """In this call (thread or task), `live.current` is another snapshot."""
    token = _substitutes.set({**_substitutes.get(), id(live): snapshot})
    live.count_stand_ins(1)
    try:
        yield
    finally:
        live.count_stand_ins(-1)
        _substitutes.reset(token)
