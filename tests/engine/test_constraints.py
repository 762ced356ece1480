"""Constraints on columns: rows that break one are told, stop the stream, or are kept beside the others."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from tests.engine.conftest import Filing

from mainstem.api import replicate
from mainstem.errors import ConfigError, ConstraintError, ReplicationFailedError
from mainstem.settings import Settings
from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.moving import Moving
from mainstem.testing.place import Place
from mainstem.testing.postgres import EmbeddedPostgres

POSITIVE: dict[str, Any] = {"columns": {"amount": "decimal(10, 2) | value > 0"}}
SKIP = {"SLING_ON_CONSTRAINT_FAILURE": "skip"}
ABORT = {"SLING_ON_CONSTRAINT_FAILURE": "abort"}


def put(moving: Moving, amounts: list[int | None], first: int = 1) -> None:
    numbers = pa.array(range(first, first + len(amounts)), pa.int64())
    moving.source.put("orders", pa.table({"id": numbers, "amount": pa.array(amounts, pa.decimal64(10, 2))}))


def between(source: Place, target: Place) -> Moving:
    moving = Moving(source, target)
    put(moving, [1, -2, None, -4])
    return moving


@pytest.fixture
def moving(tmp_path: Path) -> Moving:
    """From DuckDB to SQLite: four rows, of which two are negative."""
    return between(
        Place("duckdb", f"duckdb://{tmp_path / 's'}.db", "main"),
        Place("sqlite", f"sqlite://{tmp_path / 't'}.db", "main"),
    )


@pytest.fixture
def to_postgres(tmp_path: Path, postgres: EmbeddedPostgres, schema: str) -> Moving:
    """The same, to PostgreSQL."""
    return between(
        Place("duckdb", f"duckdb://{tmp_path / 's'}.db", "main"), Place("postgres", postgres.url, schema)
    )


@pytest.fixture
def to_mysql(tmp_path: Path, mariadb: EmbeddedMariaDB) -> Moving:
    """The same, to MySQL's kind."""
    database = f"s{uuid4().hex[:12]}"
    mariadb.execute(f"create database {database}")
    return between(
        Place("duckdb", f"duckdb://{tmp_path / 's'}.db", "main"), Place("mysql", mariadb.url, database)
    )


def quarantined(moving: Moving) -> list[dict[str, Any]]:
    return sorted(
        (json.loads(row[0]) for row in moving.target.rows("moved__quarantine", ["row_data"])),
        key=lambda row: str(row["id"]),
    )


def test_by_default_rows_are_written_and_told(moving: Moving) -> None:
    report = moving.run(**POSITIVE)
    assert report.rows == 4
    assert report.extra["constraint_failures"] == 2
    assert "2 values broke a constraint; the rows were written all the same." in report.notes
    assert "amount: `value > 0` does not hold for -2.00" in report.notes


def test_null_satisfies_a_constraint_as_in_sql_unless_it_says_otherwise(moving: Moving) -> None:
    strict = {"columns": {"amount": "decimal(10, 2) | value != null && value > 0"}}
    assert moving.run(**strict).extra["constraint_failures"] == 3


def test_abort_fails_the_stream_with_the_row_and_publishes_nothing(moving: Moving) -> None:
    error = moving.refused(ABORT, **POSITIVE)
    assert isinstance(error, ConstraintError)
    assert "amount: `value > 0` does not hold for -2.00" in str(error)
    assert moving.target.tables() == []


@pytest.mark.parametrize("where", ["moving", "to_postgres", "to_mysql"])
def test_skip_keeps_the_rows_beside_the_target(where: str, request: pytest.FixtureRequest) -> None:
    moving: Moving = request.getfixturevalue(where)
    report = moving.run(SKIP, **POSITIVE)
    assert report.rows == 2
    assert moving.moved(("id", "amount")) == [(1, Decimal("1.00")), (3, None)]
    assert quarantined(moving) == [{"id": "2", "amount": "-2.00"}, {"id": "4", "amount": "-4.00"}]
    (row, *_) = moving.target.rows("moved__quarantine", ["stream", "failed"])
    assert row == (moving.source.stream("orders"), "amount: value > 0")
    assert any("moved__quarantine" in note for note in report.notes)
    assert sorted(moving.target.tables()) == ["moved", "moved__quarantine"]


def test_the_quarantine_grows_with_each_run(moving: Moving) -> None:
    moving.run(SKIP, **POSITIVE)
    put(moving, [5, -6], first=5)
    moving.run(SKIP, mode="incremental", primary_key="id", **POSITIVE)
    assert [row["id"] for row in quarantined(moving)] == ["2", "4", "6"]
    assert [row[0] for row in moving.moved(("id",))] == [1, 3, 5]


def test_a_stream_of_nothing_but_bad_rows_leaves_its_target_and_keeps_them(moving: Moving) -> None:
    put(moving, [-1, -2])
    moving.run(SKIP, **POSITIVE)
    assert moving.target.tables() == ["moved__quarantine"]
    assert len(quarantined(moving)) == 2


