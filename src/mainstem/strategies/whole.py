"""Modes that need no key: the rows become the table, take the old ones' place, or come on top (spec §3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.endpoints import Empty, Insert, KeyProfile, Step, Swap
from mainstem.plan import StreamPlan

__all__ = ["appended", "replaced", "truncated"]


def replaced(plan: StreamPlan, profile: KeyProfile) -> Sequence[Step]:  # noqa: ARG001 - no key matters here
    """full-refresh, definition-only, and the first load of every mode: the staged rows become the table."""
    return [Swap(plan.keys, plan.definition, plan.schema.names)]


def truncated(plan: StreamPlan, profile: KeyProfile) -> Sequence[Step]:
    """truncate: the table stays, its rows are the staged ones."""
    if plan.existing is None:
        return replaced(plan, profile)
    return [*plan.changes, Empty(), Insert(list(plan.schema), plan.natives)]


def appended(plan: StreamPlan, profile: KeyProfile) -> Sequence[Step]:
    """snapshot, and incremental without a primary key: the staged rows come on top."""
    if plan.existing is None:
        return replaced(plan, profile)
    return [*plan.changes, Insert(list(plan.schema), plan.natives)]
