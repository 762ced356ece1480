"""What a SELECT says behind its FROM, as all systems have it."""

from __future__ import annotations

from collections.abc import Callable

from mainstem.endpoints.base import Query
from mainstem.schema import Column

__all__ = ["clauses"]


def clauses(query: Query, ordered: Callable[[Column], str], every: int | None = None) -> str:
    r"""The conditions, the order and the bounds of a query; with a blank in front where there are any.

    Args:
        query: What is read. A line break behind each condition ends a comment of the user's.
        ordered: How the system orders by a column.
        every: The limit that stands for all rows, where the system knows no offset without a limit.

    Example:
        >>> clauses(Query([], where=["a > 1"], limit=5), str)
        ' WHERE (\na > 1\n) LIMIT 5'
        >>> clauses(Query([], offset=2), str, every=-1)
        ' LIMIT -1 OFFSET 2'
    """
    conditions = " AND ".join(f"(\n{condition}\n)" for condition in query.where)
    order = ", ".join(ordered(column) for column in query.order_by)
    limit = every if query.limit is None and query.offset else query.limit
    found = [
        f"WHERE {conditions}" if conditions else "",
        f"ORDER BY {order}" if order else "",
        "" if limit is None else f"LIMIT {int(limit)}",
        f"OFFSET {int(query.offset)}" if query.offset else "",
    ]
    return "".join(f" {clause}" for clause in found if clause)
