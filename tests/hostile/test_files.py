"""Files that were made to harm: refused by a clear error, with the target as it was."""

from __future__ import annotations

import gzip
import io
import os
import resource
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainstem.api import replicate
from mainstem.errors import ReplicationFailedError
from mainstem.events import Event, StreamStarted
from mainstem.testing.place import Place

BEFORE = [("before",)]


@dataclass(frozen=True)
class Loading:
    """A folder of files, and a table."""

    folder: Path
    target: Place

    def run(self, stream: str, on_event: Any = None, retries: int = 0, **keys: Any) -> None:
        """Load a stream of files."""
        config = {
            "source": f"file://{self.folder}",
            "target": "TGT",
            "streams": {stream: {"object": "main.loaded", "mode": "full-refresh", **keys}},
            "env": {"SLING_RETRIES": retries, "SLING_RETRY_DELAY": "1ms", "SLING_LOADED_AT_COLUMN": "false"},
        }
        replicate(config, {"TGT": self.target.url}, on_event=on_event)

    def refused(self, stream: str, on_event: Any = None, **keys: Any) -> str:
        """Load what must be refused; why it was. The target is as it was."""
        with pytest.raises(ReplicationFailedError) as caught:
            self.run(stream, on_event, **keys)
        assert self.target.rows("loaded") == BEFORE
        assert self.target.tables() == ["loaded"]
        assert "Nobody expected" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def loading(tmp_path: Path) -> Loading:
    """A table that is there already."""
    folder = tmp_path / "in"
    folder.mkdir()
    target = Place("duckdb", f"duckdb://{tmp_path / 'target'}.db", "main")
    target.put("loaded", pa.table({"a": ["before"]}))
    return Loading(folder, target)


def most_memory() -> int:
    """The most bytes that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# A NUL, and a byte order mark, in the middle of a file.


@pytest.mark.parametrize("odd", ["\0", "\ufeff", "\ufffe", "\x1a", "\x7f", "\u2028", "\x0b"])
def test_an_odd_character_in_the_middle_is_a_character_of_its_value(loading: Loading, odd: str) -> None:
    rows = [f"r{number}" for number in range(2000)]
    rows[1000] = f"x{odd}y"
    (loading.folder / "a.csv").write_text("a,b\n" + "".join(f"{row},1\n" for row in rows), newline="")
    loading.run("a.csv")
    assert loading.target.rows("loaded", ["a"]) == sorted((row,) for row in rows)


def test_a_file_that_goes_on_with_a_file_of_another_program_keeps_its_rows(loading: Loading) -> None:
    """Files that were put together have a byte order mark, and a header, in their middle."""
    part = "\ufeffa,b\nx,1\n"
    (loading.folder / "a.csv").write_text(part + part)
    loading.run("a.csv")
    assert loading.target.rows("loaded", ["a"]) == [("x",), ("x",), ("\ufeffa",)]


def test_a_target_that_holds_no_nul_says_which_column_has_one(
    loading: Loading, postgres: Any, schema: str
) -> None:
    (loading.folder / "a.csv").write_text("a,b\nx\0y,1\n", newline="")
    config = {
        "source": f"file://{loading.folder}",
        "target": "PG",
        "streams": {"a.csv": {"object": f"{schema}.t"}},
    }
    with pytest.raises(ReplicationFailedError) as caught:
        replicate(config, {"PG": postgres.url})
    assert "Nobody expected" not in str(caught.value)
    assert "Column a" in str(caught.value)


# Bombs.


def test_a_packed_row_without_an_end_does_not_fill_the_machine(loading: Loading) -> None:
    with gzip.open(loading.folder / "a.csv.gz", "wb", compresslevel=1) as packed:
        packed.write(b"a,b\n")
        for _ in range(300):
            packed.write(b"x" * 2**20)
    before = most_memory()
    assert "a row is longer than 32 MiB" in loading.refused("a.csv.gz")
    assert most_memory() - before < 250 * 2**20


def test_an_archive_whose_members_lead_out_of_it_writes_nothing(loading: Loading, tmp_path: Path) -> None:
    for name in ("../evil.csv", "/evil.csv", "a/../../evil.csv", "C:\\evil.csv"):
        with zipfile.ZipFile(loading.folder / "a.zip", "w") as archive:
            archive.writestr(name, "a\n1\n")
        assert "leads out of the archive" in loading.refused("a.zip")
    assert list(tmp_path.rglob("evil*")) == []


def test_a_document_type_of_xml_is_refused(loading: Loading) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    (loading.folder / "a.xml").write_text(f"<?xml version='1.0'?>{bomb}<r><i><v>&b;&c;</v></i></r>")
    assert "DOCTYPE" in loading.refused("a.xml")


def test_a_document_that_is_nested_without_end_is_refused(loading: Loading) -> None:
    (loading.folder / "a.json").write_text('[{"a": ' + "[" * 200_000 + "]" * 200_000 + "}]")
    assert "a.json" in loading.refused("a.json")


# A large cell.


LARGE_IN = (
    ["parquet", "arrow", "avro", "jsonl"] if os.environ.get("MAINSTEM_ALL") == "1" else ["parquet", "jsonl"]
)


@pytest.mark.parametrize("name", LARGE_IN)
def test_a_large_cell_is_written_and_read(loading: Loading, name: str) -> None:
    cell = "x" * (20 * 2**20) + "\\\"'é\n"
    loading.target.put("large", pa.table({"id": [1, 2], "cell": [cell, "y"]}))
    streams = {"main.large": {"object": f"large.{name}"}}
    replicate(
        {"source": "SRC", "target": f"file://{loading.folder}", "streams": streams},
        {"SRC": loading.target.url},
    )
    loading.run(f"large.{name}", source_options={"flatten": True} if name == "jsonl" else {})
    assert dict(loading.target.rows("loaded", ["id", "cell"])) == {1: cell, 2: "y"}


def test_a_row_of_text_longer_than_is_read_at_once_is_refused(loading: Loading) -> None:
    (loading.folder / "a.csv").write_text("a,b\nx,1\n" + "y" * (70 * 2**20) + ",2\n")
    assert "a row is longer than 32 MiB" in loading.refused("a.csv")


# Names.


@pytest.mark.parametrize(
    "name",
    ["x'; drop table loaded; --.csv", "x%s{stream_table}.csv", "a b;c.csv", "$(touch made).csv", "-rf.csv"],
)
def test_a_files_name_is_a_name(loading: Loading, name: str) -> None:
    (loading.folder / name).write_text("a,b\nx,1\ny,2\n")
    loading.run(name, where="b > 1", sql="select * from {stream_scanner}")
    assert loading.target.rows("loaded", ["a"]) == [("y",)]
    insert = "insert into main.loaded (a) select '{stream_file_name}' -- {stream_file_path}"
    loading.run("*.csv", target_options={"post_sql": insert}, object="main.loaded", single=True)
    assert len(loading.target.rows("loaded", ["a"])) == 3


@pytest.mark.parametrize(
    "stream", ["../*.csv", "../secret.csv", "in/../../secret.csv", "/etc/passwd", "a\\..\\b.csv"]
)
def test_a_stream_leads_to_nothing_outside_of_its_connection(
    loading: Loading, tmp_path: Path, stream: str
) -> None:
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    assert "secret\n" not in loading.refused(stream)


def test_a_files_name_leads_to_no_folder_above(tmp_path: Path) -> None:
    """The object's variables are cleaned: dots are no folder, and a slash is no separator."""
    folder, out = tmp_path / "in" / "x..", tmp_path / "out" / "inner"
    folder.mkdir(parents=True)
    (folder / ";..x.csv").write_text("a\n1\n")
    config = {
        "source": f"file://{tmp_path / 'in'}",
        "target": f"file://{out}",
        "streams": {"x../*.csv": {"object": "{stream_file_folder}/{stream_file_name}.csv"}},
    }
    replicate(config, {})
    assert [str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*.csv")] == [
        "out/inner/x__/___x.csv"
    ]


