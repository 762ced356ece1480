"""Files as a target: what a folder holds after each mode, and what is refused by name."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.engine.conftest import Filing, numbers

from mainstem.api import replicate
from mainstem.errors import ConfigError, EndpointError, NotSupportedYetError, ReplicationError

BY_ID: dict[str, Any] = {"mode": "incremental", "update_key": "id"}


class TestObjects:
    """What the object's name means (spec §4.2)."""

    def test_a_name_with_an_extension_is_one_file(self, filing: Filing) -> None:
        report = filing.run("daily/orders.parquet")
        assert filing.files() == ["daily/orders.parquet"]
        assert filing.read("daily/orders.parquet") == numbers(1, 10)
        assert (report.target, report.storage) == (f"file://{filing.folder}/daily/orders.parquet", "file")
        assert (report.rows, report.row_count) == (10, 10)

    @pytest.mark.parametrize("name", ["orders", "orders/", "orders/*", "orders/*.parquet"])
    def test_a_name_without_one_or_with_a_star_is_a_folder_of_parts(self, filing: Filing, name: str) -> None:
        filing.run(name, target_options={"format": "parquet"})
        (part,) = filing.files()
        assert part.startswith("orders/part.")
        assert part.endswith(".01.0001.parquet")
        assert filing.read("orders/*.parquet") == numbers(1, 10)

    def test_the_report_tells_the_columns_as_readers_find_them(self, filing: Filing) -> None:
        report = filing.run("orders.parquet")
        told = {column.name: column.type for column in report.columns}
        assert told == {
            "id": "int32",
            "name": "string",
            "at": "timestamp[us]",
            "amount": "decimal64(12, 2)",
        }
        assert [column.sources for column in report.columns] == [["id"], ["name"], ["at"], ["amount"]]

    def test_an_option_wins_over_the_extension(self, filing: Filing) -> None:
        filing.run("orders.data", target_options={"format": "jsonlines", "compression": "none"})
        first = (filing.folder / "orders.data").read_text().splitlines()[0]
        assert json.loads(first)["name"] == "order 1"

    def test_a_plan_tells_what_would_be_written_and_writes_nothing(self, filing: Filing) -> None:
        planned = filing.plan("orders/*.parquet")
        assert planned.ddl == [
            f"file://{filing.folder}/orders (parquet): id int32, name string, at timestamp[us],"
            " amount decimal64(12, 2)"
        ]
        assert not filing.folder.exists()

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("or*ders.parquet", "names no file and no folder"),
            ("*/orders.parquet", "names no file and no folder"),
            ("*.parquet", "names no folder"),
            ("orders.parquet.gz", "compressed within"),
            ("x/{part_decade}/*", "no partition"),
        ],
    )
    def test_a_name_that_means_nothing_is_refused(self, filing: Filing, name: str, told: str) -> None:
        error = filing.refused(name, update_key="at")
        assert told in str(error)
        assert isinstance(error, ConfigError)

    def test_options_of_tables_are_refused_by_name(self, filing: Filing) -> None:
        error = filing.refused("orders.parquet", target_options={"table_keys": {"index": ["id"]}})
        assert isinstance(error, NotSupportedYetError)
        assert "`table_keys` says nothing to TGT (file)" in str(error)

    def test_options_of_files_are_refused_by_a_database(self, filing: Filing) -> None:
        config = filing.config("orders", target_options={"file_max_rows": 5})
        connections = {**filing.connections, "TGT": f"duckdb://{filing.home / 'target.duckdb'}"}
        with pytest.raises(Exception, match="`file_max_rows` says nothing to TGT"):
            replicate(config, connections)

    def test_the_column_casing_is_that_of_any_target(self, filing: Filing) -> None:
        filing.sql('create or replace table orders as select 1 as "OrderId"')
        filing.run("orders.parquet", target_options={"column_casing": "snake"})
        assert pq.read_table(filing.folder / "orders.parquet").column_names == ["order_id"]


