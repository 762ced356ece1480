"""A table that is there already, and rows that changed their shape: what becomes of each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from mainstem.endpoints import AddColumn, ChangeType, SourceTable, Step, Target
from mainstem.errors import ReplicationError
from mainstem.plan.facts import Place
from mainstem.plan.model import MetadataColumn, PlannedColumn
from mainstem.schema import Column
from mainstem.types import can_cast, common_type, type_name

__all__ = ["Evolution", "evolved"]


@dataclass
class Evolution:
    """How the planned columns fit the existing table.

    Attributes:
        columns: The columns, with the names and the types of the target's.
        metadata: The run's own columns.
        changes: What the table's definition needs.
        notes: What the user should know.
    """

    columns: list[PlannedColumn] = field(default_factory=list)
    metadata: list[MetadataColumn] = field(default_factory=list)
    changes: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def evolved(
    place: Place,
    columns: Sequence[PlannedColumn],
    metadata: Sequence[MetadataColumn],
    existing: SourceTable,
    target: Target,
) -> Evolution:
    """Fit planned columns to a table.

    A column that the table lacks is added (`add_new_columns`, the default) or left out. A column of another
    type is widened to what holds both (`adjust_column_type`), or keeps its type, and a value that it cannot
    hold exactly fails the stream. Columns that the source lost stay, and are NULL in new rows.

    Raises:
        ReplicationError: A column of the source cannot become what the target has.
    """

    def same(known: Column, field: pa.Field[Any]) -> bool:
        # What the target made of the type then, it would make of it now.
        return known.native_type.lower() == target.native_type(field).sql.lower()

    fitting = Evolution()
    adds = place.stream.target_options.add_new_columns is not False
    adjusts = place.stream.target_options.adjust_column_type is True
    for planned in columns:
        known = _known(planned.name, existing)
        if known is not None:
            _fit(
                fitting,
                place,
                replace(planned, name=known.name),
                known,
                widens=adjusts and not same(known, planned.field),
            )
        elif adds:
            fitting.columns.append(planned)
            fitting.changes.append(AddColumn(planned.field))
        else:
            fitting.notes.append(
                f"The column {planned.name} is missing in {existing.relation} and was left out:"
                " `add_new_columns` is false."
            )
    for added in metadata:
        known = _known(added.name, existing)
        if known is None:
            fitting.metadata.append(added)
            fitting.changes.append(AddColumn(added.field))
        elif same(known, added.field):
            fitting.metadata.append(replace(added, name=known.name))
        elif can_cast(added.arrow_type, known.arrow_type):
            fitting.metadata.append(replace(added, name=known.name, arrow_type=known.arrow_type))
        else:
            raise ReplicationError(
                f"The run adds a column {added.name} ({type_name(added.arrow_type)}), which is"
                f" {known.native_type} in {existing.relation}.",
                position=place.stream.position,
                hint="Set the `SLING_` setting as it was when the table was made, or load it once with"
                " full-refresh.",
            )
    return fitting


def _known(name: str, existing: SourceTable) -> Column | None:
    exact = [column for column in existing.columns if column.name == name]
    found = exact or [column for column in existing.columns if column.name.lower() == name.lower()]
    return found[0] if found else None


def _fit(fitting: Evolution, place: Place, planned: PlannedColumn, known: Column, *, widens: bool) -> None:
    kind, has = planned.arrow_type, known.arrow_type
    if widens and kind != has:
        wide = common_type(_plain(has), _plain(kind))
        if wide is not None and wide != _plain(has) and can_cast(kind, wide):
            planned = replace(planned, staged_type=wide)
            fitting.columns.append(planned)
            fitting.changes.append(ChangeType(planned.field.with_nullable(True)))
            fitting.notes.append(
                f"The column {known.name} was widened from {known.native_type}: `adjust_column_type`."
            )
            return
    if not can_cast(kind, has):
        raise ReplicationError(
            f"The column {planned.source.name} ({planned.source.native_type}) cannot be written to"
            f" {known.name}, which is {known.native_type} in the target.",
            position=place.stream.position,
            hint="Set `target_options: {adjust_column_type: true}`, or load it once with full-refresh.",
        )
    fitting.columns.append(replace(planned, staged_type=has))


def _plain(kind: pa.DataType) -> pa.DataType:
    """Text is text, whichever system's type it spells."""
    return kind.storage_type if isinstance(kind, pa.OpaqueType) else kind
