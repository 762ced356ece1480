"""The tables that are moved: made by the server from row numbers, so that every run has the same."""

from __future__ import annotations

from mainstem.testing.postgres import EmbeddedPostgres

__all__ = ["create", "wide_columns"]

# The shape of TPC-H's lineitem: 16 columns, four of them decimals.
_LINEITEM = """
select (i / 4 + 1)::bigint as l_orderkey, (i * 7919) % 200000 + 1 as l_partkey,
       (i * 31) % 10000 + 1 as l_suppkey, (i % 7 + 1)::int as l_linenumber,
       ((i * 17) % 50 + 1)::numeric(15,2) as l_quantity,
       (((i * 7919) % 10000000) / 100.0)::numeric(15,2) as l_extendedprice,
       ((i % 11) / 100.0)::numeric(15,2) as l_discount, ((i % 9) / 100.0)::numeric(15,2) as l_tax,
       (array['A','N','R'])[(i % 3 + 1)::int]::char(1) as l_returnflag,
       (array['O','F'])[(i % 2 + 1)::int]::char(1) as l_linestatus,
       date '1992-01-02' + (i % 2526)::int as l_shipdate, date '1992-01-31' + (i % 2466)::int as l_commitdate,
       date '1992-01-04' + (i % 2555)::int as l_receiptdate,
       (array['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[(i % 4 + 1)::int]::char(25)
         as l_shipinstruct,
       (array['AIR','FOB','MAIL','RAIL','REG AIR','SHIP','TRUCK'])[(i % 7 + 1)::int]::char(10) as l_shipmode,
       substr(md5(i::text) || ' ' || md5((i * 3)::text), 1, (10 + i % 34)::int)::varchar(44) as l_comment
  from generate_series(1::bigint, {rows}) i
"""
_ORDERS = """
select i as o_orderkey, (i * 7919) % 150000 + 1 as o_custkey, (array['O','F','P'])[(i % 3 + 1)::int]::char(1)
         as o_orderstatus, (((i * 31) % 50000000) / 100.0)::numeric(15,2) as o_totalprice,
       date '1992-01-01' + (i % 2406)::int as o_orderdate,
       (array['1-URGENT','2-HIGH','3-MEDIUM','4-NOT SPECIFIED','5-LOW'])[(i % 5 + 1)::int]::char(15)
         as o_orderpriority,
       'Clerk#' || lpad((i % 1000)::text, 9, '0') as o_clerk, 0 as o_shippriority,
       substr(md5(i::text) || md5((i * 7)::text), 1, (19 + i % 45)::int)::varchar(79) as o_comment,
       timestamp '2024-01-01' + i * interval '1 second' as o_updated
  from generate_series(1::bigint, {rows}) i
"""
_LONG = """
select i as id, repeat(md5(i::text), 60) as body,
       jsonb_build_object('id', i, 'tags', jsonb_build_array(md5(i::text), i % 10),
                          'note', repeat('x', 200)) as data
  from generate_series(1::bigint, {rows}) i
"""


def wide_columns(number: int = 500) -> str:
    """The select list of a table of so many columns, of four types."""
    kinds = (
        "(i + {n})::int",
        "((i * {n}) % 1000 / 10.0)::numeric(12,2)",
        "md5((i + {n})::text)",
        "i * 1.5 + {n}",
    )
    return ", ".join(f"{kinds[n % 4].format(n=n)} as c{n:03}" for n in range(number))


def create(server: EmbeddedPostgres, rows: int, small_tables: int) -> None:
    """Make all tables.

    Args:
        server: Where.
        rows: The rows of ``lineitem``; ``orders`` has a quarter of them.
        small_tables: How many tables of 100 rows.
    """
    wide = f"select i as id, {wide_columns()} from generate_series(1::bigint, {rows // 300}) i"
    server.execute(
        f"create table lineitem as {_LINEITEM.format(rows=rows)}",
        f"create table orders as {_ORDERS.format(rows=rows // 4)}",
        f"create table long as {_LONG.format(rows=rows // 60)}",
        f"create table wide as {wide}",
        "create schema small",
        *(
            f"create table small.t{n:03} as select i as id, md5(i::text) as name, i * {n} as amount"
            " from generate_series(1, 100) i"
            for n in range(small_tables)
        ),
    )
    server.execute("analyze")
