"""Values arrive as they left, or are refused by name: for every type that the source can hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainstem.testing.moving import Moving
from mainstem.testing.place import Place, as_left

__all__ = ["TypeConformance"]

UTC = timezone.utc

VALUES: dict[str, tuple[pa.DataType, Sequence[Any]]] = {
    "bool": (pa.bool_(), [True, False]),
    "int8": (pa.int8(), [-128, 127]),
    "int16": (pa.int16(), [-(2**15), 2**15 - 1]),
    "int32": (pa.int32(), [-(2**31), 2**31 - 1]),
    "int64": (pa.int64(), [-(2**63), 2**63 - 1]),
    "uint32": (pa.uint32(), [0, 2**32 - 1]),
    "uint64": (pa.uint64(), [0, 2**64 - 1]),
    "float32": (pa.float32(), [1.5, 3.4028234663852886e38, 1e-45]),
    "float64": (pa.float64(), [0.1, 1.7976931348623157e308, 5e-324]),
    "float64 special": (pa.float64(), [float("nan"), float("inf"), float("-inf")]),
    "decimal64": (pa.decimal64(18, 4), [Decimal("12345678901234.5678"), Decimal("-0.0001")]),
    "decimal128": (pa.decimal128(38, 10), [Decimal("-1234567890123456789012345678.0123456789")]),
    "decimal128 whole": (pa.decimal128(38, 0), [Decimal(10**38 - 1)]),
    "string": (
        pa.string(),
        ["", " ", "NULL", "\\N", "quote\" ' \\ \n \r\n \t , ;", "ünï 漢字 🦆", "a" * 70_000],
    ),
    "binary": (pa.binary(), [b"", b"\x00\xff", b"\\x00", b"'\"\n"]),
    "date": (pa.date32(), [date(1970, 1, 1), date(1, 1, 1), date(9999, 12, 31)]),
    "time": (pa.time64("us"), [time(0, 0), time(23, 59, 59, 999_999)]),
    "timestamp": (
        pa.timestamp("us"),
        [
            datetime(1000, 1, 1),
            datetime(1969, 12, 31, 23, 59, 59, 999_999),
            datetime(9999, 12, 31, 23, 59, 59),
        ],
    ),
    "timestamptz": (
        pa.timestamp("us", "UTC"),
        [datetime(2024, 3, 31, 1, 30, 0, 1, UTC), datetime(1000, 1, 1, tzinfo=UTC)],
    ),
    "uuid": (pa.uuid(), [UUID(int=0).bytes, UUID(int=2**128 - 1).bytes]),
    "json": (pa.json_(), ['{"a": [1, null, "ü"]}', "[]", '"text"', "null"]),
    "list": (pa.list_(pa.int64()), [[1, None, 3], []]),
    "list of text": (pa.list_(pa.string()), [["a", 'b"c', "d,e", "{}", ""], [None]]),
    "interval": (pa.month_day_nano_interval(), [(14, 3, 4_005_006_000), (-1, 0, -1_000)]),
}


class TypeConformance:
    """Types and values, from any source to any target."""

    @pytest.fixture
    def moving(self, source: Place, target: Place) -> Moving:
        """Nothing but the way."""
        return Moving(source, target)

    @pytest.mark.parametrize("name", VALUES)
    def test_values_arrive_as_they_left(self, moving: Moving, name: str) -> None:
        kind, values = VALUES[name]
        if name in moving.source.lacks:
            pytest.skip(f"{moving.source.name} has no {name}")
        rows = pa.table({"id": [0, *range(1, len(values) + 1)], "v": pa.array([None, *values], kind)})
        moving.source.put("orders", rows)
        if name in moving.target.lacks:
            error = moving.refused()
            assert "v" in str(error)
            assert "moved" not in moving.target.tables()
            return
        report = moving.run()
        left = moving.source.get("orders")
        arrived = moving.target.get("moved").sort_by("id")
        assert same(
            as_left(arrived, left, json_anew="json text" in moving.source.lacks | moving.target.lacks),
            left.sort_by("id"),
        ), f"{left}\n{arrived}"
        if arrived.schema.field("v").type != left.schema.field("v").type and pa.types.is_string(
            arrived.schema.field("v").type
        ):
            assert any("v" in note.lower() for note in report.notes), "a fallback to text is told"

    def test_a_zero_keeps_its_sign(self, moving: Moving) -> None:
        without = {place.name for place in (moving.source, moving.target) if "negative zero" in place.lacks}
        moving.source.put("orders", pa.table({"id": [1], "v": [-0.0]}))
        moving.run()
        assert repr(moving.target.rows("moved", ["v"])[0][0]) == ("0.0" if without else "-0.0")

    @pytest.mark.parametrize("mode", [{"mode": "incremental", "primary_key": "id"}, {"mode": "truncate"}])
    @pytest.mark.parametrize("name", VALUES)
    def test_values_arrive_in_a_table_that_is_there(
        self, moving: Moving, name: str, mode: dict[str, Any]
    ) -> None:
        kind, values = VALUES[name]
        if name in moving.source.lacks | moving.target.lacks:
            pytest.skip(f"{moving.source.name} to {moving.target.name}: no {name}")
        for repeated in (1, 2):
            ids = list(range(len(values) * repeated))
            rows = pa.table({"id": ids, "v": pa.array([*values] * repeated, kind)})
            moving.source.put("orders", rows)
            moving.run(**mode)
        left = moving.source.get("orders")
        arrived = moving.target.get("moved").sort_by("id")
        assert same(
            as_left(arrived, left, json_anew="json text" in moving.source.lacks | moving.target.lacks),
            left.sort_by("id"),
        ), f"{left}\n{arrived}"

    @pytest.mark.parametrize(
        "name",
        ["with space", "dot.ted", 'quo"te', "ünï", "select", "Mixed", "back`tick", "semi;colon", "n" * 60],
    )
    def test_a_name_may_be_anything(self, moving: Moving, name: str) -> None:
        moving.source.put(name, pa.table({"id": [1], name: ["value"]}))
        moving.run(table=name, object=moving.target.stream(name))
        moving.run(table=name, object=moving.target.stream(name), mode="incremental", primary_key=name)
        assert moving.target.rows(name, ["id", name]) == [(1, "value")]

    def test_a_cell_of_a_megabyte_arrives(self, moving: Moving) -> None:
        rows = pa.table({"id": [1, 2], "v": ["ä" * 2**19, "x" * 2**20], "b": [b"\x00" * 2**20, b""]})
        moving.source.put("orders", rows)
        moving.run()
        left = moving.source.get("orders").sort_by("id")
        assert as_left(moving.target.get("moved").sort_by("id"), left).equals(left)

    def test_a_table_of_many_columns_arrives(self, moving: Moving) -> None:
        rows = pa.table({f"c{index}": pa.array([index, None], pa.int32()) for index in range(300)})
        moving.source.put("orders", rows)
        assert len(moving.run().columns) == 300
        assert sorted(moving.target.rows("moved", ["c299"]), key=str) == [(299,), (None,)]

    @settings(
        max_examples=8,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(data=st.data())
    def test_any_table_arrives(self, moving: Moving, data: st.DataObject) -> None:
        lacking = moving.source.lacks | moving.target.lacks
        names = data.draw(st.lists(st.sampled_from(sorted(set(DRAWN) - lacking)), min_size=1, max_size=5))
        many = data.draw(st.integers(1, 5))
        columns: dict[str, pa.Array[Any]] = {"id": pa.array(list(range(many)), pa.int64())}
        for index, name in enumerate(names):
            kind, values = DRAWN[name]
            if "far moments" in lacking:
                values = NEAR_MOMENTS.get(name, values)
            drawn = data.draw(st.lists(st.none() | values(), min_size=many, max_size=many))
            columns[f"c{index}"] = pa.array(drawn, kind)
        moving.source.put("orders", pa.table(columns))
        moving.run(mode="full-refresh")
        left = moving.source.get("orders").sort_by("id")
        arrived = moving.target.get("moved").sort_by("id")
        assert same(
            as_left(arrived, left, json_anew="json text" in moving.source.lacks | moving.target.lacks), left
        ), f"{left}\n{arrived}"


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables hold the same values: a NaN is itself, and a zero has its sign."""
    return one.schema.equals(other.schema) and all(
        [_exact(value) for value in one.column(name).to_pylist()]
        == [_exact(value) for value in other.column(name).to_pylist()]
        for name in one.column_names
    )


