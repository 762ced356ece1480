"""The tables that are moved, as data: their columns, and how DuckDB computes them from a row's number.

Nothing is random and nothing is downloaded: every run, on every machine, moves the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Column", "Sizes", "Table", "ledger", "lineitem", "long", "orders", "small", "wide"]


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: Its name.
        type: Its type, in words that DuckDB, PostgreSQL and MySQL share.
        value: Its value in DuckDB's SQL, of ``i``, the row's number from 1 on.
    """

    name: str
    type: str
    value: str

    @property
    def kind(self) -> str:
        """The type without its length."""
        return self.type.partition("(")[0]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its name.
        rows: How many rows it has.
        columns: Its columns.
        index: The column that PostgreSQL has an index on.
        key: Its primary key there.
    """

    name: str
    rows: int
    columns: Sequence[Column]
    index: str | None = None
    key: str | None = None

    def select(self) -> str:
        """The query that makes its rows, in DuckDB's SQL."""
        values = ", ".join(f'cast({each.value} as {each.type}) as "{each.name}"' for each in self.columns)
        return f"select {values} from range(1, {self.rows + 1}) as made(i)"


@dataclass(frozen=True)
class Sizes:
    """How much is moved.

    Attributes:
        rows: The rows of ``lineitem`` and of ``ledger``; the other tables follow from it.
        small_tables: How many tables of 100 rows.
    """

    rows: int
    small_tables: int

    @property
    def orders(self) -> int:
        """The rows of ``orders``."""
        return self.rows // 4

    @property
    def changed(self) -> int:
        """The rows of ``ledger`` that have changed: 100,000 of 6 million."""
        return max(self.rows // 60, 1)


def _one_of(words: Sequence[str]) -> str:
    listed = ", ".join(f"'{word}'" for word in words)
    return f"[{listed}][i % {len(words)} + 1]"


def lineitem(sizes: Sizes) -> Table:
    """TPC-H's lineitem in shape: 16 columns, four of them decimals."""
    return Table(
        "lineitem",
        sizes.rows,
        (
            Column("l_orderkey", "bigint", "i // 4 + 1"),
            Column("l_partkey", "bigint", "(i * 7919) % 200000 + 1"),
            Column("l_suppkey", "bigint", "(i * 31) % 10000 + 1"),
            Column("l_linenumber", "integer", "i % 7 + 1"),
            Column("l_quantity", "decimal(15,2)", "(i * 17) % 50 + 1"),
            Column("l_extendedprice", "decimal(15,2)", "((i * 7919) % 10000000)::decimal(18,2) / 100"),
            Column("l_discount", "decimal(15,2)", "(i % 11)::decimal(18,2) / 100"),
            Column("l_tax", "decimal(15,2)", "(i % 9)::decimal(18,2) / 100"),
            Column("l_returnflag", "char(1)", _one_of(["A", "N", "R"])),
            Column("l_linestatus", "char(1)", _one_of(["O", "F"])),
            Column("l_shipdate", "date", "date '1992-01-02' + (i % 2526)::integer"),
            Column("l_commitdate", "date", "date '1992-01-31' + (i % 2466)::integer"),
            Column("l_receiptdate", "date", "date '1992-01-04' + (i % 2555)::integer"),
            Column(
                "l_shipinstruct",
                "char(25)",
                _one_of(["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]),
            ),
            Column(
                "l_shipmode",
                "char(10)",
                _one_of(["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]),
            ),
            Column(
                "l_comment", "varchar(44)", "substr(md5(i::varchar) || ' ' || md5('b' || i), 1, 10 + i % 34)"
            ),
        ),
    )


def orders(sizes: Sizes) -> Table:
    """TPC-H's orders in shape: 9 columns."""
    return Table("orders", sizes.orders, _orders(), key="o_orderkey")


def ledger(sizes: Sizes, *, changed: bool) -> Table:
    """Orders with the time of their last change, as many as lineitem has rows: what is merged.

    Args:
        sizes: How many.
        changed: Whether every sixtieth row has a new price, and a later time than all others.
    """
    price, moment = (
        "((i * 31) % 50000000)::decimal(18,2) / 100",
        "timestamp '2024-01-01' + i * interval 1 second",
    )
    if changed:
        condition = f"i % 60 = 0 or {sizes.rows} < 60"
        price = f"{price} + if({condition}, 1, 0)"
        moment = f"{moment} + if({condition}, interval 1 year, interval 0 year)"
    columns = [
        Column("o_totalprice", "decimal(15,2)", price) if each.name == "o_totalprice" else each
        for each in _orders()
    ]
    return Table(
        "ledger",
        sizes.rows,
        (*columns, Column("o_updated", "timestamp", moment)),
        index="o_updated",
        key="o_orderkey",
    )


def _orders() -> tuple[Column, ...]:
    return (
        Column("o_orderkey", "bigint", "i"),
        Column("o_custkey", "bigint", "(i * 7919) % 150000 + 1"),
        Column("o_orderstatus", "char(1)", _one_of(["O", "F", "P"])),
        Column("o_totalprice", "decimal(15,2)", "((i * 31) % 50000000)::decimal(18,2) / 100"),
        Column("o_orderdate", "date", "date '1992-01-01' + (i % 2406)::integer"),
        Column(
            "o_orderpriority",
            "char(15)",
            _one_of(["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]),
        ),
        Column("o_clerk", "char(15)", "'Clerk#' || lpad((i % 1000)::varchar, 9, '0')"),
        Column("o_shippriority", "integer", "0"),
        Column("o_comment", "varchar(79)", "substr(md5(i::varchar) || md5('c' || i), 1, 19 + i % 45)"),
    )


def wide(sizes: Sizes) -> Table:
    """A table of 500 columns of four types; every tenth text is NULL."""
    kinds = (
        ("integer", "i + {n}"),
        ("decimal(12,2)", "((i * {n}) % 1000)::decimal(18,2) / 10"),
        ("varchar(40)", "if((i + {n}) % 10 = 0, null, md5((i + {n})::varchar))"),
        ("double precision", "i * 1.5 + {n}"),
    )
    columns = [Column("id", "bigint", "i")]
    for n in range(1, 500):
        type_, value = kinds[n % len(kinds)]
        columns.append(Column(f"c{n:03}", type_, value.format(n=n)))
    return Table("wide", max(sizes.rows // 300, 1), columns)


def long(sizes: Sizes) -> Table:
    """Texts of 2 kB, with line ends and quotes, beside JSON documents."""
    note = "repeat('x', 200)"
    return Table(
        "long",
        max(sizes.rows // 60, 1),
        (
            Column("id", "bigint", "i"),
            Column("body", "text", """repeat(md5(i::varchar) || chr(10) || '"quoted", ', 40)"""),
            Column("data", "json", f"{{'id': i, 'tags': [md5(i::varchar), 'b'], 'note': {note}}}::json"),
        ),
    )


def small(sizes: Sizes) -> tuple[Table, ...]:
    """Tables of 100 rows."""
    return tuple(
        Table(
            f"t{n:03}",
            100,
            (
                Column("id", "integer", "i"),
                Column("name", "varchar(40)", "md5(i::varchar)"),
                Column("amount", "bigint", f"i * {n}"),
            ),
        )
        for n in range(sizes.small_tables)
    )
