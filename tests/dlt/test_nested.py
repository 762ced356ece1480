"""Nested tables may be assets of their own."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
import pytest
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource, DagsterDltTranslator, DltResourceTranslatorData
from mainstem.errors import ConfigError

NESTED = {"users": ["users__tags", "users__tags__colours"]}


@dlt.source
def shop() -> list[DltResource]:
    @dlt.resource
    def users() -> Iterator[Any]:
        yield [{"id": 1, "tags": [{"tag": "new", "colours": [{"c": 1}]}, {"tag": "vip"}]}, {"id": 2}]

    @dlt.resource
    def orders() -> Iterator[Any]:
        yield {"id": 1}

    return [users, orders]


def counted(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
    yield from dlt.run(context=context).fetch_row_count()


def test_a_nested_table_is_an_asset_downstream_of_its_resources(project: Project) -> None:
    assets = assets_of(shop(), project.pipeline(), nested_tables=NESTED)
    tags = assets.specs_by_key[dg.AssetKey("dlt_shop_users__tags")]

    assert [dep.asset_key for dep in tags.deps] == [dg.AssetKey("dlt_shop_users")]
    assert tags.kinds == {"dlt", "duckdb"}
    assert tags.metadata["dagster/table_name"] == "users__tags"
    assert len(assets.specs_by_key) == 4


def test_it_reports_its_own_rows_and_columns(project: Project) -> None:
    ran = run(assets_of(shop(), project.pipeline(), counted, nested_tables=NESTED))

    assert ran.success
    assert ran.value("dlt_shop_users", "rows_loaded") == 2
    assert ran.value("dlt_shop_users__tags", "rows_loaded") == 2
    assert ran.value("dlt_shop_users__tags", "dagster/row_count") == 2
    assert ran.value("dlt_shop_users__tags", "dagster/table_name") == "raw.users__tags"
    assert ran.value("dlt_shop_users__tags", "dagster/column_schema").columns[0].name == "tag"
    assert ran.value("dlt_shop_users__tags__colours", "rows_loaded") == 1
    assert {job["table_name"] for job in ran.value("dlt_shop_users__tags", "jobs")} == {"users__tags"}


def test_to_load_it_is_to_load_its_resource_which_reports_as_well(project: Project) -> None:
    ran = run(assets_of(shop(), project.pipeline(), nested_tables=NESTED), "dlt_shop_users__tags")

    assert set(ran.materialized) == {
        "dlt_shop_users",
        "dlt_shop_users__tags",
        "dlt_shop_users__tags__colours",
    }


def test_a_nested_table_without_rows_so_far_is_empty(project: Project) -> None:
    nested = {"orders": ["orders__lines"]}
    ran = run(assets_of(shop(), project.pipeline(), counted, nested_tables=nested))

    assert ran.value("dlt_shop_orders__lines", "rows_loaded") == 0
    assert ran.value("dlt_shop_orders__lines", "dagster/row_count") == 0


def test_a_table_that_is_not_nested_there_is_said_to_be_none(project: Project) -> None:
    ran = run(assets_of(shop(), project.pipeline(), nested_tables={"orders": ["users__tags"]}))

    assert "users__tags is no nested table of the resource orders." in ran.value(
        "dlt_shop_orders__users__tags", "notes"
    )


def test_a_translator_decides_what_it_is(project: Project) -> None:
    class Flat(DagsterDltTranslator):
        def get_nested_asset_spec(
            self, data: DltResourceTranslatorData, spec: dg.AssetSpec, table: str
        ) -> dg.AssetSpec:
            nested = super().get_nested_asset_spec(data, spec, table)
            return nested.replace_attributes(key=["nested", table])

    assets = assets_of(
        shop(),
        project.pipeline(),
        nested_tables={"users": ["users__tags"]},
        dagster_dlt_translator=Flat(),
    )

    assert run(assets).value("nested/users__tags", "rows_loaded") == 2


def test_nested_tables_of_a_resource_that_is_not_there_are_refused(project: Project) -> None:
    with pytest.raises(ConfigError, match="nested_tables names people, which the dlt source shop does not"):
        assets_of(shop(), project.pipeline(), nested_tables={"people": ["people__tags"]})
