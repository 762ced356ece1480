"""What an object's name and options mean, and how rows are taken apart: without any file."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.endpoints.files.layout import is_data, is_part, layout_of
from mainstem.endpoints.files.partitioning import LEVELS, partitioned
from mainstem.endpoints.files.staging import same_origin
from mainstem.errors import ConfigError


@pytest.mark.parametrize(
    ("path", "options", "root", "suffix"),
    [
        ("a/b.json", {}, "a/b.json", ".json"),
        ("a/b.json.gz", {}, "a/b.json.gz", ".json.gz"),
        ("a/b.json", {"compression": "zstd"}, "a/b.json", ".json.zst"),
        ("a/b.PARQUET", {}, "a/b.PARQUET", ".parquet"),
        ("a/b.txt", {"format": "jsonlines"}, "a/b.txt", ".jsonl"),
        ("a/b/", {"format": "arrow"}, "a/b/", ".arrow"),
        ("a/b", {"format": "arrow"}, "a/b/", ".arrow"),
        ("a/*.jsonl.gz", {}, "a/", ".jsonl.gz"),
        ("a/*", {"format": "avro"}, "a/", ".avro"),
        ("a/{part_year}/x/*.parquet", {}, "a/", ".parquet"),
        ("a/b_{part_year}/*.parquet", {}, "a/", ".parquet"),
        ("/a/b.parquet", {}, "/a/b.parquet", ".parquet"),
    ],
)
def test_an_object_has_a_place_and_its_parts_a_suffix(
    path: str, options: dict[str, Any], root: str, suffix: str
) -> None:
    layout = layout_of(path, options)
    assert (layout.root, layout.suffix) == (root, suffix)


def test_a_star_sets_slings_limits_and_own_limits_win() -> None:
    def limits(path: str, **options: int) -> tuple[int, int]:
        layout = layout_of(path, options)
        return layout.max_rows, layout.max_bytes

    assert limits("a/*.parquet") == (100_000, 50_000_000)
    assert limits("a/*.parquet", file_max_rows=5) == (5, 0)
    assert limits("a/x.parquet") == (0, 0)


def test_a_format_that_compresses_within_says_that_the_option_was_left_out() -> None:
    layout = layout_of("a.parquet", {"compression": "gzip"})
    assert (layout.compression, layout.suffix) == ("none", ".parquet")
    assert layout.note is not None
    assert "`compression`" in layout.note


@pytest.mark.parametrize("options", [{"file_max_rows": -1}, {"format": "papyrus"}, {"compression": "brotli"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        layout_of("a/b.json", options)


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("x/part.20240101T000000Z-00000000-12345678.01.0001.csv", True),
        ("x/part.01.0001.csv.gz", True),
        ("x/data_0.parquet", True),
        ("x/orders.csv", False),
        ("x/partner.csv", False),
        ("x/data_book.csv", False),
    ],
)
def test_what_a_run_wrote_is_known_by_its_name(path: str, ours: bool) -> None:
    assert is_part(path) is ours
    assert is_data(path)


def test_parts_of_a_killed_run_are_known_by_the_cursor_that_it_went_on_from() -> None:
    ours = "20240102T000000Z-aaaaaaaa-22222222"
    killed, earlier = "20240101T000000Z-aaaaaaaa-11111111", "20240101T000000Z-bbbbbbbb-11111111"
    assert same_origin(f"x/part.{killed}.01.0001.csv", ours)
    assert not same_origin(f"x/part.{earlier}.01.0001.csv", ours)
    assert not same_origin(f"x/part.{ours}.01.0002.csv", ours)
    whole = "20240101T000000Z-00000000-11111111"
    assert not same_origin(f"x/part.{whole}.01.0001.csv", "20240102T000000Z-00000000-22222222")


@given(
    rows=st.lists(
        st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001
        max_size=40,
    ),
    levels=st.lists(st.sampled_from(sorted(LEVELS)), min_size=1, max_size=4, unique=True),
)
def test_every_row_comes_into_the_folder_of_its_time_and_keeps_its_place_there(
    rows: list[datetime | None], levels: list[str]
) -> None:
    arrays: list[pa.Array[Any]] = [
        pa.array(range(len(rows)), pa.int64()),
        pa.array(rows, pa.timestamp("us")),
    ]
    batch = pa.record_batch(arrays, names=["row", "at"])
    template = "/".join(f"{{{level}}}" for level in levels) + "/"
    found: list[int] = []
    for folder, part in partitioned(batch, "at", template, levels):
        column: Any = part.column("row")
        numbers: list[int] = column.to_pylist()
        assert numbers == sorted(numbers)
        for number in numbers:
            time = rows[number]
            values = [
                "__HIVE_DEFAULT_PARTITION__" if time is None else LEVELS[level](time) for level in levels
            ]
            assert folder == "".join(
                f"at_{level.removeprefix('part_')}={value}/"
                for level, value in zip(levels, values, strict=True)
            )
        found += numbers
    assert sorted(found) == list(range(len(rows)))


def test_nanoseconds_are_no_partition_of_the_next_second() -> None:
    last = datetime(2023, 12, 31, 23, 59, 59) - datetime(1970, 1, 1)  # noqa: DTZ001
    nanoseconds = last // timedelta(microseconds=1) * 1000 + 999_999_999
    batch = pa.record_batch({"at": pa.array([nanoseconds], pa.timestamp("ns"))})
    ((folder, _),) = partitioned(batch, "at", "{part_year}/{part_second}/", ["part_year", "part_second"])
    assert folder == "at_year=2023/at_second=59/"
