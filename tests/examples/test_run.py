"""Each example, run by the commands of its README."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tests.examples.conftest import Example

from mainstem.connections import connection_of
from mainstem.files.places.registry import open_place
from mainstem.testing.place import Place
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.s3 import EmbeddedS3
from mainstem.testing.snowflake import EmbeddedSnowflake
from mainstem.testing.warehouse import Warehouse


def source_rows(server: EmbeddedPostgres, table: str) -> list[tuple[Any, ...]]:
    return server.fetch(f"select * from {table} order by 1")


def target_rows(warehouse: Warehouse, table: str) -> list[tuple[Any, ...]]:
    """The rows, with decimals as text: that is how Postgres's driver gives them."""
    rows = warehouse.query(f"select * from {table} order by 1")
    return [tuple(str(value) if isinstance(value, Decimal) else value for value in row) for row in rows]


def test_the_sling_lesson_replicates_its_three_tables(example: Callable[[str], Example]) -> None:
    lesson = example("sling_lesson")
    (commands,) = lesson.scripts
    lesson.run(commands)

    warehouse = lesson.warehouse("duckdb.db")
    assert warehouse.tables() == ["main.data_customers", "main.data_orders", "main.data_products"]
    for name, rows in {"customers": 100, "products": 20, "orders": 1000}.items():
        replicated = target_rows(warehouse, f"data_{name}")
        assert len(replicated) == rows
        assert replicated == source_rows(lesson.postgres, f"data.{name}")


def test_the_sling_guide_replicates_and_its_downstream_asset_loads_a_replicated_table(
    example: Callable[[str], Example],
) -> None:
    guide = example("sling_guide")
    from_yaml, from_python = guide.scripts
    tables = {"accounts": "public_accounts", "users": "public_users", "finance_departments": "departments"}
    warehouse = guide.warehouse("guide.duckdb")

    def assert_replicated() -> None:
        assert warehouse.tables() == ["main.departments", "main.public_accounts", "main.public_users"]
        for source, target in tables.items():
            assert target_rows(warehouse, target) == source_rows(guide.postgres, f"public.{source}")

    guide.run(from_yaml)
    assert_replicated()
    with (guide.folder / ".local" / "balances.csv").open() as file:
        _, *balances = csv.reader(file)
    in_postgres = "select currency, count(*)::text, sum(balance)::text from accounts group by 1 order by 1"
    assert [tuple(row) for row in balances] == guide.postgres.fetch(in_postgres)

    warehouse.path.unlink()
    guide.run(from_python, POSTGRES_PASSWORD="test_pass")
    assert_replicated()


def test_custom_sql_becomes_partitioned_parquet_on_s3(example: Callable[[str], Example]) -> None:
    lake = example("postgres_to_s3")
    (commands,) = lake.scripts
    with EmbeddedS3() as server:
        bucket = server.bucket()
        lake.run(commands, S3_ENDPOINT=server.endpoint, S3_BUCKET=bucket)
        with open_place(connection_of("MY_S3", server.connection(bucket))) as place:
            files = [found.path for found in place.list("lake/paid_orders/")]
            tables = []
            for path in files:
                with place.open(path) as file:
                    tables.append(pq.read_table(file))

    months = sorted({path.rpartition("/")[0].removeprefix("lake/paid_orders/") for path in files})
    assert months[0] == "ordered_at_year=2024/ordered_at_month=01"
    assert len(months) == 18
    rows = pa.concat_tables(tables).sort_by("order_id")
    in_postgres = lake.postgres.fetch(
        "select order_id, name, country, amount::text from orders join customers using (customer_id)"
        " where status = 'paid' order by 1"
    )
    found = rows.select(["order_id", "customer", "country", "amount"]).to_pylist()
    assert [(*list(row.values())[:3], str(row["amount"])) for row in found] == in_postgres


def test_the_dlt_lesson_loads_its_two_rows(example: Callable[[str], Example]) -> None:
    lesson = example("dlt_lesson")
    (commands,) = lesson.scripts
    lesson.run(commands)

    rows = lesson.warehouse("simple_pipeline.duckdb").query(
        "select id, name from simple.load_dict order by id"
    )
    assert rows == [(1, "Alice"), (2, "Bob")]


