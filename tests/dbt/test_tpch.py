"""The queries of TPC-H as dbt models: of which columns each of theirs is made, worked out by hand."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pytest

from mainstem.dbt import DbtProject
from mainstem.dbt.lineage import QueryLineage, Table, trace_query
from mainstem.dbt.manifest import read_manifest
from mainstem.dbt.planned_lineage import PlannedLineage

PROJECT = Path(__file__).parent / "projects" / "tpch"
REVENUE = "l_extendedprice l_discount"
# Their columns; a column without `=` is made of the one of its own name.
TRUTH: Mapping[int, str] = {
    1: f"""l_returnflag, l_linestatus, sum_qty = l_quantity, sum_base_price = l_extendedprice,
        sum_disc_price = {REVENUE}, sum_charge = {REVENUE} l_tax, avg_qty = l_quantity,
        avg_price = l_extendedprice, avg_disc = l_discount, count_order =""",
    2: "s_acctbal, s_name, n_name, p_partkey, p_mfgr, s_address, s_phone, s_comment",
    3: f"l_orderkey, revenue = {REVENUE}, o_orderdate, o_shippriority",
    4: "o_orderpriority, order_count =",
    5: f"n_name, revenue = {REVENUE}",
    6: f"revenue = {REVENUE}",
    7: f"supp_nation = n_name, cust_nation = n_name, l_year = l_shipdate, revenue = {REVENUE}",
    8: f"o_year = o_orderdate, mkt_share = n_name {REVENUE}",
    9: f"nation = n_name, o_year = o_orderdate, sum_profit = {REVENUE} ps_supplycost l_quantity",
    10: f"c_custkey, c_name, revenue = {REVENUE}, c_acctbal, n_name, c_address, c_phone, c_comment",
    11: "ps_partkey, value = ps_supplycost ps_availqty",
    12: "l_shipmode, high_line_count = o_orderpriority, low_line_count = o_orderpriority",
    13: "c_count = o_orderkey, custdist =",
    14: f"promo_revenue = p_type {REVENUE}",
    15: f"s_suppkey, s_name, s_address, s_phone, total_revenue = {REVENUE}",
    16: "p_brand, p_type, p_size, supplier_cnt = ps_suppkey",
    17: "avg_yearly = l_extendedprice",
    18: "c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, total_quantity = l_quantity",
    19: f"revenue = {REVENUE}",
    20: "s_name, s_address",
    21: "s_name, numwait =",
    22: "cntrycode = c_phone, numcust =, totacctbal = c_acctbal",
}
# The letters with which the columns of a table begin.
OWNERS = {
    **{"s": "supplier", "c": "customer", "p": "part", "ps": "partsupp"},
    **{"o": "orders", "l": "lineitem", "n": "nation", "r": "region"},
}
# The columns that choose their rows, of some of them.
CHOOSING = {
    4: "o_orderdate o_orderkey o_orderpriority l_orderkey l_commitdate l_receiptdate",
    6: "l_shipdate l_discount l_quantity",
    13: "c_custkey o_custkey o_comment o_orderkey",
    17: "p_partkey l_partkey p_brand p_container l_quantity",
    20: "s_suppkey ps_suppkey ps_partkey p_partkey p_name ps_availqty l_quantity l_partkey l_suppkey "
    "l_shipdate s_nationkey n_nationkey n_name s_name",
}


def truth(number: int) -> dict[str, set[str]]:
    parts = [part.partition("=") for part in TRUTH[number].split(",")]
    return {name.strip(): set(made.split()) if sign else {name.strip()} for name, sign, made in parts}


@pytest.fixture(scope="module")
def tpch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's manifest."""
    folder = tmp_path_factory.mktemp("tpch") / "tpch"
    shutil.copytree(PROJECT, folder)
    project = DbtProject(folder)
    project.prepare()
    return project.manifest_path


@pytest.fixture(scope="module")
def planned(tpch: Path) -> PlannedLineage:
    return PlannedLineage(read_manifest(tpch), tpch.parent)


def made(found: QueryLineage) -> dict[str, set[str]]:
    return {name: {each.column for each in own} for name, own in found.columns.items()}


@pytest.mark.parametrize("number", TRUTH)
def test_before_a_run_the_columns_of_a_model_are_what_was_worked_out_by_hand(
    planned: PlannedLineage, number: int
) -> None:
    found = planned.of(f"model.tpch.q{number:02}")
    assert made(found) == truth(number)
    # A project need not tell all columns of its sources: a name in a subquery may be one of the others.
    assert all(problem.startswith("which rows there are") for problem in found.problems)


def test_where_all_columns_are_known_all_is_told(tpch: Path) -> None:
    tables = list(read_manifest(tpch)["sources"].values())
    known = [Table(each["name"], each["name"], columns=list(each["columns"])) for each in tables]
    with duckdb.connect() as connection:
        for table in tables:
            columns = ", ".join(f"{name} {_kind(name)}" for name in table["columns"])
            connection.execute(f"create table {table['name']} ({columns})")
        for number in TRUTH:
            sql = (PROJECT / "models" / f"q{number:02}.sql").read_text()
            for table in tables:
                sql = sql.replace("{{ source('tpch', '" + table["name"] + "') }}", table["name"])
            names = [each[0] for each in connection.execute(sql).description]
            assert names == list(truth(number))
            found = trace_query(sql, dialect="duckdb", tables=known, columns=names)
            assert (made(found), found.problems) == (truth(number), [])
            if number in CHOOSING:
                assert {each.column for each in found.rows} == set(CHOOSING[number].split())
            origins = [*found.rows, *(each for own in found.columns.values() for each in own)]
            assert all(each.unique_id == OWNERS[each.column.partition("_")[0]] for each in origins)


def _kind(name: str) -> str:
    if name.endswith("date"):
        return "date"
    numbers = ("key", "qty", "cost", "price", "discount", "tax", "quantity", "acctbal", "size", "priority")
    return "decimal(15, 2)" if name.endswith(numbers) and name != "o_orderpriority" else "varchar"
