"""dlt into a real PostgreSQL: what holds for DuckDB holds there."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import dagster as dg
import dlt
import pytest
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource
from mainstem.testing.postgres import EmbeddedPostgres


@dlt.source
def shop() -> list[DltResource]:
    @dlt.resource(primary_key="id", write_disposition="merge", columns={"price": {"data_type": "decimal"}})
    def goods() -> Iterator[Any]:
        yield [{"id": 1, "price": Decimal("1.50"), "tags": ["a", "b"]}, {"id": 2, "price": Decimal("2.25")}]

    @dlt.resource
    def visits() -> Iterator[Any]:
        yield {"page": "/"}

    return [goods, visits]


@pytest.fixture
def pipeline(project: Project, postgres: EmbeddedPostgres, schema: str) -> dlt.Pipeline:
    return project.pipeline(destination=dlt.destinations.postgres(postgres.url), dataset_name=schema)


def fetching(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
    yield from dlt.run(context=context).fetch_row_count().fetch_column_metadata()


def test_a_merge_is_reported_with_its_count_and_the_columns_of_postgres(
    pipeline: dlt.Pipeline, schema: str
) -> None:
    assets = assets_of(shop(), pipeline, fetching)
    run(assets)

    ran = run(assets)

    told: dict[str, Any] = {key: value.value for key, value in ran.materialized["dlt_shop_goods"].items()}
    assert told["dagster/table_name"] == f"{schema}.goods"
    assert told["dagster/storage_kind"] == "postgres"
    assert (told["rows_loaded"], told["dagster/row_count"]) == (2, 2)
    columns = {column.name: column.type for column in told["dagster/column_schema"].columns}
    assert columns["price"].startswith("numeric")
    assert columns["id"] == "bigint"
    assert ran.value("dlt_shop_visits", "dagster/row_count") == 2


def test_a_table_is_counted_while_another_one_is_locked(
    pipeline: dlt.Pipeline, postgres: EmbeddedPostgres, schema: str
) -> None:
    run(assets_of(shop(), pipeline))
    other = adbc.connect(postgres.url)
    with other.cursor() as cursor:
        # Should nobody hear of the other table, the server ends this session, and the order is wrong.
        cursor.execute("set idle_in_transaction_session_timeout = '60s'")
        cursor.execute(f"lock table {schema}.goods in access exclusive mode")

    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        for event in dlt.run(context=context).fetch_row_count():
            other.close()
            yield event

    ran = run(assets_of(shop(), pipeline, body))

    assert list(ran.materialized) == ["dlt_shop_visits", "dlt_shop_goods"]
    assert ran.value("dlt_shop_visits", "dagster/row_count") == 2


def test_a_table_that_postgres_refuses_is_named_with_its_message(
    pipeline: dlt.Pipeline, postgres: EmbeddedPostgres, schema: str
) -> None:
    assets = assets_of(shop(), pipeline)
    run(assets)
    postgres.execute(f"alter table {schema}.visits add constraint no_root check (page <> '/') not valid")

    ran = run(assets)

    assert "dlt_shop_visits" not in ran.materialized
    (headline,) = ran.headline
    assert f"Stream visits failed in phase load: table {schema}.visits, file visits." in headline
    assert 'violates check constraint "no_root"' in headline
    assert postgres.password not in ran.events


def test_a_password_that_is_refused_is_not_told(
    project: Project, postgres: EmbeddedPostgres, schema: str
) -> None:
    wrong = postgres.url.replace(postgres.password, "Canary-word")
    pipeline = project.pipeline(destination=dlt.destinations.postgres(wrong), dataset_name=schema)

    ran = run(assets_of(shop(), pipeline))

    (headline,) = ran.headline
    assert headline.startswith("mainstem.errors.ConnectError: The dlt pipeline shop failed in step sync")
    assert "password authentication failed" in headline
    assert "Is the destination up, and are its credentials right?" in headline
    assert "Canary-word" not in ran.events
