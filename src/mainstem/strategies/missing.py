"""`delete_missing`: rows whose key the source does not have any more (spec §3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from mainstem.endpoints import DeleteMissing, Key, KeyProfile, MarkMissing, Step
from mainstem.plan import StreamPlan
from mainstem.schema import Relation
from mainstem.types import value_text

__all__ = ["missing_steps"]


def missing_steps(
    plan: StreamPlan, present: Relation, profile: KeyProfile, started: datetime
) -> Sequence[Step]:
    """The steps that delete or mark what is gone.

    Args:
        plan: The stream's plan, which has a `missing`.
        present: A table of the keys that the source has.
        profile: What those keys are like.
        started: When the run began.
    """
    if plan.missing is None:
        return []
    key = Key([plan.schema.field(name) for name in plan.primary_key], frozenset(profile.nulls))
    if not plan.missing.soft:
        return [DeleteMissing(key, present, plan.missing.where)]
    operation, synced, deleted = (plan.metadata(role) for role in ("synced_op", "synced_at", "deleted_at"))
    at = value_text(pa.scalar(started, pa.timestamp("us", "UTC")))
    if operation and synced:
        marks = {operation.name: "D", synced.name: at}
        return [MarkMissing(key, present, marks, operation.name, any_value=False, where=plan.missing.where)]
    if deleted is None:
        raise AssertionError("A soft delete was planned without a column that tells it.")
    when = at if pa.types.is_timestamp(deleted.arrow_type) else str(int(started.timestamp()))
    return [MarkMissing(key, present, {deleted.name: when}, deleted.name, where=plan.missing.where)]
