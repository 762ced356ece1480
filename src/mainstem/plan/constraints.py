"""Constraints of `columns`, compiled over the rows as they are staged (spec §1.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mainstem.errors import ReplicationError
from mainstem.expressions import Entry, ProgramBuilder, parse
from mainstem.plan.model import ConstraintPlan, PlannedColumn
from mainstem.replication.scanner import named

__all__ = ["planned_constraints"]


def planned_constraints(
    columns: Sequence[PlannedColumn], env: Mapping[str, str], now: datetime
) -> ConstraintPlan | None:
    """Compile the constraints of a stream.

    Raises:
        ReplicationError: One is no expression, or is neither true nor false.
        ConfigError: DuckDB's library is not installed.
    """
    constrained = [(column, column.constraint) for column in columns if column.constraint]
    if not constrained:
        return None
    builder = ProgramBuilder([(column.name, column.field.type) for column in columns], env, now)
    entries = []
    for number, (column, constraint) in enumerate(constrained):
        expression = parse(constraint.text, constraint.position, f"Constraint of {named(column.name)}")
        # A name that no column has: truth values are computed beside the columns.
        entry = Entry(f"\0{number}", expression, value=column.name)
        if builder.typed(entry).family != "bool":
            raise ReplicationError(
                f"The constraint of {named(column.name)} is neither true nor false: {constraint.text}.",
                position=constraint.position,
                hint="Compare the value, as in `value > 0`.",
            )
        entries.append(entry)
    builder.stage(entries)
    checks = [(column.name, constraint) for column, constraint in constrained]
    return ConstraintPlan(builder.program(), checks)
