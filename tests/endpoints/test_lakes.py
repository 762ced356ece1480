"""Delta Lake and Iceberg: tables of files and snapshots, as sources and as targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyiceberg.catalog import load_catalog

from mainstem import replicate
from mainstem.connections import connection_of
from mainstem.endpoints import Insert, SqlTarget
from mainstem.endpoints.registry import open_target
from mainstem.errors import EndpointError, LossyTypeError, ReplicationFailedError
from mainstem.schema import Relation

LAKES = ("delta", "iceberg")
every_lake = pytest.mark.parametrize("lake", LAKES)
ORDERS = Relation("shop", "orders")


class Shop:
    """A DuckDB file to load from, and a lake to load into."""

    def __init__(self, lake: str, folder: Path) -> None:
        self.lake = lake
        self.folder = folder / "lake"
        self.folder.mkdir()
        self.file = folder / "shop.duckdb"
        self.connections: Mapping[str, Any] = {
            "SHOP": f"duckdb://{self.file}",
            "LAKE": {"type": lake, "path": str(self.folder)},
        }

    def source(self, sql: str) -> None:
        with duckdb.connect(str(self.file)) as connection:
            connection.execute(sql)

    def run(self, mode: str = "full-refresh", **stream: Any) -> Any:
        config = {
            "source": "SHOP",
            "target": "LAKE",
            "streams": {"main.orders": {"object": "shop.orders", "mode": mode, **stream}},
        }
        return replicate(config, connections=self.connections)

    @contextmanager
    def opened(self) -> Iterator[SqlTarget]:
        with open_target(connection_of("LAKE", self.connections["LAKE"])) as endpoint:
            assert isinstance(endpoint, SqlTarget)
            yield endpoint

    def rows(self) -> list[dict[str, Any]]:
        """The rows as the format's own library reads them."""
        if self.lake == "delta":
            table = DeltaTable(str(self.folder / "shop" / "orders")).to_pyarrow_table()
        else:
            uri = f"sqlite:///{self.folder / 'catalog.db'}"
            catalog = load_catalog("default", type="sql", uri=uri, warehouse=self.folder.as_uri())
            table = catalog.load_table(("shop", "orders")).scan().to_arrow()
            catalog.engine.dispose()  # type: ignore[attr-defined]
        found: list[dict[str, Any]] = table.to_pylist()
        return sorted(found, key=lambda row: str(row.get("id")))


@pytest.fixture
def shop(lake: str, tmp_path: Path) -> Shop:
    shop = Shop(lake, tmp_path)
    shop.source(
        """create table orders as select * from (values
        (1, 'a', 1.50::decimal(10,2), timestamp '2024-01-01 10:00:00.123456'), (2, '', null, null))
        as rows(id, name, price, sold)"""
    )
    return shop


@every_lake
def test_a_full_refresh_makes_the_table_and_then_replaces_it(shop: Shop) -> None:
    shop.run()
    (first, second) = shop.rows()
    assert (first["price"], str(first["sold"])) == (Decimal("1.50"), "2024-01-01 10:00:00.123456")
    assert second == {"id": 2, "name": "", "price": None, "sold": None}
    shop.source("delete from orders where id = 1; alter table orders drop price")
    shop.run()
    assert shop.rows() == [{"id": 2, "name": "", "sold": None}]


@every_lake
def test_an_append_adds_rows_and_keeps_those_that_are_there(shop: Shop) -> None:
    shop.run()
    shop.source("insert into orders values (3, 'c', 2, timestamp '2024-01-02')")
    shop.run("incremental", update_key="id")
    assert [row["id"] for row in shop.rows()] == [1, 2, 3]


@every_lake
@pytest.mark.parametrize("strategy", ["delete_insert", "update_insert"])
def test_a_merge_updates_by_the_key_and_inserts_the_others(shop: Shop, strategy: str) -> None:
    shop.run()
    shop.source("update orders set name = 'new', sold = timestamp '2024-02-01' where id = 1")
    shop.source("insert into orders values (3, 'c', 2, timestamp '2024-03-01')")
    options = {"merge_strategy": strategy}
    shop.run("incremental", primary_key="id", update_key="sold", target_options=options)
    assert [(row["id"], row["name"]) for row in shop.rows()] == [(1, "new"), (2, ""), (3, "c")]


@every_lake
def test_a_truncate_keeps_the_columns_and_takes_the_rows(shop: Shop) -> None:
    shop.run()
    shop.source("delete from orders where id = 2")
    shop.run("truncate")
    assert [row["id"] for row in shop.rows()] == [1]


@every_lake
def test_a_new_column_is_added_and_older_rows_have_null(shop: Shop) -> None:
    shop.run()
    shop.source("alter table orders add column extra integer; insert into orders values (3, 'c', 1, null, 7)")
    shop.run("incremental", update_key="id")
    assert [row["extra"] for row in shop.rows()] == [None, None, 7]


@every_lake
def test_types_that_a_lake_has_not_are_text(shop: Shop) -> None:
    shop.source(
        """create or replace table orders as select 1 id, uuid() as u, time '10:11:12' t, '{"a": 1}'::json j,
        18446744073709551615::ubigint big, [1, null] l, 'x'::blob b, timestamptz '2024-01-01 00:00:00Z' z"""
    )
    report = shop.run()
    (row,) = shop.rows()
    assert (len(row["u"]), row["t"][:8], row["j"], row["big"]) == (36, "10:11:12", '{"a": 1}', 2**64 - 1)
    assert (row["l"], row["b"], str(row["z"])) == ([1, None], b"x", "2024-01-01 00:00:00+00:00")
    assert "is stored as text" in str(report)


