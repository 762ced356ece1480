"""What a query selects from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlglot import exp

from mainstem.dbt.lineage.relation import Output, Relation, relation_of, together
from mainstem.dbt.lineage.scope import Scope, Seen
from mainstem.dbt.lineage.star import all_columns
from mainstem.dbt.lineage.tables import Origins, Tables, UntracedError
from mainstem.dbt.lineage.values import Values

__all__ = ["FromClause"]

_TABLE_KNOWN = {
    "this",
    "alias",
    "db",
    "catalog",
    "sample",
    "joins",
    "hints",
    "only",
    "version",
    "when",
    "laterals",
}
_JOIN_KNOWN = {
    "this",
    "side",
    "kind",
    "using",
    "on",
    "method",
    "hint",
    "global",
    "global_",
    "match_condition",
}
_LATERAL_KNOWN = {"this", "view", "outer", "alias", "cross_apply"}
# Their rows are made of their arguments, and of nothing else.
_FUNCTIONS = (exp.GenerateSeries, exp.Explode, exp.GenerateDateArray)
_HIDDEN = {"SEMI", "ANTI"}


class FromClause:
    """Adds what a select reads to its scope.

    Args:
        tables: The tables that are there.
        values: What expressions are made of.
        nested: Traces a subquery, or finds the query that a name stands for.
        note: Takes columns that choose rows.
    """

    def __init__(
        self,
        tables: Tables,
        values: Values,
        nested: Callable[[Any, Scope | None], Relation | None],
        note: Callable[[Callable[[], Origins]], None],
    ) -> None:
        self._tables = tables
        self._values = values
        self._nested = nested
        self._note = note

    def take(self, select: exp.Select, scope: Scope) -> None:
        """Add all that a select reads.

        Raises:
            UntracedError: There is no rule for something that it reads.
        """
        from_ = select.args.get("from_") or select.args.get("from")
        if from_ is not None:
            self._add(from_.this, scope)
        for join in select.args.get("joins") or ():
            self._join(join, scope)
        for lateral in select.args.get("laterals") or ():
            self._add(lateral, scope)

    def _add(self, node: Any, scope: Scope) -> None:
        if node.args.get("pivots"):
            raise UntracedError("there is no rule for PIVOT and UNPIVOT")
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            self._parenthesis(node, scope)
        else:
            scope.seen.append(self._seen(node, scope))
        for join in node.args.get("joins") or ():
            self._join(join, scope)
        for lateral in node.args.get("laterals") or ():
            self._add(lateral, scope)

    def _parenthesis(self, node: exp.Subquery, scope: Scope) -> None:
        inner = Scope(scope.language, scope.outer)
        self._add(node.this, inner)
        if node.alias:
            scope.seen.append(Seen((node.alias.lower(),), all_columns(inner).renamed(_names(node))))
        else:
            scope.seen += inner.seen
            scope.merged.update(inner.merged)

    def _seen(self, node: Any, scope: Scope) -> Seen:
        names = _names(node)
        path = (node.alias.lower(),) if node.alias else ()
        if isinstance(node, exp.Table):
            return self._table(node, scope, path, names)
        if isinstance(node, exp.Subquery):
            outer = scope if scope.language.sees_siblings else scope.outer
            return Seen(path, _there(self._nested(node, outer)).renamed(names))
        if isinstance(node, exp.Lateral) and not _strange(node, _LATERAL_KNOWN):
            if isinstance(node.this, exp.Subquery):
                return Seen(path, _there(self._nested(node.this, scope)).renamed(names))
            return self._function(node.this, scope, path, names)
        if isinstance(node, exp.Unnest):
            offset = node.args.get("offset")
            more = [offset.name] if isinstance(offset, exp.Identifier) else []
            return self._function(node.expressions, scope, path, names, more)
        if isinstance(node, exp.Values):
            return Seen(path, self._values_of(node, scope).renamed(names))
        raise UntracedError(f"there is no rule for {type(node).__name__.upper()} in `from`")

    def _table(self, node: exp.Table, scope: Scope, path: tuple[str, ...], names: list[str]) -> Seen:
        strange = _strange(node, _TABLE_KNOWN)
        if strange:
            raise UntracedError(f"there is no rule for {strange[0]} of a table")
        if isinstance(node.this, _FUNCTIONS):
            return self._function(node.this, scope, path, names)
        if not isinstance(node.this, exp.Identifier):
            raise UntracedError(f"there is no rule for the table function {node.this.sql()}")
        own = [part.name for part in node.parts]
        found = self._nested(own[0], None) if len(own) == 1 else None
        if found is not None:
            return Seen(path or (own[0].lower(),), found.renamed(names))
        table = self._tables.find(own)
        whole = [part.lower() for part in (table.database, table.schema, table.name) if part]
        return Seen(path or tuple(whole), relation_of(table).renamed(names))

    def _function(
        self,
        arguments: Any,
        scope: Scope,
        path: tuple[str, ...],
        names: list[str],
        more: list[str] | None = None,
    ) -> Seen:
        """A function whose rows are made of its arguments, whatever its columns are called."""
        origins = self._values.of(arguments, scope)
        self._note(lambda: origins)
        outputs = [Output(name, origins) for name in [*(names or path), *(more or ())]]
        return Seen(path, Relation(outputs, None if names else lambda _: origins))

    def _values_of(self, node: exp.Values, scope: Scope) -> Relation:
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions]
        columns = zip(*rows, strict=True)
        return Relation([Output(None, self._values.of(list(column), scope)) for column in columns])

    # Joins.

    def _join(self, join: exp.Join, scope: Scope) -> None:
        strange = _strange(join, _JOIN_KNOWN)
        if strange:
            raise UntracedError(f"there is no rule for {strange[0]} of a join")
        before = len(scope.seen)
        left = Scope(scope.language, None, list(scope.seen), dict(scope.merged))
        self._add(join.this, scope)
        right = Scope(scope.language, None, scope.seen[before:])
        names = [each.name for each in join.args.get("using") or ()]
        if (join.method or "").upper() == "NATURAL":
            names = _common(left, right)
        for name in names:
            self._merge(name, left, right, scope, (join.side or "").upper())
        for condition in ("on", "match_condition"):
            if join.args.get(condition) is not None:
                self._note(partial(self._values.of, join.args[condition], scope))
        if (join.kind or "").upper() in _HIDDEN:
            del scope.seen[before:]
            scope.merged = left.merged

    def _merge(self, name: str, left: Scope, right: Scope, scope: Scope, side: str) -> None:
        """Make one column of two that ``using`` names."""

        def either() -> Origins:
            return left.find([name]) | right.find([name])

        self._note(either)
        wanted = {"RIGHT": [right], "FULL": [left, right]}.get(side, [left])
        try:
            scope.merged[name.lower()] = together(each.find([name]) for each in wanted)
        except UntracedError:
            scope.merged[name.lower()] = None


def _common(left: Scope, right: Scope) -> list[str]:
    both = [
        [output.name for output in all_columns(scope).positions if output.name] for scope in (left, right)
    ]
    others = {name.lower() for name in both[1]}
    return [name for name in both[0] if name.lower() in others]


def _names(node: Any) -> list[str]:
    """The names that an alias gives to columns."""
    alias = node.args.get("alias")
    return [each.name for each in alias.columns] if isinstance(alias, exp.TableAlias) else []


def _strange(node: Any, known: set[str]) -> list[str]:
    return [name for name, arg in node.args.items() if arg and name not in known]


def _there(relation: Relation | None) -> Relation:
    if relation is None:
        raise UntracedError("there is no such query")
    return relation
