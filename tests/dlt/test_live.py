"""Each asset materializes as soon as its own tables are loaded, while others still load."""

import os
import signal
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any

import dagster as dg
import dlt
import pytest
from dlt.common.runtime import signals
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource


@dlt.source
def sizes() -> list[DltResource]:
    @dlt.resource
    def large() -> Iterator[Any]:
        yield {"id": 1}

    @dlt.resource
    def small() -> Iterator[Any]:
        yield {"id": 2}

    @dlt.resource
    def third() -> Iterator[Any]:
        yield {"id": 3}

    return [large, small, third]


class Sink:
    """A destination that keeps the names of the tables that it loads.

    Attributes:
        before: Called with a table's name before it is loaded.
        loaded: The tables.
    """

    def __init__(self) -> None:
        self.before: Callable[[str], None] = lambda _: None
        self.loaded: list[str] = []

    def load(self, table: str) -> None:
        self.before(table)
        if not table.startswith("_"):
            self.loaded.append(table)


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def pipeline(project: Project, sink: Sink) -> dlt.Pipeline:
    @dlt.destination(name="sink")
    def destination(items: Any, table: Any) -> None:
        sink.load(table["name"])

    return project.pipeline(destination=destination, dataset_name=None)


def test_a_small_table_is_reported_while_a_large_one_is_still_loading(
    pipeline: dlt.Pipeline, sink: Sink
) -> None:
    others_are_reported = Event()

    def wait_for_the_others(table: str) -> None:
        assert table != "large" or others_are_reported.wait(60)

    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        for count, event in enumerate(dlt.run(context=context), start=1):
            if count == 2:
                others_are_reported.set()
            yield event

    sink.before = wait_for_the_others
    ran = run(assets_of(sizes(), pipeline, body))

    assert ran.success
    assert sink.loaded[-1] == "large"
    assert list(ran.materialized)[-1] == "dlt_sizes_large"


def until_told_to_stop() -> None:
    while not signals.was_signal_received():
        signals.sleep(0.05)


def test_a_step_that_ends_early_stops_the_load_and_leaves_the_rest_to_the_next_run(
    pipeline: dlt.Pipeline, sink: Sink
) -> None:
    def cut_off(table: str) -> None:
        if table != "small":
            until_told_to_stop()
            raise ConnectionError("cut off")

    sink.before = cut_off
    assets = assets_of(sizes(), pipeline)
    events: Any = assets(dg.build_asset_context(), dlt=DagsterDltResource())

    next(events)
    events.close()

    assert sink.loaded == ["small"]
    assert pipeline.has_pending_data
    assert not signals.was_signal_received()
    sink.before = lambda _: None
    assert run(assets, "dlt_sizes_small").success
    assert sorted(sink.loaded) == ["large", "small", "small", "third"]


def test_ctrl_c_lets_a_running_job_end_and_keeps_the_others_pending(
    pipeline: dlt.Pipeline, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD__WORKERS", "1")
    seen: list[str] = []

    def interrupt(table: str) -> None:
        if not seen:
            os.kill(os.getpid(), signal.SIGINT)
            until_told_to_stop()
        seen.append(table)

    sink.before = interrupt
    assets = assets_of(sizes(), pipeline)
    handler = signal.getsignal(signal.SIGINT)
    events: Any = assets(dg.build_asset_context(), dlt=DagsterDltResource())

    with pytest.raises(KeyboardInterrupt):
        list(events)

    assert len(seen) == 1
    assert pipeline.has_pending_data
    assert signal.getsignal(signal.SIGINT) is handler
    assert not signals.was_signal_received()
    assert run(assets, "dlt_sizes_small").success
    assert sorted(sink.loaded) == ["large", "small", "small", "third"]


def test_a_pipelines_own_progress_goes_where_it_did(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = project.pipeline(progress="log")
    collector = pipeline.collector

    assert run(assets_of(sizes(), pipeline)).success

    said = capsys.readouterr().out
    assert all(step in said for step in ("Extract sizes", "Normalize sizes", "Load sizes", "large: 1"))
    assert pipeline.collector is collector
