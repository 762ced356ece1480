"""From files into databases: as a user writes it, through the engine."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mainstem.api import ReplicationReport, plan, replicate
from mainstem.errors import NotSupportedYetError, ReplicationFailedError
from mainstem.settings import Settings
from mainstem.testing.http import EmbeddedHttp, Served
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.s3 import EmbeddedS3
from mainstem.testing.sftp import EmbeddedSftp
from mainstem.testing.warehouse import Warehouse

Write = Callable[[str, str | bytes], Path]
PLAIN = Settings(loaded_at="never")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture
def write(folder: Path) -> Write:
    def written(name: str, data: str | bytes) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return written


@pytest.fixture
def load(folder: Path, warehouse: Warehouse) -> Callable[..., ReplicationReport]:
    def loaded(
        name: str, *, settings: Settings = PLAIN, source: Any = None, **stream: Any
    ) -> ReplicationReport:
        connections: Mapping[str, Any] = {
            "FILES": source or {"type": "file", "path": str(folder)},
            "DUCK": warehouse.url,
        }
        document = {"source": "FILES", "target": "DUCK", "streams": {name: {"object": "main.t", **stream}}}
        return replicate(document, connections, settings=settings)

    return loaded


Load = Callable[..., ReplicationReport]


def rows(warehouse: Warehouse, table: str = "t", order: str = "1") -> list[tuple[Any, ...]]:
    return warehouse.query(f"select * from {table} order by {order}")


def types(warehouse: Warehouse, table: str = "t") -> dict[str, str]:
    found = warehouse.query(
        f"select column_name, data_type from duckdb_columns() where table_name = '{table}'"
    )
    return dict(found)


def test_a_csv_file_becomes_a_table_with_types(write: Write, load: Load, warehouse: Warehouse) -> None:
    write("a.csv", "id,Price,at,ok,code\n1,1.50,2024-01-02,true,007\n2,,2024-01-03,false,008\n")
    report = load("file://a.csv")
    assert report.rows == 2
    assert types(warehouse) == {
        "id": "BIGINT",
        "price": "DECIMAL(24,6)",
        "at": "DATE",
        "ok": "BOOLEAN",
        "code": "VARCHAR",
    }
    assert rows(warehouse)[0] == (1, Decimal("1.5"), dt.date(2024, 1, 2), True, "007")


def test_rows_of_files_tell_when_they_were_loaded(write: Write, load: Load, warehouse: Warehouse) -> None:
    write("a.csv", "id\n1\n")
    load("a.csv", settings=Settings())
    assert types(warehouse) == {"id": "BIGINT", "_sling_loaded_at": "BIGINT"}
    load("a.csv", settings=Settings(loaded_at="timestamp"))
    assert types(warehouse)["_sling_loaded_at"] == "TIMESTAMP WITH TIME ZONE"


def test_columns_and_select_are_what_the_user_says(write: Write, load: Load, warehouse: Warehouse) -> None:
    write("a.csv", "id,n,x\n1,1e5,a\n2,0.123456789,b\n")
    load("a.csv", columns={"id": "string", "n": "decimal(38, 18)"}, select=["id", "n as amount"])
    assert types(warehouse) == {"id": "VARCHAR", "amount": "DECIMAL(38,18)"}
    assert rows(warehouse) == [("1", Decimal(100000)), ("2", Decimal("0.123456789"))]


def test_a_value_beyond_the_sample_widens_its_column(write: Write, load: Load, warehouse: Warehouse) -> None:
    lines = [f"{number},2024-01-01,x" for number in range(5000)]
    lines[2000] = "2000.5,2024-01-01 10:00,x"
    lines[4000] = "x,soon,x"
    path = write("a.csv", "n,at,t\n" + "\n".join(lines))
    (report,) = load("a.csv").streams
    assert types(warehouse) == {"n": "VARCHAR", "at": "VARCHAR", "t": "VARCHAR"}
    assert rows(warehouse, order="n desc")[0] == ("x", "soon", "x")
    assert warehouse.query("select count(*), max(n) from t where n = '2000.5'") == [(1, "2000.5")]
    note = (
        f"Column n: it seemed to be int64, but a later value is not (file://{path}:2002): it was read anew as"
    )
    assert any(told.startswith("Column n: it seemed to be") for told in report.notes), (note, report.notes)


def test_a_declared_column_is_never_widened(write: Write, load: Load, warehouse: Warehouse) -> None:
    path = write("a.csv", "n\n" + "1\n" * 2000 + "x\n")
    with pytest.raises(ReplicationFailedError, match=f"{path}:2002: column n is int64, but holds 'x'"):
        load("a.csv", columns={"n": "bigint"})
    assert warehouse.path.exists() is False or warehouse.tables() == []


def test_a_wider_type_fits_a_table_that_is_there_or_is_told(
    write: Write, load: Load, warehouse: Warehouse
) -> None:
    write("a.csv", "n\n1\n")
    load("a.csv")
    write("a.csv", "n\n" + "1\n" * 2000 + "2.5\n")
    with pytest.raises(ReplicationFailedError, match="`adjust_column_type`"):
        load("a.csv", mode="truncate")
    assert rows(warehouse) == [(1,)]
    load("a.csv", mode="truncate", target_options={"adjust_column_type": True})
    assert warehouse.query("select count(*), max(n) from t") == [(2001, Decimal("2.5"))]


def test_a_pattern_is_one_stream_where_the_object_has_no_variable(
    write: Write, load: Load, warehouse: Warehouse
) -> None:
    for name in ("in/b.csv", "in/a.csv", "in/deep/c.csv", "in/no.json"):
        write(name, f"name\n{name}\n")
    load("in/*.csv")
    assert rows(warehouse) == [("in/a.csv",), ("in/b.csv",)]
    load("in/**/*.csv")
    assert len(rows(warehouse)) == 3


def test_a_pattern_is_a_stream_for_each_file_and_folder_otherwise(
    write: Write, load: Load, warehouse: Warehouse
) -> None:
    for name in ("in/one.csv", "in/two-b.csv.gz", "in/parts/1.csv", "in/parts/2.csv"):
        data = f"name\n{name}\n".encode()
        write(name, gzip.compress(data) if name.endswith(".gz") else data)
    report = load("file://in/*", object="main.{stream_file_name}")
    assert [stream.stream for stream in report.streams] == [
        *("file://in/one.csv", "file://in/parts/", "file://in/two-b.csv.gz"),
    ]
    assert warehouse.tables() == ["main.one", "main.parts", "main.two_b_csv_gz"]
    assert len(rows(warehouse, "parts")) == 2


def test_single_decides_whether_a_pattern_is_one_stream(
    write: Write, load: Load, warehouse: Warehouse
) -> None:
    for name in ("a", "b"):
        write(f"{name}.csv", f"name\n{name}\n")
    load("*.csv", object="main.{stream_file_ext}", single=True)
    assert len(rows(warehouse, "csv")) == 2
    with pytest.raises(ReplicationFailedError, match=r"All tables that \*\.csv matches"):
        load("*.csv", single=False)


def test_an_explicit_file_keeps_its_own_settings(write: Write, folder: Path, warehouse: Warehouse) -> None:
    for name in ("a", "b", "c"):
        write(f"{name}.csv", f"name\n{name}\n")
    streams = {
        "*.csv": {"object": "main.{stream_file_name}"},
        "file://b.csv": {"object": "main.other"},
        "c.csv": {"disabled": True},
    }
    connections: Mapping[str, Any] = {"FILES": {"type": "file", "path": str(folder)}, "DUCK": warehouse.url}
    replicate({"source": "FILES", "target": "DUCK", "streams": streams}, connections, settings=PLAIN)
    assert warehouse.tables() == ["main.a", "main.other"]


def test_files_choose_among_those_of_a_folder(write: Write, load: Load, warehouse: Warehouse) -> None:
    for name in ("in/a.csv", "in/b.csv", "in/c.csv"):
        write(name, f"name\n{name}\n")
    load("in/", files=["a.csv", "in/c.csv"])
    assert rows(warehouse) == [("in/a.csv",), ("in/c.csv",)]
    with pytest.raises(ReplicationFailedError, match=r"`files`: d\.csv is none of the files .* Did you mean"):
        load("in/", files=["d.csv"])


def test_partitions_are_columns_and_leave_out_files(write: Write, load: Load, warehouse: Warehouse) -> None:
    for day in (1, 2, 3):
        write(f"t/day=2024-01-0{day}/who=a%20b/part.csv", f"n\n{day}\n")
    write("t/day=__HIVE_DEFAULT_PARTITION__/who=x/part.csv", "n\n9\n")
    write("t/_SUCCESS", "")
    load("t/")
    assert rows(warehouse)[0] == (1, dt.date(2024, 1, 1), "a b")
    assert rows(warehouse)[3] == (9, None, "x")
    write("t/day=2024-01-01/who=a%20b/broken.csv", "n\n" + "1\n" * 2000 + "1,2\n")
    load("t/", where="day >= '2024-01-02' and n < 3")
    assert rows(warehouse) == [(2, dt.date(2024, 1, 2), "a b")]


def test_rows_are_chosen_by_where_limit_and_offset(write: Write, load: Load, warehouse: Warehouse) -> None:
    write("a.csv", "n,t\n" + "".join(f"{number},{number % 3}\n" for number in range(5000)))
    load("a.csv", where="t = 1 and n > 10", select=["n"])
    assert len(rows(warehouse)) == len([n for n in range(5000) if n % 3 == 1 and n > 10])
    load("a.csv", source_options={"limit": 3, "offset": 4000})
    assert [row[0] for row in rows(warehouse)] == [4000, 4001, 4002]


def test_custom_sql_reads_the_files_by_their_scanner(write: Write, load: Load, warehouse: Warehouse) -> None:
    write("a.csv", "n,t\n1,x\n2,x\n3,y\n")
    load("file://a.csv", sql="select t, sum(n) as total from {stream_scanner} group by all")
    assert rows(warehouse) == [("x", 3), ("y", 3)]
    load(
        "file://a.csv",
        sql="select a.n from {stream_scanner} as a join {stream_scanner} as b on a.n = b.n + 1",
    )
    assert rows(warehouse) == [(2,), (3,)]
    with pytest.raises(ReplicationFailedError, match=r"The query over the files was refused: .*nothing"):
        load("file://a.csv", sql="select nothing from {stream_scanner}")
    with pytest.raises(ReplicationFailedError, match="was refused"):
        load("file://a.csv", sql="select * from read_csv('/etc/passwd')")


def test_an_update_key_of_the_rows_goes_on_from_the_target(
    write: Write, load: Load, warehouse: Warehouse
) -> None:
    write("in/1.csv", "id,at,v\n1,2024-01-01 00:00:00,a\n2,2024-01-02 00:00:00,b\n")
    load("in/", mode="incremental", primary_key="id", update_key="at")
    write(
        "in/2.csv", "id,at,v\n1,2023-01-01 00:00:00,old\n2,2024-01-03 00:00:00,new\n3,2024-01-04 00:00:00,c\n"
    )
    load("in/", mode="incremental", primary_key="id", update_key="at")
    assert [(row[0], row[2]) for row in rows(warehouse)] == [(1, "a"), (2, "new"), (3, "c")]


@pytest.mark.parametrize("key", [".", "_sling_loaded_at"])
def test_new_files_are_found_by_their_time(write: Write, load: Load, warehouse: Warehouse, key: str) -> None:
    old = write("in/1.csv", "id\n1\n")
    os.utime(old, (1_700_000_000, 1_700_000_000))
    load("in/", mode="incremental", update_key=key, settings=Settings())
    assert rows(warehouse) == [(1, 1_700_000_000)]
    (again,) = load("in/", mode="incremental", update_key=key, settings=Settings()).streams
    assert again.rows == 0
    assert any("No rows" in note for note in again.notes)
    new = write("in/2.csv", "id\n2\n")
    os.utime(new, (1_700_000_001.5, 1_700_000_001.5))
    write("in/0.csv", "id\n0\n")
    os.utime(old.parent / "0.csv", (1_600_000_000, 1_600_000_000))
    (later,) = load("in/", mode="incremental", update_key=key, settings=Settings()).streams
    assert (later.rows, rows(warehouse)) == (1, [(1, 1_700_000_000), (2, 1_700_000_001)])


def test_the_time_of_files_may_be_kept_in_a_state(
    write: Write, folder: Path, tmp_path: Path, warehouse: Warehouse
) -> None:
    document = {
        "source": "FILES",
        "target": "DUCK",
        "streams": {"in/*.csv": {"object": "main.t", "mode": "incremental", "update_key": "."}},
    }
    connections: Mapping[str, Any] = {"FILES": {"type": "file", "path": str(folder)}, "DUCK": warehouse.url}
    state = Settings(state=f"LOCAL/{tmp_path / 'state'}")
    counts = []
    for number in (1, 2, 3):
        if number < 3:
            path = write(f"in/{number}.csv", f"id\n{number}\n")
            os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
        counts.append(replicate(document, connections, settings=state).rows)
    assert counts == [1, 1, 0]


def test_compressed_files_and_archives_are_read(write: Write, load: Load, warehouse: Warehouse) -> None:
    write("a.csv.gz", gzip.compress(b"n\n1\n2\n"))
    load("a.csv.gz")
    assert rows(warehouse) == [(1,), (2,)]
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("x/1.csv", "n\n1\n")
        archive.writestr("x/2.csv", "m,n\nz,2\n")
    write("b.csv.zip", sink.getvalue())
    load("b.csv.zip")
    assert rows(warehouse) == [(1, None), (2, "z")]
    write("c.data", gzip.compress(b"n;m\n1;2\n"))
    load("c.data", source_options={"format": "csv", "compression": "gzip"})
    assert rows(warehouse) == [(1, 2)]


def test_source_options_reach_the_reader(write: Write, load: Load, warehouse: Warehouse) -> None:
    write("a.txt", "made by\n'größe'|'x|y'|31.12.2024|-\n".encode("latin-1"))
    options = {
        **{"header": False, "skip_lines": 1, "delimiter": "|", "quote": "'", "encoding": "latin1"},
        **{"datetime_format": "DD.MM.YYYY", "null_if": "-"},
    }
    load("a.txt", source_options=options)
    assert rows(warehouse) == [("größe", "x|y", dt.date(2024, 12, 31), None)]


def test_parquet_keeps_its_exact_types(folder: Path, load: Load, warehouse: Warehouse) -> None:
    moment = dt.datetime(2024, 1, 2, 3, 4, 5, 123456, tzinfo=dt.timezone.utc)
    table = pa.table(
        {
            "i": pa.array([1, None], pa.int16()),
            "d": pa.array([Decimal("1.10"), None], pa.decimal128(38, 18)),
            "t": pa.array([moment, None], pa.timestamp("us", "UTC")),
            "b": pa.array([b"\x00\xff", None]),
            "s": pa.array(["", None]),
        }
    )
    for number in (1, 2):
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=1)
    load("*.parquet")
    assert types(warehouse) == {
        **{
            "i": "SMALLINT",
            "d": "DECIMAL(38,18)",
            "t": "TIMESTAMP WITH TIME ZONE",
            "b": "BLOB",
            "s": "VARCHAR",
        },
    }
    load("*.parquet", where="i = 1", source_options={"limit": 1})
    assert warehouse.query("select i, d, epoch_us(t), b, s from t") == [
        (1, Decimal("1.10"), int(moment.timestamp()) * 1_000_000 + 123456, b"\x00\xff", "")
    ]


def test_json_lines_are_rows(write: Write, load: Load, warehouse: Warehouse) -> None:
    write("a.jsonl", "".join(json.dumps({"id": n, "in": {"x": n}}) + "\n" for n in range(3)))
    load("a.jsonl", source_options={"flatten": True})
    assert rows(warehouse) == [(0, 0), (1, 1), (2, 2)]


def test_standard_input_is_a_stream(
    folder: Path, load: Load, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = io.TextIOWrapper(io.BytesIO(b"n\n" + b"1\n" * 2000 + b"x\n"))
    monkeypatch.setattr("sys.stdin", piped)
    load("stdin://")
    assert warehouse.query("select count(*), max(n) from t") == [(2001, "x")]


def test_postgres_takes_files_too(
    write: Write, folder: Path, postgres: EmbeddedPostgres, schema: str
) -> None:
    write("a.csv", 'id,price,doc\n1,1.5,"{""a"": 1}"\n2,,\n')
    document = {
        "source": "FILES",
        "target": "PG",
        "streams": {"a.csv": {"object": f"{schema}.t", "primary_key": "id", "mode": "incremental"}},
    }
    connections: Mapping[str, Any] = {"FILES": {"type": "file", "path": str(folder)}, "PG": postgres.url}
    replicate(document, connections, settings=PLAIN)
    write("a.csv", "id,price,doc\n2,2.5,[]\n3,3,\n")
    replicate(document, connections, settings=PLAIN)
    found = postgres.fetch(f"select id, price, doc::text from {schema}.t order by id")
    assert [(row[0], str(row[1]), row[2]) for row in found] == [
        (1, "1.500000", '{"a": 1}'),
        (2, "2.500000", "[]"),
        (3, "3.000000", None),
    ]


def test_files_come_from_a_bucket(load: Load, warehouse: Warehouse) -> None:
    with EmbeddedS3() as server:
        bucket = server.bucket()
        for name in ("2024/a.csv", "2024/b.csv", "2023/c.csv"):
            server.request("PUT", f"{bucket}/{name}", f"name\n{name}\n".encode())
        load(f"s3://{bucket}/2024/*.csv", source=server.connection(bucket))
        assert rows(warehouse) == [("2024/a.csv",), ("2024/b.csv",)]
        report = load(
            "*/*.csv", source=server.connection(bucket), object="main.{stream_file_folder}_{stream_file_name}"
        )
        assert [stream.target for stream in report.streams] == [
            "main._2023_c",
            "main._2024_a",
            "main._2024_b",
        ]


def test_files_come_from_a_server(tmp_path: Path, load: Load, warehouse: Warehouse) -> None:
    (tmp_path / "sftp").mkdir()
    (tmp_path / "sftp" / "a.csv").write_text("n\n1\n")
    with EmbeddedSftp(tmp_path / "sftp") as server:
        load("*.csv", source=server.connection())
    assert rows(warehouse) == [(1,)]


def test_files_come_from_the_web(load: Load, warehouse: Warehouse) -> None:
    with EmbeddedHttp() as server:
        server.files["/in/a.csv"] = Served(b"n\n1\n2\n", ranges=False)
        server.files["/old"] = Served(redirect="/in/a.csv")
        load(f"{server.url}/in/a.csv?token=1", source=server.connection())
        assert rows(warehouse) == [(1,), (2,)]
        load("/old", source=server.connection())
        server.files["/in/b.csv"] = Served(b"n\n" + b"1\n" * 100_000, said_length=400_000, ranges=False)
        with pytest.raises(ReplicationFailedError, match=r"/in/b\.csv: the answer broke off"):
            load("/in/b.csv", source=server.connection())
    assert rows(warehouse) == [(1,), (2,)]


def test_a_missing_file_and_an_empty_one_are_told(write: Write, load: Load) -> None:
    with pytest.raises(ReplicationFailedError, match=r"There is no file file://.*/no\.csv"):
        load("no.csv")
    write("empty.csv", "")
    with pytest.raises(ReplicationFailedError, match="has no columns"):
        load("empty.csv")


def test_files_of_several_formats_are_no_stream(write: Write, load: Load) -> None:
    write("in/a.csv", "n\n1\n")
    write("in/b.json", "[]")
    with pytest.raises(
        ReplicationFailedError, match=r"several formats: in/a\.csv \(csv\), in/b\.json \(json\)"
    ):
        load("in/")


def test_a_path_out_of_the_connection_is_refused(load: Load, tmp_path: Path) -> None:
    for name in ("../x.csv", f"file://{tmp_path}/x.csv"):
        with pytest.raises(ReplicationFailedError, match=r"is refused|is outside of"):
            load(name)


def test_what_says_something_to_files_only_is_refused_of_tables(
    postgres: EmbeddedPostgres, warehouse: Warehouse
) -> None:
    postgres.execute("create table if not exists only_tables (n int)")
    for key in ({"files": ["a"]}, {"source_options": {"delimiter": ";"}}):
        document = {
            "source": postgres.url,
            "target": warehouse.url,
            "streams": {"public.only_tables": {"object": "main.t", **key}},
        }
        with pytest.raises(ReplicationFailedError, match="says nothing to") as caught:
            replicate(document)
        assert isinstance(caught.value.failures[0].cause, NotSupportedYetError)


def test_a_plan_of_files_changes_nothing(write: Write, folder: Path, warehouse: Warehouse) -> None:
    write("in/a.csv", "n\n1\n")
    connections: Mapping[str, Any] = {"FILES": {"type": "file", "path": str(folder)}, "DUCK": warehouse.url}
    document = {
        "source": "FILES",
        "target": "DUCK",
        "streams": {"in/*.csv": {"object": "main.{stream_file_name}"}},
    }
    (planned,) = plan(document, connections).streams
    assert (str(planned.target), [column.name for column in planned.columns]) == ("main.a", ["n"])
    assert [added.name for added in planned.metadata_columns] == ["_sling_loaded_at"]
