"""Column lineage through the whole graph, against truth that was worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from tests.graph.conftest import Project, Replicate
from tests.graph.test_wire import sling, warehouse

from mainstem import table_dep, wire
from mainstem.dbt.lineage import Table, trace_query
from mainstem.dbt.planned_lineage import PlannedLineage
from mainstem.errors import UnknownNameError
from mainstem.graph.columns import ColumnGraph, ColumnNode, column_graph


def up(graph: ColumnGraph, column: str) -> set[str]:
    """The ends of a column's lineage: what is made of nothing else."""

    def ends(node: ColumnNode) -> set[str]:
        found = {end for other in node.others for end in ends(other)}
        return found or {str(node.column)}

    return ends(graph.upstream(graph.find(column)))


def down(graph: ColumnGraph, column: str) -> set[str]:
    return {str(each) for each in graph.downstream(graph.find(column)).columns()}


@pytest.fixture
def jaffle(tmp_path: Path, replicate: Replicate) -> ColumnGraph:
    """The jaffle shop: three tables of Postgres, replicated; staging, marts and a chart over them."""
    dbt = warehouse(tmp_path)
    tables = ("customers", "orders", "payments")
    customers, orders, payments = (dbt.source("raw", table, "raw") for table in tables)

    def reading(name: str, sources: Mapping[str, str], sql: str) -> str:
        for alias, uid in sources.items():
            node = dbt.manifest["sources"].get(uid) or dbt.manifest["nodes"][uid]
            sql = sql.replace(f"<{alias}>", node["relation_name"])
        return dbt.model(name, "main", list(sources.values()), sql)

    stg_customers = reading(
        "stg_customers",
        {"raw": customers},
        "with source as (select * from <raw>), renamed as "
        "(select id as customer_id, first_name, last_name from source) select * from renamed",
    )
    stg_orders = reading(
        "stg_orders", {"raw": orders}, "select id as order_id, user_id as customer_id, status from <raw>"
    )
    stg_payments = reading(
        "stg_payments",
        {"raw": payments},
        "select id as payment_id, order_id, payment_method, amount / 100 as amount from <raw>",
    )
    marts = reading(
        "orders",
        {"orders": stg_orders, "payments": stg_payments},
        "with order_payments as (select order_id, sum(case when payment_method = 'coupon' then amount else 0 "
        "end) as coupon_amount, sum(amount) as total_amount from <payments> group by order_id) "
        "select o.order_id, o.customer_id, o.status, p.coupon_amount, p.total_amount as amount "
        "from <orders> o left join order_payments p on o.order_id = p.order_id",
    )
    reading(
        "customers",
        {"customers": stg_customers, "orders": marts},
        "select c.customer_id, c.first_name || ' ' || c.last_name as name, x.number_of_orders, "
        "x.lifetime_value from <customers> c left join (select customer_id, count(order_id) as "
        "number_of_orders, sum(amount) as lifetime_value from <orders> group by customer_id) x "
        "on c.customer_id = x.customer_id",
    )
    declared = {"value": [dg.TableColumnDep(dg.AssetKey(["main", "customers"]), "lifetime_value")]}
    lineage = {"dagster/column_lineage": dg.TableColumnLineage(declared)}

    @dg.asset(deps=[table_dep("DUCK", "main.customers")], metadata=lineage)
    def segments() -> None: ...

    @dg.asset(deps=[table_dep("DUCK", "main.orders")])
    def chart() -> None: ...

    streams: Mapping[str, Any] = {
        "app.users": {"object": "raw.customers", "select": ["*", "given_name as first_name"]},
        "app.orders": "raw.orders",
        "app.payments": "raw.payments",
    }
    assets = [replicate("PG", "DUCK", streams), dbt.assets(), segments, chart]
    return column_graph(wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)})))


def test_a_column_is_followed_from_a_python_asset_to_the_source_database(jaffle: ColumnGraph) -> None:
    assert up(jaffle, "segments.value") == {"app.payments.amount"}
    assert up(jaffle, "customers.lifetime_value") == {"app.payments.amount"}
    assert up(jaffle, "orders.coupon_amount") == {"app.payments.amount", "app.payments.payment_method"}
    assert up(jaffle, "customers.number_of_orders") == {"app.orders.id"}
    assert up(jaffle, "customers.customer_id") == {"app.users.id"}


def test_a_rename_of_the_replication_is_followed(jaffle: ColumnGraph) -> None:
    assert up(jaffle, "customers.name") == {"app.users.given_name", "app.users.last_name"}
    assert "customers.name" in down(jaffle, "app.users.given_name")


