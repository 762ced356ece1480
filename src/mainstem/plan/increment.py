"""Which rows of a stream are read: its cursor, its range, their conditions (spec §1.9, §3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mainstem.endpoints import Source, SourceTable
from mainstem.errors import LossyTypeError, ReplicationError
from mainstem.plan.facts import Place, RunFacts
from mainstem.plan.model import Cursor
from mainstem.plan.placeholders import range_condition, range_placeholders
from mainstem.replication import Mode
from mainstem.replication.ranges import Range
from mainstem.schema import Column
from mainstem.types import cast_values, value_text

__all__ = ["Bounds", "find_cursor"]


@dataclass(frozen=True)
class Bounds:
    """What bounds a stream by its update key.

    Attributes:
        key: The update key, as the source has it; ``None`` where there is none.
        range: The range that the user gave.
        cursor: Where the stream goes on.
        rereads_null: Rows without a value are read at each run: a primary key keeps them from doubling.
        skips_null: The target has rows, but none with a value: those without one are there already.
    """

    key: Column | None = None
    range: Range | None = None
    cursor: Cursor | None = None
    rereads_null: bool = False
    skips_null: bool = False

    def conditions(self, source: Source) -> list[str]:
        """The conditions, in the source's SQL."""
        if self.key is None:
            return []
        if self.range:
            return [range_condition(self.range, self.key, source)]
        if self.cursor:
            return [self._beyond(self.cursor, self.key, source)]
        return [f"{source.quoted(self.key.name)} is not null"] if self.skips_null else []

    def limited(self, limit: int, rows: str, where: Sequence[str], source: Source) -> str:
        """The condition that keeps the oldest rows, and with the last of them all that have its value.

        A limit alone would cut through rows of one value, and the next cursor pass over the rest. It counts
        the rows that are new, so that those which are read again do not use it up.

        Args:
            limit: So many.
            rows: What is read, as it stands behind FROM.
            where: What else must hold.
            source: The source, in whose SQL it is written.
        """
        if self.key is None:
            raise AssertionError("Without an update key, no row is older than another.")
        name, value = source.quoted(self.key.name), source.ordered(self.key)
        new, again = [*where, f"{name} is not null"], [f"{name} is null"]
        if self.range:
            new += self.conditions(source)
        elif self.cursor:
            cursor = source.literal(self.cursor.value, self.key)
            new.append(f"{value} > {cursor}")
            again += [f"{value} = {cursor}"] if self.cursor.inclusive else []
        conditions = " and ".join(f"(\n{condition}\n)" for condition in new)
        oldest = f"select {name} from {rows} where {conditions} order by {value} limit {int(limit)}"
        last = f"select {value} from ({oldest}) as oldest order by {value} desc limit 1"
        return " or ".join([f"{value} <= ({last})", *again])

    def placeholders(self, source: Source) -> Mapping[str, str]:
        """What the placeholders of custom SQL become."""
        if self.key is None:
            return {}
        if self.range:
            return range_placeholders(self.range, self.key, source)
        if self.cursor is None:
            return {"incremental_where_cond": self.conditions(source)[0]} if self.skips_null else {}
        value = source.literal(self.cursor.value, self.key)
        condition = self._beyond(self.cursor, self.key, source)
        return {"incremental_where_cond": condition, "incremental_value": value, "start_value": value}

    def _beyond(self, cursor: Cursor, key: Column, source: Source) -> str:
        compared = ">=" if cursor.inclusive else ">"
        condition = f"{source.ordered(key)} {compared} {source.literal(cursor.value, key)}"
        return f"({condition} or {source.quoted(key.name)} is null)" if self.rereads_null else condition


def find_cursor(
    place: Place, run: RunFacts, key: Column, name: str, existing: SourceTable | None
) -> Cursor | None:
    """Find where an incremental stream goes on.

    Args:
        place: The stream.
        run: What it shares with the others.
        key: The update key, as the source has it.
        name: Its name in the target.
        existing: The target as it is.

    Returns:
        The cursor; ``None`` where there is nothing to go on from, so that everything is read.

    Raises:
        ReplicationError: The target has no such column.
        LossyTypeError: The target's value is none of the source's type.
    """
    if place.stream.mode is not Mode.INCREMENTAL:
        return None
    inclusive = bool(place.stream.primary_key) if run.inclusive is None else run.inclusive
    if run.state is not None:
        kept = run.state.cursor(place.stream.name, place.stream.object)
        # What remembers nothing may have been moved on by whoever reads it: only the state counts.
        counts = existing is not None or not run.target.capabilities.remembers
        announced = run.state.announced(place.stream.name, place.stream.object)
        if announced is not None and _came_true(announced, run, key, name, existing):
            kept = announced or None
        return Cursor(kept, inclusive, "state") if kept is not None and counts else None
    if existing is None or existing.relation is None:
        return None
    column = _found(name, existing)
    if column is None:
        raise ReplicationError(
            f"{existing.relation} has no column {name}, so there is nothing to go on from.",
            position=place.at("update_key"),
            hint="Load it once with `mode: full-refresh`, or add the column.",
        )
    if pa.types.is_string(key.arrow_type) and not pa.types.is_string(_plain(column.arrow_type)):
        raise ReplicationError(
            f"The update_key {key.name} ({key.native_type}) is compared as text in the source, but it is"
            f" {column.native_type} in the target, whose greatest value is another one.",
            position=place.at("update_key"),
            hint="Leave it as text in the target, or give it its type in custom SQL or in a view.",
        )
    if _loses_order(key, column) and not place.stream.primary_key:
        raise ReplicationError(
            f"The update_key {key.name} ({key.native_type}) is {column.native_type} in the target, where its"
            " greatest value cannot be told, and without a primary_key rows would double.",
            position=place.at("update_key"),
            hint="Declare it under `columns` as a number, such as decimal(38, 10), or name a `primary_key`.",
        )
    value = run.target.maximum(existing.relation, column.name)
    return None if value is None else Cursor(_as_in_source(value, key, column), inclusive, "target")


def _found(name: str, existing: SourceTable) -> Column | None:
    alike = [known for known in existing.columns if known.name.lower() == name.lower()]
    return next((known for known in alike if known.name == name), next(iter(alike), None))


def _came_true(announced: str, run: RunFacts, key: Column, name: str, existing: SourceTable | None) -> bool:
    """Whether a run that could not keep its cursor had published: then it is the target's greatest."""
    if existing is None or existing.relation is None or not run.target.capabilities.remembers:
        return False
    column = _found(name, existing)
    if column is None or _loses_order(key, column):
        return False
    value = run.target.maximum(existing.relation, column.name)
    return announced == ("" if value is None else _as_in_source(value, key, column))


def _loses_order(key: Column, column: Column) -> bool:
    """Whether the target has texts for what the source orders otherwise. The greatest text is some value."""
    kind = key.arrow_type
    ordered = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return (ordered or isinstance(kind, pa.OpaqueType)) and pa.types.is_string(column.arrow_type)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.OpaqueType) else kind


def _as_in_source(value: pa.Scalar[Any], key: Column, column: Column) -> str:
    repeat: Any = pa.repeat
    if not value.is_valid:
        return ""
    try:
        return value_text(cast_values(repeat(value, 1), key.arrow_type)[0])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise LossyTypeError(
            f"The greatest {column.name} in the target ({column.native_type}) is no {key.native_type}, which"
            f" the source has: {str(error).splitlines()[0]}",
            hint="Load the table once with `mode: full-refresh`.",
        ) from error