class TestTraversal:
    """No name leads out of the target's root."""

    @pytest.mark.parametrize("name", ["../orders.parquet", "a/../../orders.parquet", "a\\..\\b.parquet"])
    def test_a_path_that_leads_out_is_refused(self, filing: Filing, name: str) -> None:
        assert isinstance(filing.refused(name), EndpointError)
        assert list(filing.home.glob("**/*.parquet")) == []

    def test_a_variable_of_the_environment_leads_nowhere_else(self, filing: Filing) -> None:
        error = filing.refused("{env.WHERE}/orders.parquet", {"WHERE": "../.."})
        assert "goes up with .." in str(error)

    def test_a_tables_own_name_is_cleaned(self, filing: Filing) -> None:
        filing.sql('create table "../../evil" as select 1 as id')
        config = {
            "source": "SRC",
            "target": "TGT",
            "streams": {'main."../../evil"': {"object": "{stream_table}.parquet"}},
        }
        replicate(config, filing.connections)
        assert filing.files() == ["______evil.parquet"]

    def test_an_update_key_of_any_name_stays_one_folder(self, filing: Filing) -> None:
        filing.sql("create or replace table orders as select 1 as id, date '2024-02-03' as \"../a=b/größe\"")
        filing.run("x/{part_year}/*.parquet", update_key="../a=b/größe")
        (path,) = (filing.folder / "x").iterdir()
        assert path.name == "..%2Fa%3Db%2Fgr%C3%B6%C3%9Fe_year=2024"


class TestWhole:
    """full-refresh, truncate and definition-only: what was there is replaced, and only by all of it."""

    @pytest.mark.parametrize("mode", ["full-refresh", "truncate"])
    @pytest.mark.parametrize("name", ["orders.parquet", "orders/*.parquet", "orders/{part_day}/*.parquet"])
    def test_the_files_are_what_the_source_is(self, filing: Filing, mode: str, name: str) -> None:
        stream: dict[str, Any] = {"mode": mode, "update_key": "at"}
        filing.run(name, **stream)
        filing.orders(5, 7)
        report = filing.run(name, **stream)
        assert (report.rows, report.row_count) == (3, 3)
        assert filing.read("**/*.parquet") == [5, 6, 7]

    def test_parts_of_before_in_another_format_go_as_well(self, filing: Filing) -> None:
        filing.run("orders/", target_options={"format": "jsonlines", "file_max_rows": 2})
        assert len(filing.files()) == 5
        filing.run("orders/", target_options={"format": "parquet"})
        (left,) = filing.files()
        assert left.endswith(".parquet")

    def test_parts_that_sling_wrote_are_replaced(self, filing: Filing) -> None:
        (filing.folder / "orders").mkdir(parents=True)
        pq.write_table(pa.table({"id": [99]}), filing.folder / "orders" / "part.01.0001.parquet")
        filing.run("orders/*.parquet")
        assert filing.read("orders/*.parquet") == numbers(1, 10)

    def test_files_of_others_are_neither_removed_nor_mixed_with_ours(self, filing: Filing) -> None:
        (filing.folder / "orders").mkdir(parents=True)
        pq.write_table(pa.table({"id": [99]}), filing.folder / "orders" / "mine.parquet")
        (filing.folder / "orders" / "README.md").write_text("what this is")
        error = filing.refused("orders/*.parquet")
        assert "orders/mine.parquet" in str(error)
        assert "not ours to remove" in str(error)
        (filing.folder / "orders" / "mine.parquet").unlink()
        filing.run("orders/*.parquet")
        assert (filing.folder / "orders" / "README.md").exists()

    def test_ignore_existing_leaves_a_file_as_it_is(self, filing: Filing) -> None:
        filing.run("orders.parquet")
        filing.orders(1, 3)
        report = filing.run("orders.parquet", target_options={"ignore_existing": True})
        assert any("`ignore_existing`" in note for note in report.notes)
        assert filing.read("orders.parquet") == numbers(1, 10)

    def test_without_rows_the_files_stay_as_they_were(self, filing: Filing) -> None:
        filing.run("orders.parquet")
        filing.sql("delete from orders")
        report = filing.run("orders.parquet")
        assert any("left as it was" in note for note in report.notes)
        assert filing.read("orders.parquet") == numbers(1, 10)

    @pytest.mark.parametrize("name", ["orders.parquet", "orders/*.parquet"])
    def test_where_empty_is_allowed_a_file_without_rows_has_the_columns(
        self, filing: Filing, name: str
    ) -> None:
        filing.run(name)
        filing.sql("delete from orders")
        report = filing.run(name, {"SLING_ALLOW_EMPTY": "true"})
        assert (report.rows, report.row_count) == (0, 0)
        (path,) = filing.files()
        assert pq.read_table(filing.folder / path).schema.names == ["id", "name", "at", "amount"]

    @pytest.mark.parametrize("kind", ["parquet", "arrow"])
    def test_definition_only_writes_the_columns_and_no_row(self, filing: Filing, kind: str) -> None:
        report = filing.run(f"orders.{kind}", mode="definition-only")
        assert (report.rows, report.row_count) == (0, 0)
        assert [column.name for column in report.columns] == ["id", "name", "at", "amount"]
        assert filing.files() == [f"orders.{kind}"]

    def test_definition_only_is_refused_for_formats_that_hold_no_definition(self, filing: Filing) -> None:
        error = filing.refused("orders.jsonl", mode="definition-only")
        assert "only supports parquet or arrow formats" in str(error)


