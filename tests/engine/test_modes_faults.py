"""Faults that the modes once had: rows lost or doubled, wrong places, options without effect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem.api import plan
from mainstem.endpoints.sql import STAGING_COMMENT
from mainstem.errors import ReplicationError
from mainstem.faults import Point
from mainstem.testing.faults import Action, Fault, tripped
from mainstem.testing.moving import Moving
from mainstem.testing.place import Place

Making = Callable[..., Moving]

BY_NUMBER: dict[str, Any] = {"mode": "incremental", "update_key": "k"}
BY_KEY: dict[str, Any] = {"mode": "incremental", "primary_key": "id"}
NOON = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - the column has no zone


@pytest.fixture
def making(tmp_path: Path) -> Making:
    """Makes a source and a target of two systems."""

    def made(source: str = "sqlite", target: str = "duckdb") -> Moving:
        def place(system: str, name: str) -> Place:
            return Place(system, f"{system}://{tmp_path / name}.db", "main")

        return Moving(place(source, "source"), place(target, "target"))

    return made


@pytest.fixture
def moving(making: Making) -> Moving:
    """From SQLite to DuckDB."""
    return making()


def put(moving: Moving, **columns: Any) -> None:
    moving.source.put("orders", pa.table(columns))


class TestLimit:
    """A limit counts new rows, and cuts through no value of the update key."""

    @pytest.mark.parametrize("key", [{}, {"primary_key": "id"}], ids=["append", "merge"])
    @pytest.mark.parametrize(("source", "target"), [("sqlite", "duckdb"), ("duckdb", "sqlite")])
    def test_rows_of_one_value_are_not_parted(
        self, making: Making, key: dict[str, Any], source: str, target: str
    ) -> None:
        moving = making(source, target)
        put(moving, id=[1, 2, 3, 4, 5], k=[1, 2, 2, 2, 3])
        for arrived in ([1, 2, 3, 4], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5]):
            moving.run(source_options={"limit": 2}, **BY_NUMBER, **key)
            assert [row[0] for row in moving.moved(("id",))] == arrived

    @pytest.mark.parametrize("key", [{}, {"primary_key": "id"}], ids=["append", "merge"])
    def test_rows_without_a_value_do_not_use_it_up(self, moving: Moving, key: dict[str, Any]) -> None:
        put(moving, id=[1, 2, 3, 4], k=pa.array([None, None, 1, 2]))
        for arrived in ([1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4]):
            moving.run(source_options={"limit": 1}, **BY_NUMBER, **key)
            assert [row[0] for row in moving.moved(("id",))] == arrived

    def test_custom_sql_is_limited_alike(self, moving: Moving) -> None:
        put(moving, id=[1, 2, 3, 4], k=[1, 2, 2, 3])
        sql = "select * from orders where {incremental_where_cond} -- all"
        for many in (3, 4):
            moving.run(source_options={"limit": 2}, sql=sql, **BY_NUMBER)
            assert len(moving.moved(("id",))) == many

    def test_rows_that_come_late_with_the_cursors_value_are_still_merged(self, moving: Moving) -> None:
        put(moving, id=[1], k=[1])
        moving.run(**BY_NUMBER, primary_key="id")
        put(moving, id=[1, 2], k=[1, 1])
        moving.run(source_options={"limit": 5}, **BY_NUMBER, primary_key="id")
        assert moving.moved(("id",)) == [(1,), (2,)]


class TestCursor:
    """The cursor is a value that the source orders as the target does."""

    @pytest.mark.parametrize(
        ("kind", "values"),
        [(pa.float64(), [1.5, 2.5]), (pa.float32(), [1.5, 2.5]), (pa.bool_(), [False, True])],
    )
    def test_a_float_or_a_boolean_can_be_an_update_key(
        self, moving: Moving, kind: pa.DataType, values: list[Any]
    ) -> None:
        for many in (1, 2, 2):
            put(moving, id=list(range(many)), k=pa.array(values[:many], kind))
            moving.run(**BY_NUMBER)
            assert len(moving.moved(("id",))) == many

    def test_rows_that_all_lack_an_update_key_are_not_read_twice(self, moving: Moving) -> None:
        put(moving, id=[1], k=pa.array([None], pa.int64()))
        moving.run(**BY_NUMBER)
        moving.run(**BY_NUMBER)
        assert moving.moved(("id",)) == [(1,)]
        put(moving, id=[1, 2], k=pa.array([None, 5]))
        moving.run(**BY_NUMBER)
        assert moving.moved(("id",)) == [(1,), (2,)]

    def test_numbers_that_are_text_in_the_target_need_a_primary_key(self, moving: Moving) -> None:
        put(moving, id=[9, 10], k=[9, 10])
        moving.run(columns={"k": "string"}, **BY_NUMBER)
        assert "VARCHAR in the target" in str(moving.refused(columns={"k": "string"}, **BY_NUMBER))
        moving.run(columns={"k": "string"}, primary_key="id", **BY_NUMBER)
        assert moving.moved(("id",)) == [(10,), (9,)]

    def test_texts_that_are_numbers_in_the_target_are_refused(self, moving: Moving) -> None:
        put(moving, id=[9], k=["9"])
        moving.run(columns={"k": "bigint"}, **BY_NUMBER)
        assert "compared as text" in str(moving.refused(columns={"k": "bigint"}, **BY_NUMBER))

    @pytest.mark.parametrize("mode", ["full-refresh", "incremental"])
    def test_an_update_key_is_not_rounded(self, moving: Moving, mode: str) -> None:
        options = {"max_decimals": 1}
        put(moving, id=[1], k=pa.array([Decimal("1.26")], pa.decimal64(10, 2)))
        report = moving.run(**{**BY_NUMBER, "mode": mode}, target_options=options)
        assert any("max_decimals" in note for note in report.notes)
        put(moving, id=[1, 2], k=pa.array([Decimal("1.26"), Decimal("1.28")], pa.decimal64(10, 2)))
        moving.run(**BY_NUMBER, target_options=options)
        assert moving.moved(("id",)) == [(1,), (2,)]

    def test_days_of_moments_need_a_primary_key(self, moving: Moving) -> None:
        put(moving, id=[1], k=pa.array([NOON], pa.timestamp("us")))
        stream: dict[str, Any] = {**BY_NUMBER, "columns": {"k": "date"}}
        assert "would become date32" in str(moving.refused(**stream))
        for _ in range(2):
            moving.run(**stream, primary_key="id")
        assert moving.moved(("id",)) == [(1,)]


class TestState:
    """A cursor that is kept elsewhere is never ahead of the table."""

    @pytest.mark.parametrize("folder", [True, False], ids=["folder", "database"])
    @pytest.mark.parametrize("mode", ["definition-only", "truncate", "full-refresh"])
    def test_a_table_that_lost_its_rows_is_loaded_from_the_start(
        self, moving: Moving, tmp_path: Path, mode: str, folder: bool
    ) -> None:
        state = f"LOCAL/{tmp_path / 'state'}" if folder else "TGT/main"
        env = {"SLING_STATE": state, "SLING_ALLOW_EMPTY": "true"}
        put(moving, id=[1, 2], k=[1, 2])
        moving.run(env=env, **BY_NUMBER)
        put(moving, id=pa.array([], pa.int64()), k=pa.array([], pa.int64()))
        moving.run(env=env, mode=mode, update_key="k")
        put(moving, id=[1, 2], k=[1, 2])
        moving.run(env=env, **BY_NUMBER)
        assert moving.moved(("id",)) == [(1,), (2,)]

    @pytest.mark.parametrize("mode", ["definition-only", "truncate", "full-refresh"])
    def test_a_run_that_ends_between_its_rows_and_their_cursor_loses_none(
        self, moving: Moving, tmp_path: Path, mode: str
    ) -> None:
        env = {"SLING_STATE": f"LOCAL/{tmp_path / 'state'}", "SLING_ALLOW_EMPTY": "true"}
        put(moving, id=[1, 9], k=[1, 9])
        moving.run(env=env, **BY_NUMBER)
        put(moving, id=[1], k=[1])
        with tripped(Fault(Point.AFTER_PUBLISH, Action.RAISE)):
            moving.refused(env=env, mode=mode, update_key="k")
        put(moving, id=[1, 2], k=[1, 2])
        moving.run(env=env, **BY_NUMBER)
        assert moving.moved(("id",)) == [(1,), (2,)]

    def test_an_update_key_that_is_not_selected_is_refused(self, moving: Moving) -> None:
        put(moving, id=[1], k=[1])
        env = {"SLING_STATE": "TGT/main"}
        assert "not selected" in str(moving.refused(env=env, select=["id"], **BY_NUMBER))


class TestMissing:
    """`delete_missing` together with other things."""

    def test_a_source_that_became_empty_marks_all_rows_of_a_table_without_marks(self, moving: Moving) -> None:
        put(moving, id=[1])
        moving.run(mode="full-refresh")
        put(moving, id=pa.array([], pa.int64()))
        moving.run(env={"SLING_ALLOW_EMPTY": "true"}, target_options={"delete_missing": "soft"}, **BY_KEY)
        ((identity, deleted),) = moving.moved(("id", "_sling_deleted_at"))
        assert (identity, deleted is None) == (1, False)

    def test_its_condition_may_end_with_a_comment(self, moving: Moving) -> None:
        put(moving, id=[1, 2, 3])
        moving.run()
        put(moving, id=[2])
        options = {"delete_missing": {"type": "hard", "target_where": "id > 1 -- not the first"}}
        moving.run(target_options=options, **BY_KEY)
        assert moving.moved(("id",)) == [(1,), (2,)]


class TestShape:
    """Types that meet in a column."""

    def test_a_rounded_number_may_have_one_digit_more(self, making: Making) -> None:
        moving = making("duckdb")
        put(moving, k=pa.array([Decimal("9.99")], pa.decimal64(3, 2)))
        moving.run(target_options={"max_decimals": 1})
        assert moving.moved(("k",)) == [(Decimal("10.0"),)]

    @pytest.mark.parametrize("target", ["duckdb", "sqlite"])
    def test_a_column_of_the_runs_own_keeps_its_type(self, making: Making, target: str) -> None:
        moving = making(target=target)
        put(moving, id=[1])
        moving.run(env={"SLING_LOADED_AT_COLUMN": "unix"}, **BY_KEY)
        error = moving.refused(env={"SLING_LOADED_AT_COLUMN": "timestamp"}, **BY_KEY)
        assert "_sling_loaded_at" in str(error)
        assert isinstance(moving.moved(("_sling_loaded_at",))[0][0], int)

    def test_a_moment_is_no_number(self, moving: Moving) -> None:
        moving.target.put("moved", pa.table({"k": [1]}))
        put(moving, k=pa.array([NOON], pa.timestamp("us")))
        assert "cannot be written" in str(moving.refused(mode="snapshot"))


class TestPlaces:
    """Tables that a run takes for its own, and tables that it does not."""

    def test_a_staging_table_of_another_schema_becomes_the_target(self, moving: Moving) -> None:
        put(moving, id=[1])
        moving.target.run("create schema other")
        moving.run(target_options={"table_tmp": "other.mine"})
        assert moving.moved(("id",)) == [(1,)]
        with moving.target.opened() as endpoint:
            assert not endpoint.catalog("other")

    @pytest.mark.parametrize("target", ["duckdb", "sqlite"])
    def test_the_target_is_not_its_own_staging_table(self, making: Making, target: str) -> None:
        moving = making(target=target)
        put(moving, id=[1])
        assert "table_tmp" in str(moving.refused(target_options={"table_tmp": "main.moved"}))

    def test_a_wildcard_passes_over_what_is_staged(self, making: Making) -> None:
        moving = making("duckdb")
        put(moving, id=[1])
        moving.source.put("x__mainstem_staging", pa.table({"id": [1]}))
        moving.source.put("y__mainstem_staging", pa.table({"id": [1]}))
        moving.source.run(f"comment on table x__mainstem_staging is '{STAGING_COMMENT}'")
        config = {
            "source": "SRC",
            "target": "TGT",
            "streams": {"main.*": {"object": "main.{stream_table}"}},
        }
        planned = plan(config, moving.connections)
        assert [stream.stream for stream in planned.streams] == ["main.orders", "main.y__mainstem_staging"]


class TestOptions:
    """No option is without effect in silence."""

    def test_a_table_that_is_left_alone_need_not_fit(self, moving: Moving) -> None:
        moving.target.put("moved", pa.table({"id": [[1]]}))
        put(moving, id=[1], k=[1])
        assert moving.run(target_options={"ignore_existing": True}, **BY_NUMBER).rows == 0

    def test_a_merge_strategy_without_a_key_is_told(self, moving: Moving) -> None:
        put(moving, id=[1], k=[1])
        report = moving.run(target_options={"merge_strategy": "update"}, **BY_NUMBER)
        assert any("merge_strategy" in note for note in report.notes)

    def test_a_primary_key_may_be_said_twice_but_not_be_two(self, moving: Moving) -> None:
        put(moving, id=[1], k=[1])
        columns = {"id": "bigint primary_key"}
        moving.run(columns=columns, target_options={"table_keys": {"primary": ["id"]}})
        assert moving.target.describe("moved").primary_key == ["id"]
        error = moving.refused(columns=columns, target_options={"table_keys": {"primary": ["k"]}})
        assert "2 primary keys" in str(error)

    def test_a_negative_batch_limit_is_refused(self, moving: Moving) -> None:
        put(moving, id=[1])
        with pytest.raises(ReplicationError, match="batch_limit"):
            moving.run(target_options={"batch_limit": -1})

    def test_a_range_without_rows_is_named(self, moving: Moving) -> None:
        put(moving, id=[1], k=[1])
        report = moving.run(source_options={"range": "7,9"}, **{**BY_NUMBER, "mode": "incremental"})
        assert any("from 7 to 9" in note for note in report.notes)
