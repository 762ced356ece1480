"""What a dbt project has besides tables: exposures, metrics, semantic models and saved queries."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from tests.dbt.conftest import copy_project

from mainstem.dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, build_dbt_asset_specs, dbt_assets
from mainstem.dbt.manifest import read_manifest

SEMANTICS = """
models:
  - name: days
    config: {materialized: table}
    time_spine: {standard_granularity_column: day}
    columns: [{name: day, granularity: day}]
semantic_models:
  - name: orders
    model: ref('stg_orders')
    defaults: {agg_time_dimension: ordered_on}
    entities: [{name: order_id, type: primary}]
    dimensions: [{name: ordered_on, type: time, type_params: {time_granularity: day}}]
    measures: [{name: sold, agg: sum, expr: amount}]
metrics:
  - name: sales
    label: Sales
    type: simple
    type_params: {measure: sold}
saved_queries:
  - name: sales_by_day
    query_params: {metrics: [sales], group_by: ["TimeDimension('order_id__ordered_on', 'day')"]}
exposures:
  - name: board
    type: dashboard
    owner: {email: sales@example.com}
    depends_on: [ref('order_days'), metric('sales')]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> DbtProject:
    """The project with all of them, parsed."""
    folder = copy_project(tmp_path_factory.mktemp("semantics"))
    (folder / "models" / "semantics.yml").write_text(SEMANTICS)
    (folder / "models" / "days.sql").write_text("select date '2024-01-01' as day")
    project = DbtProject(folder)
    project.prepare()
    return project


def test_they_are_no_assets_but_lead_to_those_that_they_are_made_of(project: DbtProject) -> None:
    def selected(select: str) -> set[str]:
        specs = build_dbt_asset_specs(manifest=project.manifest_path, project=project, select=select)
        return {spec.key.to_user_string() for spec in specs}

    assert {"board", "sales", "sales_by_day"}.isdisjoint(selected("fqn:*"))
    assert selected("+metric:sales") == {"seeds/raw_orders", "stg_orders"}
    assert selected("+saved_query:sales_by_day") == {"seeds/raw_orders", "stg_orders"}
    assert selected("+exposure:board") == selected("+order_days")
    manifest = read_manifest(project.manifest_path)
    props = DagsterDbtTranslator().get_resource_props(manifest, "exposure.jaffle.board")
    assert props["owner"]["email"] == "sales@example.com"


def test_a_build_that_comes_by_them_goes_on(project: DbtProject) -> None:
    ran: list[set[str]] = []

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        select="+saved_query:sales_by_day +exposure:board +customers",
    )
    def shop(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
        invocation = dbt.cli(["build"], context=context)
        yield from invocation.stream()
        results = invocation.get_artifact("run_results.json")["results"]
        ran.append({result["unique_id"].split(".")[0] for result in results})

    result = dg.materialize([shop], resources={"dbt": DbtCliResource(project)})
    assert result.success
    assert {"exposure", "saved_query"} <= ran[0]
    built = {event.asset_key for event in result.get_asset_materialization_events()}
    assert built == shop.keys
