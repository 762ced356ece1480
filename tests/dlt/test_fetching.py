"""Row counts and columns that are fetched after the load."""

from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import dlt
import pytest
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource, DagsterDltTranslator, DltEventIterator


@dlt.source
def stock() -> list[DltResource]:
    @dlt.resource(columns={"price": {"data_type": "decimal", "precision": 12, "scale": 2}})
    def goods() -> Iterator[Any]:
        yield [{"id": 1, "price": "1.50"}, {"id": 2, "price": "2.25"}]

    @dlt.resource(columns={"id": {"data_type": "bigint"}})
    def returns() -> Iterator[Any]:
        yield from ()

    return [goods, returns]


def fetching(*methods: str) -> Callable[..., Iterator[AssetEvent]]:
    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        events: DltEventIterator = dlt.run(context=context)
        for method in methods:
            events = getattr(events, method)()
        yield from events

    return body


def test_the_row_count_is_that_of_the_table_and_not_of_the_run(project: Project) -> None:
    assets = assets_of(stock(), project.pipeline(), fetching("fetch_row_count"))
    run(assets, "dlt_stock_goods")

    ran = run(assets, "dlt_stock_goods")

    assert ran.value("dlt_stock_goods", "rows_loaded") == 2
    assert ran.value("dlt_stock_goods", "dagster/row_count") == 4


def test_a_resource_that_yielded_nothing_has_no_rows_and_fails_nothing(project: Project) -> None:
    assets = assets_of(stock(), project.pipeline(), fetching("fetch_row_count", "fetch_column_metadata"))

    for _ in range(2):  # the second run extracts nothing at all, not even dlt's own state
        ran = run(assets, "dlt_stock_returns")
        assert ran.success
        assert ran.value("dlt_stock_returns", "rows_loaded") == 0
        assert ran.value("dlt_stock_returns", "dagster/row_count") == 0
        assert ran.value("dlt_stock_returns", "dagster/table_name") == "raw.returns"


def test_a_table_that_somebody_dropped_counts_as_empty(project: Project) -> None:
    @dlt.source
    def tidy() -> DltResource:
        @dlt.resource
        def seen() -> Iterator[Any]:
            yield from rows

        return seen

    rows: list[dict[str, int]] = [{"id": 1}]
    assets = assets_of(tidy(), project.pipeline(), fetching("fetch_row_count"))
    run(assets)
    project.query("drop table raw.seen")
    rows.clear()

    assert run(assets).value("dlt_tidy_seen", "dagster/row_count") == 0


class Plain(DagsterDltTranslator):
    def get_asset_key(self, resource: DltResource) -> dg.AssetKey:
        return dg.AssetKey(resource.source_name)

    def get_deps_asset_keys(self, resource: DltResource) -> list[dg.AssetKey]:  # noqa: ARG002 - overrides
        return []


def test_names_that_need_quotes_are_quoted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMA__NAMING", "direct")

    @dlt.source
    def odd() -> DltResource:
        return dlt.resource([{"id": 1}, {"id": 2}], name="Group By")

    pipeline = project.pipeline(dataset_name="Order By; --")
    ran = run(assets_of(odd(), pipeline, fetching("fetch_row_count"), dagster_dlt_translator=Plain()))

    assert project.query('select count(*) from "Order By; --"."Group By"') == [(2,)]
    assert ran.value("odd", "dagster/row_count") == 2


def test_fetched_columns_have_the_destinations_own_types(project: Project) -> None:
    ran = run(
        assets_of(stock(), project.pipeline(), fetching("fetch_column_metadata", "fetch_row_count")),
        "dlt_stock_goods",
    )

    columns = ran.value("dlt_stock_goods", "dagster/column_schema").columns
    types = {column.name: column.type for column in columns}
    assert (types["id"], types["price"]) == ("BIGINT", "DECIMAL(12,2)")
    assert ran.value("dlt_stock_goods", "dagster/row_count") == 2


def test_a_destination_that_knows_no_sql_is_loaded_without_a_count(project: Project) -> None:
    received: list[Any] = []

    @dlt.destination(name="sink")
    def sink(items: Any, table: Any) -> None:
        received.extend(items)

    pipeline = project.pipeline(destination=sink, dataset_name=None)
    ran = run(
        assets_of(stock(), pipeline, fetching("fetch_row_count", "fetch_column_metadata")), "dlt_stock_goods"
    )

    assert ran.success
    assert [item["id"] for item in received] == [1, 2]
    assert ran.value("dlt_stock_goods", "rows_loaded") == 2
    assert ran.value("dlt_stock_goods", "dagster/table_name") == "goods"
    assert "dagster/row_count" not in ran.materialized["dlt_stock_goods"]
    assert ran.value("dlt_stock_goods", "dagster/column_schema").columns
