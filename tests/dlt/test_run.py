"""Running a dlt source as assets, and in an op."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
import duckdb
import pytest
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource
from mainstem.errors import ConfigError

LESSON = """
import dagster as dg
import dlt
from mainstem.dlt import DagsterDltResource, dlt_assets


@dlt.source
def simple_source():
    @dlt.resource
    def load_dict():
        data = [
            {"id": 1, "name": "Alice"},
            {"id": 2, "name": "Bob"},
        ]

        yield data

    return load_dict


@dlt_assets(
    dlt_source=simple_source(),
    dlt_pipeline=dlt.pipeline(
        pipeline_name="simple_pipeline",
        dataset_name="simple",
        destination="duckdb",
        progress="log",
    ),
)
def dlt_assets(context: dg.AssetExecutionContext, dlt: DagsterDltResource):
    yield from dlt.run(context=context)


defs = dg.Definitions(
    assets=[dlt_assets],
    resources={
        "dlt": DagsterDltResource(),
    },
)
"""


@dlt.source
def simple_source() -> DltResource:
    @dlt.resource
    def load_dict() -> Iterator[Any]:
        yield [{"id": 1, "name": "Alice"}, {"id": 2, "name": "Bob"}]

    return load_dict


@dlt.source
def shop() -> list[DltResource]:
    @dlt.resource
    def users() -> Iterator[Any]:
        yield [{"id": 1, "tags": [{"tag": "new"}, {"tag": "vip"}]}, {"id": 2, "tags": []}]

    @dlt.resource
    def users__archive() -> Iterator[Any]:
        yield {"id": 9, "left": True}

    @dlt.resource
    def orders() -> Iterator[Any]:
        yield [{"id": 1, "cents": 250}, {"id": 2, "cents": 100}, {"id": 3, "cents": 5}]

    @dlt.transformer(data_from=orders)
    def dear_orders(items: list[dict[str, Any]]) -> Iterator[Any]:
        yield [item for item in items if item["cents"] > 50]

    return [users, users__archive, orders, dear_orders]


def test_the_lesson_runs_as_it_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lesson.py").write_text(LESSON)
    lesson = runpy.run_path(str(tmp_path / "lesson.py"))

    for run_number in (1, 2):
        assert run(lesson["dlt_assets"]).success
        with duckdb.connect(str(tmp_path / "simple_pipeline.duckdb")) as connection:
            loaded = connection.execute("select id, name from simple.load_dict order by 1").fetchall()
        assert loaded == [(1, "Alice")] * run_number + [(2, "Bob")] * run_number
    assert "Extract simple_source" in capsys.readouterr().out


def test_a_materialization_tells_what_was_loaded_and_where(project: Project) -> None:
    ran = run(assets_of(simple_source(), project.pipeline()))

    told: dict[str, Any] = {
        key: value.value for key, value in ran.materialized["dlt_simple_source_load_dict"].items()
    }
    assert told["stream_name"] == "load_dict"
    assert told["rows"] == told["rows_loaded"] == 2
    assert told["dagster/table_name"] == "raw.load_dict"
    assert told["dagster/storage_kind"] == told["destination_name"] == "duckdb"
    assert told["destination_type"] == "dlt.destinations.duckdb"
    assert told["dataset_name"] == "raw"
    assert told["first_run"] is True
    assert told["started_at"] <= told["finished_at"]
    assert len(told["load_ids"]) == 1
    assert told["elapsed_time"] > 0
    (job,) = told["jobs"]
    assert (job["table_name"], job["state"], job["failed_message"]) == ("load_dict", "completed_jobs", None)
    columns = {column.name: column for column in told["dagster/column_schema"].columns}
    assert {name: column.type for name, column in columns.items()} == {
        "id": "bigint",
        "name": "text",
        "_dlt_load_id": "text",
        "_dlt_id": "text",
    }
    assert columns["name"].constraints.nullable
    assert not columns["_dlt_id"].constraints.nullable


def test_a_second_run_at_once_loads_again_and_still_knows_the_columns(project: Project) -> None:
    assets = assets_of(shop(), project.pipeline())

    first, second = run(assets), run(assets)

    assert project.query("select count(*) from raw.orders") == [(6,)]
    for key, metadata in first.materialized.items():
        assert second.materialized[key]["dagster/column_schema"] == metadata["dagster/column_schema"]
        assert second.materialized[key]["rows_loaded"] == metadata["rows_loaded"]
    assert second.value("dlt_shop_orders", "first_run") is False


def test_a_run_changes_neither_the_source_nor_the_pipelines_schema(project: Project) -> None:
    source, pipeline = shop(), project.pipeline()
    before = source.schema
    assets = assets_of(source, pipeline)

    assert run(assets, "dlt_shop_orders").success
    columns = pipeline.default_schema.to_dict()

    assert list(source.selected_resources) == ["users", "users__archive", "orders", "dear_orders"]
    assert source.schema is before
    assert run(assets, "dlt_shop_users").success
    assert pipeline.default_schema.to_dict()["tables"]["orders"] == columns["tables"]["orders"]
    assert pipeline.default_schema.get_table_columns("orders")["id"]["data_type"] == "bigint"


def test_only_the_selected_assets_are_loaded(project: Project) -> None:
    ran = run(assets_of(shop(), project.pipeline()), "dlt_shop_users__archive")

    assert set(ran.materialized) == {"dlt_shop_users__archive"}
    tables = project.query(
        "select table_name from duckdb_tables() where table_name not like '\\_%' escape '\\'"
    )
    assert tables == [("users__archive",)]


def test_a_transformer_reads_its_parent_and_is_loaded_without_it(project: Project) -> None:
    ran = run(assets_of(shop(), project.pipeline()), "dlt_shop_dear_orders")

    assert set(ran.materialized) == {"dlt_shop_dear_orders"}
    assert project.query("select id from raw.dear_orders order by 1") == [(1,), (2,)]
    assert project.query("select count(*) from duckdb_tables() where table_name = 'orders'") == [(0,)]


def test_nested_tables_are_found_by_dlts_links_and_not_by_their_names(project: Project) -> None:
    ran = run(assets_of(shop(), project.pipeline()))

    users = ran.materialized["dlt_shop_users"]
    assert ran.value("dlt_shop_users", "users__tags").columns[0].name == "tag"
    assert "users__archive" not in users
    assert {job["table_name"] for job in ran.value("dlt_shop_users", "jobs")} == {"users", "users__tags"}
    assert ran.value("dlt_shop_users", "rows_loaded") == 2
    archive = [
        column.name for column in ran.value("dlt_shop_users__archive", "dagster/column_schema").columns
    ]
    assert archive[:2] == ["id", "left"]
    assert ran.value("dlt_shop_users__archive", "dagster/table_name") == "raw.users__archive"


def test_a_resource_that_spreads_its_rows_reports_all_its_tables(project: Project) -> None:
    @dlt.source
    def events() -> DltResource:
        @dlt.resource(table_name=lambda row: row["kind"])
        def log() -> Iterator[Any]:
            yield [{"kind": "click", "x": 1}, {"kind": "scroll", "y": 2}, {"kind": "click", "x": 3}]

        return log

    def counted(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context).fetch_row_count()

    ran = run(assets_of(events(), project.pipeline(), counted))

    assert ran.value("dlt_events_log", "rows_loaded") == 3
    assert ran.value("dlt_events_log", "dagster/row_count") == 3
    assert {"click", "scroll"} <= set(ran.materialized["dlt_events_log"])
    assert "dagster/table_name" not in ran.materialized["dlt_events_log"]


def test_an_incremental_resource_goes_on_where_it_stopped(project: Project) -> None:
    rows = [{"id": 1}, {"id": 2}]
    since_the_last: Any = dlt.sources.incremental("id")

    @dlt.source
    def feed() -> DltResource:
        @dlt.resource
        def news(last: Any = since_the_last) -> Iterator[Any]:
            yield [row for row in rows if row["id"] >= (last.last_value or 0)]

        return news

    assets = assets_of(feed(), project.pipeline())
    run(assets)
    rows.append({"id": 3})

    assert run(assets).value("dlt_feed_news", "rows_loaded") == 1
    assert project.query("select id from raw.news order by 1") == [(1,), (2,), (3,)]


def test_arguments_of_one_run_reach_dlt_and_do_not_stick(project: Project) -> None:
    options: dict[str, Any] = {"write_disposition": "replace"}

    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context, **options)

    assets = assets_of(simple_source(), project.pipeline(), body)
    run(assets)
    run(assets)
    assert project.query("select count(*) from raw.load_dict") == [(2,)]

    options.clear()
    run(assets)
    assert project.query("select count(*) from raw.load_dict") == [(4,)]


def test_a_partition_is_loaded_from_a_source_made_for_it(project: Project) -> None:
    @dlt.source
    def days(day: str = "") -> DltResource:
        @dlt.resource
        def visits() -> Iterator[Any]:
            yield {"day": day}

        return visits

    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context, dlt_source=days(context.partition_key)).fetch_row_count()

    partitions = dg.DailyPartitionsDefinition(start_date="2026-01-01")
    assets = assets_of(days(), project.pipeline(), body, partitions_def=partitions)
    run(assets, partition_key="2026-01-02")
    ran = run(assets, partition_key="2026-01-03")

    assert project.query("select cast(day as varchar) from raw.visits order by 1") == [
        ("2026-01-02",),
        ("2026-01-03",),
    ]
    assert ran.value("dlt_days_visits", "dagster/partition_row_count") == 1


def test_in_an_op_all_of_the_source_is_loaded_and_reported(project: Project) -> None:
    source, pipeline = shop(), project.pipeline()

    @dg.op(out={})
    def load(context: dg.OpExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context, dlt_source=source, dlt_pipeline=pipeline).fetch_row_count()

    @dg.job(resource_defs={"dlt": DagsterDltResource()})
    def job() -> None:
        load()

    result = job.execute_in_process()

    counted = {
        materialization.asset_key.to_user_string(): materialization.metadata["dagster/row_count"].value
        for materialization in result.asset_materializations_for_node("load")
    }
    assert counted == {
        "dlt_shop_users": 2,
        "dlt_shop_users__archive": 1,
        "dlt_shop_orders": 3,
        "dlt_shop_dear_orders": 2,
    }


def test_an_op_must_say_what_to_load() -> None:
    @dg.op(out={})
    def load(context: dg.OpExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context)

    with pytest.raises(ConfigError, match="needs dlt_source and dlt_pipeline"):
        list(load(dg.build_op_context(), dlt=DagsterDltResource()))


def test_assets_may_be_called_as_a_function(project: Project) -> None:
    assets = assets_of(simple_source(), project.pipeline())

    results: Any = assets(dg.build_asset_context(), dlt=DagsterDltResource())
    (result,) = list(results)

    assert result.asset_key == dg.AssetKey("dlt_simple_source_load_dict")
    assert result.metadata["rows_loaded"] == 2


def test_a_source_that_is_not_the_assets_is_refused_before_anything_is_loaded(project: Project) -> None:
    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context, dlt_source=shop())

    ran = run(assets_of(simple_source(), project.pipeline(), body))

    assert not ran.success
    assert "The dlt source shop has resources that are none of the assets: users" in ran.error
    assert not project.path.exists()


def test_an_asset_of_ones_own_may_be_a_resource(project: Project) -> None:
    source, pipeline = simple_source(), project.pipeline()

    @dg.multi_asset(specs=[dg.AssetSpec("dlt_simple_source_load_dict")])
    def mine(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context, dlt_source=source, dlt_pipeline=pipeline)

    assert run(mine).value("dlt_simple_source_load_dict", "rows_loaded") == 2