def test_a_stream_that_fails_at_its_end_keeps_nothing_apart(to_postgres: Moving) -> None:
    moving = to_postgres
    moving.run(SKIP, **POSITIVE)
    # The merge fails, after the rows that were kept apart are on their way.
    moving.target.run(f"alter table {moving.target.schema}.moved add constraint few check (id < 4)")
    put(moving, [1, -1, 1, 1], first=2)
    moving.refused(SKIP, mode="incremental", primary_key="id", **POSITIVE)
    assert len(quarantined(moving)) == 2


def test_a_constraint_sees_what_transforms_made_and_other_columns(moving: Moving) -> None:
    report = moving.run(
        SKIP,
        transforms=[{"double": "record.amount * 2"}],
        columns={"double": "decimal(10, 2) | is_null(value) || value > record.id"},
    )
    assert report.rows == 2
    assert moving.plan(**POSITIVE).as_data()["columns"][1]["constraint"] == "value > 0"


def test_the_first_twenty_failures_are_told(moving: Moving) -> None:
    put(moving, list(range(-30, 0)))
    notes = moving.run(**POSITIVE).notes
    assert len([note for note in notes if "does not hold for" in note]) == 20
    assert "Further failures are not told: the first 20 are." in notes


@pytest.mark.parametrize(
    ("text", "problem"),
    [("value +", "here a value is missing"), ("value + 1", "neither true nor false"), ("value > 'a'", "`>`")],
)
def test_a_constraint_that_is_none_is_refused_before_a_row_is_read(
    moving: Moving, text: str, problem: str
) -> None:
    error = moving.refused(columns={"amount": f"decimal(10, 2) | {text}"})
    assert problem in str(error)


def test_an_unknown_policy_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="SLING_ON_CONSTRAINT_FAILURE is 'maybe'"):
        Settings.from_environment({"SLING_ON_CONSTRAINT_FAILURE": "maybe"})


@pytest.mark.parametrize("lake", ["delta", "iceberg"])
def test_a_lake_keeps_them_in_a_table_beside(tmp_path: Path, lake: str) -> None:
    connection = {"type": lake, "path": str(tmp_path / "lake")}
    (tmp_path / "lake").mkdir()
    moving = between(
        Place("duckdb", f"duckdb://{tmp_path / 's'}.db", "main"), Place(lake, connection, "shop")
    )
    for _ in range(2):
        moving.run(SKIP, mode="truncate", **POSITIVE)
    assert [row[0] for row in moving.moved(("id",))] == [1, 3]
    assert [row["id"] for row in quarantined(moving)] == ["2", "2", "4", "4"]


class TestFiles:
    """A folder `_quarantine` beside the files, which nobody takes for data."""

    def kept(self, filing: Filing, folder: str) -> list[str]:
        found = sorted((filing.folder / folder).glob("part.*.jsonl"))
        lines = [json.loads(line) for file in found for line in file.read_text().splitlines()]
        return sorted(json.loads(line["row_data"])["id"] for line in lines)

    @pytest.mark.parametrize(
        ("target", "folder"),
        [("orders.parquet", "_quarantine/orders.parquet"), ("in/orders/*.parquet", "in/_quarantine/orders")],
    )
    def test_the_quarantine_is_that_of_the_last_load(self, filing: Filing, target: str, folder: str) -> None:
        columns = {"id": "integer | value > 3"}
        for _ in range(2):
            report = filing.run(target, SKIP, columns=columns)
            assert self.kept(filing, folder) == ["1", "2", "3"]
        assert (report.rows, filing.read(target)) == (7, [4, 5, 6, 7, 8, 9, 10])
        assert f"The rows that were kept apart are in file://{filing.folder}/{folder}." in report.notes
        assert report.constraints[0].quarantine == f"file://{filing.folder}/{folder}"

    def test_each_step_of_a_cursor_keeps_its_own(self, filing: Filing) -> None:
        stream = {"mode": "incremental", "update_key": "id", "columns": {"id": "integer | value % 5 != 0"}}
        filing.run("orders/*.parquet", {**SKIP, **filing.kept}, **stream)
        filing.orders(1, 15)
        filing.run("orders/*.parquet", {**SKIP, **filing.kept}, **stream)
        assert self.kept(filing, "_quarantine/orders") == ["10", "10", "15", "5"]

    def test_where_nothing_can_be_beside_it_is_told_before_a_row_is_read(self, filing: Filing) -> None:
        config = {**filing.config("stdout", SKIP, columns={"id": "integer | value > 3"}), "target": "STDOUT"}
        with pytest.raises(ReplicationFailedError, match="failed in phase plan: There is no place beside"):
            replicate(config, {**filing.connections, "STDOUT": {"type": "stdout"}})
