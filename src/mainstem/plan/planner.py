"""From a stream and the two catalogues to its plan. Nothing is changed anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import pyarrow as pa

from mainstem.endpoints import Query, SourceTable, Use
from mainstem.errors import Position, RelationNotFoundError, ReplicationError
from mainstem.plan.chunks import planned_parts
from mainstem.plan.columns import ColumnPlanner, find_column, target_name, without_collisions
from mainstem.plan.constraints import planned_constraints
from mainstem.plan.custom_sql import CustomSql
from mainstem.plan.evolution import evolved
from mainstem.plan.facts import Place, RunFacts
from mainstem.plan.increment import Bounds, find_cursor
from mainstem.plan.missing import planned_missing
from mainstem.plan.model import MetadataColumn, PlannedColumn, StreamPlan
from mainstem.plan.placeholders import sql_text
from mainstem.plan.requirements import refuse_beyond
from mainstem.plan.table_keys import planned_keys
from mainstem.plan.transforms import planned_transforms, refuse_transformed_keys
from mainstem.replication import Mode, Stream, StreamNames, Variables
from mainstem.replication.ranges import Range, parse_range
from mainstem.replication.select import parse_select
from mainstem.replication.variables import PARTITION
from mainstem.schema import Column, Relation
from mainstem.types import may_cut

__all__ = ["StreamPlanner", "plan_stream"]

# What befalls more columns than that is told once.
_TOLD_SINGLY = 3
# These make the target anew; the others keep it where it is there.
_REPLACING = (Mode.FULL_REFRESH, Mode.DEFINITION_ONLY)


def plan_stream(stream: Stream, run: RunFacts) -> StreamPlan:
    """Plan a stream.

    Args:
        stream: The stream, no wildcard.
        run: What it shares with the others.

    Raises:
        ReplicationError: Something in the stream does not fit the source or the target: an unknown column,
            an object without a name, two columns that get the same one, a type that cannot become another.
        RelationNotFoundError: The source has no such table, or the table has no columns.
        EndpointError: The source does not accept the custom SQL.
        LossyTypeError: The target has no type for a column.
    """
    return StreamPlanner(stream, run.for_stream(stream)).plan()


class StreamPlanner:
    """Plans one stream. What the source says is asked once; what the target says, at :meth:`plan`."""

    def __init__(self, stream: Stream, run: RunFacts) -> None:
        self._stream = stream
        self._run = run
        self._place = Place(stream, run.replication)
        self._columns = ColumnPlanner(self._place, run.target.capabilities)
        self._select = parse_select(stream.select, lambda index: self._at("select", index))
        self._range = self._parsed_range()
        self._sql = CustomSql.of(self._place, run.source, self._select, self._columns.declared)
        if self._sql:
            self._sql.refuse_without_bounds()

    @cached_property
    def target(self) -> Relation:
        """The table that will be written."""
        name, _ = self._in_object
        if not name.strip("."):
            raise ReplicationError(
                f"The object {self._stream.object!r} leaves no name.", position=self._at("object")
            )
        return self._run.target.relation(name)

    @cached_property
    def _in_object(self) -> tuple[str, list[str]]:
        """The object's name, and the variables in it that have no value."""
        kept = PARTITION if self._run.target.capabilities.partitions else None
        return self._variables.in_object(self._stream.object, kept)

    def variables(self, plan: StreamPlan | None = None) -> Variables:
        """The stream's variables: what its name tells, and with a plan all of them."""
        if plan is not None:
            return self._object_variables(plan)
        try:
            relation = None if self._sql else self._run.source.relation(self._stream.name)
        except RelationNotFoundError:
            relation = None
        return self._variables_of(SourceTable(relation, []))

    def plan(self) -> StreamPlan:
        """Plan the stream against the target as it is now."""
        refuse_beyond(self._place, self._run)
        found = self._run.target.inspect(self.target)
        ignored = self._stream.target_options.ignore_existing
        existing = None if self._stream.mode in _REPLACING or ignored else found
        key = self._update_key(self._described.columns)
        bounds = self._bounds(key, existing)
        if self._begins_anew(bounds):
            existing = None
        table, sql = self._read_with(bounds)
        chosen = self._chosen(table)
        transforms = planned_transforms(
            self._place, chosen, self._run.replication.variables, self._run.started
        )
        columns = self._columns.planned(transforms.columns() if transforms else chosen)
        if transforms:
            columns = [transforms.described(column) for column in columns]
            refuse_transformed_keys(self._place, columns)
            transforms = transforms.reading(columns)
        self._refuse_inexact_key(key, columns)
        plan = StreamPlan(
            stream=self._stream.name,
            mode=self._stream.mode,
            query=self._query(
                table, sql, transforms.reads if transforms else [column.source for column in columns], bounds
            ),
            target=found.relation if found and found.relation else self.target,
            columns=columns,
            metadata_columns=without_collisions(self._metadata(key), columns),
            range=(self._range.start, self._range.end) if self._range else None,
            cursor=bounds.cursor,
            merge_strategy=self._merge_strategy(),
            existing=existing,
            batch_limit=self._stream.target_options.batch_limit or None,
            ignore_existing=bool(self._stream.target_options.ignore_existing),
            estimated_rows=None if bounds.conditions(self._run.source) else table.estimated_rows,
            transforms=transforms,
            notes=transforms.notes if transforms else (),
        )
        fitted = self._with_sql(self._with_keys(self._checked(self._fitted(plan)), key))
        constraints = planned_constraints(fitted.columns, self._run.replication.variables, self._run.started)
        parts = planned_parts(self._place, self._run.source, fitted.query, key)
        return replace(fitted, constraints=constraints, parts=parts)

    def _begins_anew(self, bounds: Bounds) -> bool:
        """Whether everything is read where only the cursor tells what is there already."""
        is_bounded = bounds.cursor is not None or bounds.range is not None
        is_new = self._stream.mode is Mode.INCREMENTAL and not is_bounded
        return is_new and not self._run.target.capabilities.remembers

    # What the source has.

    @cached_property
    def _described(self) -> SourceTable:
        """The table or the query, with nothing bounding it."""
        if self._sql is None:
            table = self._run.source.describe(self._run.source.relation(self._stream.name))
        else:
            table = self._sql.described(self._variables_of(SourceTable(None, [])))
        if not table.columns:
            raise RelationNotFoundError(
                f"{table.relation or 'The query'} has no columns that this user may see."
            )
        return table

    def _read_with(self, bounds: Bounds) -> tuple[SourceTable, str | None]:
        """What is read: the table, or the query with its placeholders filled in."""
        described = self._described
        if self._sql is None:
            return described, None
        placeholders = bounds.placeholders(self._run.source)
        filled = self._sql.filled(self._variables, placeholders, described)
        return (self._run.source.describe_query(filled) if self._sql.has("fields") else described), filled

    def _query(self, table: SourceTable, sql: str | None, columns: Sequence[Column], bounds: Bounds) -> Query:
        conditions = []
        if self._stream.where and not (self._sql and self._sql.has("where_cond", "where_clause")):
            conditions.append(self._variables.in_sql(self._stream.where, self._run.source.dialect))
        if self._sql is None:
            conditions += bounds.conditions(self._run.source)
        limit = self._stream.source_options.limit or None
        offset = self._stream.source_options.offset or 0
        if limit and bounds.key and not offset and self._stream.mode is Mode.INCREMENTAL:
            rows = self._run.source.qualified(table.relation) if table.relation else f"(\n{sql}\n) as query"
            others = conditions[: 1 if self._stream.where else 0] if self._sql is None else conditions
            conditions.append(bounds.limited(limit, rows, others, self._run.source))
            limit = None
        return Query(
            columns=columns,
            relation=table.relation,
            sql=sql,
            where=conditions,
            limit=limit,
            offset=offset,
            # Without an order, a limit would leave rows behind that the next cursor passes over.
            order_by=[bounds.key] if bounds.key and (limit or offset) else [],
        )

    def _chosen(self, table: SourceTable) -> Sequence[tuple[Column, str]]:
        """The columns that are read, each with the name that `select` gives it."""
        by_name = {column.name: column for column in table.columns}
        if not self._select.items or (self._sql and self._sql.has("fields")):
            return [(column, column.name) for column in table.columns]
        found = self._select.resolve(list(by_name), self._columns.declared)
        return [(by_name[column.source], column.target) for column in found]

    # What bounds the stream.

    def _bounds(self, key: Column | None, existing: SourceTable | None) -> Bounds:
        if key is None or self._range:
            return Bounds(key, self._range)
        name = self._columns.named(self._renamed(key))
        cursor = find_cursor(self._place, self._run, key, name, existing)
        rereads_null = bool(cursor and cursor.inclusive and self._stream.primary_key and key.nullable)
        return Bounds(key, None, cursor, rereads_null, cursor is None and self._has_only_null(existing))

    def _has_only_null(self, existing: SourceTable | None) -> bool:
        """Whether the target has rows that no key keeps from doubling, though none of them gave a cursor."""
        return bool(
            self._stream.mode is Mode.INCREMENTAL
            and not self._stream.primary_key
            and self._run.state is None
            and existing
            and existing.relation
            and self._run.target.count(existing.relation)
        )

    def _refuse_inexact_key(self, key: Column | None, columns: Sequence[PlannedColumn]) -> None:
        """Refuse an update key whose values change on their way: the cursor would be another one."""
        planned = next((column for column in columns if key and column.source.name == key.name), None)
        if key is None or planned is None or self._stream.mode is not Mode.INCREMENTAL or self._range:
            return
        # A day is the beginning of its rows: they are read again, and merged.
        falls_behind = pa.types.is_date(planned.arrow_type) and self._stream.primary_key
        if may_cut(key.arrow_type, planned.arrow_type) and not falls_behind:
            raise ReplicationError(
                f"The update_key {key.name} ({key.native_type}) would become {planned.arrow_type} in the"
                " target, which does not tell its values apart: rows would be lost, or double.",
                position=self._at("columns", key.name),
                hint="Leave it out of `columns`, or add it a second time with `select`.",
            )

    def _metadata(self, key: Column | None) -> Sequence[MetadataColumn]:
        """The run's own columns, but for the one that the source fills as its update key."""
        return [added for added in self._run.metadata(self._stream) if key is None or added.name != key.name]

    def _renamed(self, key: Column) -> str:
        chosen = self._chosen(self._described)
        found = next((name for column, name in chosen if column.name == key.name), None)
        if found is None and self._stream.mode is Mode.INCREMENTAL:
            raise ReplicationError(
                f"The update_key {key.name} is not selected, so the target cannot tell where to go on from.",
                position=self._at("update_key"),
                hint="Select it: the cursor is the greatest value that was written.",
            )
        return found or key.name

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
        name = self._run.source.key_name(self._stream.update_key)
        return find_column(name, columns, self._at("update_key"))

    def _merge_strategy(self) -> str | None:
        merges = self._stream.primary_key and self._stream.mode in (Mode.INCREMENTAL, Mode.BACKFILL)
        asked = self._stream.target_options.merge_strategy
        return (asked or self._run.target.capabilities.merge_strategy) if merges else None

    # What the target has, and needs.

    def _checked(self, plan: StreamPlan) -> StreamPlan:
        """Have the target look at what will be done to it."""
        use = Use.DEFINE if plan.mode is Mode.DEFINITION_ONLY else Use.REPLACE
        if plan.existing is not None and plan.mode is not Mode.TRUNCATE:
            use = Use.ADD
        if plan.ignore_existing:
            return plan
        return replace(plan, notes=[*plan.notes, *self._run.target.check_use(plan.target, use)])

    def _fitted(self, plan: StreamPlan) -> StreamPlan:
        """Fit the columns to the table that is there."""
        notes = [*plan.notes, *(note for column in plan.columns for note in column.source.notes)]
        if self._stream.target_options.direct_insert:
            notes.append(
                "`direct_insert`: the rows were staged all the same, so that nobody sees a part of them."
            )
        appends = self._stream.mode is Mode.INCREMENTAL and not self._stream.primary_key
        if appends and self._stream.target_options.merge_strategy:
            notes.append("`merge_strategy`: without a `primary_key` the rows were appended all the same.")
        # A target of texts has no columns that new rows must fit.
        if plan.existing is not None and plan.existing.columns:
            fitting = evolved(
                self._place, plan.columns, plan.metadata_columns, plan.existing, self._run.target
            )
            notes += fitting.notes
            plan = replace(
                plan, columns=fitting.columns, metadata_columns=fitting.metadata, changes=fitting.changes
            )
            if plan.transforms is None:
                plan = replace(
                    plan, query=replace(plan.query, columns=[column.source for column in plan.columns])
                )
        else:
            plan = replace(
                plan,
                keys=planned_keys(
                    self._place, self._run.target.capabilities, self._columns.specs, plan.columns
                ),
                ddl=[self._run.target.create_statement(plan.target, plan.schema)],
            )
        return replace(plan, notes=[*self._removed_variables(), *notes, *self._type_notes(plan)])

    def _type_notes(self, plan: StreamPlan) -> list[str]:
        """What becomes of types that the target does not have."""
        found: dict[str, list[PlannedColumn]] = {}
        for column in plan.columns:
            note = self._run.target.native_type(column.field).note
            if note and not (plan.existing and column.name in plan.natives):
                found.setdefault(note, []).append(column)
        notes = []
        for note, columns in found.items():
            if len(columns) > _TOLD_SINGLY:
                names = ", ".join(column.name for column in columns)
                notes.append(f"{len(columns)} columns ({names}): each {note}")
            else:
                notes += [f"Column {column.name}: {column.source.native_type} {note}" for column in columns]
        return notes

    def _with_keys(self, plan: StreamPlan, key: Column | None) -> StreamPlan:
        columns = [column.source for column in plan.columns]
        primary = [find_column(name, columns, self._at("primary_key")) for name in self._stream.primary_key]
        everything = Query(columns=self._described.columns, relation=self._described.relation)
        if self._sql:
            everything = self._sql.everything(self._variables, self._described)
        return replace(
            plan,
            primary_key=[target_name(column, plan.columns) or column.name for column in primary],
            update_key=target_name(key, plan.columns) if key else None,
            missing=planned_missing(self._place, self._run, everything, primary, self._variables),
        )

    def _with_sql(self, plan: StreamPlan) -> StreamPlan:
        """`table_ddl`, `table_tmp`, `pre_sql` and `post_sql`, with their variables."""
        options, target = self._stream.target_options, self._run.target
        staging = None
        if options.table_tmp:
            staging = target.relation(self._object_variables(plan).in_object(options.table_tmp)[0])
            if str(staging).lower() == str(plan.target).lower():
                raise ReplicationError(
                    f"`table_tmp` is {plan.target} itself.",
                    position=self._at("target_options", "table_tmp"),
                    hint="Name another table, or leave the option out.",
                )
        definition = self._text(options.table_ddl, "table_ddl", plan)
        if definition is not None:
            types = ", ".join(
                f"{target.quoted(field.name)} {target.native_type(field).sql}" for field in plan.schema
            )
            definition = definition.replace("{col_types}", types)
            if plan.target.name.lower() not in definition.lower():
                raise ReplicationError(
                    f"`table_ddl` does not name {plan.target}.",
                    position=self._at("target_options", "table_ddl"),
                    hint="Write {object_full_name} where the table's name belongs.",
                )
        return replace(
            plan,
            staging=staging,
            definition=definition,
            pre_sql=self._text(options.pre_sql, "pre_sql", plan),
            post_sql=self._text(options.post_sql, "post_sql", plan),
            ddl=plan.ddl if definition is None or plan.existing else [definition],
        )

    def _text(self, sql: str | None, option: str, plan: StreamPlan) -> str | None:
        if not sql:
            return None
        text = sql_text(sql, self._run.replication.document.source, self._at("target_options", option))
        return self._object_variables(plan).in_sql(text, self._run.target.dialect)

    # Variables and places.

    @cached_property
    def _variables(self) -> Variables:
        return self._variables_of(self._described)

    def _object_variables(self, plan: StreamPlan) -> Variables:
        full_name = self._run.target.qualified(plan.target)
        return self._variables.with_object(plan.target.schema or "", plan.target.name, full_name)

    def _variables_of(self, table: SourceTable) -> Variables:
        source, target = self._run.source, self._run.target
        relation = table.relation
        update_key = self._stream.update_key
        document = self._run.replication.document.source
        return (
            StreamNames(
                stream=self._stream.name,
                schema=(relation.schema or "") if relation else "",
                table=relation.name if relation else self._stream.name,
                full_name=source.qualified(relation) if relation else "",
                source=(source.connection.name, source.connection.type),
                target=(target.connection.name, target.connection.type),
                target_schema=target.default_schema,
                started=self._run.started,
                id=self._stream.id,
                description=self._stream.description,
                update_key=source.quoted(update_key) if update_key else None,
                run_id=self._run.id,
                file=None if document.startswith("<") else document,
                environment=self._run.replication.variables,
            )
            .variables()
            .and_more(source.stream_variables(self._stream.name))
        )

    def _removed_variables(self) -> list[str]:
        _, unresolved = self._in_object
        return [
            f"{self._at('object')}: {{{name}}} is no variable of this stream and was removed from the object,"
            " as in Sling"
            for name in unresolved
        ]

    def _at(self, *path: str | int) -> Position:
        return self._place.at(*path)
