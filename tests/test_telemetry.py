"""The audit log and OpenTelemetry: who asked for what, how it went, and never a value."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import secretsource
from secretsource import Live, Outcome, ResolutionError, Settings, SettingsConfigDict
from secretsource.backends.memory import MemoryBackend

CANARY = "not-a-real-password"


class Shop(Settings):
    """Two fields of one secret."""

    model_config = SettingsConfigDict(chain=("memory://shop",))
    key: str
    word: str


def put(**values: str) -> None:
    """A new version of the shop's secret."""
    MemoryBackend().set("shop", json.dumps(values))


def test_every_fetch_change_and_denial_is_audited(caplog: pytest.LogCaptureFixture) -> None:
    """With its fields, ref, version, outcome and duration; nothing for what came out of the cache."""
    caplog.set_level(logging.INFO, logger="secretsource.audit")
    put(key="k1", word=CANARY)
    with Live(Shop) as live:
        Shop()
        put(key="k2", word=CANARY)
        live.refresh(force=True)
        MemoryBackend().fail("shop", Outcome.DENIED)
        with pytest.raises(ResolutionError):
            live.refresh(force=True)
    records = [vars(record) for record in caplog.records if record.name == "secretsource.audit"]
    told = [tuple(record[name] for name in ("event", "fields", "ref", "version", "outcome")) for record in records]
    assert told == [
        ("fetch", ("key", "word"), "memory://shop", "1", "FOUND"),
        ("refresh", ("key", "word"), "memory://shop", "2", "FOUND"),
        ("change", ("key",), None, "2", "FOUND"),
        ("denial", ("key", "word"), "memory://shop", None, "DENIED"),
    ]
    assert all(record["duration_ms"] is not None for record in records if record["event"] != "change")
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "INFO", "WARNING"]
    assert CANARY not in caplog.text
    assert "fetch ref=memory://shop version=1 outcome=FOUND" in caplog.text


def test_spans_and_metrics_are_made_where_opentelemetry_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lookups as spans under the caller's, durations, cache hits and refresh failures as metrics."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider(metric_readers=[reader])
    monkeypatch.setattr(trace, "get_tracer", tracers.get_tracer)
    monkeypatch.setattr(metrics, "get_meter", meters.get_meter)
    monkeypatch.setattr("secretsource.telemetry._instruments", {})
    put(key="k1", word=CANARY)
    with tracers.get_tracer("test").start_as_current_span("caller") as caller:
        Shop()
    Shop()
    with Live(Shop) as live:
        MemoryBackend().fail("shop", Outcome.UNAVAILABLE)
        live.refresh(force=True)
        assert live.current.key == "k1"
    finished = {span.name: span for span in spans.get_finished_spans()}
    lookup = finished["secretsource fetch"]
    assert lookup.parent is not None
    assert lookup.parent.span_id == caller.get_span_context().span_id
    assert dict(lookup.attributes or {}) == {"secretsource.backend": "memory", "secretsource.outcome": "found"}
    assert dict(finished["secretsource refresh"].attributes or {})["error.type"] == "unavailable"
    data = reader.get_metrics_data()
    assert data is not None
    names = {metric.name for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}
    assert names == {"secretsource.lookup.duration", "secretsource.cache.hits", "secretsource.refresh.failures"}
    assert CANARY not in data.to_json()


def test_nothing_is_paid_without_it() -> None:
    """A program that does not use OpenTelemetry does not import it through us."""
    script = (
        "import secretsource, sys; from secretsource.backends.memory import MemoryBackend\n"
        "MemoryBackend().set('a', 'x'); secretsource.get('memory://a'); print('opentelemetry' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert secretsource.__version__
