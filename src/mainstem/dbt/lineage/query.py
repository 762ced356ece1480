"""A query, clause by clause."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from mainstem.dbt.collector import collector_paused
from mainstem.dbt.lineage.dialects import language_of
from mainstem.dbt.lineage.joins import FromClause
from mainstem.dbt.lineage.relation import Output, Relation, together
from mainstem.dbt.lineage.scope import Scope
from mainstem.dbt.lineage.star import expanded, is_star, one_of
from mainstem.dbt.lineage.tables import Origin, Origins, QueryLineage, Table, Tables, UntracedError
from mainstem.dbt.lineage.values import Values

__all__ = ["trace_query"]

Ctes = Mapping[str, Relation]

# The clauses that choose rows, group them or put them in order.
_CHOOSE = ("where", "prewhere", "having", "qualify", "sort", "cluster", "distribute", "limit", "offset")
_KNOWN = {
    *_CHOOSE,
    *("expressions", "from", "from_", "joins", "laterals", "with", "with_", "group", "order", "distinct"),
    *("windows", "hint", "sample", "locks", "settings", "format", "operation_modifiers", "limit_options"),
}
_UNION_KNOWN = {
    *("this", "expression", "distinct", "by_name", "with", "with_", "order", "limit", "offset", "alias"),
}
_CTE_KNOWN = {"this", "alias", "materialized"}
_NUMBERED = re.compile(r"(.+)_\d+")
# A recursive query hands a column on at most as often as it has columns; this is many more than any has.
_TURNS = 1000


def trace_query(
    sql: str,
    *,
    dialect: str | None,
    tables: Sequence[Table],
    columns: Sequence[str] | None = None,
    queries: Mapping[str, str] | None = None,
    own: str | None = None,
) -> QueryLineage:
    """Return what each column of a query is made of.

    Its value is meant: the columns of the expression that computes it, with those of a window or of a
    condition within. Which columns choose the rows is told apart from that, for the query as a whole.

    Args:
        sql: The query, as the database gets it.
        dialect: Its language, in sqlglot's words.
        tables: What the query may read.
        columns: The columns of the result, where they are known. By default those that the query names.
        queries: Queries that stand for names in this one, and in each other.
        own: The unique id of the table that the query makes, where it may read that too: what such a column
            is made of is what it was made of before.

    Returns:
        What is known. Nothing is guessed: what there is no rule for is among its problems.

    Example:
        >>> orders = Table("model.shop.orders", "orders", columns=["id", "net", "tax", "open"])
        >>> sql = "select id, net + tax as total from orders where not open"
        >>> found = trace_query(sql, dialect=None, tables=[orders])
        >>> {column: [origin.column for origin in origins] for column, origins in found.columns.items()}
        {'id': ['id'], 'total': ['net', 'tax']}
        >>> [origin.column for origin in found.rows]
        ['open']
    """
    tracer = _Tracer(dialect, Tables(tables), queries or {})
    # A syntax tree is all circles, and gone at the end.
    with collector_paused():
        try:
            tree = _parsed(sql, dialect)
            found = tracer.relation(tree, {}, None)
            _release(tree)
        except UntracedError as error:
            return QueryLineage(complete=False, problems=[str(error)])
        except RecursionError:
            return QueryLineage(complete=False, problems=["it is nested too deeply"])
        return _told(found, tracer, columns, own)


def _release(tree: Any) -> None:
    """Undo the circles of a syntax tree, so that it is gone at once, and nobody has to look for it."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        each.parent = None
        for part in each.args.values():
            if type(part) is list:
                waiting += [item for item in part if hasattr(item, "args")]
            elif hasattr(part, "args"):
                waiting.append(part)


