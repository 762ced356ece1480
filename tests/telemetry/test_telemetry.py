"""A run in the user's own monitoring: OpenTelemetry where the process has it, Prometheus on request."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mainstem.engine import run
from mainstem.telemetry import Metrics
from mainstem.testing.place import Place


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """OpenTelemetry as a program sets it up, once."""
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    return kept


@pytest.fixture(scope="module")
def reader() -> Iterator[InMemoryMetricReader]:
    """The same for metrics: what is read is what has come since it was read before."""
    kept = InMemoryMetricReader({Counter: AggregationTemporality.DELTA})
    provider = MeterProvider([kept])
    metrics.set_meter_provider(provider)
    yield kept
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> dict[tuple[str, ...], Any]:
    """What was counted, by the metric's name and the values of its attributes."""
    data = reader.get_metrics_data()
    return {
        (metric.name, *(str(value) for value in (point.attributes or {}).values())): getattr(
            point, "value", None
        )
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


@pytest.fixture
def config(tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    source, target = (Place("sqlite", f"sqlite://{tmp_path / name}.db", "main") for name in ("s", "t"))
    source.put("orders", pa.table({"id": [1, 2, 3]}))
    streams = {"main.orders": {"object": "main.o"}, "main.nowhere": {"object": "main.n"}}
    return {"source": "S", "target": "T", "streams": streams}, {"S": source.url, "T": target.url}


def test_a_run_is_a_trace_and_a_stream_is_a_span(
    exporter: InMemorySpanExporter, config: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    exporter.clear()
    list(run(*config))
    spans = {
        (span.attributes or {}).get("mainstem.stream", span.name): span
        for span in exporter.get_finished_spans()
    }
    whole, orders, nowhere = (spans[name] for name in ("mainstem.replication", "main.orders", "main.nowhere"))
    assert whole.parent is None
    assert {span.parent.span_id for span in (orders, nowhere) if span.parent} == {whole.context.span_id}
    assert (orders.attributes or {})["mainstem.rows"] == 3
    assert (orders.status.is_ok, nowhere.status.is_ok, whole.status.is_ok) == (True, False, False)
    assert (nowhere.attributes or {})["mainstem.phase"] == "plan"


def test_rows_streams_and_what_broke_a_constraint_are_counted(
    reader: InMemoryMetricReader, config: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    config[0]["streams"]["main.orders"]["columns"] = {"id": "bigint | value > 1"}
    points(reader)
    list(run(*config))
    found = points(reader)
    assert found["mainstem.rows", "main.orders"] == 3
    assert found["mainstem.bytes", "main.orders"] > 0
    assert found["mainstem.streams", "main.orders", "published"] == 1
    assert found["mainstem.streams", "main.nowhere", "failed"] == 1
    assert found["mainstem.constraint_failures", "main.orders", "id"] == 1
    assert ("mainstem.stream.duration", "main.orders") in found


def test_hooks_are_events_of_their_span_and_what_they_say_is_not(
    exporter: InMemorySpanExporter, config: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    exporter.clear()
    config[0]["hooks"] = {"start": [{"log": "a secret", "id": "first"}]}
    config[0]["defaults"] = {"hooks": {"post": [{"check": "1 > 2", "on_failure": "warn", "id": "last"}]}}
    list(run(*config))
    told = {
        (span.name, *(event.attributes or {}).values())
        for span in exporter.get_finished_spans()
        for event in span.events
    }
    assert told == {
        ("mainstem.replication", "first", "log", "start", "success"),
        ("mainstem.stream", "last", "check", "post", "warning"),
    }
    assert "a secret" not in str([span.to_json() for span in exporter.get_finished_spans()])


def test_a_replication_that_a_hook_runs_has_its_spans(
    exporter: InMemorySpanExporter, config: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    exporter.clear()
    inner = {**config[0], "streams": {"main.orders": {"object": "main.inner"}}}
    list(run({**config[0], "hooks": {"end": [{"type": "replication", "replication": inner}]}}, config[1]))
    assert [span.name for span in exporter.get_finished_spans()].count("mainstem.replication") == 2


def test_a_run_that_is_broken_off_leaves_no_span_open(
    exporter: InMemorySpanExporter, config: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    exporter.clear()
    events = run(*config)
    next(events)
    next(events)
    events.close()
    assert sorted(span.name for span in exporter.get_finished_spans()) == [
        "mainstem.replication",
        "mainstem.stream",
    ]


def test_nothing_of_it_is_imported_where_nobody_has_set_it_up() -> None:
    code = "import mainstem.engine, sys; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "[]"


# Everything that Python connects to, or looks the address of up.
HEARD = """
import json, sys
asked = []
names = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
sys.addaudithook(lambda name, given: asked.append(name) if name in names else None)
from mainstem.api import replicate
replicate(json.loads(sys.argv[1]), json.loads(sys.argv[2]))
print(asked)
"""


def test_nothing_is_sent_unasked(config: tuple[dict[str, Any], dict[str, Any]]) -> None:
    del config[0]["streams"]["main.nowhere"]
    with socket.create_server(("127.0.0.1", 0)) as collector:
        collector.setblocking(False)
        address = f"http://127.0.0.1:{collector.getsockname()[1]}"
        # Whoever has a collector has not set its SDK up by that.
        environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_TRACES_EXPORTER": "otlp"}
        command = [sys.executable, "-c", HEARD, *map(json.dumps, config)]
        told = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        with pytest.raises(BlockingIOError):
            collector.accept()
    assert told.stdout.strip() == "[]"


def test_prometheus_reads_a_file_of_the_run(
    tmp_path: Path, config: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    config[0]["streams"]["main.orders"]["columns"] = {"id": "bigint | value > 1"}
    path = tmp_path / "mainstem.prom"
    metrics = Metrics(path)
    for event in run(*config):
        metrics.take(event)
    lines = path.read_text().splitlines()
    assert 'mainstem_stream_success{stream="main.orders"} 1' in lines
    assert 'mainstem_stream_success{stream="main.nowhere"} 0' in lines
    assert 'mainstem_stream_rows{stream="main.orders"} 3' in lines
    assert 'mainstem_constraint_failures{stream="main.orders",column="id"} 1' in lines
    assert [each.name for each in tmp_path.glob("*.prom*")] == ["mainstem.prom"]
