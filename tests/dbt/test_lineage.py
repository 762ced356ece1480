"""Column lineage of single queries."""

from collections.abc import Mapping, Sequence

import pytest

from mainstem.dbt.lineage import Table, dialect_of, trace_query

ORDERS = Table("orders", "orders", "main", "shop", ["id", "customer_id", "net", "tax"])
CUSTOMERS = Table("customers", "customers", "main", "shop", ["id", "Name"])
UNKNOWN = Table("customers", "customers", "main", "shop")


def traced(
    sql: str,
    *tables: Table,
    columns: Sequence[str] | None = None,
    dialect: str = "duckdb",
    queries: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    found = trace_query(sql, dialect=dialect, tables=tables, columns=columns, queries=queries).columns
    return {
        column: [f"{origin.unique_id}.{origin.column}" for origin in origins]
        for column, origins in found.items()
    }


def test_a_column_is_traced_through_expressions_subqueries_and_windows() -> None:
    sql = """
        with paid as (select customer_id, sum(net + tax) as total from shop.main.orders group by 1)
        select
            c.id,
            upper(c."Name") as name,
            p.total,
            row_number() over (partition by c.id order by p.total) as place,
            (select max(tax) from shop.main.orders) as highest,
            1 as one
        from shop.main.customers c left join paid p on p.customer_id = c.id
    """
    assert traced(sql, ORDERS, CUSTOMERS) == {
        "id": ["customers.id"],
        "name": ["customers.Name"],
        "total": ["orders.net", "orders.tax"],
        "place": ["customers.id", "orders.net", "orders.tax"],
        "highest": ["orders.tax"],
        "one": [],
    }


def test_both_sides_of_a_union_are_origins() -> None:
    sql = "select id from shop.main.customers union all select customer_id from shop.main.orders"
    assert traced(sql, ORDERS, CUSTOMERS) == {"id": ["customers.id", "orders.customer_id"]}


def test_a_star_is_resolved_by_the_known_columns() -> None:
    sql = "select o.*, c.* exclude (id) from shop.main.orders o join shop.main.customers c using (id)"
    assert traced(sql, ORDERS, CUSTOMERS) == {
        "id": ["orders.id"],
        "customer_id": ["orders.customer_id"],
        "net": ["orders.net"],
        "tax": ["orders.tax"],
        "Name": ["customers.Name"],
    }


def test_a_star_of_one_unknown_table_is_resolved_by_the_columns_of_the_result() -> None:
    sql = "with source as (select * from shop.main.customers) select *, id + 1 as next from source"
    assert traced(sql, UNKNOWN, columns=["id", "name", "next"]) == {
        "id": ["customers.id"],
        "name": ["customers.name"],
        "next": ["customers.id"],
    }


def test_names_behind_the_star_of_an_unknown_table_are_traced() -> None:
    sql = """
        with source as (select * from shop.main.customers),
        renamed as (select id as customer_id, upper(name) as name from source)
        select * from renamed
    """
    assert traced(sql, UNKNOWN) == {"customer_id": ["customers.id"], "name": ["customers.name"]}


def test_what_cannot_be_told_is_left_out() -> None:
    sql = "select * from shop.main.customers join shop.main.orders o on o.customer_id = customers.id"
    # What is no column of the known table is one of the other. Of two, nobody knows.
    assert traced(sql, UNKNOWN, ORDERS, columns=["name", "net"]) == {
        "name": ["customers.name"],
        "net": ["orders.net"],
    }
    assert set(traced(sql, UNKNOWN, ORDERS, columns=["name", "net", "net_1", "tax"])) == {"name", "tax"}
    other = Table("orders", "orders", "main", "shop")
    assert traced(sql, UNKNOWN, other, columns=["name", "net"]) == {}
    # What the tool that runs the query adds to its result is no column of it.
    sql = "select * from shop.main.customers"
    assert set(traced(sql, CUSTOMERS, columns=["id", "Name", "dbt_scd_id"])) == {"id", "Name"}


@pytest.mark.parametrize("sql", ["this is { no sql", "insert into t values (1)", "select from where", ""])
def test_what_is_no_query_has_no_lineage(sql: str) -> None:
    assert traced(sql, ORDERS) == {}


def test_a_table_may_be_called_with_fewer_names_and_in_other_letters() -> None:
    upper = Table("c", "CUSTOMERS", "MAIN", "SHOP", ["ID", "NAME"])
    assert traced('select id, Name from "CUSTOMERS"', upper, dialect="snowflake") == {
        "ID": ["c.ID"],
        "NAME": ["c.NAME"],
    }
    assert traced("select id from main.orders", ORDERS) == {"id": ["orders.id"]}


def test_a_query_may_stand_for_a_name() -> None:
    queries = {"totals": "select customer_id, sum(net) as total from shop.main.orders group by 1"}
    sql = "select c.id, t.total from shop.main.customers c join totals t on t.customer_id = c.id"
    assert traced(sql, ORDERS, CUSTOMERS, queries=queries) == {
        "id": ["customers.id"],
        "total": ["orders.net"],
    }


def test_an_adapter_has_the_dialect_of_its_system() -> None:
    assert dialect_of("sqlserver") == "tsql"
    assert dialect_of("duckdb") == "duckdb"
    assert dialect_of("somethingelse") is None
    assert dialect_of(None) is None
