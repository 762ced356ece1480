"""A run in the user's own monitoring: OpenTelemetry where the process has it, Prometheus on request."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry import trace
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


def test_prometheus_reads_a_file_of_the_run(
    tmp_path: Path, config: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    path = tmp_path / "mainstem.prom"
    metrics = Metrics(path)
    for event in run(*config):
        metrics.take(event)
    lines = path.read_text().splitlines()
    assert 'mainstem_stream_success{stream="main.orders"} 1' in lines
    assert 'mainstem_stream_success{stream="main.nowhere"} 0' in lines
    assert 'mainstem_stream_rows{stream="main.orders"} 3' in lines
    assert [each.name for each in tmp_path.glob("*.prom*")] == ["mainstem.prom"]
