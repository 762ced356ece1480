"""The options of files as text (spec §4.2), as another program finds them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.engine.conftest import Filing


def text(filing: Filing, name: str = "orders.csv", **options: Any) -> str:
    """Write two orders and return the file."""
    filing.orders(1, 2)
    filing.run(name, target_options=options)
    return (filing.folder / name).read_bytes().decode(options.get("encoding", "utf8"))


def first(lines: str) -> list[str]:
    return lines.splitlines()[0].replace('"', "").split(",")


def test_the_header_may_be_left_out(filing: Filing) -> None:
    assert first(text(filing)) == ["id", "name", "at", "amount"]
    assert first(text(filing, header=False))[:2] == ["1", "order 1"]


def test_the_delimiter_is_the_users(filing: Filing) -> None:
    assert text(filing, delimiter="|").splitlines()[0].replace('"', "") == "id|name|at|amount"


def test_times_are_written_as_the_user_says(filing: Filing) -> None:
    found = text(filing, datetime_format="%d.%m.%Y %H:%M")
    assert "31.12.2023 20:30" in found


def test_the_encoding_is_the_users(filing: Filing) -> None:
    filing.sql("create or replace table orders as select 'größe' as name")
    filing.run("x.csv", target_options={"encoding": "latin1"})
    assert "größe".encode("latin1") in (filing.folder / "x.csv").read_bytes()


def test_decimals_are_rounded_as_the_user_says(filing: Filing) -> None:
    assert text(filing, max_decimals=1).splitlines()[1].replace('"', "").split(",")[3] == "1.3"


def test_a_compression_is_told_by_the_name_or_by_the_option(filing: Filing) -> None:
    filing.orders(1, 2)
    filing.run("x.csv.gz")
    filing.run("y.csv", target_options={"compression": "gzip"})
    filing.run("parts/", target_options={"format": "csv", "compression": "gzip"})
    plain = gzip.decompress((filing.folder / "x.csv.gz").read_bytes())
    assert plain.splitlines()[1].startswith(b"1,")
    assert gzip.decompress((filing.folder / "y.csv").read_bytes()) == plain
    (part,) = (filing.folder / "parts").iterdir()
    assert part.name.endswith(".csv.gz")


def test_a_format_is_told_by_the_name_or_by_the_option(filing: Filing) -> None:
    filing.run("x.json")
    filing.run("y", target_options={"format": "json"})
    (part,) = (filing.folder / "y").iterdir()
    for path in (filing.folder / "x.json", part):
        assert json.loads(path.read_text())[0]["id"] == 1


def test_a_folder_without_a_format_is_csv(filing: Filing) -> None:
    filing.run("orders/")
    (part,) = (filing.folder / "orders").iterdir()
    assert part.name.endswith(".csv")
    assert first(part.read_text())[0] == "id"


def test_what_is_wrong_with_many_columns_is_told_once(filing: Filing) -> None:
    report = filing.run("orders.csv")
    assert [note for note in report.notes if "becomes text" in note] == [
        "4 columns (id, name, at, amount): each becomes text, whose type is found anew when it is read;"
        " NULL is written as nothing"
    ]


@pytest.mark.parametrize("name", ["orders.csv", "orders.json", "orders.xml", "orders.avro"])
def test_a_table_without_rows_is_a_file_that_can_be_read(filing: Filing, name: str, tmp_path: Path) -> None:
    filing.sql("delete from orders")
    report = filing.run(name, {"SLING_ALLOW_EMPTY": "true"})
    assert (report.rows, report.row_count) == (0, 0)
    assert (tmp_path / "out" / name).stat().st_size > 0