def _exact(value: Any) -> Any:
    return repr(value) if isinstance(value, float) else value


# What every system can store as it is; the edges of each are in VALUES.
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
# For a system that reckons with moments as floating seconds.
NEAR_MOMENTS: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    "timestamp": lambda: st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
    "timestamptz": lambda: st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
}
DRAWN: dict[str, tuple[pa.DataType, Callable[[], st.SearchStrategy[Any]]]] = {
    "bool": (pa.bool_(), st.booleans),
    "int32": (pa.int32(), lambda: st.integers(-(2**31), 2**31 - 1)),
    "int64": (pa.int64(), lambda: st.integers(-(2**63), 2**63 - 1)),
    "float64": (
        pa.float64(),
        lambda: st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0),
    ),
    "decimal64": (
        pa.decimal64(18, 4),
        lambda: st.integers(-(10**18) + 1, 10**18 - 1).map(lambda whole: Decimal(whole).scaleb(-4)),
    ),
    "string": (pa.string(), lambda: TEXT),
    "binary": (pa.binary(), lambda: st.binary(max_size=40)),
    "date": (pa.date32(), lambda: st.dates(date(1000, 1, 1))),
    "time": (pa.time64("us"), st.times),
    "timestamp": (pa.timestamp("us"), lambda: st.datetimes(datetime(1000, 1, 1))),
    "timestamptz": (
        pa.timestamp("us", "UTC"),
        lambda: st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
    ),
    "uuid": (pa.uuid(), lambda: st.uuids().map(lambda value: value.bytes)),
}
