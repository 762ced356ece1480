"""What of a stream is compared, in each mode, and what a difference says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.reconcile.moves import compared, told

from mainstem.errors import ConfigError, EndpointError, RelationNotFoundError
from mainstem.reconcile import OneOf
from mainstem.testing.moving import Moving, day, order, orders
from mainstem.testing.place import Place

KEYED: dict[str, Any] = {"mode": "incremental", "primary_key": "id", "update_key": "updated"}


@pytest.fixture
def moving(tmp_path: Path) -> Moving:
    """Five orders, on their way from DuckDB to SQLite."""
    source = Place("duckdb", f"duckdb://{tmp_path / 'from.duckdb'}", "shop")
    target = Place("sqlite", f"sqlite://{tmp_path / 'to.db'}", "main")
    found = Moving(source, target)
    found.put(*(order(number) for number in range(1, 6)))
    return found


def test_a_row_that_is_missing_is_told_by_the_count_and_by_its_values(moving: Moving) -> None:
    moving.run()
    moving.target.run("delete from moved where id = 5")
    found = compared(moving)
    assert (found.source_rows, found.target_rows) == (5, 4)
    assert str(found.differences[0]) == "row_count: 5 in the source, 4 in the target"
    assert "maximum of updated: 2024-01-05 12:30:15.123456 in the source, 2024-01-04 12:30:15.123456" in str(
        [str(difference) for difference in found.differences]
    )


def test_a_row_that_is_there_twice_is_told(moving: Moving) -> None:
    moving.run()
    moving.target.run("delete from moved where id = 5", "insert into moved select * from moved where id = 4")
    assert ("checksum", "id") in told(compared(moving))


def test_one_value_is_told_with_its_column_alone(moving: Moving) -> None:
    moving.run()
    moving.target.run("update moved set amount = 99 where id = 3")
    assert ("checksum", "amount") in told(compared(moving))
    assert {column for _, column in told(compared(moving))} == {"amount"}


def test_values_that_changed_their_rows_are_told(moving: Moving) -> None:
    moving.source.put("orders", orders([order(1, "a"), order(2, "b")]))
    moving.run()
    moving.target.run("update moved set name = case id when 1 then 'b' else 'a' end")
    found = compared(moving)
    assert told(found) == [("checksum", None)]
    assert "in other rows" in str(found.differences[0])


def test_a_null_is_told(moving: Moving) -> None:
    moving.run()
    moving.target.run("update moved set name = null where id = 3")
    assert ("null_count", "name") in told(compared(moving))


def test_two_empty_tables_agree(moving: Moving) -> None:
    moving.put()
    moving.run(env={"SLING_ALLOW_EMPTY": "true"})
    assert compared(moving).agrees


def test_a_column_that_the_target_lost_is_told(moving: Moving) -> None:
    moving.run()
    moving.target.run("alter table moved drop column amount")
    assert ("column", "amount") in told(compared(moving))


def test_columns_of_the_targets_own_and_those_left_out_do_not_matter(moving: Moving) -> None:
    moving.run(select=["id", "name as title"])
    moving.target.run("alter table moved add column noted text", "update moved set noted = 'x'")
    found = compared(moving, select=["id", "name as title"])
    assert found.agrees
    assert list(found.compared) == ["id", "title"]


def test_only_what_the_stream_reads_is_compared(moving: Moving) -> None:
    where: dict[str, Any] = {"where": "id <= 3"}
    moving.run(**where)
    assert compared(moving, **where).source_rows == 3
    assert compared(moving, **where).agrees


def test_custom_sql_is_compared_as_a_table_is(moving: Moving) -> None:
    sql: dict[str, Any] = {"sql": "select id, upper(name) as name from shop.orders -- all of them"}
    moving.run(**sql)
    assert compared(moving, **sql).agrees
    moving.target.run("update moved set name = lower(name)")
    assert ("checksum", "name") in told(compared(moving, **sql))


def test_a_column_that_becomes_text_is_compared_as_text(moving: Moving) -> None:
    # As texts, 10 is less than 9.
    moving.put(order(9), order(10))
    declared: dict[str, Any] = {"columns": {"amount": "string", "id": "string"}}
    moving.run(**declared)
    found = compared(moving, **declared)
    assert found.agrees
    assert set(found.compared) == {"id", "name", "amount", "updated"}


@pytest.mark.parametrize(
    ("option", "column", "reason"),
    [({"max_decimals": 1}, "amount", "max_decimals"), ({"empty_as_null": True}, "name", "empty_as_null")],
)
def test_what_changes_on_the_way_is_left_out_by_name(
    moving: Moving, option: dict[str, object], column: str, reason: str
) -> None:
    moving.put(order(1, ""), order(2, "x"))
    moving.run(source_options=option)
    found = compared(moving, source_options=option)
    assert reason in found.left_out[column]
    assert column not in found.compared


def test_types_that_do_not_meet_are_left_out_by_name(moving: Moving) -> None:
    moving.run(columns={"amount": "float"})
    found = compared(moving, columns={"amount": "float"})
    assert found.left_out == {"amount": "DECIMAL(12,2) and DOUBLE have no form in common"}
    assert found.agrees


def test_an_incremental_stream_is_compared_as_far_as_it_came(moving: Moving) -> None:
    moving.run(**KEYED)
    moving.put(*(order(number) for number in range(1, 8)))
    found = compared(moving, **KEYED)
    assert found.agrees
    assert (found.source_rows, found.newer_rows) == (5, 2)
    assert found.up_to == "2024-01-05 12:30:15.123456"


def test_a_row_that_an_incremental_stream_never_brought_is_told(moving: Moving) -> None:
    moving.run(**KEYED)
    moving.put(*(order(number) for number in range(1, 6)), order(9, on=2))
    assert ("row_count", None) in told(compared(moving, **KEYED))


def test_of_a_snapshot_the_last_load_is_compared(moving: Moving) -> None:
    stamped: dict[str, Any] = {"env": {"SLING_LOADED_AT_COLUMN": "timestamp"}}
    moving.run(mode="snapshot", **stamped)
    moving.put(order(1), order(2))
    moving.run(mode="snapshot", **stamped)
    found = compared(moving, mode="snapshot")
    assert found.agrees
    assert found.target_rows == 2


def test_rows_that_are_marked_as_deleted_are_left_out(moving: Moving) -> None:
    soft: dict[str, Any] = {
        "mode": "incremental",
        "primary_key": "id",
        "target_options": {"delete_missing": "soft"},
    }
    moving.run(**soft)
    moving.put(order(1), order(2))
    moving.run(**soft)
    assert len(moving.moved(["id"])) == 5
    assert compared(moving, **soft).agrees


def test_a_range_bounds_both_sides(moving: Moving) -> None:
    moving.run()
    moving.target.run("delete from moved where id = 5")
    bounded: dict[str, Any] = {
        **KEYED,
        "mode": "backfill",
        "source_options": {"range": "2024-01-01,2024-01-04"},
    }
    found = compared(moving, **bounded)
    assert (found.source_rows, found.target_rows) == (3, 3)
    assert found.agrees


def test_only_rows_of_some_values_are_compared(moving: Moving) -> None:
    moving.put(order(1, "it's"), order(2, "b"), order(3, "c"))
    moving.run()
    moving.target.run("delete from moved where name = 'c'")
    found = compared(moving, OneOf("name", ["it's", "b"]))
    assert (found.source_rows, found.target_rows) == (2, 2)
    assert found.agrees
    assert not compared(moving, OneOf("name", ["c"])).agrees
    with pytest.raises(ConfigError, match="no column nothing"):
        compared(moving, OneOf("nothing", ["c"]))


@pytest.mark.parametrize("options", [{"limit": 2}, {"limit": 2, "offset": 1}])
@pytest.mark.parametrize("stream", [{}, KEYED])
def test_a_limit_is_refused(moving: Moving, options: dict[str, int], stream: dict[str, Any]) -> None:
    moving.run(source_options=options)
    with pytest.raises(ConfigError, match="limit"):
        compared(moving, source_options=options, **stream)


def test_a_target_that_is_not_there_is_told_by_name(moving: Moving) -> None:
    with pytest.raises((RelationNotFoundError, EndpointError), match=r"to\.db|moved"):
        compared(moving)


def test_nothing_is_moved_and_nothing_changed(moving: Moving) -> None:
    moving.run()
    before = moving.target.tables(), moving.moved()
    moving.put(order(1))
    compared(moving)
    assert (moving.target.tables(), moving.moved()) == before


def test_a_day_is_compared_to_its_midnight(moving: Moving) -> None:
    moving.source.put("orders", pa.table({"id": [1], "day": pa.array([day(1).date()], pa.date32())}))
    declared: dict[str, Any] = {"columns": {"day": "timestamp"}}
    moving.run(**declared)
    found = compared(moving, **declared)
    assert found.agrees
    assert "day" in found.compared
