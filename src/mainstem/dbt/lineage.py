"""Column lineage of one query: which columns of which tables each of its columns is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope
from sqlglot.schema import MappingSchema

__all__ = ["Origin", "Table", "column_lineage", "dialect_of"]

# dbt names its adapters after the system, sqlglot names its dialects after the language.
_DIALECTS = {
    "athena": "athena",
    "bigquery": "bigquery",
    "clickhouse": "clickhouse",
    "databricks": "databricks",
    "doris": "doris",
    "dremio": "dremio",
    "duckdb": "duckdb",
    "exasol": "exasol",
    "fabric": "fabric",
    "fabricspark": "spark",
    "glue": "spark",
    "greenplum": "postgres",
    "materialize": "materialize",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgres": "postgres",
    "redshift": "redshift",
    "risingwave": "risingwave",
    "snowflake": "snowflake",
    "spark": "spark",
    "sqlite": "sqlite",
    "sqlserver": "tsql",
    "starrocks": "starrocks",
    "synapse": "tsql",
    "teradata": "teradata",
    "trino": "trino",
    "vertica": "postgres",
}


@dataclass(frozen=True)
class Table:
    """A table that the query may read.

    Attributes:
        unique_id: Its dbt node.
        name: Its name.
        schema: Its schema, where it has one.
        database: Its database, where it has one.
        columns: Its columns. ``None`` where they are not known.
    """

    unique_id: str
    name: str
    schema: str | None = None
    database: str | None = None
    columns: Sequence[str] | None = None


@dataclass(frozen=True, order=True)
class Origin:
    """A column that another one is made of.

    Attributes:
        unique_id: The dbt node of its table.
        column: Its name.
    """

    unique_id: str
    column: str


def dialect_of(adapter_type: str | None) -> str | None:
    """Return sqlglot's name for the language of a dbt adapter, or ``None`` where it has none of its own."""
    return _DIALECTS.get(adapter_type or "")


def column_lineage(
    sql: str,
    *,
    dialect: str | None,
    tables: Sequence[Table],
    columns: Sequence[str] | None = None,
    queries: Mapping[str, str] | None = None,
) -> Mapping[str, Sequence[Origin]]:
    """Return what each column of a query is made of.

    Args:
        sql: The query, as the database gets it.
        dialect: Its language, in sqlglot's words.
        tables: What the query may read. A ``select *`` is resolved where the columns are known, and where it
            is of one table.
        columns: The columns of the result, where they are known. By default those that the query names.
        queries: Queries that stand for names in this one, and in each other.

    Returns:
        For each column its origins. None for one that is made of no other, such as a constant. A column is
        missing where its origins cannot be told, and nothing is known of a query that sqlglot cannot read.

    Example:
        >>> orders = Table("model.shop.orders", "orders", columns=["id", "net", "tax"])
        >>> found = column_lineage("select id, net + tax as total from orders", dialect=None, tables=[orders])
        >>> {column: [origin.column for origin in origins] for column, origins in found.items()}
        {'id': ['id'], 'total': ['net', 'tax']}
    """
    try:
        query = _Query(sql, dialect, tables, queries or {})
        wanted = query.named if columns is None else columns
        found = {column: query.origins(column) for column in wanted}
    except (SqlglotError, ValueError, RecursionError):  # it is a guest's reading of somebody else's SQL
        return {}
    return {column: origins for column, origins in found.items() if origins is not None}


class _Query:
    """A query whose columns are traced."""

    def __init__(
        self, sql: str, dialect: str | None, tables: Sequence[Table], queries: Mapping[str, str]
    ) -> None:
        self._dialect = dialect
        self._tables = {name: table for table in tables for name in _names(table)}
        self._schema = MappingSchema(dialect=dialect)
        for table in tables:
            if table.columns:
                self._schema.add_table(
                    exp.table_(table.name, db=table.schema, catalog=table.database, quoted=True),
                    dict.fromkeys(table.columns, "unknown"),
                    match_depth=False,
                )
        parsed = {name: parse_one(text, dialect=dialect) for name, text in queries.items()}
        inner: dict[str, exp.Query | Callable[[], exp.Query]] = {
            name: query for name, query in parsed.items() if isinstance(query, exp.Query)
        }
        self._expression = qualify(
            exp.expand(parse_one(sql, dialect=dialect), inner, dialect=dialect),
            dialect=dialect,
            schema=self._schema,
            validate_qualify_columns=False,
            identify=False,
        )
        if any(isinstance(each.this, exp.Subquery) for each in self._expression.find_all(exp.Lateral)):
            # sqlglot takes its columns for those of the table beside it.
            raise SqlglotError("The columns of a lateral subquery are not traced.")
        scope = build_scope(self._expression)
        if scope is None or not isinstance(self._expression, exp.Query):
            raise SqlglotError("This is no query.")
        self._scope = scope
        # In lower case: a name's own one.
        self._selected = {name.lower(): name for name in self._expression.named_selects if name != "*"}

    @property
    def named(self) -> list[str]:
        """The columns that the query names."""
        return list(self._selected.values())

    def origins(self, column: str) -> Sequence[Origin] | None:
        """Return what a column is made of, or ``None`` where that cannot be told."""
        name = self._selected.get(column.lower())
        if name is None:
            starred = _starred_table(self._scope)
            table = self._table(starred) if starred is not None else None
            return [_origin(table, column)] if table else None
        node = lineage(
            exp.column(exp.to_identifier(name, quoted=True)),
            self._expression,
            self._schema,
            dialect=self._dialect,
            scope=self._scope,
            trim_selects=False,
            copy=False,
        )
        return sorted(set(self._leaves(node, name)))

    def _leaves(self, node: Node, column: str) -> Iterator[Origin]:
        own = node.name.rpartition(".")[2].strip('"')
        column = column if own == "*" else own
        if node.downstream:
            for child in node.downstream:
                yield from self._leaves(child, column)
        elif isinstance(node.expression, exp.Table):
            table = self._table(node.expression)
            if table is not None:
                yield _origin(table, column)

    def _table(self, expression: exp.Table) -> Table | None:
        parts = [part.name.lower() for part in expression.parts]
        return self._tables.get(tuple(parts))


def _names(table: Table) -> Iterator[tuple[str, ...]]:
    """Yield the names by which a query may call the table, the shortest first."""
    name: tuple[str, ...] = (table.name.lower(),)
    yield name
    for part in (table.schema, table.database):
        if part is None:
            return
        name = (part.lower(), *name)
        yield name


def _origin(table: Table, column: str) -> Origin:
    known = {name.lower(): name for name in table.columns or ()}
    return Origin(table.unique_id, known.get(column.lower(), column.lower()))


def _starred_table(scope: Scope) -> exp.Table | None:
    """Return the one table that all remaining columns of a ``select *`` come from, if it is one."""
    expression = scope.expression
    if not isinstance(expression, exp.Select) or not expression.is_star:
        return None
    sources = [source for _, source in scope.selected_sources.values()]
    if len(sources) != 1:
        return None
    [source] = sources
    return _starred_table(source) if isinstance(source, Scope) else source
