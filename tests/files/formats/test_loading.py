"""Every format through the engine: a file that it wrote is loaded into DuckDB by a replication."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mainstem import replicate
from mainstem.files.formats import FORMATS, WriteOptions, format_named


def write(path: Path, name: str, rows: pa.Table) -> None:
    with path.open("wb") as sink:
        writer = format_named(name).writer(sink, rows.schema, WriteOptions())
        for batch in rows.to_batches():
            writer.write(batch)
        writer.close()


def load(folder: Path, file: str, **stream: Any) -> list[tuple[Any, ...]]:
    config = {
        "source": "FILES",
        "target": "DUCK",
        "streams": {file: {"object": "main.loaded", "mode": "full-refresh", **stream}},
    }
    connections: dict[str, Any] = {
        "FILES": {"type": "file", "path": str(folder)},
        "DUCK": f"duckdb://{folder / 'out.duckdb'}",
    }
    replicate(config, connections=connections)
    with duckdb.connect(str(folder / "out.duckdb")) as connection:
        selected = connection.execute("select * exclude (_sling_loaded_at) from loaded order by 1")
        return selected.fetchall()


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_every_format_is_loaded(name: str, tmp_path: Path) -> None:
    extension = FORMATS[name].extensions[0]
    write(tmp_path / f"rows{extension}", name, pa.table({"id": [1, 2], "name": ["ä", "b"]}))
    rows = load(tmp_path, f"rows{extension}", source_options={"flatten": True})
    assert rows == [(1, "ä"), (2, "b")]


def test_a_json_value_beyond_the_sample_widens_its_column_and_the_load_goes_on(tmp_path: Path) -> None:
    lines = [f'{{"id": {number}, "price": {number}}}' for number in range(1000)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, '{"id": 1000, "price": 9.75}']))
    rows = load(tmp_path, "rows.jsonl", source_options={"flatten": True})
    assert len(rows) == 1001
    assert rows[-1] == (1000, Decimal("9.75"))


def test_records_are_whole_where_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('[{"id": 1, "a": {"b": 1.50}}]')
    rows = load(tmp_path, "rows.json")
    assert rows == [('{"id":1,"a":{"b":1.50}}',)]


def test_the_users_type_is_read_of_the_text_of_a_number(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"x": 0.12345678901234567890}\n')
    rows = load(tmp_path, "rows.jsonl", source_options={"flatten": True}, columns={"x": "decimal(38,20)"})
    assert rows == [(Decimal("0.12345678901234567890"),)]