def test_the_dbt_tutorial_builds_its_models_and_opens_the_chart_when_asked(
    example: Callable[[str], Example],
) -> None:
    tutorial = example("dbt_tutorial")
    build, shown = tutorial.scripts
    opened = tutorial.home / "opened"
    browser = f"sh -c 'touch {opened}' %s"
    tutorial.run(build, BROWSER=browser)

    with (tutorial.folder / "data" / "raw_customers.csv").open() as file:
        customers = [(int(row["id"]), row["first_name"], row["last_name"]) for row in csv.DictReader(file)]
    with (tutorial.folder / "jaffle_shop" / "seeds" / "raw_orders.csv").open() as file:
        orders = [int(row["user_id"]) for row in csv.DictReader(file)]
    with (tutorial.folder / "jaffle_shop" / "seeds" / "raw_payments.csv").open() as file:
        paid = sum(Decimal(row["amount"]) for row in csv.DictReader(file)) / 100

    warehouse = tutorial.warehouse("tutorial.duckdb")
    built = warehouse.query(
        "select customer_id, first_name, last_name, number_of_orders from jaffle_shop.customers order by 1"
    )
    assert built == [(*customer, orders.count(customer[0])) for customer in customers]
    assert warehouse.query("select sum(amount) from jaffle_shop.orders") == [(paid,)]

    chart = tutorial.folder / ".local" / "order_count_chart.html"
    assert "number_of_orders" in chart.read_text()
    assert not opened.exists()
    tutorial.run(shown, BROWSER=browser)
    assert opened.exists()


def test_three_tables_of_postgres_arrive_in_snowflake(
    example: Callable[[str], Example], snowflake: EmbeddedSnowflake
) -> None:
    billing = example("postgres_to_snowflake")
    (commands,) = billing.scripts
    account = snowflake.properties
    billing.run(
        commands,
        SNOWFLAKE_HOST=account["host"],
        SNOWFLAKE_PORT=str(account["port"]),
        SNOWFLAKE_PROTOCOL=account["protocol"],
        SNOWFLAKE_USER=account["user"],
        SNOWFLAKE_PASSWORD=account["password"],
    )
    place = Place("snowflake", account, "BILLING")
    for source, target in {
        "accounts": "ACCOUNTS",
        "users": "USERS",
        "finance_departments": "DEPARTMENTS",
    }.items():
        rows = sorted(tuple(map(str, row.values())) for row in place.get(target).to_pylist())
        assert rows == sorted(tuple(map(str, row)) for row in source_rows(billing.postgres, source))


def test_files_of_s3_arrive_in_snowflake(
    example: Callable[[str], Example], snowflake: EmbeddedSnowflake
) -> None:
    billing = example("s3_to_snowflake")
    (commands,) = billing.scripts
    account = snowflake.properties
    with EmbeddedS3() as server:
        billing.run(
            commands,
            S3_ENDPOINT=server.endpoint,
            S3_BUCKET=server.bucket(),
            SNOWFLAKE_HOST=account["host"],
            SNOWFLAKE_PORT=str(account["port"]),
            SNOWFLAKE_PROTOCOL=account["protocol"],
            SNOWFLAKE_USER=account["user"],
            SNOWFLAKE_PASSWORD=account["password"],
        )
    place = Place("snowflake", account, "BILLING")
    invoices = sorted(place.get("INVOICES").to_pylist(), key=lambda row: row["invoice_id"])
    assert [row["invoice_id"] for row in invoices] == [
        day * 100 + each for day in (1, 2, 3) for each in range(1, 41)
    ]
    assert [row["amount"] for row in invoices[:2]] == [Decimal("101.01"), Decimal("102.02")]
    assert [row["customer"] for row in invoices[:4]] == ["Zoë", "李娜", "Łukasz; GmbH", "Ada"]
    assert invoices[0]["issued_at"] == datetime(2025, 3, 1, 8, 1)  # noqa: DTZ001 - the file names no zone
    rates = {row["currency"]: str(row["rate"]) for row in place.get("RATES").to_pylist()}
    assert rates == {"CHF": "0.956812", "EUR": "1.000000", "USD": "1.082345"}
