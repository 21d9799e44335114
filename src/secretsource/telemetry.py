"""What can be watched: an audit log, and OpenTelemetry where the program has it. Never a value.

The audit log is the stdlib logger `secretsource.audit`: one record for each fetch, refresh, denial and change, with
the attributes `event`, `fields`, `ref`, `version`, `outcome` and `duration_ms`.

Spans and metrics are made when the program itself has imported `opentelemetry`; else nothing is paid for it. Their
names follow OpenTelemetry's conventions: dots between parts, durations in seconds, `error.type` for what went wrong.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from secretsource.errors import Outcome
from secretsource.forks import holding_forks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from secretsource.ref import Ref

AUDIT: Final = logging.getLogger("secretsource.audit")
logging.getLogger("secretsource").addHandler(logging.NullHandler())  # a library says nothing where nobody listens
_NAME: Final = "secretsource"
_REFUSALS: Final = (Outcome.DENIED, Outcome.UNAUTHENTICATED)

_instruments: dict[str, Any] = {}


def is_anybody_watching() -> bool:
    """Whether anybody wants to know of what went well; what was refused is noted in any case."""
    return AUDIT.isEnabledFor(logging.INFO) or "opentelemetry" in sys.modules


def note_lookup(  # noqa: PLR0913 - one argument for each thing that is noted
    ref: Ref,
    fields: Iterable[tuple[str, ...]],
    outcome: Outcome,
    version: str | None,
    milliseconds: float,
    *,
    refresh: bool,
) -> None:
    """A store was asked for one secret.

    Args:
        ref: The secret, without a key.
        fields: The paths of the fields that it was asked for.
        outcome: What it came to.
        version: The version that was read.
        milliseconds: How long the store took.
        refresh: Whether a value that was there already was renewed.
    """
    event = "denial" if outcome in _REFUSALS else "refresh" if refresh else "fetch"
    if AUDIT.isEnabledFor(_level(event)):  # else nothing is put into words: it takes longer than the rest of a lookup
        names = [".".join(path) for path in fields]
        _audit(event, names, ref=str(ref), version=version, outcome=outcome.name, milliseconds=milliseconds)
    if "opentelemetry" in sys.modules:
        attributes = _attributes(ref, outcome)
        _instrument("histogram", "secretsource.lookup.duration", "s").record(milliseconds / 1000, attributes)
        if refresh and outcome is not Outcome.FOUND:
            _instrument("counter", "secretsource.refresh.failures", "{refresh}").add(1, attributes)
        _span(event, attributes, milliseconds)


def note_cache_hit(ref: Ref, *, age: float, stale: bool) -> None:
    """A value came out of the cache.

    Args:
        ref: The secret.
        age: Seconds since it was fetched.
        stale: Whether it was served because a newer one could not be had.
    """
    if "opentelemetry" in sys.modules:
        attributes = {"secretsource.backend": ref.scheme, "secretsource.stale": stale}
        _instrument("counter", "secretsource.cache.hits", "{hit}").add(1, attributes)
        if stale:
            _instrument("histogram", "secretsource.staleness", "s").record(age, attributes)


def note_change(fields: Sequence[str], versions: Mapping[str, str]) -> None:
    """A live object has new values."""
    version = next(iter(versions.values())) if len(set(versions.values())) == 1 else None
    _audit("change", fields, ref=None, version=version, outcome=Outcome.FOUND.name, milliseconds=None)


def _level(event: str) -> int:
    return logging.WARNING if event == "denial" else logging.INFO


def _audit(event: str, fields: Sequence[str], *, milliseconds: float | None, **what: str | None) -> None:
    duration = None if milliseconds is None else round(milliseconds, 3)
    text = " ".join(f"{name}={value}" for name, value in {**what, "duration_ms": duration}.items() if value is not None)
    extra = {"event": event, "fields": tuple(fields), **what, "duration_ms": duration}
    AUDIT.log(_level(event), "%s %s fields=%s", event, text, ",".join(fields), extra=extra)


def _attributes(ref: Ref, outcome: Outcome) -> dict[str, str]:
    attributes = {"secretsource.backend": ref.scheme, "secretsource.outcome": outcome.value}
    return attributes if outcome is Outcome.FOUND else {**attributes, "error.type": outcome.value}


def _instrument(kind: str, name: str, unit: str) -> Any:
    if name not in _instruments:
        with holding_forks():
            from opentelemetry import metrics

        meter = metrics.get_meter(_NAME)
        _instruments[name] = getattr(meter, f"create_{kind}")(name, unit=unit)
    return _instruments[name]


def _span(event: str, attributes: dict[str, str], milliseconds: float) -> None:
    """A span of the time that has passed: the store was asked in another thread, and the caller's is the parent."""
    with holding_forks():
        from opentelemetry import trace

    end = time.time_ns()
    start = end - int(milliseconds * 1e6)
    span = trace.get_tracer(_NAME).start_span(f"{_NAME} {event}", start_time=start, attributes=attributes)
    if "error.type" in attributes:
        span.set_status(trace.StatusCode.ERROR)
    span.end(end)
