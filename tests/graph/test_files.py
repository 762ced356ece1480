"""Files are joined as tables are: by bucket and key, by path, by folder and by pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.graph.conftest import Replicate
from tests.graph.test_wire import sling, upstream, warehouse

from mainstem import table_dep, table_identity, wire
from mainstem.dlt import DagsterDltResource
from mainstem.errors import ConfigError
from mainstem.identity import instance_of
from mainstem.sling import SlingResource

LAKE = {"type": "s3", "bucket": "lake"}


def lake(tmp_path: Path, **more: Mapping[str, Any]) -> SlingResource:
    """A Postgres, a DuckDB, and a bucket by two connections: the second begins in a folder."""
    return sling(tmp_path, LAKE=LAKE, RAW={**LAKE, "path": "raw/"}, **more)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("raw/orders.parquet", "orders.parquet"),
        ("s3://lake/raw/orders.parquet", "s3://lake/raw/orders.parquet"),
        ("raw/orders.parquet", "*.parquet"),
        ("raw/orders/", "orders"),
        ("raw/orders/*.parquet", "orders/*.parquet"),
        ("raw/orders/*.parquet", "orders/part-0001.parquet"),
        ("raw/orders/{YYYY}/{MM}_{DD}.parquet", "orders/1924/*.parquet"),
        ("raw/orders/{part_year}/*.parquet", "orders/**"),
        ("raw/{stream_schema}/{stream_table}.parquet", "data/orders.parquet"),
    ],
)
def test_a_stream_that_reads_what_another_wrote_to_a_bucket_is_downstream_of_it(
    written: str, read: str, tmp_path: Path, replicate: Replicate
) -> None:
    there = replicate("PG", "LAKE", {"data.orders": {"object": written, "update_key": "at"}}, name="there")
    back = replicate("RAW", "DUCK", {read: "main.orders"}, name="back")
    defs = wire(dg.Definitions(assets=[there, back], resources={"sling": lake(tmp_path)}))
    [producer] = there.keys
    assert upstream(defs, "target/main/orders") == {producer.to_user_string()}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("raw/orders.parquet", "orders.csv"),
        ("raw/orders.parquet", "raw/orders.parquet"),
        ("orders.parquet", "orders.parquet"),
        ("raw/orders/x.parquet", "*.parquet"),
        ("raw/orders/*.parquet", "orders/*.csv"),
        ("raw/orders_{YYYY}.parquet", "orders-*.parquet"),
        ("raw/orders/", "orders2/"),
    ],
)
def test_files_that_are_others_are_not_joined(
    written: str, read: str, tmp_path: Path, replicate: Replicate
) -> None:
    there = replicate("PG", "LAKE", {"data.orders": written}, name="there")
    back = replicate("RAW", "DUCK", {read: "main.orders"}, name="back")
    defs = wire(dg.Definitions(assets=[there, back], resources={"sling": lake(tmp_path)}))
    assert not upstream(defs, "target/main/orders") & {key.to_user_string() for key in there.keys}


@pytest.mark.parametrize(
    "other",
    [{"bucket": "pond"}, {"endpoint": "http://minio:9000"}, {"type": "gcs"}],
    ids=["bucket", "endpoint", "store"],
)
def test_the_same_key_elsewhere_is_another_file(
    other: Mapping[str, str], tmp_path: Path, replicate: Replicate
) -> None:
    there = replicate("PG", "LAKE", {"data.orders": "raw/orders.csv"}, name="there")
    back = replicate("OTHER", "DUCK", {"raw/orders.csv": "main.orders"}, name="back")
    resource = lake(tmp_path, OTHER={**LAKE, **other})
    defs = wire(dg.Definitions(assets=[there, back], resources={"sling": resource}))
    assert upstream(defs, "target/main/orders") == {"raw_orders/csv"}


@pytest.mark.parametrize(
    "read", ["out/orders.csv", "file://out/orders.csv", "{}/out/orders.csv", "link/*.csv"]
)
def test_a_local_file_is_one_by_whatever_path_it_is_reached(
    read: str, tmp_path: Path, replicate: Replicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    there = replicate("PG", "HERE", {"data.orders": "orders.csv"}, name="there")
    back = replicate("LOCAL", "DUCK", {read.format(tmp_path): "main.orders"}, name="back")
    resource = lake(tmp_path, HERE={"type": "file", "path": f"{tmp_path}/link"})
    defs = wire(dg.Definitions(assets=[there, back], resources={"sling": resource}))
    assert upstream(defs, "target/main/orders") == {"target/orders/csv"}


def test_a_pattern_is_downstream_of_all_that_write_its_files(tmp_path: Path, replicate: Replicate) -> None:
    streams = {"data.a": "raw/in/a.csv", "data.b": "raw/in/b.csv", "data.c": "raw/other/c.csv"}
    there = replicate("PG", "LAKE", streams, name="there")
    back = replicate("RAW", "DUCK", {"in/*.csv": "main.all"}, name="back")
    defs = wire(dg.Definitions(assets=[there, back], resources={"sling": lake(tmp_path)}))
    assert upstream(defs, "target/main/all") == {"target/raw_in_a/csv", "target/raw_in_b/csv"}
    [spec] = [spec for spec in defs.resolve_all_asset_specs() if spec.key.path[-1] == "all"]
    [[first, _]] = spec.metadata["mainstem/wired"].value.values()
    told = "stream in/*.csv takes in s3 lake/raw/in/*.csv, and stream data.a writes s3 lake/raw/in/a.csv"
    assert first["because"] == told


def test_two_streams_that_write_one_file_are_both_named(tmp_path: Path, replicate: Replicate) -> None:
    one = replicate("PG", "LAKE", {"data.a": "raw/a.csv"}, name="one")
    other = replicate("PG", "RAW", {"data.b": "a.csv"}, name="other")
    defs = dg.Definitions(assets=[one, other], resources={"sling": lake(tmp_path)})
    with pytest.raises(
        ConfigError, match=r"lake/raw/a.csv: target/raw_a/csv .*data.a.* and target/a/csv .*data.b"
    ):
        wire(defs)


def test_dbt_reads_and_writes_files_where_duckdb_does(tmp_path: Path, replicate: Replicate) -> None:
    dbt = warehouse(tmp_path)
    files = {"external_location": "..."}
    relation = "read_parquet('s3://lake/raw/orders/*.parquet')"
    dbt.model("bucket", "main", [dbt.source("s3", "orders", "x", meta=files, relation_name=relation)])
    relation = "'../in/users.csv'"
    dbt.model("disk", "main", [dbt.source("disk", "users", "x", meta=files, relation_name=relation)])
    external = {"materialized": "external", "location": "out/marts.parquet"}
    dbt.model("marts", "main", [], config=external)
    there = replicate("PG", "LAKE", {"data.orders": "raw/orders/"}, name="there")
    local = replicate("PG", "LOCAL", {"data.users": f"{tmp_path}/in/users.csv"}, name="local")
    away = replicate("LOCAL", "PG", {f"{tmp_path}/dbt/out/*.parquet": "crm.marts"}, name="away")
    assets = [there, local, dbt.assets(), away]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": lake(tmp_path)}))
    assert upstream(defs, "bucket") == {key.to_user_string() for key in there.keys}
    assert upstream(defs, "disk") == {key.to_user_string() for key in local.keys}
    assert upstream(defs, "target/crm/marts") == {"marts"}


def test_what_dlt_writes_as_files_is_read_by_others_with_what_is_nested_in_it(
    tmp_path: Path, load: Replicate, replicate: Replicate
) -> None:
    loaded = load("api", ["users"], dlt.destinations.filesystem(f"{tmp_path}/lake"), "app")
    streams = {
        "lake/app/users/*.jsonl": "main.users",
        "lake/app/users__tags/": "main.tags",
        "lake/app/users2/": "main.none",
    }
    back = replicate("HERE", "DUCK", streams, name="back")
    resources = {
        "sling": lake(tmp_path, HERE={"type": "file", "path": str(tmp_path)}),
        "dlt": DagsterDltResource(),
    }
    defs = wire(dg.Definitions(assets=[loaded, back], resources=resources))
    assert upstream(defs, "target/main/users") == {"dlt_api_users"}
    assert upstream(defs, "target/main/tags") == {"dlt_api_users"}
    assert upstream(defs, "target/main/none") == {"lake_app_users2_"}


def test_a_python_asset_is_a_file_or_reads_some(tmp_path: Path) -> None:
    @dg.asset(metadata=table_identity("LAKE", "raw/a.csv"))
    def made() -> None: ...

    @dg.asset(deps=[table_dep("RAW", "*.csv"), table_dep("RAW", "b/c.csv")])
    def read() -> None: ...

    defs = wire(dg.Definitions(assets=[made, read], resources={"sling": lake(tmp_path)}))
    assert upstream(defs, "read") == {"made", "b/c/csv"}


def test_a_stream_that_reads_its_own_folder_is_no_circle(tmp_path: Path, replicate: Replicate) -> None:
    compact = replicate("LAKE", "LAKE", {"raw/**": "raw/all.parquet"})
    defs = wire(dg.Definitions(assets=[compact], resources={"sling": lake(tmp_path)}))
    assert len(upstream(defs, "target/raw_all/parquet")) == 1


NAMES = st.text("ab*?", min_size=1, max_size=2).filter(lambda name: "**" not in name)
PATTERNS = st.lists(st.one_of(NAMES, st.just("**")), min_size=1, max_size=2).map("/".join)
LETTERS = ["".join(name) for size in (1, 2) for name in product("ab", repeat=size)]
PATHS = ["/".join(path) for size in (1, 2, 3) for path in product(LETTERS, repeat=size)]


def matching(pattern: str) -> set[str]:
    """The paths that a pattern means, found by trying them all."""
    text = "".join(
        {"/**": "(?:/.+)?", "**/": "(?:.+/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, part)
        for part in re.split(r"(/\*\*|^\*\*/|\*\*|\*|\?)", pattern)
    )
    wanted = re.compile(text)
    return {path for path in PATHS if wanted.fullmatch(path)}


@given(one=PATTERNS, other=PATTERNS)
def test_two_patterns_meet_exactly_where_a_file_matches_both(one: str, other: str) -> None:
    store = instance_of("s3", {"bucket": "b"})
    assert store is not None
    # A name with a dot is a file's, whatever it is called.
    left, right = (store.object(f"{pattern}/x.y") for pattern in (one, other))
    assert left.meets(right) is bool(matching(one) & matching(other))
    assert right.meets(left) is left.meets(right)
