"""docs/formats.md says what a column becomes in each format, and it is so."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from mainstem.errors import LossyTypeError
from mainstem.files.formats import FORMATS, format_named
from mainstem.types import type_name

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
KINDS: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float64": pa.float64(),
    "decimal(12, 2)": pa.decimal128(12, 2),
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
    "struct": pa.struct([("a", pa.int64())]),
}


def table() -> tuple[list[str], dict[str, list[str]]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.partition("\n| Arrow |")[2].partition("\n\n")[0].splitlines()
    ]
    return rows[0], {row[0].strip("`"): row[1:] for row in rows[2:]}


def written(name: str, kind: pa.DataType) -> str:
    try:
        becomes = format_named(name).written_type(pa.field("v", kind))
    except LossyTypeError:
        return "refused"
    if becomes.type == kind:
        return "the same¹" if becomes.note else "the same"
    return f"`{type_name(becomes.type)}`"


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_what_a_column_becomes(kind: str) -> None:
    formats, rows = table()
    formats = [name for name in formats if name]
    assert rows[kind] == [written(name, KINDS[kind]) for name in formats]
    assert set(rows) == set(KINDS)


@pytest.mark.parametrize("name", FORMATS)
def test_the_page_names_every_format_with_its_extensions(name: str) -> None:
    line, *_ = (line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    assert all(f"`{extension}`" in line for extension in FORMATS[name].extensions)
