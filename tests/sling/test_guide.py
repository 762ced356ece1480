"""What the official lesson and guide teach of Sling does here what they say, but for the import lines."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from string import Template
from types import ModuleType
from uuid import uuid4

import dagster as dg
import pytest

from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

LESSON_YAML = """
source: MY_POSTGRES
target: MY_DUCKDB

defaults:
  mode: full-refresh

  object: "{stream_schema}_{stream_table}"

streams:
  data.customers:
  data.products:
  data.orders:
"""
LESSON = """
import dagster as dg
from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets

replication_config = dg.file_relative_path(__file__, "sling_replication.yaml")

source = SlingConnectionResource(
    name="MY_POSTGRES", type="postgres", host="127.0.0.1", port=$port, database="$database", user="$user",
    password="$password",
)
destination = SlingConnectionResource(
    name="MY_DUCKDB", type="duckdb", connection_string="duckdb:///$folder/duckdb.db"
)
sling = SlingResource(connections=[source, destination])


@sling_assets(replication_config=replication_config)
def postgres_sling_assets(context, sling: SlingResource):
    yield from sling.replicate(context=context).fetch_column_metadata()


defs = dg.Definitions(assets=[postgres_sling_assets], resources={"sling": sling})
"""
# Snowflake and S3 are named alone: definitions load without them, and without their secrets.
GUIDE = """
from collections.abc import Mapping

import dagster as dg
from mainstem.sling import DagsterSlingTranslator, SlingConnectionResource, SlingResource, sling_assets
from mainstem.sling.asset_decorator import get_streams_from_replication

sling = SlingResource(
    connections=[
        SlingConnectionResource(name="MY_PG", type="postgres", connection_string=dg.EnvVar("NOT_SET_1")),
        SlingConnectionResource(
            name="MY_SF", type="snowflake", host="h", user="u", database="d", password=dg.EnvVar("NOT_SET_2"),
            role="r",
        ),
        SlingConnectionResource(
            name="MY_S3", type="s3", bucket="b", access_key_id=dg.EnvVar("NOT_SET_3"), secret_access_key="s"
        ),
    ]
)
tables = {
    "SOURCE": "MY_PG",
    "TARGET": "MY_SF",
    "defaults": {"mode": "full-refresh", "object": "{stream_schema}_{stream_table}"},
    "streams": {
        "public.accounts": None,
        "public.users": None,
        "public.finance_departments": {"object": "departments"},
    },
}
files = {
    "SOURCE": "MY_S3",
    "TARGET": "MY_SF",
    "streams": {"s3://bucket/file.parquet": {"object": "marts.my_table", "primary_key": "id"}},
}


class OneUpstream(DagsterSlingTranslator):
    def get_asset_spec(self, stream_definition: Mapping) -> dg.AssetSpec:
        spec = super().get_asset_spec(stream_definition)
        return spec.replace_attributes(deps=[dg.AssetKey("common_upstream")])


@sling_assets(replication_config=tables, dagster_sling_translator=OneUpstream())
def of_tables(context, sling: SlingResource):
    yield from sling.replicate(context=context)
    for row in sling.stream_raw_logs():
        context.log.info(row)


@sling_assets(replication_config=files)
def of_files(context, sling: SlingResource):
    yield from sling.replicate(context=context)


accounts = next(
    DagsterSlingTranslator().get_asset_spec(stream_definition=stream)
    for stream in get_streams_from_replication(tables)
    if stream["name"] == "public.accounts"
)


@dg.asset(deps=[accounts])
def downstream(): ...


job = dg.define_asset_job("nightly", selection=[of_tables])
defs = dg.Definitions(
    assets=[of_tables, of_files, downstream],
    jobs=[job],
    schedules=[dg.ScheduleDefinition(job=job, cron_schedule="0 0 * * *")],
    resources={"sling": sling},
)
"""


def loaded(path: Path, text: str) -> ModuleType:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(f"guide_{uuid4().hex}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shop(postgres: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    postgres.execute(
        "create schema data",
        *(
            f"create table data.{name} as select generate_series(1, 3) as id"
            for name in ("customers", "products", "orders")
        ),
    )
    yield postgres
    postgres.execute("drop schema data cascade")


def test_the_lesson_makes_six_assets_of_three_tables_and_loads_them(
    shop: EmbeddedPostgres, tmp_path: Path
) -> None:
    (tmp_path / "sling_replication.yaml").write_text(LESSON_YAML)
    login = {name: getattr(shop, name) for name in ("port", "database", "user", "password")}
    text = Template(LESSON).substitute(login, folder=str(tmp_path)[1:])
    defs: dg.Definitions = loaded(tmp_path / "lesson.py", text).defs

    sources = {("data", name) for name in ("customers", "products", "orders")}
    keys = {tuple(key.path) for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == sources | {("target", *source) for source in sources}

    assert defs.resolve_implicit_global_asset_job_def().execute_in_process().success
    warehouse = Warehouse(tmp_path / "duckdb.db")
    assert warehouse.tables() == ["main.data_customers", "main.data_orders", "main.data_products"]


def test_the_guides_projects_load_as_they_are_written(tmp_path: Path) -> None:
    module = loaded(tmp_path / "guide.py", GUIDE)
    dg.Definitions.validate_loadable(module.defs)
    specs = {spec.key.to_user_string(): spec for spec in module.defs.resolve_all_asset_specs()}
    targets = {"target/public/accounts", "target/public/users", "target/departments", "target/marts/my_table"}
    assert targets <= set(specs)
    assert [dep.asset_key.path for dep in specs["target/departments"].deps] == [["common_upstream"]]
    assert [dep.asset_key.path for dep in specs["downstream"].deps] == [["target", "public", "accounts"]]