@every_lake
def test_a_structure_is_refused_by_name(shop: Shop) -> None:
    with shop.opened() as endpoint, pytest.raises(LossyTypeError, match="Column s: struct"):
        endpoint.native_type(pa.field("s", pa.struct([("a", pa.int64())])))


@every_lake
def test_a_lake_is_a_source_with_all_of_sql(shop: Shop) -> None:
    shop.run()
    config = {
        "source": "LAKE",
        "target": "SHOP",
        "streams": {
            "shop.orders": {"object": "main.back", "where": "id < 2"},
            "chosen": {"object": "main.chosen", "sql": "select count(*) as n from shop.orders"},
        },
    }
    replicate(config, connections=shop.connections)
    with duckdb.connect(str(shop.file)) as connection:
        assert connection.execute("select id, price from back").fetchall() == [(1, Decimal("1.50"))]
        assert connection.execute("select n from chosen").fetchall() == [(2,)]


@every_lake
def test_its_catalogue_lists_the_tables(shop: Shop) -> None:
    shop.run()
    with shop.opened() as endpoint:
        assert [str(entry.relation) for entry in endpoint.catalog()] == ["shop.orders"]
        assert endpoint.catalog("other") == []
        described = endpoint.describe(ORDERS)
    assert [(column.name, column.native_type) for column in described.columns] == [
        ("id", "INTEGER"),
        ("name", "VARCHAR"),
        ("price", "DECIMAL(10,2)"),
        ("sold", "TIMESTAMP"),
    ]


@every_lake
def test_a_run_that_fails_leaves_the_table_as_it_was(shop: Shop) -> None:
    shop.run()
    before = shop.rows()
    shop.source("create or replace view broken as select id, error('no more') as name from orders")
    config = {"source": "SHOP", "target": "LAKE", "streams": {"main.broken": {"object": "shop.orders"}}}
    with pytest.raises(ReplicationFailedError):
        replicate(config, connections=shop.connections)
    assert shop.rows() == before


@every_lake
def test_what_another_program_commits_meanwhile_is_not_lost(shop: Shop) -> None:
    shop.run()
    mine = pa.table({"id": pa.array([9], pa.int32()), "name": ["mine"]})
    schema = mine.schema
    with shop.opened() as endpoint, endpoint.stage(ORDERS, schema) as staging:
        staging.write(mine.to_batches()[0])
        staging.complete()
        shop.source("insert into orders values (3, 'theirs', 1, null)")
        shop.run()
        # What was committed before the publish began is there afterwards.
        endpoint.publish(staging, ORDERS, [Insert(list(schema))])
    assert [row["id"] for row in shop.rows()] == [1, 2, 3, 9]


@every_lake
def test_a_script_is_refused(shop: Shop) -> None:
    with shop.opened() as endpoint, pytest.raises(EndpointError, match="runs no SQL of its own"):
        endpoint.run_script("select 1")


@every_lake
def test_a_lake_keeps_no_cursors(shop: Shop) -> None:
    config = {
        "source": "SHOP",
        "target": "LAKE",
        "streams": {"main.orders": {"object": "shop.orders", "mode": "incremental", "update_key": "id"}},
        "env": {"SLING_STATE": "LAKE/shop"},
    }
    with pytest.raises(ReplicationFailedError, match="can keep no state"):
        replicate(config, connections=shop.connections)


@every_lake
def test_an_empty_table_is_replaced_without_a_warning(shop: Shop) -> None:
    for _ in range(2):
        shop.run("definition-only")
    assert shop.rows() == []


@pytest.mark.parametrize("lake", ["delta"])
def test_deltas_history_has_a_version_a_stream(shop: Shop) -> None:
    for _ in range(2):
        shop.run()
    shop.run("incremental", primary_key="id", update_key="id")
    assert DeltaTable(str(shop.folder / "shop" / "orders")).version() <= 2


@pytest.mark.parametrize("lake", ["delta"])
def test_a_delta_table_of_another_program_is_read_with_its_partitions(shop: Shop) -> None:
    rows = pa.table({"id": [1, 2], "day": ["mon", "tue"]})
    write_deltalake(str(shop.folder / "shop" / "days"), rows, partition_by=["day"])
    with shop.opened() as endpoint:
        found = endpoint.execute("select day, id from shop.days order by id").to_pylist()
    assert found == [{"day": "mon", "id": 1}, {"day": "tue", "id": 2}]


@pytest.mark.parametrize("lake", ["delta"])
@pytest.mark.parametrize("name", ["../out", "a/b", ".."])
def test_a_name_that_leads_out_of_the_lake_is_refused(shop: Shop, name: str) -> None:
    schema = pa.schema([("id", pa.int32())])
    table = Relation("shop", name)
    with shop.opened() as endpoint, endpoint.stage(Relation("shop", "staged"), schema) as staging:
        staging.complete()
        with pytest.raises(EndpointError):
            endpoint.publish(staging, table, [Insert(list(schema))])
    assert not (shop.folder.parent / "out").exists()
