"""Which tables a resource writes, and their columns: read from a dlt schema, which is never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlt import Pipeline, Schema
from dlt.common.destination.exceptions import DestinationUndefinedEntity
from dlt.common.schema.utils import get_nested_tables, is_nested_table
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.extract.resource import DltResource
from sqlglot import exp

from mainstem.report import ReportedColumn


@dataclass(frozen=True)
class ResourceTables:
    """The tables of one resource.

    Attributes:
        schema: The name of their dlt schema.
        main: The resource's own table. ``None`` where it spreads its rows over several.
        roots: The tables that the resource's own rows go to.
        nested: The tables for what is nested in those rows, parents before their children.
    """

    schema: str
    main: str | None
    roots: Sequence[str]
    nested: Sequence[str]

    @property
    def all(self) -> Sequence[str]:
        """Every table of the resource."""
        return [*self.roots, *self.nested]

    @property
    def others(self) -> Sequence[str]:
        """Every table but the main one."""
        return [table for table in self.all if table != self.main]


def resource_tables(resource: DltResource, schema: Schema) -> ResourceTables:
    """Find the tables of a resource by dlt's own links, never by how their names begin.

    Args:
        resource: The resource.
        schema: The pipeline's schema for the resource's source.
    """
    hint = resource.table_name
    named = schema.naming.normalize_tables_path(hint) if isinstance(hint, str) else None
    roots = [
        name
        for name, table in schema.tables.items()
        if name == named or (table.get("resource") == resource.name and not is_nested_table(table))
    ]
    if named and not roots:
        # Nothing was ever extracted, so dlt has not heard of the table yet.
        roots = [named]
    nested = [
        str(child["name"])
        for root in roots
        for child in get_nested_tables(schema.tables, root)[1:]  # the first is the root itself
        # A resource may be declared as nested in another one's table, and reports for itself.
        if child.get("resource") in (None, resource.name)
    ]
    main = named if named in roots else roots[0] if len(roots) == 1 else None
    return ResourceTables(schema=schema.name, main=main, roots=roots, nested=nested)


def schema_columns(schema: Schema, table: str | None) -> list[ReportedColumn]:
    """Describe a table's columns with dlt's types. Empty where dlt does not know the table.

    Args:
        schema: The schema.
        table: The table's name in it.
    """
    if table is None or table not in schema.tables:
        return []
    return [
        ReportedColumn(
            name=name,
            type=str(column["data_type"]),
            nullable=column.get("nullable") is not False,
            description=column.get("description"),
        )
        for name, column in schema.get_table_columns(table).items()
    ]


def stored_columns(pipeline: Pipeline, tables: ResourceTables) -> list[ReportedColumn]:
    """Ask the destination for the columns of the main table, with the destination's types.

    Args:
        pipeline: The pipeline.
        tables: The resource's tables.

    Returns:
        The columns. Empty where there is no such table, or the destination is not a SQL database.
    """
    if tables.main is None or tables.main not in pipeline.schemas[tables.schema].tables:
        return []
    known = pipeline.schemas[tables.schema].get_table_columns(tables.main)
    with pipeline.destination_client(tables.schema) as client:
        if not isinstance(client, SqlJobClientBase):
            return []
        _, columns = client.get_storage_table(tables.main)
        mapper = client.capabilities.get_type_mapper()
        prepared = client.prepare_load_table(tables.main)
        return [
            ReportedColumn(
                name=name,
                type=mapper.to_destination_type(column, prepared),
                nullable=column.get("nullable") is not False,
                description=known[name].get("description") if name in known else None,
            )
            for name, column in columns.items()
        ]


def count_rows(pipeline: Pipeline, tables: ResourceTables) -> int:
    """Count the rows that the resource's own tables hold. A table that is not there holds none.

    Args:
        pipeline: The pipeline.
        tables: The resource's tables.
    """
    schema = pipeline.schemas[tables.schema]
    return sum(
        _count(pipeline, schema, table)
        for table in ([tables.main] if tables.main else tables.roots)
        if table in schema.tables
    )


def _count(pipeline: Pipeline, schema: Schema, table: str) -> int:
    with pipeline.sql_client(schema.name) as client:
        *qualifiers, name = client.make_qualified_table_name_path(table, quote=False)
        catalog, database = [None, None, *qualifiers][-2:]
        query = exp.select(exp.Count(this=exp.Star())).from_(
            exp.table_(name, db=database, catalog=catalog, quoted=True)
        )
        try:
            rows = client.execute_sql(query.sql(dialect=client.capabilities.sqlglot_dialect))
        except DestinationUndefinedEntity:
            return 0
        return int(rows[0][0]) if rows else 0