class TestAdding:
    """incremental and snapshot: further parts, and a cursor that is kept in SLING_STATE."""

    def test_incremental_adds_what_is_newer(self, filing: Filing) -> None:
        filing.run("orders/*.parquet", filing.kept, **BY_ID)
        filing.orders(1, 13)
        report = filing.run("orders/*.parquet", filing.kept, **BY_ID)
        assert (report.rows, report.extra["cursor_before"], report.extra["cursor_after"]) == (3, "10", "13")
        assert len(filing.files()) == 2
        assert filing.read("orders/*.parquet") == numbers(1, 13)
        assert filing.run("orders/*.parquet", filing.kept, **BY_ID).rows == 0

    def test_without_sling_state_it_is_refused_with_slings_advice(self, filing: Filing) -> None:
        error = filing.refused("orders/*.parquet", **BY_ID)
        assert isinstance(error, ReplicationError)
        assert "use the SLING_STATE environment variable for writing to files incrementally" in str(error)

    def test_what_readers_moved_away_is_not_written_again(self, filing: Filing) -> None:
        filing.run("orders/*.parquet", filing.kept, **BY_ID)
        for path in filing.files():
            (filing.folder / path).unlink()
        filing.orders(1, 12)
        filing.run("orders/*.parquet", filing.kept, **BY_ID)
        assert filing.read("orders/*.parquet") == [11, 12]

    def test_a_first_load_replaces_parts_that_no_cursor_tells_of(self, filing: Filing) -> None:
        filing.run("orders/*.parquet")
        filing.run("orders/*.parquet", filing.kept, **BY_ID)
        assert filing.read("orders/*.parquet") == numbers(1, 10)

    def test_a_run_that_was_killed_before_its_cursor_was_kept_doubles_nothing(self, filing: Filing) -> None:
        filing.run("orders/*.parquet", filing.kept, **BY_ID)
        (state,) = (filing.home / "state").iterdir()
        before = state.read_text()
        filing.orders(1, 15)
        filing.run("orders/*.parquet", filing.kept, target_options={"file_max_rows": 2}, **BY_ID)
        # As a kill between the two leaves it: the parts are there, the cursor is the old one.
        state.write_text(before)
        filing.orders(1, 17)
        filing.run("orders/*.parquet", filing.kept, **BY_ID)
        assert filing.read("orders/*.parquet") == numbers(1, 17)

    def test_each_run_may_have_a_file_of_its_own(self, filing: Filing) -> None:
        def run(day: int) -> None:
            filing.run("{env.DAY}.parquet", {**filing.kept, "DAY": f"day_{day}"}, **BY_ID)

        run(1)
        filing.orders(1, 12)
        run(2)
        assert filing.read("day_2.parquet") == [11, 12]
        filing.orders(1, 13)
        error = filing.refused("{env.DAY}.parquet", {**filing.kept, "DAY": "day_2"}, **BY_ID)
        assert "no rows can be added to it" in str(error)
        assert filing.read("day_*.parquet") == numbers(1, 12)

    def test_an_empty_run_forgets_no_cursor(self, filing: Filing) -> None:
        env = {**filing.kept, "SLING_ALLOW_EMPTY": "true"}
        filing.run("{env.DAY}.parquet", {**env, "DAY": "1"}, **BY_ID)
        filing.run("{env.DAY}.parquet", {**env, "DAY": "2"}, **BY_ID)
        filing.orders(1, 11)
        assert filing.run("{env.DAY}.parquet", {**env, "DAY": "3"}, **BY_ID).rows == 1

    def test_a_range_adds_its_rows_and_moves_no_cursor(self, filing: Filing) -> None:
        filing.run("orders/*.parquet", filing.kept, source_options={"range": "1,3"}, **BY_ID)
        filing.run("orders/*.parquet", filing.kept, source_options={"range": "4,5"}, **BY_ID)
        assert filing.read("orders/*.parquet") == numbers(1, 5)

    def test_later_parts_take_the_types_of_those_that_are_there(self, filing: Filing) -> None:
        filing.run("orders/*.parquet", filing.kept, **BY_ID)
        filing.sql("create or replace table orders as select 11::bigint as id, 'x' as name, 1 as extra")
        filing.run("orders/*.parquet", filing.kept, **BY_ID)
        newest = pq.read_schema(filing.folder / filing.files()[-1])
        assert newest.names == ["id", "name", "extra"]
        assert newest.field("id").type == pa.int32()
        assert filing.read("orders/*.parquet", "id, extra")[-1] == (11, 1)

    def test_a_snapshot_is_added_with_its_time(self, filing: Filing) -> None:
        filing.run("orders/*.parquet", mode="snapshot")
        report = filing.run("orders/*.parquet", mode="snapshot")
        assert (report.rows, report.row_count) == (10, 20)
        assert filing.read("orders/*.parquet", "count(*), count(_sling_loaded_at)") == [(20, 20)]

    def test_rows_that_only_reading_would_tell_are_not_counted(self, filing: Filing) -> None:
        filing.run("orders/*.jsonl", mode="snapshot")
        assert filing.run("orders/*.jsonl", mode="snapshot").row_count is None

    def test_a_broken_part_of_before_stops_no_run(self, filing: Filing) -> None:
        (filing.folder / "orders").mkdir(parents=True)
        broken = filing.folder / "orders" / "part.01.0001.parquet"
        broken.write_bytes(b"PAR1 and no more")
        report = filing.run("orders/*.parquet", mode="snapshot")
        assert (report.rows, report.row_count) == (10, None)
        filing.run("orders/*.parquet")
        assert not broken.exists()
        assert filing.read("orders/*.parquet") == numbers(1, 10)

    def test_a_snapshot_of_one_file_is_refused_once_the_file_is_there(self, filing: Filing) -> None:
        filing.run("orders.parquet", mode="snapshot")
        assert "name a folder" in str(filing.refused("orders.parquet", mode="snapshot")).lower()

    @pytest.mark.parametrize(
        "stream",
        [
            {"mode": "incremental", "primary_key": "id"},
            {
                "mode": "backfill",
                "primary_key": "id",
                "update_key": "id",
                "source_options": {"range": "1,2"},
            },
        ],
    )
    def test_files_merge_nothing_by_a_primary_key(self, filing: Filing, stream: dict[str, Any]) -> None:
        error = filing.refused("orders/*.parquet", filing.kept, **stream)
        assert "cannot merge rows by a primary_key" in str(error)
        assert "Delta Lake" in str(error)


