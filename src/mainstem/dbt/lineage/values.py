"""The columns that an expression is computed from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from mainstem.dbt.lineage.relation import Relation
from mainstem.dbt.lineage.scope import Scope
from mainstem.dbt.lineage.tables import Origin, Origins, UntracedError

__all__ = ["Values", "column_parts"]

# Their own names are no columns of a table, or stand for any number of them.
_REFUSED = (exp.Comprehension, exp.Columns, exp.Star)
_QUERIES = (exp.Query, exp.Subquery)
_WITHOUT_COLUMNS = {exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Var, exp.DataType, str, bool}


def column_parts(column: exp.Column) -> list[str]:
    """Return the parts of a column's name, as it is written.

    Raises:
        UntracedError: It is no name.
    """
    parts = column.parts
    if not all(isinstance(part, exp.Identifier) for part in parts):
        raise UntracedError(f"{column.sql()} is no column's name")
    return [part.name for part in parts]


class Values:
    """Finds what expressions are made of.

    Args:
        subquery: Traces a query that stands in an expression.
    """

    def __init__(self, subquery: Callable[[Any, Scope], Relation]) -> None:
        self._subquery = subquery

    def of(self, expression: Any, scope: Scope) -> Origins:
        """Return the columns that an expression is computed from.

        Raises:
            UntracedError: They cannot all be told.
        """
        found: set[Origin] = set()
        for column in self._leaves(expression, scope, found):
            found |= scope.find(column_parts(column))
        return frozenset(found)

    def choosing(self, expression: Any, scope: Scope) -> Origins:
        """Return the columns of an expression that chooses rows: it may name what the select gives a name to.

        Raises:
            UntracedError: They cannot all be told.
        """
        found: set[Origin] = set()
        for column in self._leaves(expression, scope, found):
            found |= scope.chosen(column_parts(column))
        return frozenset(found)

    def _leaves(self, node: Any, scope: Scope, found: set[Origin]) -> list[Any]:
        """Return the columns that stand in an expression, and note what its subqueries are made of."""
        columns = []
        waiting = [node]
        while waiting:
            each = waiting.pop()
            kind = type(each)
            if kind is list:
                waiting += each
            elif kind is exp.Column:
                if isinstance(each.this, exp.Star):
                    raise UntracedError(f"{each.sql()} stands for any number of columns")
                columns.append(each)
            elif kind not in _WITHOUT_COLUMNS and hasattr(each, "args"):
                waiting += self._within(each, scope, found)
        return columns

    def _within(self, node: Any, scope: Scope, found: set[Origin]) -> list[Any]:
        """Return the parts of an expression in which columns may stand."""
        if isinstance(node, _QUERIES):
            found |= self._subquery(node, scope).all_origins()
            return []
        if isinstance(node, _REFUSED):
            raise UntracedError(f"there is no rule for {node.sql()}")
        if isinstance(node, exp.Dot) and scope.language.has_methods and isinstance(node.expression, exp.Func):
            # What stands before may be a column or a schema: sqlglot does not tell.
            raise UntracedError(f"there is no rule for {node.sql()}")
        if isinstance(node, exp.Exists):
            # Whether there is a row, and nothing that is in it.
            self._subquery(node.this, scope)
            return []
        parts = dict(node.args)
        if isinstance(node, exp.Window) and parts.get("alias") is not None:
            name = parts.pop("alias").name
            window = scope.windows.get(name.lower())
            if window is None:
                raise UntracedError(f"there is no window {name}")
            named = [part for key, part in window.args.items() if part and key not in {"this", "alias"}]
            return [*named, *(part for part in parts.values() if part)]
        if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            del parts["this"]
        return [part for part in parts.values() if part]
