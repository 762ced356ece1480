"""Is what arrived what was sent? One line of sums per table, the same from whatever wrote it.

A sum per column: numbers as exact decimals, moments as microseconds, days as days, texts by their MD5
without the blanks that CHAR pads with, JSON by its values. Tools map types differently, so each column is
first cast to the type that it had. Rows may come in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from benchmarks.movement.tables import Column, Table

__all__ = ["duckdb_sums", "postgres_sums", "same"]

_NUMBERS = {"integer", "bigint", "decimal", "double precision"}


def duckdb_sums(table: Table, relation: str) -> str:
    """The query of the sums, in DuckDB's SQL."""
    return _query(table, relation, _duckdb)


def postgres_sums(table: Table, relation: str) -> str:
    """The query of the sums, in PostgreSQL's SQL."""
    return _query(table, relation, _postgres)


def same(table: Table, sent: Sequence[Any], arrived: Sequence[Any]) -> str | None:
    """Compare two lines of sums.

    Returns:
        What is wrong, or ``None``.
    """
    if sent[0] != arrived[0]:
        return f"{table.name}: {arrived[0]} rows of {sent[0]}"
    named = [name for each in table.columns for name in (f"NULLs of {each.name}", each.name)]
    for name, left, right in zip(named, sent[1:], arrived[1:], strict=True):
        if _number(left) != _number(right):
            return f"{table.name}: {name} has {right}, not {left}"
    return None


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _query(table: Table, relation: str, told: Any) -> str:
    sums = ", ".join(
        f'count(*) - count("{each.name}"), {told(each, f""""{each.name}" """)}' for each in table.columns
    )
    return f"select count(*), {sums} from {relation}"


def _duckdb(column: Column, name: str) -> str:
    if column.kind in _NUMBERS:
        return f"sum(cast({name} as decimal(38,6)))"
    if column.kind == "date":
        return f"sum(date_diff('day', date '1970-01-01', cast({name} as date)))"
    if column.kind == "timestamp":
        return f"sum(epoch_us(cast({name} as timestamp)))"
    if column.kind == "json":
        name = f"cast({name} as json)"
        name = f"(({name} ->> '$.id') || ({name} ->> '$.note') || ({name} ->> '$.tags[0]'))"
    return f"sum(('0x' || substr(md5(rtrim(cast({name} as varchar), ' ')), 1, 8))::bigint)"


def _postgres(column: Column, name: str) -> str:
    if column.kind in _NUMBERS:
        return f"sum(cast({name} as numeric))::text"
    if column.kind == "date":
        return f"sum(cast({name} as date) - date '1970-01-01')::text"
    if column.kind == "timestamp":
        return f"sum(cast(extract(epoch from cast({name} as timestamp)) * 1000000 as numeric))::text"
    if column.kind == "json":
        name = f"cast({name} as jsonb)"
        name = f"(({name} ->> 'id') || ({name} ->> 'note') || ({name} -> 'tags' ->> 0))"
    return f"sum(('x' || substr(md5(rtrim(cast({name} as text))), 1, 8))::bit(32)::bigint)::text"