class TestParts:
    """Splitting by rows and by bytes, and writing side by side."""

    @pytest.mark.parametrize("concurrency", [1, 3])
    def test_no_part_has_more_rows_than_allowed_and_they_keep_their_order(
        self, filing: Filing, concurrency: int
    ) -> None:
        filing.orders(1, 100)
        filing.run("orders/*.parquet", target_options={"file_max_rows": 8, "concurrency": concurrency})
        parts = [pq.read_table(filing.folder / path) for path in filing.files()]
        assert [part.num_rows for part in parts] == [8] * 12 + [4]
        assert pa.concat_tables(parts).column("id").to_pylist() == numbers(1, 100)

    def test_parts_are_about_as_large_as_allowed(self, filing: Filing) -> None:
        filing.orders(1, 20_000)
        filing.run("orders/", target_options={"format": "jsonlines", "file_max_bytes": 100_000})
        sizes = [(filing.folder / path).stat().st_size for path in filing.files()]
        assert len(sizes) > 10
        assert all(size < 200_000 for size in sizes)
        texts = [(filing.folder / path).read_text() for path in filing.files()]
        lines = [line for text in texts for line in text.splitlines()]
        assert [json.loads(line)["id"] for line in lines] == numbers(1, 20_000)

    def test_a_named_file_that_may_hold_few_rows_becomes_a_folder(self, filing: Filing) -> None:
        filing.run("orders.parquet", target_options={"file_max_rows": 5})
        assert [path.partition("/")[0] for path in filing.files()] == ["orders.parquet"] * 2

    def test_batch_limit_makes_row_groups(self, filing: Filing) -> None:
        filing.run("orders.parquet", target_options={"batch_limit": 4})
        assert pq.ParquetFile(filing.folder / "orders.parquet").num_row_groups == 3


