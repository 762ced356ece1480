"""Files as a table: what the engine sees of them."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem.connections import Connection
from mainstem.endpoints import Query, open_endpoint, open_source
from mainstem.endpoints.files.listing import list_files
from mainstem.endpoints.files.querying import chosen_files
from mainstem.endpoints.files.source import FileSource
from mainstem.errors import (
    ConfigError,
    ConnectError,
    EndpointError,
    RelationNotFoundError,
    ValueBreaksTypeError,
)
from mainstem.files.places import open_place
from mainstem.schema import Column
from mainstem.testing.postgres import free_port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("n,t\n1,x\n2,y\n")
    (tmp_path / "in" / "b.csv").write_text("t,n\nz,3\n")
    return tmp_path


@pytest.fixture
def source(folder: Path) -> Iterator[FileSource]:
    with open_source(Connection("FILES", "file", {"path": str(folder)})) as opened:
        assert isinstance(opened, FileSource)
        yield opened


def rows(source: FileSource, query: Query) -> list[tuple[Any, ...]]:
    with source.read(query) as batches:
        return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def everything(source: FileSource, name: str, **how: Any) -> Query:
    relation = source.relation(name)
    return Query(columns=source.describe(relation).columns, relation=relation, **how)


def test_a_relation_is_a_path_a_pattern_or_a_folder(source: FileSource) -> None:
    for name, expected in {
        "in/a.csv": [(1, "x"), (2, "y")],
        "file://in/*.csv": [(1, "x"), (2, "y"), (3, "z")],
        "in/": [(1, "x"), (2, "y"), (3, "z")],
        "in": [(1, "x"), (2, "y"), (3, "z")],
    }.items():
        assert rows(source, everything(source, name)) == expected


def test_columns_have_the_names_of_duckdbs_types(source: FileSource) -> None:
    table = source.describe(source.relation("in/"))
    assert [(column.name, column.native_type) for column in table.columns] == [
        ("n", "BIGINT"),
        ("t", "VARCHAR"),
    ]
    assert source.literal("5", table.columns[0]) == "CAST('5' AS BIGINT)"


def test_columns_are_read_in_the_order_and_type_that_is_asked_for(source: FileSource) -> None:
    relation = source.relation("in/a.csv")
    columns = [Column("t", "VARCHAR", pa.string()), Column("n", "BIGINT", pa.string(), as_text=True)]
    assert rows(source, Query(columns=columns, relation=relation)) == [("x", "1"), ("y", "2")]


def test_rows_are_filtered_ordered_and_cut_in_sql(source: FileSource) -> None:
    query = everything(source, "in/", where=["n <> 2"])
    assert rows(source, query) == [(1, "x"), (3, "z")]
    ordered = everything(source, "in/", order_by=[query.columns[0]], limit=1, offset=2)
    assert rows(source, ordered) == [(3, "z")]


def test_a_broken_value_is_told_as_it_is_also_behind_sql(source: FileSource, folder: Path) -> None:
    (folder / "c.csv").write_text("n\n" + "1\n" * 2000 + "x\n")
    with pytest.raises(ValueBreaksTypeError) as caught:
        rows(source, everything(source, "c.csv", where=["n > 0"]))
    assert (caught.value.line, caught.value.value) == (2002, "x")


def test_whoever_breaks_off_leaves_nothing_open(source: FileSource, folder: Path) -> None:
    (folder / "c.csv").write_text("n\n" + "1\n" * 100_000)
    for where in ([], ["n > 0"]):
        with source.read(everything(source, "c.csv", where=where)) as batches:
            assert next(batches).num_rows > 0


def test_reading_is_broken_off_from_anywhere(source: FileSource) -> None:
    stream = source.for_stream({"stream": "in/"})
    with stream.read(everything(stream, "in/")) as batches:
        assert next(batches).num_rows == 2
        source.cancel()
        with pytest.raises(EndpointError, match=r"Reading file://.*b\.csv was broken off"):
            next(batches)


def test_the_catalogue_lists_what_is_in_the_root(source: FileSource, folder: Path) -> None:
    (folder / ".hidden").write_text("")
    (folder / "top.csv").write_text("n\n1\n")
    assert [entry.relation.name for entry in source.catalog()] == ["in/", "top.csv"]


def test_a_pattern_means_streams_that_are_spelled_like_it(source: FileSource) -> None:
    assert source.matching("in/*.csv") == ["in/a.csv", "in/b.csv"]
    assert source.matching("file://in/?.csv") == ["file://in/a.csv", "file://in/b.csv"]
    assert source.matching("*") == ["in/"]


def test_connecting_looks_whether_the_place_is_there(source: FileSource) -> None:
    source.connect()
    nowhere = {"type": "http", "url": f"http://127.0.0.1:{free_port()}/"}
    with (
        open_endpoint(Connection("WEB", "http", nowhere)) as web,
        pytest.raises(ConnectError, match="cannot be had"),
    ):
        web.connect()


def test_the_variables_of_a_file(source: FileSource, folder: Path) -> None:
    found = source.stream_variables("file://in/a.csv")
    assert found == {
        "stream_file_path": "in/a.csv",
        "stream_file_folder": "in",
        "stream_file_name": "a",
        "stream_file_ext": "csv",
        "source_kind": "file",
        "stream_full_name": f"file://{folder}/in/a.csv",
        "stream_scanner": '"in/a.csv"',
    }


def test_a_table_is_described_once_for_a_stream(source: FileSource, folder: Path) -> None:
    stream = source.for_stream({"stream": "in/a.csv"})
    assert [column.name for column in stream.describe(stream.relation("in/a.csv")).columns] == ["n", "t"]
    (folder / "in" / "a.csv").write_text("other\n1\n")
    assert [column.name for column in stream.describe(stream.relation("in/a.csv")).columns] == ["n", "t"]
    again = source.for_stream({"stream": "in/a.csv"})
    assert [column.name for column in again.describe(again.relation("in/a.csv")).columns] == ["other"]


def broken(column: str, wider: object) -> ValueBreaksTypeError:
    return ValueBreaksTypeError(column=column, wanted="int64", wider=wider, file="a.csv", value="x", line=2)


def test_a_column_widens_twice_at_most_and_a_declared_one_never(source: FileSource) -> None:
    stream = source.for_stream({"stream": "in/a.csv", "declared": {"t": pa.int64()}})
    relation = stream.relation("in/a.csv")

    def kind() -> pa.DataType:
        fresh = source.for_stream(stream.options)
        return fresh.describe(relation).columns[0].arrow_type

    assert stream.widen(broken("n", pa.decimal128(38, 6)))
    assert kind() == pa.decimal128(38, 6)
    assert stream.widen(broken("n", pa.decimal128(38, 9)))
    assert kind() == pa.string()
    assert not stream.widen(broken("n", pa.string()))
    assert not stream.widen(broken("t", pa.string()))
    assert not source.for_stream({"stream": "other"}).widen(broken("n", None))


def test_a_column_of_the_file_wins_over_one_of_its_path(source: FileSource, folder: Path) -> None:
    (folder / "p" / "n=7").mkdir(parents=True)
    (folder / "p" / "n=7" / "a.csv").write_text("n\n1\n")
    assert rows(source, everything(source, "p/")) == [(1,)]


@pytest.mark.parametrize(
    ("conditions", "kept", "left"),
    [
        (["day = 2"], [1], []),
        (["day > 1 and n = 5"], [1, 2], ["day > 1 and n = 5"]),
        (["(day = 1 or day = 3)"], [0, 2], []),
        (["day = 1 or n = 2"], [0, 1, 2], ["day = 1 or n = 2"]),
        (["day >= 2", "day < 3"], [1], []),
        (["1 = 0"], [], []),
        (["no sql at all ("], [0, 1, 2], ["no sql at all ("]),
    ],
)
def test_conditions_on_paths_choose_files_and_others_are_left(
    conditions: Sequence[str], kept: Sequence[int], left: Sequence[str]
) -> None:
    columns = {"day": pa.array([1, 2, 3])}
    found = chosen_files(columns, 3, conditions)
    assert (list(found[0]), list(found[1])) == (list(kept), list(left))


def test_files_of_the_present_second_are_waited_for(folder: Path) -> None:
    """A file that came later in the same second would have the same time, and be passed over."""
    path = folder / "in" / "a.csv"
    os.utime(path)
    listing = list_files(open_place(Connection("LOCAL", "file")), str(path), {"update_key": "."})
    (modified,) = listing.columns["_sling_loaded_at"].to_pylist()
    assert modified == int(path.stat().st_mtime)
    assert modified < int(time.time())


def test_what_cannot_be_a_stream_is_told(source: FileSource, folder: Path) -> None:
    with pytest.raises(RelationNotFoundError, match=r"There is no file file://.*/no/\*\.csv"):
        source.describe(source.relation("no/*.csv"))
    (folder / "a.geojson").write_text("{}")
    with pytest.raises(ConfigError, match="'geojson' is no file format that can be read"):
        source.for_stream({"format": "geojson"}).describe(source.relation("a.geojson"))
    with pytest.raises(EndpointError, match="Files run no SQL"):
        source.execute("select 1")


def test_one_member_of_an_archive_after_the_other_is_read(source: FileSource, folder: Path) -> None:
    with zipfile.ZipFile(folder / "all.csv.zip", "w") as archive:
        for name in ("in/b.csv", "in/a.csv"):
            archive.write(folder / name, name)
    assert rows(source, everything(source, "all.csv.zip")) == [(1, "x"), (2, "y"), (3, "z")]