def _parsed(sql: str, dialect: str | None) -> Any:
    try:
        return parse_one(sql, dialect=dialect)
    except (SqlglotError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UntracedError(f"the SQL cannot be read: {said}") from error


def _told(found: Relation, tracer: _Tracer, columns: Sequence[str] | None, own: str | None) -> QueryLineage:
    problems = list(dict.fromkeys(tracer.problems))
    told: dict[str, Origins] = {}
    rest = found.rest if columns is not None else None
    names = [output.name or "" for output in found.named.values()] if columns is None else columns
    lower = {name.lower() for name in names}
    for name in names:
        output = found.named.get(name.lower())
        origins = output.origins if output else rest(name) if rest else None
        if rest and (f"{name.lower()}_1" in lower or _stem(name) in found.named):
            # DuckDB calls it so where a table of which more is not known has a column of that name as well.
            origins = None
        if origins is not None:
            told[name] = origins
        elif output is not None or rest is not None:
            problems.append(f"column {name}")
    if columns is None and found.rest is not None:
        problems.append("not all columns are known of a table whose columns are all selected")
    if any(output.name is None for output in found.outputs):
        problems.append("a column has no name")
    rows = _without(own, told, tracer.rows)
    traced = {name: sorted(_without(own, told, origins)) for name, origins in told.items()}
    complete = found.rest is None and found.sure and len(found.named) == len(found.outputs)
    return QueryLineage(traced, sorted(rows), complete, list(dict.fromkeys(problems)))


def _without(own: str | None, told: Mapping[str, Origins], origins: set[Origin] | Origins) -> set[Origin]:
    """The origins, where the columns of the table itself stand for what they were made of."""
    by_name = {name.lower(): each for name, each in told.items()}
    found: set[Origin] = set()
    done: set[Origin] = set()
    waiting = list(origins)
    while waiting:
        origin = waiting.pop()
        if origin in done:
            continue
        done.add(origin)
        if origin.unique_id == own:
            waiting += by_name.get(origin.column.lower(), ())
        else:
            found.add(origin)
    return found


class _Tracer:
    """Traces the queries of one text."""

    def __init__(self, dialect: str | None, tables: Tables, queries: Mapping[str, str]) -> None:
        self.rows: set[Origin] = set()
        self.problems: list[str] = []
        self._dialect = dialect
        self._language = language_of(dialect)
        self._queries = {name.lower(): text for name, text in queries.items()}
        self._named: dict[str, Relation] = {}
        self._ctes: list[Ctes] = [{}]
        self._values = Values(lambda node, scope: self.relation(node, self._ctes[-1], scope))
        self._from = FromClause(tables, self._values, self._nested, self._note)

    def relation(self, node: Any, ctes: Ctes, outer: Scope | None) -> Relation:
        """Return the columns of a query.

        Args:
            node: The query.
            ctes: The queries that have names where it stands.
            outer: The query around, where it may use the columns of that.

        Raises:
            UntracedError: There is no rule for what it is.
        """
        if not isinstance(node, (exp.Select, exp.SetOperation, exp.Subquery)):
            raise UntracedError(f"there is no rule for {type(node).__name__.upper()}")
        with_ = node.args.get("with_") or node.args.get("with")
        self._ctes.append(self._with(with_, ctes) if with_ is not None else ctes)
        try:
            if isinstance(node, exp.Select):
                return self._select(node, outer)
            if isinstance(node, exp.SetOperation):
                return self._union(node, outer)
            return self._parenthesis(node, outer)
        finally:
            self._ctes.pop()

    def _nested(self, node: Any, outer: Scope | None) -> Relation | None:
        """A subquery in ``from``, or the query that a name stands for; ``None`` where it stands for none."""
        if not isinstance(node, str):
            return self.relation(node, self._ctes[-1], outer)
        name = node.lower()
        if name in self._ctes[-1]:
            return self._ctes[-1][name]
        if name in self._queries:
            if name not in self._named:
                self._named[name] = self.relation(_parsed(self._queries[name], self._dialect), {}, None)
            return self._named[name]
        return None

    # Queries with names.

    def _with(self, with_: Any, ctes: Ctes) -> Ctes:
        known = dict(ctes)
        for cte in with_.expressions:
            strange = [name for name, arg in cte.args.items() if arg and name not in _CTE_KNOWN]
            if strange:
                raise UntracedError(f"there is no rule for {strange[0]} of a query in `with`")
            name, names = cte.alias.lower(), [each.name for each in cte.args["alias"].columns]
            silently = self._language.recurses_silently and name not in known
            if (with_.args.get("recursive") or silently) and _reads(cte.this, name):
                known[name] = self._recursive(cte.this, name, names, known)
            else:
                known[name] = self.relation(cte.this, known, None).renamed(names)
        return known

    def _recursive(self, node: Any, name: str, names: list[str], ctes: Ctes) -> Relation:
        """A query that reads itself: its columns are those of its start, and of what each turn adds."""
        body = node.unnest()
        if not isinstance(body, exp.Union) or _reads(body.this, name) or body.args.get("by_name"):
            raise UntracedError(f"there is no rule for how {name} reads itself")
        self._choose_all(body, self.relation(body.this, ctes, None))
        found = self.relation(body.this, ctes, None).renamed(names)
        for _ in range(_TURNS):
            turn = self.relation(body.expression, {**ctes, name: found}, None)
            grown = _side_by_side(found, turn)
            if grown == found:
                break
            found = grown
        self._choose_all(body, found)
        return found

    # Queries of several.

    def _union(self, node: exp.SetOperation, outer: Scope | None) -> Relation:
        strange = [name for name, arg in node.args.items() if arg and name not in _UNION_KNOWN]
        if strange:
            raise UntracedError(f"there is no rule for {strange[0]} of a {type(node).__name__.lower()}")
        left = self.relation(node.this, self._ctes[-1], outer)
        right = self.relation(node.expression, self._ctes[-1], outer)
        found = (_by_name if node.args.get("by_name") else _side_by_side)(left, right)
        self._choose_all(node, found)
        return found

    def _choose_all(self, node: Any, found: Relation) -> None:
        """Note that all columns choose the rows of a union that keeps no row twice, or puts them in order."""
        plain = isinstance(node, exp.Union) and not node.args.get("distinct")
        if plain and not any(node.args.get(name) for name in ("order", "limit", "offset")):
            return
        self._note(found.all_origins)

    def _parenthesis(self, node: exp.Subquery, outer: Scope | None) -> Relation:
        found = self.relation(node.this, self._ctes[-1], outer)
        if any(node.args.get(name) for name in ("order", "limit", "offset")):
            self._note(found.all_origins)
        if node.args.get("pivots"):
            raise UntracedError("there is no rule for PIVOT")
        return found

    # A select.

    def _select(self, node: exp.Select, outer: Scope | None) -> Relation:
        strange = [name for name, arg in node.args.items() if arg and name not in _KNOWN]
        if strange:
            raise UntracedError(f"there is no rule for {strange[0].strip('_')} in a select")
        scope = Scope(self._language, outer)
        scope.windows = {each.name.lower(): each for each in node.args.get("windows") or ()}
        self._from.take(node, scope)
        outputs: list[Output] = []
        rests = []
        sure = True
        for projection in node.expressions:
            if is_star(projection):
                star = expanded(projection, scope, lambda each: self._value(each, scope))
                outputs += star.outputs
                rests.append(star.rest)
                sure = sure and star.sure
            else:
                outputs.append(self._output(projection, scope))
                sure = sure and not isinstance(projection.unalias(), exp.Explode)
        found = Relation(outputs, one_of(rests), sure)
        self._choose(node, scope, found)
        return found

    def _output(self, projection: Any, scope: Scope) -> Output:
        inner = projection.unalias()
        name = self._name(projection, inner)
        if isinstance(projection, exp.Aliases) or (isinstance(inner, exp.Explode) and name is None):
            raise UntracedError(f"there is no rule for {projection.sql()} in a select")
        origins = self._value(inner, scope, name)
        if isinstance(inner, exp.Explode):
            self._note(partial(together, [origins]))
        if name is not None and isinstance(projection, exp.Alias):
            scope.aliases.setdefault(name.lower(), origins)
        return Output(name, origins)

    def _value(self, expression: Any, scope: Scope, name: str | None = None) -> Origins | None:
        try:
            return self._values.of(expression, scope)
        except UntracedError as error:
            told = f"column {name}: {error}" if name else str(error)
            self.problems.append(told)
            return None

    def _name(self, projection: Any, inner: Any) -> str | None:
        if isinstance(projection, exp.Alias):
            named = projection.args["alias"]
        else:
            column = inner.this if isinstance(inner, exp.Cast) and self._language.names_casts else inner
            named = column.this if isinstance(column, exp.Column) else None
        if not isinstance(named, exp.Identifier):
            return None
        return named.name if named.args.get("quoted") else self._language.folds(named.name)

    def _choose(self, node: exp.Select, scope: Scope, found: Relation) -> None:
        for clause in _CHOOSE:
            if node.args.get(clause):
                self._note(partial(self._values.choosing, node.args[clause], scope))
        for clause in ("group", "order"):
            if node.args.get(clause):
                self._group(node.args[clause], scope, found)
        distinct = node.args.get("distinct")
        if distinct is not None:
            on = distinct.args.get("on")
            self._note(partial(self._values.choosing, on, scope) if on else found.all_origins)

    def _group(self, clause: Any, scope: Scope, found: Relation) -> None:
        """What rows are grouped or ordered by: expressions, columns by their number, or all of them."""
        every = clause.args.get("all") or any(each.name == "ALL" for each in clause.expressions)
        if every:
            self._note(found.all_origins)
            return
        for part in clause.args.values():
            for each in part if isinstance(part, list) else [part]:
                inner = each.this if isinstance(each, exp.Ordered) else each
                if isinstance(inner, exp.Literal) and inner.is_int:
                    self._note(partial(_at, found, int(inner.name)))
                elif (
                    clause.key == "order" and isinstance(inner, exp.Column) and _alias(inner) in scope.aliases
                ):
                    # What the select gives a name to is meant before a column of that name.
                    self._note(partial(together, [scope.aliases[_alias(inner)]]))
                elif hasattr(inner, "args"):
                    self._note(partial(self._values.choosing, inner, scope))

    def _note(self, rows: Callable[[], Origins]) -> None:
        """Note columns that choose rows."""
        try:
            self.rows |= rows()
        except UntracedError as error:
            self.problems.append(f"which rows there are: {error}")


def _alias(node: Any) -> str:
    """A bare name, by which a select may know one of its columns, in lower case; empty for all else."""
    return node.name.lower() if isinstance(node, exp.Column) and not node.table else ""


def _at(found: Relation, position: int) -> Origins:
    """What the column at a position is made of."""
    if not 0 < position <= len(found.positions):
        raise UntracedError(f"there is no column {position}")
    return together([found.positions[position - 1].origins])


def _stem(name: str) -> str | None:
    """The name that was there already, where DuckDB may have made this one of it."""
    found = _NUMBERED.fullmatch(name.lower())
    return found[1] if found else None


def _reads(node: Any, name: str) -> bool:
    """Whether a query reads a table of this name."""
    return any(table.name.lower() == name and not table.db for table in node.find_all(exp.Table))


def _side_by_side(left: Relation, right: Relation) -> Relation:
    """The columns of a union, by their order."""
    both = left.positions, right.positions
    if len(both[0]) != len(both[1]):
        raise UntracedError("the parts of a union have not as many columns")
    pairs = zip(*both, strict=True)
    return Relation([Output(one.name, _either(one.origins, other.origins)) for one, other in pairs])


def _by_name(left: Relation, right: Relation) -> Relation:
    """The columns of a union, by their names."""
    both = [*left.positions, *right.positions]
    if any(output.name is None for output in both) or any(
        len(each.named) != len(each.outputs) for each in (left, right)
    ):
        raise UntracedError("a column in a union by name has no name, or that of another")
    found: dict[str, Output] = {}
    for output in both:
        name = str(output.name).lower()
        first = found.setdefault(name, output)
        found[name] = Output(first.name, _either(first.origins, output.origins))
    return Relation(list(found.values()))


def _either(one: Origins | None, other: Origins | None) -> Origins | None:
    return None if one is None or other is None else one | other