class TestPartitions:
    """Hive folders from the update key (spec §2)."""

    def test_rows_go_to_the_folder_of_their_time(self, filing: Filing) -> None:
        filing.run("orders/{part_year}/{part_month}/{part_day}/*.parquet", update_key="at")
        folders = sorted({path.rpartition("/")[0] for path in filing.files()})
        assert folders == [
            "orders/at_year=2023/at_month=12/at_day=31",
            "orders/at_year=2024/at_month=01/at_day=01",
        ]
        assert filing.read("orders/at_year=2023/**/*.parquet") == numbers(1, 4)
        years = filing.read("orders/**/*.parquet", "id, at_year")
        assert years == [(number, 2023 if number < 5 else 2024) for number in numbers(1, 10)]

    def test_every_level_has_its_value(self, filing: Filing) -> None:
        filing.sql(
            "create or replace table orders as select 1 as id, timestamp '1969-12-28 03:04:05.999999' as at"
        )
        levels = ("year", "month", "year_month", "week", "day", "hour", "minute", "second")
        filing.run("/".join(["x", *(f"{{part_{level}}}" for level in levels), "*.parquet"]), update_key="at")
        (path,) = filing.files()
        values = [folder.partition("=")[2] for folder in path.split("/")[1:-1]]
        assert values == ["1969", "12", "1969-12", "52", "28", "03", "04", "05"]

    @pytest.mark.parametrize(
        "value", ["date '2024-01-01'", "timestamptz '2024-01-01 01:00:00+02'::timestamptz", "null::date"]
    )
    def test_dates_times_with_a_zone_and_null_have_their_folder(self, filing: Filing, value: str) -> None:
        filing.sql(f"create or replace table orders as select 1 as id, {value} as at")
        filing.run("x/{part_year}/*.parquet", update_key="at")
        (path,) = filing.files()
        wanted = {"d": "2024", "t": "2023", "n": "__HIVE_DEFAULT_PARTITION__"}[value[0]]
        assert path.startswith(f"x/at_year={wanted}/")
        assert filing.read("x/**/*.parquet") == [1]

    def test_more_partitions_than_open_writers_lose_no_row(self, filing: Filing) -> None:
        filing.sql(
            "create or replace table orders as select i as id, date '2020-01-01' + (i % 200)::int as at"
            " from range(2000) numbers(i)"
        )
        filing.run("orders/{part_year}/{part_month}/{part_day}/*.parquet", update_key="at")
        assert filing.read("orders/**/*.parquet") == numbers(0, 1999)

    def test_too_many_files_at_once_are_refused_with_advice(self, filing: Filing) -> None:
        filing.sql(
            "create or replace table orders as"
            " select i as id, timestamp '2020-01-01' + to_hours(i::int) as at"
            " from range(1000) numbers(i)"
        )
        error = filing.refused("x/{part_day}/{part_hour}/{part_month}/*.parquet", update_key="at")
        assert "more than 500 files" in str(error)
        assert filing.files() == []

    @pytest.mark.parametrize(
        ("key", "told"), [({}, "does not have"), ({"update_key": "name"}, "must be a date or a timestamp")]
    )
    def test_partitions_need_an_update_key_of_time(
        self, filing: Filing, key: dict[str, Any], told: str
    ) -> None:
        assert told in str(filing.refused("x/{part_year}/*.parquet", **key))

    def test_one_file_for_each_partition_is_refused_with_what_to_write(self, filing: Filing) -> None:
        error = filing.refused("x/{part_year}/orders.parquet", update_key="at")
        assert "x/{part_year}/*.parquet" in str(error)

    def test_incremental_adds_to_partitions(self, filing: Filing) -> None:
        stream: dict[str, Any] = {"mode": "incremental", "update_key": "at"}
        filing.run("orders/{part_year}/*.parquet", filing.kept, **stream)
        filing.orders(1, 12)
        filing.run("orders/{part_year}/*.parquet", filing.kept, **stream)
        assert filing.read("orders/**/*.parquet") == numbers(1, 12)


