"""A stream that failed for a reason that may pass is tried again, and doubles nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstem.engine import run
from mainstem.errors import ConfigError, ConnectError
from mainstem.events import (
    BatchStaged,
    Event,
    HookFinished,
    StreamFailed,
    StreamPublished,
    StreamRetried,
    StreamSkipped,
    StreamStarted,
)
from mainstem.settings import Settings
from mainstem.testing.postgres import EmbeddedPostgres, free_port
from mainstem.testing.warehouse import Warehouse

SOON = Settings(retries=2, retry_delay=0.01)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of this test's own, with a table of several batches."""
    with EmbeddedPostgres(tmp_path / "mortal") as server:
        server.execute(
            "create table big as select i, repeat(md5(i::text), 30) as v from generate_series(1, 60000) i"
        )
        yield server


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def config(*streams: str, **keys: Any) -> dict[str, Any]:
    return {
        "source": "PG",
        "target": "DUCK",
        "defaults": {"object": "main.{stream_table}", **keys},
        "streams": dict.fromkeys(streams),
    }


def restarted(mortal: EmbeddedPostgres, warehouse: Warehouse, **keys: Any) -> list[Event]:
    """Run a stream whose server goes down with the first batch, and comes back before the next attempt."""
    events: list[Event] = []
    connections = {"PG": mortal.url, "DUCK": warehouse.url}
    for event in run(config("public.big", **keys), connections, settings=SOON):
        if isinstance(event, BatchStaged) and not of(BatchStaged, events):
            mortal.kill()
        if isinstance(event, StreamRetried):
            mortal.start()
        events.append(event)
    return events


def test_a_server_that_comes_back_costs_one_retry(mortal: EmbeddedPostgres, warehouse: Warehouse) -> None:
    events = restarted(mortal, warehouse)
    (retried,) = of(StreamRetried, events)
    assert (retried.error.stream, retried.error.phase) == ("public.big", "read")
    assert (retried.attempt, retried.attempts, retried.seconds) == (2, 3, 0.01)
    assert [event.report.rows for event in of(StreamPublished, events)] == [60000]
    assert warehouse.query("select count(*), count(distinct i) from big") == [(60000, 60000)]
    assert warehouse.tables() == ["main.big"]


def test_rows_that_are_appended_do_not_double(mortal: EmbeddedPostgres, warehouse: Warehouse) -> None:
    keys = {"mode": "incremental", "update_key": "i"}
    connections = {"PG": mortal.url, "DUCK": warehouse.url}
    list(run(config("public.big", **keys), connections))
    mortal.execute("insert into big select i, repeat(md5(i::text), 30) from generate_series(60001, 120000) i")
    assert of(StreamRetried, restarted(mortal, warehouse, **keys))
    assert warehouse.query("select count(*), count(distinct i), max(i) from big") == [
        (120000, 120000, 120000)
    ]


def test_attempts_end(warehouse: Warehouse) -> None:
    nobody = f"postgresql://a:b@127.0.0.1:{free_port()}/c"
    events = list(run(config("public.a", "public.b"), {"PG": nobody, "DUCK": warehouse.url}, settings=SOON))
    assert [(event.attempt, event.seconds) for event in of(StreamRetried, events)] == [(2, 0.01), (3, 0.02)]
    (failed,) = of(StreamFailed, events)
    assert isinstance(failed.error.cause, ConnectError)
    assert [event.stream for event in of(StreamSkipped, events)] == ["public.b"]


def test_a_stream_says_for_itself_how_often_it_is_tried(warehouse: Warehouse) -> None:
    nobody = f"postgresql://a:b@127.0.0.1:{free_port()}/c"
    given = config("public.a", retries=1, retry_delay="20ms")
    events = list(run(given, {"PG": nobody, "DUCK": warehouse.url}, settings=SOON))
    assert [(event.attempt, event.attempts, event.seconds) for event in of(StreamRetried, events)] == [
        (2, 2, 0.02)
    ]


def test_pre_hooks_run_once_however_often_the_stream_is_tried(
    mortal: EmbeddedPostgres, warehouse: Warehouse
) -> None:
    stages = ("pre", "pre_merge", "post_merge", "post")
    events = restarted(mortal, warehouse, hooks={stage: [{"log": stage}] for stage in stages})
    assert of(StreamRetried, events)
    assert [event.said for event in of(HookFinished, events)] == list(stages)


def test_pre_hooks_run_once_where_a_value_breaks_the_type_that_was_found(
    tmp_path: Path, warehouse: Warehouse
) -> None:
    rows = [str(number) for number in range(200_000)]
    (tmp_path / "n.csv").write_text("\n".join(["n", *rows, "none"]) + "\n")
    hooks = {stage: [{"log": stage}] for stage in ("pre", "post")}
    streams = {str(tmp_path / "n.csv"): {"object": "main.n", "hooks": hooks}}
    events = list(run({"source": "LOCAL", "target": "DUCK", "streams": streams}, {"DUCK": warehouse.url}))
    assert len(of(StreamStarted, events)) == 2
    assert [event.said for event in of(HookFinished, events)] == ["pre", "post"]
    assert warehouse.query("select count(*) from n") == [(200_001,)]


@pytest.mark.parametrize("wrong", ["password", "table"])
def test_what_does_not_pass_is_tried_once(
    postgres: EmbeddedPostgres, warehouse: Warehouse, wrong: str
) -> None:
    url = postgres.url.replace(postgres.password, "wrong") if wrong == "password" else postgres.url
    events = list(run(config("public.nowhere"), {"PG": url, "DUCK": warehouse.url}, settings=SOON))
    assert of(StreamRetried, events) == []
    assert len(of(StreamFailed, events)) == 1


def test_the_environment_says_how_often_and_how_soon() -> None:
    given = {"SLING_RETRIES": "5", "SLING_RETRY_DELAY": "1m", "SLING_THREADS": "8"}
    settings = Settings.from_environment(given)
    assert (settings.retries, settings.retry_delay, settings.threads) == (5, 60.0, 8)


@pytest.mark.parametrize(
    ("name", "value"), [("SLING_THREADS", "0"), ("SLING_RETRIES", "-1"), ("SLING_RETRY_DELAY", "soon")]
)
def test_a_setting_that_is_no_such_number_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '{value}'"):
        Settings.from_environment({name: value})
