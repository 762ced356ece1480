"""The modes (spec §3): what a target holds after each."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mainstem.errors import AmbiguousKeyError, ReplicationError
from mainstem.testing.moving import ORDERS, Moving, day, order, orders
from mainstem.testing.place import Place

__all__ = ["ModeConformance"]

STRATEGIES = ("insert", "update", "update_insert", "delete_insert")
# What is there after rows 1 and 2 meet a changed row 2 and a new row 3.
MERGED: dict[str, list[tuple[int, str]]] = {
    "insert": [(1, "first"), (2, "first"), (3, "second")],
    "update": [(1, "first"), (2, "second")],
    "update_insert": [(1, "first"), (2, "second"), (3, "second")],
    "delete_insert": [(1, "first"), (2, "second"), (3, "second")],
}
BY_KEY: dict[str, Any] = {"mode": "incremental", "primary_key": "id"}
BY_TIME: dict[str, Any] = {"mode": "incremental", "update_key": "updated"}
BY_BOTH: dict[str, Any] = {**BY_KEY, **BY_TIME}


class ModeConformance:
    """Every mode, from any source to any target. Inherit it, and give it ``source`` and ``target``."""

    @pytest.fixture
    def moving(self, source: Place, target: Place) -> Moving:
        """Three orders in the source."""
        moving = Moving(source, target)
        moving.put(order(1), order(2), order(3))
        return moving

    def test_full_refresh_makes_the_table_what_the_source_is(self, moving: Moving) -> None:
        assert moving.run(mode="full-refresh").rows == 3
        moving.put(order(2, "second"), order(4))
        report = moving.run(mode="full-refresh")
        assert (report.rows, report.row_count) == (2, 2)
        assert moving.moved(("id", "name", "amount")) == [
            (2, "second", Decimal("2.25")),
            (4, "first", Decimal("4.25")),
        ]

    def test_full_refresh_takes_the_new_shape_of_the_source(self, moving: Moving) -> None:
        moving.run(mode="full-refresh")
        moving.source.put("orders", pa.table({"id": [1], "remark": ["new"]}))
        moving.run(mode="full-refresh")
        assert moving.target.get("moved").column_names == ["id", "remark"]

    def test_truncate_keeps_the_table_and_replaces_its_rows(self, moving: Moving) -> None:
        wider = ORDERS.append(pa.field("own", pa.string()))
        moving.target.put("moved", orders([(*order(9), "kept")], wider))
        moving.run(mode="truncate")
        assert moving.moved(("id", "own")) == [(1, None), (2, None), (3, None)]
        moving.put(order(5))
        moving.run(mode="truncate")
        assert moving.moved() == [(5, "first")]

    def test_truncate_makes_a_table_that_is_not_there(self, moving: Moving) -> None:
        moving.run(mode="truncate")
        assert len(moving.moved()) == 3

    def test_incremental_by_update_key_appends_what_is_newer(self, moving: Moving) -> None:
        moving.run(**BY_TIME)
        moving.put(order(1, "changed"), order(3), order(4), order(5))
        report = moving.run(**BY_TIME)
        assert report.rows == 2
        assert moving.moved() == [(1, "first"), (2, "first"), (3, "first"), (4, "first"), (5, "first")]
        assert moving.run(**BY_TIME).rows == 0

    def test_incremental_by_update_key_alone_reads_the_cursors_own_value_no_second_time(
        self, moving: Moving
    ) -> None:
        moving.run(**BY_TIME)
        moving.put(order(3), order(4, on=3), order(5))
        assert moving.run(**BY_TIME).rows == 1
        assert moving.run(env={"SLING_GREATER_THAN_EQUAL": "true"}, **BY_TIME).rows == 1

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_incremental_by_primary_key_merges_all_rows(self, moving: Moving, strategy: str) -> None:
        options = {"merge_strategy": strategy}
        moving.put(order(1), order(2))
        moving.run(mode="full-refresh")
        moving.put(order(1), order(2, "second"), order(3, "second"))
        assert moving.run(**BY_KEY, target_options=options).rows == 3
        assert moving.moved() == MERGED[strategy]
        moving.run(**BY_KEY, target_options=options)
        assert moving.moved() == MERGED[strategy]

    def test_a_merge_without_a_strategy_updates_and_inserts(self, moving: Moving) -> None:
        moving.run(**BY_KEY)
        moving.put(order(2, "second"), order(4))
        moving.run(**BY_KEY)
        assert moving.moved() == [(1, "first"), (2, "second"), (3, "first"), (4, "first")]

    def test_the_update_strategy_makes_an_empty_table_where_there_is_none(self, moving: Moving) -> None:
        moving.run(**BY_KEY, target_options={"merge_strategy": "update"})
        assert moving.moved() == []

    def test_incremental_by_both_merges_what_is_newer(self, moving: Moving) -> None:
        moving.run(**BY_BOTH)
        moving.put(order(1, "old change", on=1), order(2, "second", on=8), order(3), order(4))
        report = moving.run(**BY_BOTH)
        assert moving.moved() == [(1, "first"), (2, "second"), (3, "first"), (4, "first")]
        assert report.extra["cursor_before"].startswith("2024-01-03 12:30:15.123456")
        assert report.extra["cursor_after"].startswith("2024-01-08 12:30:15.123456")

    def test_rows_that_come_late_with_the_cursors_own_value_are_not_lost(self, moving: Moving) -> None:
        moving.run(**BY_BOTH)
        moving.put(order(1), order(2), order(3), order(4, "late", on=3))
        moving.run(**BY_BOTH)
        assert moving.moved() == [(1, "first"), (2, "first"), (3, "first"), (4, "late")]

    def test_rows_without_an_update_key_are_merged_at_each_run(self, moving: Moving) -> None:
        moving.run(**BY_BOTH)
        moving.put(order(1), (7, "timeless", None, None))
        moving.run(**BY_BOTH)
        moving.run(**BY_BOTH)
        assert moving.moved() == [(1, "first"), (2, "first"), (3, "first"), (7, "timeless")]

    def test_without_a_primary_key_rows_without_an_update_key_come_with_the_first_load_only(
        self, moving: Moving
    ) -> None:
        moving.put(order(1), (7, "timeless", None, None))
        moving.run(**BY_TIME)
        moving.put(order(1), (7, "timeless", None, None), (8, "timeless", None, None))
        moving.run(**BY_TIME)
        assert moving.moved() == [(1, "first"), (7, "timeless")]

    @pytest.mark.parametrize("strategy", [None, "delete_insert", "update_insert"])
    def test_of_rows_with_the_same_key_the_newest_is_taken(
        self, moving: Moving, strategy: str | None
    ) -> None:
        options = {"merge_strategy": strategy} if strategy else {}
        twice = [
            order(1, "newest", on=9),
            order(1, "older", on=4),
            order(2),
            (*order(1, "timeless")[:3], None),
        ]
        for _ in range(2):
            moving.put(*twice)
            moving.run(**BY_BOTH, target_options=options)
            assert moving.moved() == [(1, "newest"), (2, "first")]

    def test_without_an_update_key_the_last_of_the_same_key_is_taken(self, moving: Moving) -> None:
        moving.put(order(1, "before"), order(2), order(1, "after"))
        report = moving.run(**BY_KEY)
        assert moving.moved() == [(1, "after"), (2, "first")]
        assert any("more than one row" in note for note in report.notes)

    @pytest.mark.parametrize("strategy", ["update_insert", "delete_insert"])
    def test_keys_that_the_target_has_twice_end_with_the_new_values(
        self, moving: Moving, strategy: str
    ) -> None:
        moving.target.put("moved", orders([order(1, "one"), order(1, "other"), order(2, "kept")]))
        moving.put(order(1, "new"))
        moving.run(**BY_KEY, target_options={"merge_strategy": strategy})
        assert set(moving.moved()) == {(1, "new"), (2, "kept")}

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_null_in_a_key_is_a_value_like_any_other(self, moving: Moving, strategy: str) -> None:
        stream: dict[str, Any] = {
            "mode": "incremental",
            "primary_key": ["id", "name"],
            "target_options": {"merge_strategy": strategy},
        }
        moving.put((1, None, Decimal("1"), day(1)), (1, "a", Decimal("1"), day(1)))
        moving.run(mode="full-refresh")
        moving.put((1, None, Decimal("2"), day(1)), (1, "a", Decimal("2"), day(1)))
        moving.run(**stream)
        amount = Decimal("1" if strategy == "insert" else "2")
        assert moving.moved(("id", "name", "amount")) == [(1, None, amount), (1, "a", amount)]

    def test_rows_that_a_key_with_null_cannot_tell_apart_are_refused(self, moving: Moving) -> None:
        moving.run(mode="full-refresh")
        moving.put((None, "one", None, None), (None, "other", None, None))
        error = moving.refused(**BY_KEY)
        assert isinstance(error, AmbiguousKeyError)
        assert "id (2 rows)" in str(error).lower()
        assert len(moving.moved()) == 3

    def test_a_primary_key_of_texts_tells_case_and_blanks_apart(self, moving: Moving) -> None:
        stream: dict[str, Any] = {"mode": "incremental", "primary_key": "name"}
        names = ["a", "A", "a ", "ä", "Ä", ""]
        moving.put(*((index, name, None, None) for index, name in enumerate(names)))
        moving.run(**stream)
        moving.put(*((index + 10, name, None, None) for index, name in enumerate(names)))
        moving.run(**stream)
        assert sorted(moving.moved()) == [(index + 10, name) for index, name in enumerate(names)]

    @pytest.mark.parametrize(
        ("kind", "values"),
        [
            (pa.int64(), [1, 2, 9_007_199_254_740_993]),
            (pa.string(), ["B", "a", "ä"]),
            (pa.decimal128(20, 4), [Decimal("2.0001"), Decimal("10.0001"), Decimal("1234567890123456.7891")]),
            (pa.date32(), [day(1).date(), day(2).date(), day(3).date()]),
            (pa.timestamp("us"), [day(1), day(2), day(3)]),
        ],
        ids=str,
    )
    def test_a_cursor_is_exact_for_every_type(
        self, moving: Moving, kind: pa.DataType, values: Sequence[Any]
    ) -> None:
        def given(many: int) -> pa.Table:
            return pa.table({"id": list(range(many)), "cursor": pa.array(values[:many], kind)})

        stream: dict[str, Any] = {"mode": "incremental", "update_key": "cursor", "table": "cursors"}
        for many in (1, 2, 2, 3, 3):
            moving.source.put("cursors", given(many))
            moving.run(**stream)
            assert [row[0] for row in moving.target.rows("moved", ["id"])] == list(range(many))

    def test_a_limit_takes_the_oldest_first_so_that_none_is_passed_over(self, moving: Moving) -> None:
        moving.put(order(3), order(1), order(2))
        for many in (1, 2, 3):
            moving.run(**BY_TIME, source_options={"limit": 1})
            assert [row[0] for row in moving.moved()] == list(range(1, many + 1))

    def test_custom_sql_goes_on_from_its_cursor(self, moving: Moving) -> None:
        with moving.source.opened() as endpoint:
            table = endpoint.qualified(moving.source.relation("orders"))
        stream: dict[str, Any] = {**BY_BOTH, "sql": f"select * from {table} where {{incremental_where_cond}}"}
        assert moving.run(**stream).rows == 3
        moving.put(order(1), order(2), order(3), order(4))
        assert moving.run(**stream).rows == 2
        assert len(moving.moved()) == 4

    def test_a_snapshot_appends_all_rows_with_their_time(self, moving: Moving) -> None:
        moving.run(mode="snapshot")
        moving.run(mode="snapshot")
        assert [row[0] for row in moving.moved()] == [1, 1, 2, 2, 3, 3]
        assert all(row[0] for row in moving.moved(("_sling_loaded_at",)))

    def test_a_snapshot_onto_a_table_without_a_time_gives_it_one(self, moving: Moving) -> None:
        moving.run(mode="full-refresh")
        moving.run(mode="snapshot")
        assert sum(row[0] is None for row in moving.moved(("_sling_loaded_at",))) == 3

    def test_a_backfill_takes_a_range_with_both_its_ends(self, moving: Moving) -> None:
        moving.run(**BY_BOTH)
        moving.put(*(order(number, "again") for number in range(1, 6)))
        bounds = f"{day(2)},{day(3)}"
        moving.run(**{**BY_BOTH, "mode": "backfill"}, source_options={"range": bounds})
        assert moving.moved() == [(1, "first"), (2, "again"), (3, "again")]

    def test_an_incremental_range_does_not_ask_for_the_cursor(self, moving: Moving) -> None:
        moving.run(**BY_BOTH)
        moving.put(order(1, "again"), order(9))
        moving.run(**BY_BOTH, source_options={"range": f"{day(1)},{day(2)}"})
        assert moving.moved() == [(1, "again"), (2, "first"), (3, "first")]

    def test_definition_only_makes_an_empty_table(self, moving: Moving) -> None:
        moving.run(mode="full-refresh")
        moving.source.put("orders", pa.table({"id": [1], "remark": ["new"]}))
        report = moving.run(mode="definition-only")
        assert (report.rows, report.row_count) == (0, 0)
        assert moving.target.get("moved").column_names == ["id", "remark"]

    @pytest.mark.parametrize(
        ("stream", "lacking"),
        [
            ({"mode": "incremental"}, "update_key"),
            ({"mode": "backfill", "update_key": "updated"}, "primary_key"),
            ({"mode": "backfill", "update_key": "updated", "primary_key": "id"}, "range"),
        ],
    )
    def test_a_mode_without_its_keys_is_refused_before_anything_is_opened(
        self, moving: Moving, stream: dict[str, Any], lacking: str
    ) -> None:
        with pytest.raises(ReplicationError, match=lacking):
            moving.run(**stream)

    @pytest.mark.parametrize("mode", ["full-refresh", "truncate", "incremental", "snapshot"])
    def test_an_empty_source_leaves_the_target_as_it_was(self, moving: Moving, mode: str) -> None:
        stream: dict[str, Any] = {"mode": mode, **({"primary_key": "id"} if mode == "incremental" else {})}
        moving.run(mode="full-refresh")
        moving.put()
        report = moving.run(**stream)
        assert report.rows == 0
        assert any("No rows" in note for note in report.notes)
        assert len(moving.moved()) == 3

    @pytest.mark.parametrize(("mode", "left"), [("full-refresh", 0), ("truncate", 0), ("incremental", 3)])
    def test_a_source_that_became_empty_can_be_said(self, moving: Moving, mode: str, left: int) -> None:
        stream: dict[str, Any] = {"mode": mode, **({"primary_key": "id"} if mode == "incremental" else {})}
        moving.run(mode="full-refresh")
        moving.put()
        moving.run(env={"SLING_ALLOW_EMPTY": "true"}, **stream)
        assert len(moving.moved()) == left

    def test_an_empty_source_makes_an_empty_table_where_it_may(self, moving: Moving) -> None:
        moving.put()
        moving.run(mode="full-refresh")
        assert "moved" not in moving.target.tables()
        moving.run(env={"SLING_ALLOW_EMPTY": "true"}, mode="full-refresh")
        assert moving.target.get("moved").num_rows == 0
