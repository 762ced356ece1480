"""Up to where an incremental stream has come: what is beyond is new, and no difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mainstem.endpoints import Query, Source, SourceTable
from mainstem.plan import StreamPlan
from mainstem.reconcile.measure import Side, measure
from mainstem.schema import Column
from mainstem.types import cast_values, value_text

__all__ = ["Bound", "bound_of"]


@dataclass(frozen=True)
class Bound:
    """The greatest value of the update key that the target has.

    Attributes:
        key: The update key, as the source has it.
        value: The value, in the source's words.
    """

    key: Column
    value: str

    def reached(self, source: Source) -> str:
        """The condition of rows that the target can have: up to the bound, and those without a value."""
        return f"{self._compared(source, '<=')} or {source.quoted(self.key.name)} is null"

    def newer_rows(self, plan: StreamPlan, source: Source) -> int:
        """How many rows of the source are beyond the bound."""
        where = [*plan.query.where, self._compared(source, ">")]
        return measure(Side(source, plan.query.relation, plan.query.sql, where), {}, frozenset()).rows

    def _compared(self, source: Source, how: str) -> str:
        return f"{source.ordered(self.key)} {how} {source.literal(self.value, self.key)}"


def bound_of(plan: StreamPlan, there: SourceTable, target: Source) -> Bound | None:
    """Find how far the target is; ``None`` where nothing tells it.

    Args:
        plan: The stream's plan.
        there: The target as it is.
        target: The open target.
    """
    if plan.range is not None or plan.update_key is None or there.relation is None:
        return None
    name = plan.update_key
    planned = next((column for column in plan.columns if column.name == name), None)
    column = next((column for column in there.columns if column.name.lower() == name.lower()), None)
    if planned is None or column is None:
        return None
    sql = f"select max({target.ordered(column)}) as {target.quoted(column.name)}"
    with target.read(
        Query(columns=[column], sql=f"{sql} from {target.qualified(there.relation)}")
    ) as batches:
        found = [value for batch in batches for value in batch.column(0)]
    greatest = next((value for value in found if value.is_valid), None)
    repeat: Any = pa.repeat
    if greatest is None:
        return None
    return Bound(planned.source, value_text(cast_values(repeat(greatest, 1), planned.source.arrow_type)[0]))
