"""The lattice of types: what widens to what, and that nothing is lost on the way."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.types import can_cast, cast_values, common_type, fit_values, value_text

KINDS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float32(), pa.float64(), pa.decimal64(10, 2), pa.decimal64(18, 0), pa.decimal128(38, 10)),
    *(pa.bool_(), pa.string(), pa.binary(), pa.date32(), pa.time64("us"), pa.timestamp("us")),
    *(pa.timestamp("us", "UTC"), pa.uuid(), pa.json_(), pa.opaque(pa.string(), "inet", "X")),
]
EDGES: dict[pa.DataType, list[Any]] = {
    pa.int8(): [-(2**7), 2**7 - 1],
    pa.int64(): [-(2**63), 2**63 - 1],
    pa.uint64(): [0, 2**64 - 1],
    pa.uint32(): [0, 2**32 - 1],
    pa.float64(): [0.1, 1e300],
    pa.float32(): [1.5, 3.4028234663852886e38],
    pa.decimal64(10, 2): [Decimal("99999999.99"), Decimal("-0.01")],
    pa.decimal64(18, 0): [Decimal(10**18 - 1)],
    pa.decimal128(38, 10): [Decimal("9" * 28 + "." + "9" * 10)],
    pa.date32(): [datetime(9999, 12, 31, tzinfo=timezone.utc).date()],
    pa.timestamp("us"): [datetime(1, 1, 1, 0, 0, 0, 1)],  # noqa: DTZ001 - the type has no zone
}

kinds = st.sampled_from(KINDS)


@given(kinds, kinds)
def test_two_types_meet_in_the_same_one_whichever_comes_first(one: pa.DataType, other: pa.DataType) -> None:
    assert common_type(one, other) == common_type(other, one)


@given(kinds, kinds, kinds)
def test_a_type_that_holds_two_holds_what_they_hold(
    one: pa.DataType, other: pa.DataType, third: pa.DataType
) -> None:
    wide = common_type(one, other)
    if wide is not None and (widest := common_type(wide, third)) is not None:
        assert common_type(widest, one) == widest


@pytest.mark.parametrize("kind", EDGES, ids=str)
@pytest.mark.parametrize("other", KINDS, ids=str)
def test_every_value_survives_the_wider_type(kind: pa.DataType, other: pa.DataType) -> None:
    wide = common_type(kind, other)
    if wide is None:
        assert pa.binary() in (kind, other)
        return
    values = pa.array(EDGES[kind], kind)
    assert cast_values(fit_values(values, wide), kind).equals(values)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (pa.array([datetime(2024, 1, 1, 5)], pa.timestamp("us")), pa.date32()),  # noqa: DTZ001
        (pa.array([datetime(2024, 1, 1, 5)], pa.timestamp("us")), pa.time64("us")),  # noqa: DTZ001
        (pa.array([0.1]), pa.float32()),
        (pa.array([0.125]), pa.decimal64(4, 2)),
        (pa.array([Decimal("0.1234567890123456789")]), pa.float64()),
        (pa.array([5]), pa.bool_()),
        (pa.array([2**60 + 1]), pa.float64()),
        (pa.array([300]), pa.int8()),
        (pa.array(["x"]), pa.int32()),
        (pa.array(["no uuid"]), pa.uuid()),
    ],
    ids=str,
)
def test_a_value_that_would_be_cut_is_refused(values: pa.Array[Any], wanted: pa.DataType) -> None:
    with pytest.raises(pa.ArrowInvalid):
        fit_values(values, wanted)


def test_nan_and_null_fit_wherever_a_number_does() -> None:
    assert fit_values(pa.array([float("nan"), None, 1.5]), pa.float32()).to_pylist()[1:] == [None, 1.5]


@given(st.decimals(min_value=-(10**15), max_value=10**15, places=4, allow_nan=False, allow_infinity=False))
def test_a_decimal_becomes_the_nearest_float_and_comes_back(value: Decimal) -> None:
    kind = pa.decimal128(20, 4)
    floats = cast_values(pa.array([value], kind), pa.float64())
    assert floats.to_pylist() == [float(value)]
    if abs(value) < 10**11:
        assert fit_values(floats, kind).to_pylist() == [value]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (
            pa.timestamp("us", "UTC"),
            datetime(2024, 1, 2, 3, tzinfo=timezone.utc),
            "2024-01-02 03:00:00.000000+00:00",
        ),
        (pa.binary(), b"\x00\xff", "\\x00ff"),
        (pa.list_(pa.string()), ["ä", None], '["ä", null]'),
        (pa.month_day_nano_interval(), (14, -3, -4_500_000_000), "P14M-3DT-4.5S"),
        (pa.decimal64(10, 2), Decimal("1.50"), "1.50"),
        (pa.json_(), "[1]", "[1]"),
    ],
)
def test_every_type_has_one_text(kind: pa.DataType, value: Any, text: str) -> None:
    assert value_text(pa.array([value], kind)[0]) == text


def test_uuids_become_text_and_come_back() -> None:
    ids = [uuid4().bytes, None, uuid4().bytes]
    values = pa.array(ids, pa.uuid())
    assert cast_values(cast_values(values, pa.string()), pa.uuid()).equals(values)


def test_text_without_a_zone_is_in_utc() -> None:
    values = cast_values(
        pa.array(["2024-01-01 05:00:00", "2024-01-01T07:00:00+02:00"]), pa.timestamp("us", "UTC")
    )
    assert values[0] == values[1]


def test_nothing_becomes_a_list() -> None:
    assert not can_cast(pa.int64(), pa.list_(pa.int64()))
    assert common_type(pa.int64(), pa.list_(pa.int64())) is None