# Files that change, or lie.


@pytest.mark.parametrize(
    "then", [pa.table({"b": ["x"]}), pa.table({"a": [7]}), pa.table({"a": [["x"]]}), None], ids=str
)
def test_a_file_that_changes_between_plan_and_reading_is_told(
    loading: Loading, then: pa.Table | None
) -> None:
    path = loading.folder / "a.parquet"
    pq.write_table(pa.table({"a": ["x"], "b": ["y"]}), path)

    changed: list[Event] = []

    def changing(event: Event) -> None:
        if isinstance(event, StreamStarted) and not changed:
            changed.append(event)
            path.unlink()
            if then is not None:
                pq.write_table(then, path)

    assert "was changed while the stream was read" in loading.refused("a.parquet", changing)
    if then is not None:
        # The next attempt begins with the file that is there then.
        changed.clear()
        pq.write_table(pa.table({"a": ["x"], "b": ["y"]}), path)
        loading.run("a.parquet", changing, retries=1)
        assert loading.target.get("loaded").column_names == then.column_names


def test_a_parquet_file_cut_short_is_refused_wherever_it_is_cut(loading: Loading) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [f"row {number}" for number in range(5000)]}), sink)
    whole = sink.getvalue()
    for length in (
        0,
        3,
        4,
        12,
        len(whole) // 2,
        len(whole) - 9,
        len(whole) - 8,
        len(whole) - 4,
        len(whole) - 1,
    ):
        (loading.folder / "a.parquet").write_bytes(whole[:length])
        assert "a.parquet" in loading.refused("a.parquet")


@pytest.mark.parametrize("length", [0, 1, 7, 2**31 - 1, 2**32 - 1])
def test_a_footer_that_lies_about_its_length_is_refused(loading: Loading, length: int) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": ["x"]}), sink)
    whole = sink.getvalue()
    (loading.folder / "a.parquet").write_bytes(whole[:-8] + length.to_bytes(4, "little") + whole[-4:])
    assert "a.parquet" in loading.refused("a.parquet")