def test_what_depends_on_a_source_column_is_found_downwards(jaffle: ColumnGraph) -> None:
    assert down(jaffle, "app.payments.amount") == {
        *("target.raw.payments.amount", "stg_payments.amount", "orders.coupon_amount", "orders.amount"),
        *("customers.lifetime_value", "segments.value"),
    }
    assert down(jaffle, "app.users.id") == {
        *("target.raw.customers.id", "stg_customers.customer_id", "customers.customer_id"),
    }


def test_an_asset_whose_columns_nobody_tells_depends_on_all_that_it_reads(jaffle: ColumnGraph) -> None:
    def readers(column: str) -> list[str]:
        return [key.to_user_string() for key in jaffle.readers(jaffle.find(column))]

    assert readers("app.payments.amount") == ["chart"]
    assert readers("app.users.last_name") == []


def test_a_column_may_be_written_in_any_case_and_with_slashes(jaffle: ColumnGraph) -> None:
    assert str(jaffle.find("target/raw/payments/AMOUNT")) == "target.raw.payments.amount"


def test_an_unknown_column_says_what_is_near(jaffle: ColumnGraph) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean customers\.lifetime_value"):
        jaffle.find("customers.lifetime_valu")
    with pytest.raises(UnknownNameError, match="There is no asset nowhere"):
        jaffle.find("nowhere.x")


