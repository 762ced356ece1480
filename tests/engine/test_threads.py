"""Several streams at once: `threads`."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mainstem.engine import run
from mainstem.errors import ReplicationError
from mainstem.events import (
    Event,
    ReplicationFinished,
    StreamFailed,
    StreamPublished,
    StreamSkipped,
    StreamStarted,
)
from mainstem.settings import Settings
from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

# Returns once two sessions are in it at the same time; gives up after half a minute.
MEETING = """
create function {schema}.meeting() returns int language plpgsql as $$
begin
  for attempt in 1..3000 loop
    if (select count(*) from pg_stat_activity where query like '%{schema}.meeting()%'
        and state = 'active' and pid <> pg_backend_pid()) > 0 then
      perform pg_sleep(0.2);
      return 1;
    end if;
    perform pg_sleep(0.01);
    perform pg_stat_clear_snapshot();
  end loop;
  raise 'nobody came';
end $$
"""


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def replication(schema: str, streams: Mapping[str, Any], **keys: Any) -> dict[str, Any]:
    return {
        "source": "PG",
        "target": "TARGET",
        "defaults": {"object": "{stream_table}", **keys},
        "streams": {
            name if name.startswith("q") else f"{schema}.{name}": value for name, value in streams.items()
        },
    }


def moved(
    config: dict[str, Any],
    source: EmbeddedPostgres,
    target: str,
    *,
    threads: int = 4,
    after: Mapping[str, Collection[str]] | None = None,
) -> list[Event]:
    connections = {"PG": source.url, "TARGET": target}
    return list(run(config, connections, settings=Settings(threads=threads, retry_delay=0.05), after=after))


def tables(postgres: EmbeddedPostgres, schema: str, number: int) -> list[str]:
    names = [f"t{index}" for index in range(number)]
    postgres.execute(
        *(
            f"create table {schema}.{name} as select {index} as id, n from generate_series(1, 50) n"
            for index, name in enumerate(names)
        )
    )
    return names


@pytest.mark.parametrize("system", ["duckdb", "postgres", "mariadb", "sqlite"])
def test_all_streams_arrive_also_in_a_schema_that_is_made_on_the_way(
    postgres: EmbeddedPostgres, schema: str, tmp_path: Path, system: str, request: pytest.FixtureRequest
) -> None:
    names = tables(postgres, schema, 12)
    owner = "main" if system == "sqlite" else f"new_{schema}"
    if system == "mariadb":
        mariadb: EmbeddedMariaDB = request.getfixturevalue("mariadb")
        target = mariadb.url
    else:
        target = postgres.url if system == "postgres" else f"{system}://{tmp_path / 'target.db'}"
    config = replication(schema, dict.fromkeys(names), object=owner + ".{stream_table}")
    events = moved(config, postgres, target, threads=6)
    assert of(StreamFailed, events) == []
    assert sorted(event.report.stream for event in of(StreamPublished, events)) == sorted(
        f"{schema}.{name}" for name in names
    )
    assert {event.report.row_count for event in of(StreamPublished, events)} == {50}
    assert isinstance(events[-1], ReplicationFinished)
    if system == "postgres":
        postgres.execute(f"drop schema {owner} cascade")


def test_streams_really_run_at_the_same_time(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse
) -> None:
    postgres.execute(MEETING.format(schema=schema))
    sql = f"select {schema}.meeting() as met"
    config = replication(schema, {name: {"sql": sql, "object": f"main.{name}"} for name in ("q1", "q2")})
    assert of(StreamFailed, moved(config, postgres, warehouse.url, threads=2)) == []
    assert warehouse.tables() == ["main.q1", "main.q2"]


def test_small_streams_do_not_wait_behind_large_ones(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse
) -> None:
    """Both large tables cannot be read until the small ones are published, or until long after."""
    names = tables(postgres, schema, 5)
    postgres.execute(
        *(f"insert into {schema}.{name} select 0, generate_series(1, 5000)" for name in names[:2])
    )
    postgres.execute(f"analyze {', '.join(f'{schema}.{name}' for name in names)}")
    config = replication(schema, dict.fromkeys(names))
    connections = {"PG": postgres.url, "TARGET": warehouse.url}
    published: list[str] = []
    with psycopg.connect(postgres.url) as blocking:
        blocking.execute(f"lock table {schema}.t0, {schema}.t1 in access exclusive mode".encode())
        giving_up = threading.Timer(30, blocking.rollback)
        giving_up.start()
        for event in run(config, connections, settings=Settings(threads=2)):
            if isinstance(event, StreamPublished):
                published.append(event.report.stream)
                if len(published) == 3:
                    blocking.rollback()
        giving_up.cancel()
    assert published[:3] == [f"{schema}.{name}" for name in names[2:]]
    assert len(published) == 5


def test_one_failure_leaves_the_others(postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse) -> None:
    names = tables(postgres, schema, 5)
    config = replication(schema, dict.fromkeys([*names[:2], "missing", *names[2:]]))
    events = moved(config, postgres, warehouse.url)
    assert [event.error.stream for event in of(StreamFailed, events)] == [f"{schema}.missing"]
    assert len(of(StreamPublished, events)) == 5


def test_cursors_are_kept_for_all_of_them(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse
) -> None:
    names = tables(postgres, schema, 6)
    config = replication(schema, dict.fromkeys(names), mode="incremental", update_key="n")
    config["env"] = {"SLING_STATE": "TARGET/main", "SLING_THREADS": 4}
    connections = {"PG": postgres.url, "TARGET": warehouse.url}
    for rows in (50, 0):
        finished = list(run(config, connections))[-1]
        assert isinstance(finished, ReplicationFinished)
        assert finished.failures == []
        assert {report.rows for report in finished.reports} == {rows}
    assert warehouse.query("select count(*), min(value), max(value) from _sling_state") == [(6, "50", "50")]


class TestOrder:
    """Streams are independent, but where the caller says otherwise."""

    @pytest.mark.parametrize("threads", [1, 4])
    def test_a_stream_begins_after_those_that_it_waits_for(
        self, postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse, threads: int
    ) -> None:
        names = [f"{schema}.{name}" for name in tables(postgres, schema, 4)]
        after = {names[0]: [names[3]], names[3]: [names[2]], names[1]: ["not_in_this_run"]}
        config = replication(schema, {name.partition(".")[2]: None for name in names})
        events = moved(config, postgres, warehouse.url, threads=threads, after=after)
        order = [
            (type(event), event.report.stream if isinstance(event, StreamPublished) else event.stream)
            for event in events
            if isinstance(event, (StreamStarted, StreamPublished))
        ]
        for late, early in ((names[0], names[3]), (names[3], names[2])):
            assert order.index((StreamPublished, early)) < order.index((StreamStarted, late))
        assert len(of(StreamPublished, events)) == 4

    @pytest.mark.parametrize("threads", [1, 4])
    def test_those_that_wait_for_a_failed_one_are_skipped(
        self, postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse, threads: int
    ) -> None:
        tables(postgres, schema, 3)
        lost, second, third, free = (f"{schema}.{name}" for name in ("missing", "t0", "t1", "t2"))
        config = replication(schema, dict.fromkeys(["t0", "t1", "missing", "t2"]))
        after = {second: [lost], third: [second]}
        events = moved(config, postgres, warehouse.url, threads=threads, after=after)
        assert {event.stream for event in of(StreamSkipped, events)} == {second, third}
        assert [event.report.stream for event in of(StreamPublished, events)] == [free]
        assert isinstance(events[-1], ReplicationFinished)
        assert set(events[-1].skipped) == {second, third}

    def test_a_circle_is_refused_with_its_streams(
        self, postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse
    ) -> None:
        names = [f"{schema}.{name}" for name in tables(postgres, schema, 2)]
        config = replication(schema, {"t0": None, "t1": None})
        with pytest.raises(ReplicationError, match="in a circle"):
            moved(config, postgres, warehouse.url, after={names[0]: [names[1]], names[1]: [names[0]]})


def test_closing_the_run_breaks_off_all_of_them(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse
) -> None:
    tables(postgres, schema, 1)
    slow = f"select pg_sleep(600)::text as v /* {schema} */"
    streams = {"t0": None, **{name: {"sql": slow, "object": f"main.{name}"} for name in ("q1", "q2")}}
    connections = {"PG": postgres.url, "TARGET": warehouse.url}
    config = replication(schema, streams)
    with closing(run(config, connections, settings=Settings(threads=3))) as events:
        for event in events:
            if isinstance(event, StreamPublished):
                break
    running = f"select count(*) from pg_stat_activity where query like 'select pg_sleep%{schema}%'"
    assert postgres.fetch(running) == [(0,)]
    assert warehouse.tables() == ["main.t0"]
