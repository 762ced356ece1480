"""A column is followed from a chart to PostgreSQL, before anything has run and after, on the command line."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from mainstem.cli.main import app
from mainstem.graph.load import load_definitions
from mainstem.testing.postgres import EmbeddedPostgres

# Postgres → Sling → DuckDB → dbt → a chart in Python.
DEFINITIONS = """
import os
import dagster as dg
import mainstem
from mainstem.dbt import DbtCliResource, DbtProject, dbt_assets
from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets

postgres = SlingConnectionResource(name="PG", type="postgres", url=os.environ["SHOP_URL"])
duckdb = SlingConnectionResource(name="DUCK", type="duckdb", instance=os.environ["SHOP_DUCKDB"])
project = DbtProject(os.environ["SHOP_DBT"])
schema = os.environ["SHOP_SCHEMA"]
replication = {
    "source": "PG",
    "target": "DUCK",
    "streams": {
        f"{schema}.orders": {
            "object": "raw.orders",
            "select": ["id", "buyer as customer", "amount", "open"],
            "transforms": [{"label": 'record.customer + "!"', "amount": "value + 1"}],
            "meta": {"dagster": {"checks": ["schema_change"]}},
        }
    },
}


@sling_assets(replication_config=replication)
def replicated(context, sling: SlingResource):
    yield from sling.replicate(context=context)


@dbt_assets(manifest=project.manifest_path, project=project)
def models(context, dbt: DbtCliResource):
    yield from dbt.cli(["build"], context=context).stream().fetch_column_metadata()


lineage = dg.TableColumnLineage({"bar": [dg.TableColumnDep(dg.AssetKey("revenue"), "total")]})


@dg.asset(deps=["revenue"], metadata={"dagster/column_lineage": lineage}, kinds={"chart"})
def chart(): ...


defs = mainstem.wire(
    dg.Definitions(
        assets=[replicated, models, chart],
        resources={"sling": SlingResource(connections=[postgres, duckdb]), "dbt": DbtCliResource(project)},
    )
)
"""
SOURCES = "sources: [{name: raw, schema: raw, tables: [{name: orders}]}]"
TOTALS = """
select label as customer, sum(amount) as total from {{ source('raw', 'orders') }} where open group by all
"""
# What only a run can tell: Jinja decides. And what there is no rule for at all.
REVENUE = "{% set column = 'total' %}select customer, {{ column }} from {{ ref('totals') }}"
PIVOTED = "select * from (pivot {{ ref('totals') }} on customer in ('Ann!') using sum(total))"


@pytest.fixture
def shop(postgres: EmbeddedPostgres, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    postgres.execute(
        f"create table {schema}.orders (id int primary key, buyer text, amount int, open boolean, note text)",
        f"insert into {schema}.orders values (1, 'Ann', 5, true, 'x'), (2, 'Ben', 7, true, 'y')",
    )
    dbt = tmp_path / "dbt"
    (dbt / "models").mkdir(parents=True)
    (dbt / "dbt_project.yml").write_text("name: shop\nversion: 1.0.0\nprofile: shop\n")
    output = {"type": "duckdb", "path": str(tmp_path / "w.duckdb")}
    (dbt / "profiles.yml").write_text(json.dumps({"shop": {"target": "dev", "outputs": {"dev": output}}}))
    written = {"sources.yml": SOURCES, "totals.sql": TOTALS, "revenue.sql": REVENUE, "pivoted.sql": PIVOTED}
    for name, text in written.items():
        (dbt / "models" / name).write_text(text)
    (tmp_path / "shop.py").write_text(textwrap.dedent(DEFINITIONS))
    home = tmp_path / "home"
    home.mkdir()
    given = {"URL": postgres.url, "DUCKDB": tmp_path / "w.duckdb", "DBT": dbt, "SCHEMA": schema}
    for name, value in given.items():
        monkeypatch.setenv(f"SHOP_{name}", str(value))
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    from mainstem.dbt import DbtProject  # noqa: PLC0415 - dbt is slow to import

    DbtProject(dbt).prepare()
    return tmp_path / "shop.py"


def said(file: Path, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "-f", str(file)], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return str(done.output)


def told(file: Path, *arguments: str) -> Any:
    return json.loads(said(file, *arguments, "--json"))


def ends(node: Any) -> set[str]:
    found = {end for other in node["columns"] for end in ends(other)}
    return found or {f"{node['asset']}.{node['column']}"}


def test_it_is_followed_up_and_down_and_refined_by_the_run(shop: Path, schema: str, postgres: Any) -> None:
    source = f"{schema}.orders"
    before = told(shop, "lineage", "chart.bar")
    # Before the run, Jinja hides what `revenue` is made of: its tables are known all the same.
    assert before["untraced"] == {"revenue": "what it is made by is in Jinja before it has run"}
    assert "revenue: may be made of all columns that it reads" in said(shop, "lineage", "chart.bar")
    assert ends(told(shop, "lineage", "totals.customer")) == {f"{schema}/orders.buyer"}
    assert told(shop, "impact", f"{source}.amount")["assets"] == [
        *("chart", "pivoted", "revenue", "target/raw/orders", "totals"),
    ]

    defs = load_definitions(None, str(shop))
    with dg.DagsterInstance.get() as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        ran = job.execute_in_process(instance=instance)
        logged = [record.user_message for record in instance.all_logs(ran.run_id)]
    assert any("Not all columns of pivoted are traced: there is no rule for PIVOT" in each for each in logged)

    after = told(shop, "lineage", "chart.bar")
    assert (ends(after), after["untraced"]) == ({f"{schema}/orders.amount"}, {})
    assert ends(told(shop, "lineage", f"{source}.buyer", "--down")) == {
        "revenue.customer",
        "target/raw/orders.customer",
    }
    tree = said(shop, "lineage", "chart.bar").split()
    assert [each for each in tree if "." in each] == [
        *("chart.bar", "revenue.total", "totals.total", "target.raw.orders.amount", f"{source}.amount"),
    ]
    # A column that only chooses rows: nothing is made of it, and all depends on it.
    impact = told(shop, "impact", f"{source}.open")
    assert impact["columns"] == ["target.raw.orders.open"]
    assert impact["assets"] == ["chart", "pivoted", "revenue", "target/raw/orders", "totals"]

    assert told(shop, "impact", "--schema-changes") == {"changes": []}
    postgres.execute(f"alter table {source} drop column amount", f"alter table {source} add column more int")
    changes = {change["column"]: change for change in told(shop, "impact", "--schema-changes")["changes"]}
    assert {name: change["what"] for name, change in changes.items()} == {
        f"{source}.amount": "removed",
        f"{source}.more": "added",
    }
    assert changes[f"{source}.amount"]["since"] == "the last load"
    assert "chart.bar" in changes[f"{source}.amount"]["columns"]
    assert changes[f"{source}.more"]["columns"] == []
    assert "removed: " in said(shop, "impact", "--schema-changes")
