"""A source that changes its shape (spec §3.1, §4.2): each change, with each option."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mainstem.errors import LossyTypeError, ReplicationError
from mainstem.testing.moving import Moving
from mainstem.testing.place import Place

__all__ = ["EvolutionConformance"]

KEEPING: dict[str, dict[str, Any]] = {
    "merge": {"mode": "incremental", "primary_key": "id"},
    "append": {"mode": "snapshot"},
    "truncate": {"mode": "truncate"},
}


class EvolutionConformance:
    """Schema evolution, for the modes that keep the table."""

    @pytest.fixture
    def shapes(self, source: Place, target: Place) -> Moving:
        """A table of two rows that is loaded."""
        shapes = Moving(source, target)
        shapes.source.put("orders", pa.table({"id": [1, 2], "size": pa.array([10, 20], pa.int32())}))
        shapes.run(mode="full-refresh")
        return shapes

    @pytest.mark.parametrize("stream", KEEPING.values(), ids=KEEPING)
    def test_a_new_column_is_added(self, shapes: Moving, stream: dict[str, Any]) -> None:
        grown = pa.table({"id": [2, 3], "size": pa.array([21, 30], pa.int32()), "colour": ["red", None]})
        shapes.source.put("orders", grown)
        shapes.run(**stream)
        rows = shapes.moved(("id", "size", "colour"))
        assert (2, 21, "red") in rows
        assert (3, 30, None) in rows

    def test_a_new_column_is_left_out_where_none_may_be_added(self, shapes: Moving) -> None:
        shapes.source.put(
            "orders", pa.table({"id": [3], "size": pa.array([30], pa.int32()), "colour": ["red"]})
        )
        report = shapes.run(**KEEPING["merge"], target_options={"add_new_columns": False})
        assert shapes.moved(("id", "size")) == [(1, 10), (2, 20), (3, 30)]
        assert shapes.target.get("moved").column_names == ["id", "size"]
        assert any("colour" in note.lower() for note in report.notes)

    @pytest.mark.parametrize("stream", KEEPING.values(), ids=KEEPING)
    def test_a_dropped_column_stays_and_is_null_in_new_rows(
        self, shapes: Moving, stream: dict[str, Any]
    ) -> None:
        shapes.source.put("orders", pa.table({"id": [3]}))
        shapes.run(**stream)
        assert (3, None) in shapes.moved(("id", "size"))

    def test_a_renamed_column_is_a_new_one_beside_the_old(self, shapes: Moving) -> None:
        shapes.source.put("orders", pa.table({"id": [2, 3], "extent": pa.array([21, 30], pa.int32())}))
        shapes.run(**KEEPING["merge"], target_options={"merge_strategy": "update_insert"})
        assert shapes.moved(("id", "size", "extent")) == [(1, 10, None), (2, 20, 21), (3, None, 30)]

    def test_a_wider_type_fails_by_name_where_a_value_does_not_fit(self, shapes: Moving) -> None:
        shapes.source.put("orders", pa.table({"id": [3], "size": pa.array([2**40], pa.int64())}))
        if shapes.target.describe("moved").columns[1].arrow_type == pa.int64():
            pytest.skip(f"{shapes.target.name} has one type for all integers")
        error = shapes.refused(**KEEPING["merge"])
        assert isinstance(error, LossyTypeError)
        assert "size" in str(error).lower()
        assert "adjust_column_type" in str(error)
        assert shapes.moved(("id", "size")) == [(1, 10), (2, 20)]

    def test_a_wider_type_whose_values_fit_is_taken(self, shapes: Moving) -> None:
        shapes.source.put("orders", pa.table({"id": [3], "size": pa.array([30], pa.int64())}))
        shapes.run(**KEEPING["merge"])
        assert shapes.moved(("id", "size")) == [(1, 10), (2, 20), (3, 30)]

    @pytest.mark.parametrize("stream", KEEPING.values(), ids=KEEPING)
    @pytest.mark.parametrize(
        ("wider", "expected"),
        [
            (pa.array([2**40], pa.int64()), 2**40),
            (pa.array([Decimal("1234567890123.4567")], pa.decimal128(20, 4)), Decimal("1234567890123.4567")),
            (pa.array(["large"], pa.string()), "large"),
        ],
        ids=["int64", "decimal", "text"],
    )
    def test_a_wider_type_widens_the_column_where_it_may(
        self, shapes: Moving, stream: dict[str, Any], wider: pa.Array[Any], expected: Any
    ) -> None:
        shapes.source.put("orders", pa.table({"id": [3], "size": wider}))
        shapes.run(**stream, target_options={"adjust_column_type": True})
        rows = dict(shapes.moved(("id", "size")))
        assert rows[3] == expected
        if 1 in rows:
            assert type(expected)(rows[1]) == type(expected)(10)

    def test_a_narrower_type_goes_into_the_wider_column(self, shapes: Moving) -> None:
        shapes.source.put("orders", pa.table({"id": [3], "size": pa.array([30], pa.int16())}))
        shapes.run(**KEEPING["merge"])
        assert shapes.moved(("id", "size")) == [(1, 10), (2, 20), (3, 30)]

    def test_a_type_that_cannot_become_the_columns_is_refused(self, shapes: Moving) -> None:
        shapes.target.put("moved", pa.table({"id": [1], "size": pa.array([b"\x00"], pa.binary())}))
        error = shapes.refused(**KEEPING["merge"])
        assert isinstance(error, ReplicationError)
        assert "size" in str(error).lower()

    def test_another_primary_key_merges_by_the_new_one(self, shapes: Moving) -> None:
        shapes.source.put("orders", pa.table({"id": [7], "size": pa.array([20], pa.int32())}))
        shapes.run(mode="incremental", primary_key="size")
        assert shapes.moved(("id", "size")) == [(1, 10), (7, 20)]
