"""Partitions of Dagster as parts of a stream: windows of time as ranges, single values as conditions."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from mainstem.errors import ConfigError
from mainstem.schema import Column
from mainstem.sling import (
    DagsterSlingTranslator,
    SlingConnectionResource,
    SlingResource,
    sling_assets,
)
from mainstem.sling.partition_bounds import window_range
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

DAYS = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-02-01")
REGIONS = dg.StaticPartitionsDefinition(["eu", "us", "it's"])
BOTH = dg.MultiPartitionsDefinition({"day": DAYS, "region": REGIONS})

ORDERS: dict[str, Any] = {"object": "main.orders", "primary_key": "id", "update_key": "ordered_at"}


class Shop:
    """Orders in DuckDB, and assets of them in another DuckDB."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "shop.duckdb"
        self.warehouse = Warehouse(folder / "warehouse.duckdb")
        self.sling = SlingResource(
            connections=[
                SlingConnectionResource(name="SHOP", type="duckdb", instance=str(self.source)),
                SlingConnectionResource(name="WH", type="duckdb", instance=str(self.warehouse.path)),
            ]
        )
        self.run(
            "create table orders (id integer, region varchar, ordered_at timestamp, day date, code integer)"
        )

    def run(self, *statements: str) -> None:
        with duckdb.connect(str(self.source)) as connection:
            for statement in statements:
                connection.execute(statement)

    def order(self, number: int, at: str, region: str = "eu") -> None:
        with duckdb.connect(str(self.source)) as connection:
            code = int(at[:10].replace("-", ""))
            connection.execute(
                "insert into orders values (?, ?, ?, ?, ?)", [number, region, at, at[:10], code]
            )

    def assets(
        self, partitions: Any, policy: dg.BackfillPolicy | None = None, **stream: Any
    ) -> dg.AssetsDefinition:
        config = {"source": "SHOP", "target": "WH", "streams": {"main.orders": {**ORDERS, **stream}}}

        @sling_assets(replication_config=config, partitions_def=partitions, backfill_policy=policy)
        def orders(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
            yield from sling.replicate(context=context)

        return orders

    def materialize(
        self, assets: dg.AssetsDefinition, key: str | None = None, tags: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """Materialize a partition and return the metadata."""
        result = dg.materialize([assets], partition_key=key, tags=tags, resources={"sling": self.sling})
        event = result.get_asset_materialization_events()[-1]
        return {name: value.value for name, value in event.materialization.metadata.items()}

    def loaded(self, what: str = "id") -> list[Any]:
        return [row[0] for row in self.warehouse.query(f"select {what} from main.orders order by id")]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def single_run(assets: dg.AssetsDefinition, first: str, last: str) -> dict[str, str]:
    """The tags of a run that a backfill launches for a range of partitions."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


# Windows of time.


def test_a_day_is_a_range_that_ends_before_the_next(shop: Shop) -> None:
    """Official fault 17: there, a replication takes no notice of partitions."""
    shop.order(1, "2024-01-01 23:59:59.999999")
    shop.order(2, "2024-01-02 00:00:00")
    shop.order(3, "2024-01-02 23:59:59.999999")
    shop.order(4, "2024-01-03 00:00:00")
    metadata = shop.materialize(shop.assets(DAYS), "2024-01-02")
    assert shop.loaded() == [2, 3]
    assert metadata["dagster/partition_row_count"] == 2


def test_partitions_come_in_any_order_and_again(shop: Shop) -> None:
    for number in range(1, 5):
        shop.order(number, f"2024-01-0{number} 12:00:00")
    assets = shop.assets(DAYS)
    for key in ("2024-01-03", "2024-01-01", "2024-01-03"):
        metadata = shop.materialize(assets, key)
    assert shop.loaded() == [1, 3]
    assert metadata["dagster/partition_row_count"] == 1
    assert metadata["dagster/row_count"] == 2


def test_a_partition_that_runs_again_has_what_changed(shop: Shop) -> None:
    shop.order(1, "2024-01-01 12:00:00")
    assets = shop.assets(DAYS)
    shop.materialize(assets, "2024-01-01")
    shop.run("update orders set region = 'us'")
    shop.materialize(assets, "2024-01-01")
    assert shop.loaded("region") == ["us"]


def test_rows_that_the_source_lost_go_where_the_stream_says_so(shop: Shop) -> None:
    for number in (1, 2):
        shop.order(number, f"2024-01-0{number} 12:00:00")
    assets = shop.assets(DAYS, target_options={"delete_missing": "hard"})
    for key in ("2024-01-01", "2024-01-02"):
        shop.materialize(assets, key)
    shop.run("delete from orders where id = 1")
    shop.materialize(assets, "2024-01-01")
    assert shop.loaded() == [2]


def test_a_single_run_takes_a_range_of_partitions(shop: Shop) -> None:
    for number in range(1, 6):
        shop.order(number, f"2024-01-0{number} 12:00:00")
    assets = shop.assets(DAYS, dg.BackfillPolicy.single_run())
    metadata = shop.materialize(assets, tags=single_run(assets, "2024-01-02", "2024-01-04"))
    assert shop.loaded() == [2, 3, 4]
    assert metadata["partition_row_counts"] == {"2024-01-02": 1, "2024-01-03": 1, "2024-01-04": 1}


def test_a_column_of_days_and_a_number_that_spells_one(shop: Shop) -> None:
    for number in range(1, 4):
        shop.order(number, f"2024-01-0{number} 12:00:00")
    shop.materialize(shop.assets(DAYS, update_key="day"), "2024-01-02")
    assert shop.loaded() == [2]
    spelled = {"dagster": {"partition": {"column": "code", "format": "%Y%m%d"}}}
    shop.materialize(shop.assets(DAYS, meta=spelled), "2024-01-03")
    assert shop.loaded() == [2, 3]


def test_another_column_than_the_update_key(shop: Shop) -> None:
    shop.order(1, "2024-01-01 12:00:00")
    shop.run("update orders set day = '2024-01-05'")
    shop.materialize(shop.assets(DAYS, meta={"dagster": {"partition": "day"}}), "2024-01-05")
    assert shop.loaded() == [1]


def test_a_part_of_a_day_is_no_partition_of_a_column_of_days(shop: Shop) -> None:
    hours = dg.HourlyPartitionsDefinition("2024-01-01-00:00")
    with pytest.raises(ConfigError, match="whole days"):
        shop.materialize(shop.assets(hours, update_key="day"), "2024-01-01-05:00")


def test_a_number_is_no_time_unless_the_stream_says_so(shop: Shop) -> None:
    with pytest.raises(ConfigError, match=r"code \(INTEGER\) is no date or time.*format"):
        shop.materialize(shop.assets(DAYS, update_key="code"), "2024-01-01")


def test_a_day_of_another_time_zone_is_that_day_in_utc(
    postgres: EmbeddedPostgres, schema: str, tmp_path: Path
) -> None:
    postgres.execute(
        f"create table {schema}.orders (id int primary key, at timestamptz)",
        f"insert into {schema}.orders values"
        " (1, '2024-03-31 00:00:00+01'), (2, '2024-03-31 23:59:59.999999+02'),"
        " (3, '2024-04-01 00:00:00+02'), (4, '2024-03-30 23:59:59+01')",
    )
    warehouse = Warehouse(tmp_path / "warehouse.duckdb")
    stream = {"object": "main.orders", "primary_key": "id", "update_key": "at"}

    @sling_assets(
        replication_config={
            "source": postgres.url,
            "target": warehouse.url,
            "streams": {f"{schema}.orders": stream},
        },
        partitions_def=dg.DailyPartitionsDefinition("2024-03-01", timezone="Europe/Berlin"),
    )
    def orders(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    dg.materialize([orders], partition_key="2024-03-31", resources={"sling": SlingResource()})
    assert warehouse.query("select id from main.orders order by id") == [(1,), (2,)]


# Single values.


def test_a_static_partition_is_a_condition(shop: Shop) -> None:
    for number, region in enumerate(["eu", "us", "it's"], 1):
        shop.order(number, "2024-01-01", region)
    assets = shop.assets(REGIONS, meta={"dagster": {"partition": "region"}})
    assert shop.materialize(assets, "it's")["dagster/partition_row_count"] == 1
    shop.materialize(assets, "eu")
    assert shop.loaded() == [1, 3]


def test_the_streams_own_condition_holds_as_well(shop: Shop) -> None:
    shop.order(1, "2024-01-01")
    shop.order(2, "2024-01-01")
    assets = shop.assets(
        REGIONS, meta={"dagster": {"partition": "region"}}, where="id = 3 or id = 1 -- the first"
    )
    shop.materialize(assets, "eu")
    assert shop.loaded() == [1]


def test_a_full_refresh_of_a_partition_leaves_the_others(shop: Shop) -> None:
    shop.order(1, "2024-01-01", "eu")
    shop.order(2, "2024-01-01", "us")
    assets = shop.assets(REGIONS, mode="full-refresh", meta={"dagster": {"partition": "region"}})
    shop.materialize(assets, "eu")
    shop.materialize(assets, "us")
    assert shop.loaded() == [1, 2]


def test_a_partition_that_was_loaded_late_misses_no_row(shop: Shop) -> None:
    shop.order(1, "2024-01-05", "eu")
    shop.order(2, "2024-01-01", "us")
    assets = shop.assets(REGIONS, mode="incremental", meta={"dagster": {"partition": "region"}})
    shop.materialize(assets, "eu")
    shop.materialize(assets, "us")
    assert shop.loaded() == [1, 2]


def test_values_are_of_the_columns_type(shop: Shop) -> None:
    shop.order(1, "2024-01-01")
    numbers = dg.StaticPartitionsDefinition(["20240101", "none"])
    assets = shop.assets(numbers, meta={"dagster": {"partition": "code"}})
    shop.materialize(assets, "20240101")
    assert shop.loaded() == [1]


def test_an_expression_of_the_source_tells_partitions_as_well(shop: Shop) -> None:
    shop.order(1, "2024-01-01", "EU")
    assets = shop.assets(REGIONS, meta={"dagster": {"partition": "lower(region)"}})
    assert "dagster/partition_row_count" not in shop.materialize(assets, "eu")
    assert shop.loaded() == [1]


def test_a_dynamic_partition_is_a_condition(shop: Shop, tmp_path: Path) -> None:
    shop.order(1, "2024-01-01", "new")
    assets = shop.assets(
        dg.DynamicPartitionsDefinition(name="regions"), meta={"dagster": {"partition": "region"}}
    )
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("regions", ["new"])
        dg.materialize([assets], partition_key="new", resources={"sling": shop.sling}, instance=instance)
    assert shop.loaded() == [1]


# Both.


def test_of_two_dimensions_the_time_is_a_range_and_the_other_a_condition(shop: Shop) -> None:
    shop.order(1, "2024-01-01 12:00:00", "eu")
    shop.order(2, "2024-01-01 12:00:00", "us")
    shop.order(3, "2024-01-02 12:00:00", "eu")
    key = dg.MultiPartitionKey({"day": "2024-01-01", "region": "eu"})
    metadata = shop.materialize(
        shop.assets(BOTH, meta={"dagster": {"partition": {"day": "ordered_at"}}}), key
    )
    assert shop.loaded() == [1]
    assert metadata["dagster/partition_row_count"] == 1


def test_a_dimension_is_the_column_of_its_name(shop: Shop) -> None:
    shop.order(1, "2024-01-01 12:00:00", "eu")
    shop.order(2, "2024-01-01 12:00:00", "us")
    key = dg.MultiPartitionKey({"day": "2024-01-01", "region": "us"})
    shop.materialize(shop.assets(BOTH), key)
    assert shop.loaded() == [2]


def test_a_stream_may_take_no_notice_of_partitions(shop: Shop) -> None:
    for number in (1, 2):
        shop.order(number, f"2024-01-0{number} 12:00:00")
    whole: dict[str, Any] = {"mode": "full-refresh", "primary_key": None, "update_key": None}
    shop.materialize(shop.assets(DAYS, meta={"dagster": {"partition": False}}, **whole), "2024-01-01")
    assert shop.loaded() == [1, 2]


# What cannot be.


@pytest.mark.parametrize(
    ("partitions", "key", "stream", "told"),
    [
        (DAYS, "2024-01-01", {"primary_key": None}, "primary_key"),
        (DAYS, "2024-01-01", {"update_key": None, "mode": "full-refresh"}, "which column"),
        (REGIONS, "eu", {}, "which column"),
        (DAYS, "2024-01-01", {"mode": "snapshot"}, "snapshot"),
        (DAYS, "2024-01-01", {"meta": {"dagster": {"partition": ["a"]}}}, "meta.dagster.partition"),
    ],
)
def test_a_stream_that_has_no_parts_is_refused_by_name(
    shop: Shop, partitions: Any, key: str, stream: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=f"main.orders.*{told}|{told}.*main.orders"):
        shop.materialize(shop.assets(partitions, **stream), key)


def test_a_key_that_a_replication_would_take_for_a_variable_is_refused(shop: Shop) -> None:
    shop.order(1, "2024-01-01")
    odd = dg.StaticPartitionsDefinition(["{stream_name}"])
    with pytest.raises(ConfigError, match="variable"):
        shop.materialize(shop.assets(odd, meta={"dagster": {"partition": "region"}}), "{stream_name}")


@pytest.mark.parametrize(
    ("native", "kind", "expected"),
    [
        ("date", pa.date32(), ("2024-03-31", "2024-03-31")),
        ("timestamp", pa.timestamp("us"), ("2024-03-30 23:00:00.000000", "2024-03-31 21:59:59.999999")),
        ("timestamp_ns", pa.timestamp("ns"), ("2024-03-30 23:00:00.000000", "2024-03-31 21:59:59.999999999")),
        (
            "timestamptz",
            pa.timestamp("us", "UTC"),
            ("2024-03-30 23:00:00.000000+00:00", "2024-03-31 21:59:59.999999+00:00"),
        ),
    ],
)
def test_a_window_is_in_the_words_of_the_columns_type(
    native: str, kind: pa.DataType, expected: tuple[str, str]
) -> None:
    days = dg.DailyPartitionsDefinition("2024-03-01", timezone="Europe/Berlin")
    window = days.time_window_for_partition_key("2024-03-31")
    assert window_range(window, Column("at", native, kind)) == expected


def test_a_window_of_a_column_that_nobody_knows_says_its_zone() -> None:
    window = dg.TimeWindow(
        datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 2, tzinfo=timezone.utc)
    )
    assert window_range(window, None) == (
        "2024-01-01 00:00:00.000000+00:00",
        "2024-01-01 23:59:59.999999+00:00",
    )


def test_an_asset_without_partitions_is_loaded_whole_beside_one_with(shop: Shop) -> None:
    class SomePartitioned(DagsterSlingTranslator):
        def get_asset_spec(self, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
            spec = super().get_asset_spec(stream_definition)
            parts = DAYS if stream_definition["name"] == "main.orders" else None
            return spec.replace_attributes(partitions_def=parts)

    for number in (1, 2):
        shop.order(number, f"2024-01-0{number} 12:00:00")
    shop.run("create table regions as select 1 as id union all select 2")
    streams = {"main.orders": ORDERS, "main.regions": {"object": "main.regions"}}

    @sling_assets(
        replication_config={"source": "SHOP", "target": "WH", "streams": streams},
        dagster_sling_translator=SomePartitioned(),
    )
    def tables(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    shop.materialize(tables, "2024-01-02")
    assert shop.loaded() == [2]
    assert shop.warehouse.query("select count(*) from main.regions") == [(2,)]
