"""docs/types.md says what each system makes of each Arrow type, and it is so."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from mainstem.errors import LossyTypeError
from mainstem.testing.place import Place

PAGE = Path(__file__).parents[2] / "docs" / "types.md"
COLUMNS = ["postgres", "duckdb", "sqlite", "mysql", "snowflake"]
KINDS: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "decimal(12, 2)": pa.decimal64(12, 2),
    "decimal(38, 10)": pa.decimal128(38, 10),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamp, UTC": pa.timestamp("us", "UTC"),
    "interval": pa.month_day_nano_interval(),
    "uuid": pa.uuid(),
    "json": pa.json_(),
    "list of int64": pa.list_(pa.int64()),
}


def cells() -> dict[str, list[str]]:
    """The page's table: the cells by the Arrow type of their row."""
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {kind: [cell.strip() for cell in rest.split(" | ")] for kind, rest in rows}


def cell(place: Place, kind: pa.DataType) -> str:
    with place.opened() as endpoint:
        try:
            native = endpoint.native_type(pa.field("c", kind))
        except LossyTypeError:
            return "refused"
    return f"`{native.sql}`" + ("¹" if native.note else "")


def test_the_page_has_every_type() -> None:
    assert list(cells()) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_true(source: Place, target: Place, kind: str) -> None:
    assert cells()[kind][COLUMNS.index(target.name)] == cell(target, KINDS[kind])
