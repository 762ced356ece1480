"""From the source's columns to the planned ones: `select`, `columns`, `column_casing`, `column_typing`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from mainstem.endpoints import Capabilities
from mainstem.errors import Position, ReplicationError
from mainstem.plan.casing import CASINGS, cased
from mainstem.plan.column_typing import ColumnTyping
from mainstem.plan.facts import Place
from mainstem.plan.model import MetadataColumn, PlannedColumn
from mainstem.replication.column_spec import ColumnSpec
from mainstem.replication.columns import column_for, parse_columns
from mainstem.replication.model import did_you_mean
from mainstem.schema import Column
from mainstem.types import can_cast

__all__ = ["ColumnPlanner", "find_column", "target_name", "without_collisions"]

_DIGITS = 38
_FITS_64_BITS = 18


class ColumnPlanner:
    """Plans the columns of one stream."""

    def __init__(self, place: Place, capabilities: Capabilities) -> None:
        self._place = place
        self._stream = place.stream
        self._folds_to_upper = capabilities.folds_to_upper
        self.specs = self._declarations()
        self._typing = ColumnTyping.parse(
            self._stream.target_options.column_typing, place.at("target_options", "column_typing")
        )

    @property
    def declared(self) -> Sequence[str]:
        """The columns that `columns` names."""
        return [spec.name for spec in self.specs if spec.name != "*"]

    def planned(self, chosen: Sequence[tuple[Column, str]]) -> Sequence[PlannedColumn]:
        """Plan columns.

        Args:
            chosen: The columns that are read, each with the name that `select` gives it.

        Raises:
            ReplicationError: Two of them get the same name, or one cannot become what `columns` says.
        """
        planned: dict[str, PlannedColumn] = {}
        for column, selected in chosen:
            name = self.named(selected)
            twin = planned.get(name.lower())
            if twin is not None:
                raise ReplicationError(
                    f"The columns {twin.source.name} and {column.name} both become {name} in the target.",
                    position=self._stream.position,
                    hint="Rename one of them with `select`.",
                )
            planned[name.lower()] = replace(self._column(column, name), selected=selected)
        return list(planned.values())

    def named(self, name: str) -> str:
        """A column's name in the target."""
        casing = self._stream.target_options.column_casing or "normalize"
        if casing not in CASINGS:
            raise ReplicationError(
                f"{casing!r} is no column_casing.",
                position=self._place.at("target_options", "column_casing"),
                hint=did_you_mean(casing, CASINGS) or f"There are {', '.join(CASINGS)}.",
            )
        return cased(name, casing, folds_to_upper=self._folds_to_upper)

    def _declarations(self) -> Sequence[ColumnSpec]:
        return parse_columns(self._stream.columns, lambda key: self._place.at("columns", key))

    def _column(self, column: Column, name: str) -> PlannedColumn:
        spec = column_for(self.specs, column.name)
        planned = PlannedColumn(column, name, column.arrow_type, description=column.comment)
        planned = self._declared(planned, spec) if spec else self._typing.applied(planned)
        if planned.arrow_type != column.arrow_type and not can_cast(column.arrow_type, planned.arrow_type):
            wanted = spec.type if spec else planned.arrow_type
            raise ReplicationError(
                f"Column {column.name} ({column.native_type}) cannot become {wanted}.",
                position=self._place.at("columns", spec.name) if spec else self._stream.position,
                hint="Declare it as text, or cast it with custom SQL.",
            )
        return self._rounded(planned)

    def _declared(self, planned: PlannedColumn, spec: ColumnSpec) -> PlannedColumn:
        wanted = spec.type.arrow_type()
        column = planned.source
        if pa.types.is_string(wanted) and not pa.types.is_string(column.arrow_type):
            # Only the source knows how its values look as text.
            column = replace(column, arrow_type=wanted, as_text=True, notes=())
        return replace(
            planned,
            source=column,
            arrow_type=wanted,
            description=spec.description or planned.description,
            length=spec.type.length if pa.types.is_string(wanted) else None,
            nullable=spec.nullable is not False,
            constraint=spec.constraint,
        )

    def _is_update_key(self, planned: PlannedColumn) -> bool:
        """A rounded cursor would pass over the rows between it and the value that it was."""
        return planned.source.name.lower() == (self._stream.update_key or "").lower()

    def _rounded(self, planned: PlannedColumn) -> PlannedColumn:
        """`max_decimals` of the source or of the target, and `empty_as_null`."""
        source, target = self._stream.source_options, self._stream.target_options
        limits = [limit for limit in (source.max_decimals, target.max_decimals) if limit not in (None, -1)]
        kind, decimals = (
            planned.arrow_type,
            min((limit for limit in limits if limit is not None), default=None),
        )
        if decimals is not None and self._is_update_key(planned) and _has_digits(kind):
            note = f"Column {planned.source.name}: `max_decimals` was left out, since it is the update_key."
            planned = replace(planned, source=replace(planned.source, notes=(*planned.source.notes, note)))
        elif decimals is not None and pa.types.is_decimal(kind) and kind.scale > decimals:
            # 9.99 has one digit more once it is rounded.
            digits = min(kind.precision - kind.scale + 1 + decimals, _DIGITS)
            narrower = pa.decimal64 if digits <= _FITS_64_BITS else pa.decimal128
            planned = replace(planned, arrow_type=narrower(digits, decimals), decimals=decimals)
        elif decimals is not None and pa.types.is_floating(kind):
            planned = replace(planned, decimals=decimals)
        if source.empty_as_null and pa.types.is_string(planned.arrow_type):
            planned = replace(planned, empty_as_null=True)
        return planned


def _has_digits(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def without_collisions(
    added: Sequence[MetadataColumn], columns: Sequence[PlannedColumn]
) -> Sequence[MetadataColumn]:
    """The run's own columns: a name that is taken gets one more underscore (spec §3.5)."""
    taken = {column.name.lower() for column in columns}
    named = []
    for metadata in added:
        name = metadata.name
        while name.lower() in taken:
            name = f"_{name}"
        taken.add(name.lower())
        named.append(replace(metadata, name=name))
    return named


def find_column(name: str, columns: Sequence[Column], position: Position) -> Column:
    """Find a column by its name: exactly, else the only one that differs in case.

    Raises:
        ReplicationError: There is none, or more than one.
    """
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


def target_name(key: Column, columns: Sequence[PlannedColumn]) -> str | None:
    """A column's name in the target; ``None`` where it is not selected."""
    return next((column.name for column in columns if column.source.name == key.name), None)