TPCH = {
    "lineitem": "l_orderkey l_partkey l_suppkey l_quantity l_extendedprice l_discount l_tax l_returnflag "
    "l_linestatus l_shipdate l_commitdate l_receiptdate l_shipmode",
    "orders": "o_orderkey o_custkey o_orderstatus o_totalprice o_orderdate o_orderpriority o_shippriority",
    "customer": "c_custkey c_name c_nationkey c_acctbal c_mktsegment c_phone",
    "supplier": "s_suppkey s_name s_nationkey s_acctbal s_address s_phone s_comment",
    "nation": "n_nationkey n_name n_regionkey",
    "region": "r_regionkey r_name",
    "part": "p_partkey p_name p_mfgr p_brand p_type p_size p_container",
    "partsupp": "ps_partkey ps_suppkey ps_availqty ps_supplycost",
}
REVENUE = {"l_extendedprice", "l_discount"}
# In the shape of TPC-H's queries: the query, and what each of its columns is made of.
QUERIES: Mapping[str, tuple[str, Mapping[str, set[str]]]] = {
    "pricing summary": (
        "select l_returnflag, sum(l_quantity) as sum_qty, "
        "sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) as sum_charge, count(*) as count_order "
        "from lineitem where l_shipdate <= date '1998-09-02' group by l_returnflag, l_linestatus",
        {
            "l_returnflag": {"l_returnflag"},
            "sum_qty": {"l_quantity"},
            "sum_charge": REVENUE | {"l_tax"},
            "count_order": set(),
        },
    ),
    "shipping priority": (
        "select l_orderkey, sum(l_extendedprice * (1 - l_discount)) as revenue, o_orderdate "
        "from customer, orders, lineitem where c_mktsegment = 'BUILDING' and c_custkey = o_custkey "
        "and l_orderkey = o_orderkey group by l_orderkey, o_orderdate order by revenue desc limit 10",
        {"l_orderkey": {"l_orderkey"}, "revenue": REVENUE, "o_orderdate": {"o_orderdate"}},
    ),
    "volume shipping, a derived table with two of one kind": (
        "select supp_nation, cust_nation, l_year, sum(volume) as revenue from (select n1.n_name as "
        "supp_nation, n2.n_name as cust_nation, extract(year from l_shipdate) as l_year, "
        "l_extendedprice * (1 - l_discount) as volume from supplier, lineitem, orders, customer, nation n1, "
        "nation n2 where s_suppkey = l_suppkey and o_orderkey = l_orderkey and c_custkey = o_custkey and "
        "s_nationkey = n1.n_nationkey and c_nationkey = n2.n_nationkey) as shipping group by 1, 2, 3",
        {"supp_nation": {"n_name"}, "cust_nation": {"n_name"}, "l_year": {"l_shipdate"}, "revenue": REVENUE},
    ),
    "market share, a case within an aggregate": (
        "select extract(year from o_orderdate) as o_year, sum(case when n_name = 'BRAZIL' then "
        "l_extendedprice * (1 - l_discount) else 0 end) / sum(l_extendedprice) as mkt_share from lineitem, "
        "orders, nation group by 1",
        {"o_year": {"o_orderdate"}, "mkt_share": REVENUE | {"n_name"}},
    ),
    "customer distribution, an outer join twice removed": (
        "select c_count, count(*) as custdist from (select c_custkey, count(o_orderkey) from customer left "
        "outer join orders on c_custkey = o_custkey group by c_custkey) as c_orders (c_custkey, c_count) "
        "group by c_count",
        {"c_count": {"o_orderkey"}, "custdist": set()},
    ),
    "top supplier, a CTE that is read twice": (
        "with revenue as (select l_suppkey as supplier_no, sum(l_extendedprice * (1 - l_discount)) as "
        "total_revenue from lineitem group by l_suppkey) select s_suppkey, s_name, total_revenue from "
        "supplier, revenue where s_suppkey = supplier_no and total_revenue = (select max(total_revenue) from "
        "revenue)",
        {"s_suppkey": {"s_suppkey"}, "s_name": {"s_name"}, "total_revenue": REVENUE},
    ),
    "a union": (
        "select c_name as name, c_acctbal as balance from customer union all select s_name, s_acctbal from "
        "supplier",
        {"name": {"c_name", "s_name"}, "balance": {"c_acctbal", "s_acctbal"}},
    ),
    "a window": (
        "select c_name, row_number() over (partition by c_nationkey order by c_acctbal desc) as place, "
        "sum(c_acctbal) over (partition by c_nationkey) as total from customer",
        {
            "c_name": {"c_name"},
            "place": {"c_nationkey", "c_acctbal"},
            "total": {"c_nationkey", "c_acctbal"},
        },
    ),
    "select *": ("select * from region", {"r_regionkey": {"r_regionkey"}, "r_name": {"r_name"}}),
    "select * of a join, with one left out": (
        "select n.* exclude (n_regionkey), r_name from nation n join region r on n_regionkey = r_regionkey",
        {"n_nationkey": {"n_nationkey"}, "n_name": {"n_name"}, "r_name": {"r_name"}},
    ),
    "a scalar subquery": (
        "select p_name, (select min(ps_supplycost) from partsupp where ps_partkey = p_partkey) as cheapest "
        "from part",
        {"p_name": {"p_name"}, "cheapest": {"ps_supplycost"}},
    ),
    "qualify": (
        "select o_custkey, o_totalprice from orders qualify row_number() over (partition by o_custkey order "
        "by o_orderdate desc) = 1",
        {"o_custkey": {"o_custkey"}, "o_totalprice": {"o_totalprice"}},
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_the_lineage_of_a_query_is_what_was_worked_out_by_hand(name: str) -> None:
    sql, truth = QUERIES[name]
    tables = [Table(f"source.{table}", table, columns=names.split()) for table, names in TPCH.items()]
    found = trace_query(sql, dialect="duckdb", tables=tables).columns
    wrong = {
        column: {origin.column for origin in origins} ^ truth[column]
        for column, origins in found.items()
        if column in truth and {origin.column for origin in origins} - truth[column]
    }
    assert wrong == {}
    assert {column: {origin.column for origin in origins} for column, origins in found.items()} == truth


def test_a_lateral_subquery_is_traced() -> None:
    sql = (
        "select c_name, latest.o_totalprice as price from customer c cross join lateral (select o_totalprice "
        "from orders o where o.o_custkey = c.c_custkey order by o_orderdate desc limit 1) as latest"
    )
    tables = [Table(f"source.{table}", table, columns=names.split()) for table, names in TPCH.items()]
    found = trace_query(sql, dialect="duckdb", tables=tables)
    assert {name: [each.column for each in origins] for name, origins in found.columns.items()} == {
        "c_name": ["c_name"],
        "price": ["o_totalprice"],
    }
    assert {each.column for each in found.rows} == {"o_custkey", "c_custkey", "o_orderdate"}


def test_sql_that_cannot_be_read_leaves_the_tables_as_they_are_known(tmp_path: Path) -> None:
    dbt = Project(tmp_path / "dbt", "shop", {"type": "duckdb", "path": f"{tmp_path}/w.duckdb"}, "w")
    source = dbt.source("raw", "orders", "raw")
    dbt.model("odd", "main", [source], "frobnicate the 'orders ((")
    read = dbt.model("even", "main", [source], 'select amount from "w"."raw"."orders"')
    assert read
    graph = column_graph(wire(dg.Definitions(assets=[dbt.assets()])))
    amount = graph.find("raw.orders.amount")
    assert {str(each) for each in graph.downstream(amount).columns()} == {"even.amount"}
    assert [key.to_user_string() for key in graph.readers(amount)] == ["odd"]


@pytest.mark.parametrize("select", [None, ["id", "a", "b as c", "d"]])
def test_what_transforms_compute_is_made_of_what_their_expressions_name(
    select: Any, tmp_path: Path, replicate: Replicate
) -> None:
    stream: dict[str, Any] = {
        "object": "raw.t",
        "transforms": [
            {"a": "upper"},
            {"full": 'record.a + "-" + record.c', "d": "value + 1", "none": '"x"'},
            {"twice": "record.full + record.full"},
        ],
    }
    names = {"select": ["*", "b as c"]} if select is None else {"select": select}
    assets = replicate("PG", "DUCK", {"app.t": {**stream, **names}})

    # What is not known from the document is asked for by whoever reads it.
    deps = [dg.TableColumnDep(dg.AssetKey(["target", "raw", "t"]), name) for name in ("a", "d", "none")]
    declared = {"dagster/column_lineage": dg.TableColumnLineage({"v": deps})}

    @dg.asset(deps=[dg.AssetKey(["target", "raw", "t"])], metadata=declared)
    def reader() -> None: ...

    defs = dg.Definitions(assets=[assets, reader], resources={"sling": sling(tmp_path)})
    graph = column_graph(wire(defs))
    assert up(graph, "target.raw.t.full") == {"app.t.a", "app.t.b"}
    assert up(graph, "target.raw.t.twice") == {"app.t.a", "app.t.b"}
    assert up(graph, "target.raw.t.none") == {"target.raw.t.none"}
    assert up(graph, "reader.v") == {"app.t.a", "app.t.d", "target.raw.t.none"}
    assert "target.raw.t.twice" in down(graph, "app.t.b")


def test_a_column_that_chooses_rows_is_known_by_the_assets_that_depend_on_it(tmp_path: Path) -> None:
    dbt = Project(tmp_path / "dbt", "shop", {"type": "duckdb", "path": f"{tmp_path}/w.duckdb"}, "w")
    source = dbt.source("raw", "orders", "raw")
    paid = dbt.model("paid", "main", [source], 'select id from "w"."raw"."orders" where state = 1')
    dbt.model("counted", "main", [paid], 'select count(*) as number from "w"."main"."paid"')
    dbt.model("other", "main", [source], 'select id from "w"."raw"."orders"')
    graph = column_graph(dg.Definitions(assets=[dbt.assets()]))
    impact = graph.impact(graph.find("raw.orders.state"))
    assert impact.columns == []
    assert [key.to_user_string() for key in impact.assets] == ["counted", "paid"]
    assert str(impact) == "2 assets (counted, paid)"


def test_what_is_not_traced_says_why_and_is_made_of_its_tables(tmp_path: Path) -> None:
    dbt = Project(tmp_path / "dbt", "shop", {"type": "duckdb", "path": f"{tmp_path}/w.duckdb"}, "w")
    source = dbt.source("raw", "orders", "raw")
    odd = dbt.model("odd", "main", [source], 'pivot "w"."raw"."orders" on a using sum(b)')
    dbt.model("even", "main", [odd], 'select x + 1 as y from "w"."main"."odd"')
    graph = column_graph(dg.Definitions(assets=[dbt.assets()]))
    odd_key = dg.AssetKey("odd")
    assert graph.untraced([odd_key, dg.AssetKey("even")]) == {odd_key: "there is no rule for PIVOT"}
    assert up(graph, "even.y") == {"raw.orders.*"}
    assert up(graph, "odd.x") == {"raw.orders.*"}


def test_a_chain_of_a_thousand_models_is_no_deeper_than_another(tmp_path: Path) -> None:
    dbt = Project(tmp_path / "dbt", "shop", {"type": "duckdb", "path": f"{tmp_path}/w.duckdb"}, "w")
    above = dbt.source("raw", "m0", "main")
    for number in range(1, 1001):
        above = dbt.model(f"m{number}", "main", [above], f'select id from "w"."main"."m{number - 1}"')
    planned = PlannedLineage(dbt.manifest, None)
    assert [str(each) for each in planned.of(above).columns["id"]] == [
        "Origin(unique_id='model.shop.m999', column='id')"
    ]