def test_several_streams_may_write_at_once(filing: Filing) -> None:
    filing.sql(*(f"create table t{number} as select {number} as id" for number in range(6)))
    config: dict[str, Any] = {
        "source": "SRC",
        "target": "TGT",
        "env": {"SLING_THREADS": "3"},
        "defaults": {"object": "{stream_table}/*.parquet"},
        "streams": {f"main.t{number}": {} for number in range(6)},
    }
    replicate(config, filing.connections)
    assert filing.read("*/*.parquet") == numbers(0, 5)


def test_two_streams_of_one_object_are_refused(filing: Filing, tmp_path: Path) -> None:
    filing.sql("create table other as select 1 as id")
    config: dict[str, Any] = {
        "source": "SRC",
        "target": "TGT",
        "streams": {"main.orders": {"object": "x.parquet"}, "main.other": {"object": "x.parquet"}},
    }
    with pytest.raises(Exception, match="would both be written to"):
        replicate(config, filing.connections)


def test_a_time_keeps_its_microseconds(filing: Filing) -> None:
    filing.sql("create or replace table orders as select timestamp '2024-01-01 10:11:12.123456' as at")
    filing.run("x.parquet")
    (found,) = pq.read_table(filing.folder / "x.parquet").column("at").to_pylist()
    assert found == datetime(2024, 1, 1, 10, 11, 12, 123456)  # noqa: DTZ001 - the column has no zone
