"""A stream that is read in parts (spec §1.9): by several connections, at one moment, for one publish."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mainstem.api import plan, replicate
from mainstem.errors import MainstemError, ReplicationFailedError
from mainstem.report import StreamReport
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

ROWS = 400


class Chunks:
    """A table whose rows have a number, a day and a moment, or none of them."""

    def __init__(self, postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse) -> None:
        self.postgres = postgres
        self.table = f"{schema}.events"
        self.warehouse = warehouse
        self.connections: dict[str, Any] = {"PG": postgres.url, "DUCK": warehouse.url}
        postgres.execute(
            f"create table {self.table} (id bigint, day date, at timestamptz, amount int, note text)",
            f"insert into {self.table} select i, date '2023-11-20' + i, timestamptz '2024-01-31 20:00Z'"
            f" + i * interval '1 hour', 1, 'n' || i from generate_series(-100, {ROWS - 104}) i",
            f"insert into {self.table} (amount) select 1 from generate_series(1, 3)",
        )

    def config(self, threads: int = 3, **stream: Any) -> dict[str, Any]:
        streams = {self.table: {"object": "events", **stream}}
        return {"source": "PG", "target": "DUCK", "env": {"SLING_THREADS": str(threads)}, "streams": streams}

    def run(self, threads: int = 3, **stream: Any) -> StreamReport:
        return replicate(self.config(threads, **stream), self.connections).streams[0]

    def parts(self, **stream: Any) -> int:
        """In how many parts it would be read."""
        (planned,) = plan(self.config(**stream), self.connections).streams
        return len(planned.parts) or 1

    def refused(self, **stream: Any) -> MainstemError:
        with pytest.raises(ReplicationFailedError) as caught:
            self.run(**stream)
        return caught.value.failures[0].cause


@pytest.fixture
def chunks(postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse) -> Chunks:
    return Chunks(postgres, schema, warehouse)


WAYS: Mapping[str, tuple[str, dict[str, Any], int]] = {
    "count of numbers": ("id", {"chunk_count": 5}, 5),
    "count of days": ("day", {"chunk_count": 4}, 4),
    "count of moments": ("at", {"chunk_count": 3}, 3),
    "more than there are values": ("id", {"chunk_count": 1000}, 397),
    "one": ("id", {"chunk_count": 1}, 1),
    "size of numbers": ("id", {"chunk_size": 100}, 4),
    "size of days": ("day", {"chunk_size": "30d"}, 14),
    "weeks": ("at", {"chunk_size": "1w"}, 3),
    "hours": ("at", {"chunk_size": "12h"}, 34),
    "hours of days": ("day", {"chunk_size": "48h"}, 199),
    "months": ("at", {"chunk_size": "1m"}, 2),
    "months of days": ("day", {"chunk_size": "2m"}, 7),
    "years": ("day", {"chunk_size": "1y"}, 2),
    "larger than all": ("id", {"chunk_size": 100_000}, 1),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_row_is_in_one_part(chunks: Chunks, way: str) -> None:
    key, options, parts = WAYS[way]
    stream: dict[str, Any] = {"update_key": key, "source_options": options}
    assert chunks.parts(**stream) == parts
    report = chunks.run(**stream)
    assert (report.rows, report.row_count) == (ROWS, ROWS)
    assert chunks.warehouse.query("select count(distinct id), count(*) - count(id) from events") == [
        (ROWS - 3, 3)
    ]


def test_an_expression_cuts_what_no_key_does(chunks: Chunks) -> None:
    """Rows of which it says something else, or nothing, are read as well."""
    options: dict[str, Any] = {"chunk_expr": "mod(id, {chunk_count})", "chunk_count": 3}
    assert chunks.parts(source_options=options) == 3
    assert chunks.run(source_options=options).row_count == ROWS
    query = f"select * from {chunks.table} where id <> 7"
    assert chunks.run(sql=query, source_options=options).row_count == ROWS - 4


def test_parts_go_on_from_the_cursor_and_are_merged(chunks: Chunks) -> None:
    stream: dict[str, Any] = {
        "mode": "incremental", "primary_key": "id", "update_key": "at", "where": "id is not null",
        "source_options": {"chunk_count": 4},
    }  # fmt: skip
    assert chunks.run(**stream).rows == ROWS - 3
    chunks.postgres.execute(
        f"update {chunks.table} set amount = 5, at = at + interval '1 year' where id in (1, 2, 3, 4, 5)"
    )
    assert chunks.run(**stream).rows == 6
    assert chunks.warehouse.query("select count(*), sum(amount) from events") == [(ROWS - 3, ROWS - 3 + 20)]
    # Nothing new: there is the cursor's own row.
    assert chunks.run(**stream).rows == 1


def test_an_empty_table_has_no_parts(chunks: Chunks) -> None:
    chunks.postgres.execute(f"truncate {chunks.table}")
    assert chunks.parts(update_key="id", source_options={"chunk_count": 4}) == 1
    assert chunks.run(update_key="id", source_options={"chunk_count": 4}).rows == 0


@contextmanager
def moving_money(url: str, table: str) -> Iterator[None]:
    """Somebody moves amounts from the first rows to the last ones and back, all the time."""
    over = threading.Event()

    def move() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            step = 1
            while not over.is_set():
                connection.execute(
                    f"update {table} set amount = amount + case when id < 100 then %s else -%s end"
                    " where id < 0 or id >= 200".encode(),
                    [step, step],
                )
                step = -step

    writer = threading.Thread(target=move)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def test_all_parts_are_of_one_moment_while_others_write(chunks: Chunks) -> None:
    chunks.postgres.execute(
        f"truncate {chunks.table}",
        f"insert into {chunks.table} (id, amount) select i, 0 from generate_series(-100, 299) i",
    )
    with moving_money(chunks.postgres.url, chunks.table):
        for _ in range(10):
            chunks.run(update_key="id", source_options={"chunk_count": 12})
            rich, poor = chunks.warehouse.query(
                "select min(amount), max(amount) from events where id < 0 or id >= 200"
                " group by id < 0 order by id < 0"
            )
            assert rich[0] == rich[1] == -poor[0] == -poor[1]


@pytest.mark.parametrize(("threads", "most", "readers"), [(1, None, 1), (4, None, 4), (4, 2, 2)])
def test_connections_are_as_many_as_are_allowed(
    chunks: Chunks, threads: int, most: int | None, readers: int
) -> None:
    """Each part waits until so many of them are being read."""
    chunks.connections["PG"] = f"{chunks.postgres.url}?max_conns={most}" if most else chunks.postgres.url
    seen = "select count(*) from pg_stat_activity where application_name = 'mainstem' and state = 'active'"
    sql = f"select id, (select pg_sleep(0.1))::text as slept, ({seen}) as seen from generate_series(1, 8) id"
    chunks.run(threads, mode="full-refresh", sql=sql, update_key="id", source_options={"chunk_count": 8})
    assert chunks.warehouse.query(f"select max(seen) <= {readers} from events") == [(True,)]


@pytest.mark.parametrize(("stream", "said"), [
    ({"update_key": "note", "source_options": {"chunk_count": 2}}, "`update_key` that is a whole"),
    ({"source_options": {"chunk_size": 10}}, "`chunk_size` needs an `update_key`"),
    ({"update_key": "id", "source_options": {"chunk_count": 0}}, "`chunk_count` is from 1 to 1000, not 0"),
    ({"update_key": "id", "source_options": {"chunk_size": "7d"}}, "`chunk_size` is 7d, but by"),
    ({"update_key": "at", "source_options": {"chunk_size": 10}}, "a part's size is a time, such as 7d"),
    ({"update_key": "day", "source_options": {"chunk_size": "7x"}}, "is no unit"),
    ({"update_key": "id", "source_options": {"chunk_size": 2, "chunk_count": 2}}, "the same thing twice"),
    ({"update_key": "id", "source_options": {"chunk_count": 2, "offset": 5}}, "together with `limit`"),
    ({"source_options": {"chunk_expr": "mod(id, {chunk_count})"}}, "`chunk_expr` needs `chunk_count`"),
    ({"source_options": {"chunk_expr": "id", "chunk_count": 2}}, "and {chunk_count} in it"),
])  # fmt: skip
def test_what_makes_no_sense_is_told_where_it_stands(
    chunks: Chunks, stream: dict[str, Any], said: str
) -> None:
    assert said in str(chunks.refused(**stream))


def test_too_many_parts_are_refused(chunks: Chunks) -> None:
    chunks.postgres.execute(f"insert into {chunks.table} (id) values (1000000000)")
    error = chunks.refused(update_key="id", source_options={"chunk_size": 10})
    assert "would make 100000011 parts" in str(error)


def test_a_source_that_cannot_share_a_moment_refuses_parts(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.db").execute("create table t (id int)").connection.close()
    config = {
        "source": f"sqlite://{tmp_path / 'a.db'}", "target": f"duckdb://{tmp_path / 'b.duckdb'}",
        "streams": {"t": {"object": "t", "update_key": "id", "source_options": {"chunk_count": 2}}},
    }  # fmt: skip
    with pytest.raises(ReplicationFailedError, match="`chunk_count` says nothing to"):
        replicate(config)
