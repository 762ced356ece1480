"""incremental and backfill: staged rows meet those of the table by their primary key (spec §3.2, §3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mainstem.endpoints import (
    Create,
    Deduplicate,
    Delete,
    Insert,
    Key,
    KeyProfile,
    MarkUpdated,
    Step,
    Update,
)
from mainstem.errors import AmbiguousKeyError
from mainstem.plan import StreamPlan
from mainstem.strategies.whole import appended, replaced

__all__ = ["incremental"]


def incremental(plan: StreamPlan, profile: KeyProfile) -> Sequence[Step]:
    """Append without a primary key, merge with one.

    Raises:
        AmbiguousKeyError: Staged rows have the same key, with NULL in it.
    """
    if not plan.primary_key:
        return appended(plan, profile)
    key = Key([plan.schema.field(name) for name in plan.primary_key], frozenset(profile.nulls))
    settled = _settled(plan, profile, key)
    if plan.existing is not None:
        return [*plan.changes, *settled, *_marked(plan, key), *_MERGES[str(plan.merge_strategy)](plan, key)]
    if plan.merge_strategy == "update":
        # There is no row yet that could be updated.
        return [Create(plan.schema, plan.keys, plan.definition)]
    return [*settled, *replaced(plan, profile)]


def _settled(plan: StreamPlan, profile: KeyProfile, key: Key) -> Sequence[Step]:
    """Of rows with the same key the newest stays; rows that nothing tells apart are refused."""
    if profile.repeated_with_null:
        columns = ", ".join(f"{name} ({count} rows)" for name, count in profile.nulls.items())
        raise AmbiguousKeyError(
            f"The primary key ({', '.join(plan.primary_key)}) is NULL in {columns}, and"
            f" {profile.repeated_with_null} such keys stand in more than one row: merging would lose all but"
            " one.",
            hint="Leave these rows out with `where`, or name a key that has no NULL.",
        )
    if not profile.repeated:
        return []
    newest = plan.schema.field(plan.update_key) if plan.update_key in plan.schema.names else None
    return [Deduplicate(key, newest, plan.schema.names)]


def _marked(plan: StreamPlan, key: Key) -> Sequence[Step]:
    operation = plan.metadata("synced_op")
    return [MarkUpdated(key, operation.name, "U")] if operation else []


def _insert(plan: StreamPlan, key: Key) -> Sequence[Step]:
    return [Insert(list(plan.schema), plan.natives, unless=key)]


def _update(plan: StreamPlan, key: Key) -> Sequence[Step]:
    others = [field for field in plan.schema if field.name not in key.names]
    return [Update(key, others, plan.natives)]


def _update_insert(plan: StreamPlan, key: Key) -> Sequence[Step]:
    return [*_update(plan, key), *_insert(plan, key)]


def _delete_insert(plan: StreamPlan, key: Key) -> Sequence[Step]:
    return [Delete(key), Insert(list(plan.schema), plan.natives)]


_MERGES: Mapping[str, Callable[[StreamPlan, Key], Sequence[Step]]] = {
    "insert": _insert,
    "update": _update,
    "update_insert": _update_insert,
    "delete_insert": _delete_insert,
}
