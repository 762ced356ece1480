"""From a stream and the source's catalogue to its plan. Nothing is changed anywhere."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa

from mainstem.endpoints import Query, Source, SourceTable, Target
from mainstem.errors import NotSupportedYetError, Position, RelationNotFoundError, ReplicationError
from mainstem.plan.casing import CASINGS, cased
from mainstem.plan.casting import can_cast
from mainstem.plan.model import MetadataColumn, PlannedColumn, StreamPlan
from mainstem.plan.placeholders import EVERYTHING, range_condition, range_placeholders, sql_text
from mainstem.replication import Replication, Stream, StreamNames, Variables
from mainstem.replication.column_spec import ColumnSpec
from mainstem.replication.columns import column_for, parse_columns
from mainstem.replication.model import did_you_mean
from mainstem.replication.ranges import Range, parse_range
from mainstem.replication.select import SelectExpression, parse_select
from mainstem.schema import Column

__all__ = ["RunFacts", "plan_stream"]


@dataclass(frozen=True)
class RunFacts:
    """What all streams of a run have in common.

    Attributes:
        replication: The document.
        source: The open source.
        target: The open target.
        started: When the run began, in local time.
        metadata: The columns that the run adds to each table.
        id: The execution's id.
    """

    replication: Replication
    source: Source
    target: Target
    started: datetime
    metadata: Sequence[MetadataColumn] = ()
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


def plan_stream(stream: Stream, run: RunFacts) -> StreamPlan:
    """Plan a stream.

    Args:
        stream: The stream, no wildcard.
        run: What it shares with the others.

    Raises:
        ReplicationError: Something in the stream does not fit the source: an unknown column, an object
            without a name, two columns that get the same one.
        RelationNotFoundError: The source has no such table, or the table has no columns.
        EndpointError: The source does not accept the custom SQL.
        LossyTypeError: The target has no type for a column.
    """
    return _Planner(stream, run).plan()


class _Planner:
    """Plans one stream."""

    def __init__(self, stream: Stream, run: RunFacts) -> None:
        self._stream = stream
        self._run = run
        self._document = run.replication.document
        self._columns = self._declared_columns()
        self._select = parse_select(stream.select, lambda index: self._at("select", index))
        self._range = self._parsed_range()
        self._template = self._custom_sql()

    def plan(self) -> StreamPlan:
        table, query_sql, variables = self._described()
        if not table.columns:
            raise RelationNotFoundError(
                f"{table.relation or 'The query'} has no columns that this user may see."
            )
        chosen = self._chosen(table)
        key = self._update_key(table.columns)
        name, unresolved = variables.in_object(self._stream.object)
        if not name.strip("."):
            raise ReplicationError(
                f"The object {self._stream.object!r} leaves no name.", position=self._at("object")
            )
        target = self._run.target.relation(name)
        columns = self._planned(chosen)
        plan = StreamPlan(
            stream=self._stream.name,
            mode=self._stream.mode,
            query=Query(
                columns=[column.source for column in columns],
                relation=table.relation,
                sql=query_sql,
                where=self._where(key, variables),
                limit=self._stream.source_options.limit or None,
                offset=self._stream.source_options.offset or 0,
            ),
            target=target,
            columns=columns,
            metadata_columns=self._metadata(columns),
            primary_key=[self._named(key, columns, "primary_key") for key in self._stream.primary_key],
            update_key=_target_name(key, columns) if key else None,
            range=(self._range.start, self._range.end) if self._range else None,
            ignore_existing=bool(self._stream.target_options.ignore_existing),
            estimated_rows=table.estimated_rows,
            notes=[*self._notes(unresolved), *(note for column in columns for note in column.source.notes)],
        )
        ddl = self._run.target.create_statement(target, plan.schema)
        return replace(plan, ddl=[ddl])

    def _described(self) -> tuple[SourceTable, str | None, Variables]:
        """What is read: the table, or the query with its placeholders filled in."""
        template = self._template
        if template is None:
            table = self._run.source.describe(self._run.source.relation(self._stream.name))
            return table, None, self._variables(table)
        variables = self._variables(SourceTable(None, []))
        every = {**EVERYTHING, **self._where_placeholders(variables), "fields": "*"}
        described = self._run.source.describe_query(variables.and_more(every).in_sql(template))
        key = self._update_key(described.columns)
        bounds = {}
        if self._range and key:
            bounds = dict(range_placeholders(self._range, key, self._run.source))
        fields = self._fields(described)
        filled = variables.and_more({**every, **bounds, "fields": fields}).in_sql(template)
        if self._sql_has("fields"):
            described = self._run.source.describe_query(filled)
        return described, filled, variables

    def _custom_sql(self) -> str | None:
        """The stream's own SQL, or that of the file that it is named after (spec §1.9)."""
        sql = self._stream.sql
        if sql is None and self._stream.name.endswith(".sql"):
            sql = f"file://{self._stream.name.removeprefix('file://')}"
        return None if sql is None else sql_text(sql, self._document.source, self._at("sql"))

    def _sql_has(self, *placeholders: str) -> bool:
        return any(f"{{{name}}}" in (self._template or "") for name in placeholders)

    def _fields(self, described: SourceTable) -> str:
        quoted = self._run.source.quoted
        if not self._select.items:
            return "*"
        return ", ".join(
            f"{item.text} as {quoted(item.alias)}"
            if isinstance(item, SelectExpression)
            else f"{quoted(item.source)} as {quoted(item.target)}"
            for item in self._select.fields([column.name for column in described.columns], self._declared())
        )

    def _variables(self, table: SourceTable) -> Variables:
        source, target = self._run.source, self._run.target
        relation = table.relation
        full_name = (
            ".".join(source.quoted(part) for part in (relation.schema, relation.name) if part)
            if relation
            else ""
        )
        update_key = self._stream.update_key
        return StreamNames(
            stream=self._stream.name,
            schema=(relation.schema or "") if relation else "",
            table=relation.name if relation else self._stream.name,
            full_name=full_name,
            source=(source.connection.name, source.connection.type),
            target=(target.connection.name, target.connection.type),
            target_schema=target.default_schema,
            started=self._run.started,
            id=self._stream.id,
            description=self._stream.description,
            update_key=source.quoted(update_key) if update_key else None,
            run_id=self._run.id,
            file=None if self._document.source.startswith("<") else self._document.source,
            environment=self._run.replication.variables,
        ).variables()

    def _chosen(self, table: SourceTable) -> Sequence[tuple[Column, str]]:
        """The columns that are read, each with the name that `select` gives it."""
        by_name = {column.name: column for column in table.columns}
        if not self._select.items or self._sql_has("fields"):
            return [(column, column.name) for column in table.columns]
        found = self._select.resolve(list(by_name), self._declared())
        return [(by_name[column.source], column.target) for column in found]

    def _declared_columns(self) -> Sequence[ColumnSpec]:
        """The declarations under `columns`; what they ask for beyond a type is refused for now."""
        specs = parse_columns(self._stream.columns, lambda key: self._at("columns", key))
        for spec in specs:
            beyond = {
                "a constraint": spec.constraint,
                "`not_null`": spec.nullable is False,
                "`primary_key`": spec.primary_key,
                "`unique`": spec.unique,
                "`index`": spec.index,
                "`unique_index`": spec.unique_index,
            }
            for what, asked in beyond.items():
                if asked:
                    raise NotSupportedYetError(
                        f"Column {spec.name}: {what} is not supported yet.",
                        position=self._at("columns", spec.name),
                    )
        return specs

    def _declared(self) -> Sequence[str]:
        return [spec.name for spec in self._columns if spec.name != "*"]

    def _planned(self, chosen: Sequence[tuple[Column, str]]) -> Sequence[PlannedColumn]:
        casing = self._stream.target_options.column_casing or "normalize"
        if casing not in CASINGS:
            raise ReplicationError(
                f"{casing!r} is no column_casing.",
                position=self._at("target_options", "column_casing"),
                hint=did_you_mean(casing, CASINGS) or f"There are {', '.join(CASINGS)}.",
            )
        planned: dict[str, PlannedColumn] = {}
        for column, selected in chosen:
            name = cased(selected, casing, folds_to_upper=self._run.target.capabilities.folds_to_upper)
            twin = planned.get(name.lower())
            if twin is not None:
                raise ReplicationError(
                    f"The columns {twin.source.name} and {column.name} both become {name} in the target.",
                    position=self._stream.position,
                    hint="Rename one of them with `select`.",
                )
            planned[name.lower()] = self._planned_column(column, name)
        return list(planned.values())

    def _planned_column(self, column: Column, name: str) -> PlannedColumn:
        spec = column_for(self._columns, column.name)
        if spec is None:
            return PlannedColumn(column, name, column.arrow_type, column.comment)
        wanted = spec.type.arrow_type()
        if pa.types.is_string(wanted) and not pa.types.is_string(column.arrow_type):
            # Only the source knows how its values look as text.
            column = replace(column, arrow_type=wanted, as_text=True, notes=())
        elif not can_cast(column.arrow_type, wanted):
            raise ReplicationError(
                f"Column {column.name} ({column.native_type}) cannot become {spec.type}.",
                position=self._at("columns", spec.name),
                hint="Declare it as text, or cast it with custom SQL.",
            )
        return PlannedColumn(column, name, wanted, spec.description or column.comment)

    def _metadata(self, columns: Sequence[PlannedColumn]) -> Sequence[MetadataColumn]:
        """The run's own columns. A name that is taken gets one more underscore (spec §3.5)."""
        taken = {column.name.lower() for column in columns}
        added = []
        for metadata in self._run.metadata:
            name = metadata.name
            while name.lower() in taken:
                name = f"_{name}"
            taken.add(name.lower())
            added.append(MetadataColumn(name, metadata.value))
        return added

    def _where(self, key: Column | None, variables: Variables) -> list[str]:
        conditions = []
        if self._stream.where and not self._sql_has("where_cond", "where_clause"):
            conditions.append(variables.in_sql(self._stream.where))
        if self._range and key and self._template is None:
            conditions.append(range_condition(self._range, key, self._run.source))
        return conditions

    def _where_placeholders(self, variables: Variables) -> dict[str, str]:
        if not self._stream.where:
            return {}
        condition = f"({variables.in_sql(self._stream.where)})"
        return {"where_cond": condition, "where_clause": condition}

    def _parsed_range(self) -> Range | None:
        given = self._stream.source_options.range
        if not given:
            return None
        position = self._at("source_options", "range")
        if not self._stream.update_key:
            raise ReplicationError("A range needs an `update_key`, to which it belongs.", position=position)
        return parse_range(given, position)

    def _update_key(self, columns: Sequence[Column]) -> Column | None:
        if not self._stream.update_key:
            return None
        return _find(self._stream.update_key, columns, self._at("update_key"))

    def _named(self, key: str, columns: Sequence[PlannedColumn], what: str) -> str:
        found = _find(key, [column.source for column in columns], self._at(what))
        return _target_name(found, columns) or found.name

    def _notes(self, unresolved: Sequence[str]) -> list[str]:
        return [
            f"{self._at('object')}: {{{name}}} is no variable of this stream and was removed from the object,"
            " as in Sling"
            for name in unresolved
        ]

    def _at(self, *path: str | int) -> Position:
        own = self._document.position("streams", self._stream.name, *path)
        if own != self._document.position("streams", self._stream.name):
            return own
        inherited = self._document.position("defaults", *path)
        return own if inherited == self._document.position("defaults") else inherited


def _find(name: str, columns: Sequence[Column], position: Position) -> Column:
    exact = [column for column in columns if column.name == name]
    found = exact or [column for column in columns if column.name.lower() == name.lower()]
    if len(found) != 1:
        names = [column.name for column in columns]
        raise ReplicationError(
            f"There is no column {name} in the stream.",
            position=position,
            hint=did_you_mean(name, names) or f"Columns: {', '.join(names)}.",
        )
    return found[0]


def _target_name(key: Column, columns: Sequence[PlannedColumn]) -> str | None:
    """A column's name in the target; ``None`` where it is not selected."""
    return next((column.name for column in columns if column.source.name == key.name), None)
