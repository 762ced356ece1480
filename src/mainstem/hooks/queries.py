"""`query`: SQL on a connection; within the publishing transaction where it is the target's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlglot
from sqlglot.errors import SqlglotError

from mainstem.connections import Connection
from mainstem.endpoints import SqlTarget, open_endpoint, open_target
from mainstem.endpoints.sql import split_statements
from mainstem.errors import EndpointError, HookError, NotSupportedYetError
from mainstem.hooks.model import Call, Result

__all__ = ["query"]

_READS = ("select", "with", "values", "show", "describe", "desc", "explain", "pragma", "table", "from")
_MOST_ROWS = 10_000


def query(call: Call) -> Result:
    """Run SQL, and keep the rows of the last statement that has any."""
    if call.keys.get("operation"):
        raise NotSupportedYetError(
            "`operation` of a query hook is not supported yet.", position=call.position
        )
    name = str(call.keys.get("connection") or "target")
    connection = call.services.connection(name)
    sql = call.text("query")
    rows: list[dict[str, Any]] = []
    try:
        within = call.services.open_target
        if within is not None and connection == within.connection:
            rows = _within(within, call.scope.in_sql(sql, within.dialect))
        else:
            rows = _apart(connection, sql, call)
    except EndpointError as error:
        if call.keys.get("continue_on_error") is True:
            return Result({"result": [], "error": str(error)}, [], str(error), "warn")
        raise HookError(f"The query failed: {error}", transient=error.transient) from error
    columns = list(rows[0]) if rows else []
    return Result({"result": rows, "columns": columns, "row_count": len(rows)}, rows)


def _apart(connection: Connection, sql: str, call: Call) -> list[dict[str, Any]]:
    """Run statements one after the other, each for itself."""
    rows: list[dict[str, Any]] = []
    breaker = call.services.breaker
    with open_endpoint(connection) as endpoint:
        statements = split_statements(call.scope.in_sql(sql, endpoint.dialect), endpoint.dialect)
    for statement in statements:
        if _reads(statement):
            with open_endpoint(connection) as endpoint, breaker.watching(endpoint.cancel):
                rows = endpoint.execute(statement, _MOST_ROWS).to_pylist()
        else:
            with open_target(connection) as target, breaker.watching(target.cancel):
                target.connect_to_write()
                target.run_script(statement)
    return rows


def _within(target: SqlTarget, sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for statement in split_statements(sql, target.dialect):
        if _reads(statement):
            found = target.rows(statement)
            names = _names(statement, target.dialect, len(found[0]) if found else 0)
            rows = [dict(zip(names, row, strict=True)) for row in found[:_MOST_ROWS]]
        else:
            target.run(statement)
    return rows


def _reads(statement: str) -> bool:
    """Whether a statement has rows to give, and changes nothing."""
    words = sqlglot.tokenize(statement)
    first = next((token.text.lower() for token in words if token.text != "("), "")
    writes = {token.text.lower() for token in words} & {"insert", "update", "delete", "merge"}
    return first in _READS and not (first == "with" and writes)


def _names(statement: str, dialect: str, many: int) -> Sequence[str]:
    try:
        parsed: Any = sqlglot.parse_one(statement, dialect=dialect)
        names = list(parsed.named_selects)
    except (SqlglotError, AttributeError):
        names = []
    return names if len(names) == many and "*" not in names else [f"column_{n}" for n in range(1, many + 1)]
