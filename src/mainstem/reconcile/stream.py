"""A stream of a replication against its target, whatever its mode is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mainstem.endpoints import Source, SourceTable, Target
from mainstem.errors import ConfigError
from mainstem.plan import RunFacts, StreamPlan, plan_stream
from mainstem.reconcile.bound import bound_of
from mainstem.reconcile.compare import ALL, no_whole, reconcile
from mainstem.reconcile.model import Comparison, OneOf, Reconciliation
from mainstem.replication import Mode, Replication, Stream
from mainstem.schema import Column

__all__ = ["plan_of_everything", "reconcile_stream"]

_LOADED_AT, _DELETED_AT, _OPERATION = "_sling_loaded_at", "_sling_deleted_at", "_sling_synced_op"


def reconcile_stream(
    replication: Replication,
    stream: Stream,
    source: Source,
    target: Target,
    *,
    compare: frozenset[Comparison] = ALL,
    only: Sequence[OneOf] = (),
) -> Reconciliation:
    """Compare a stream's source and target.

    Of a snapshot only the last load is compared, and rows that are marked as deleted are left out. Of an
    incremental stream with an update key, rows that are newer than what the target has are only counted.

    Args:
        replication: The document.
        stream: The stream, no wildcard.
        source: The open source.
        target: The open target.
        compare: What is compared.
        only: Only rows of these values, on both sides.

    Raises:
        ConfigError: The stream moves no rows, or has a limit; or the target cannot be read.
        EndpointError: One of the systems refused its query, or the target is not there.
    """
    if stream.mode is Mode.DEFINITION_ONLY:
        raise ConfigError(f"Stream {stream.name} moves no rows: there is nothing to compare.")
    if stream.source_options.limit or stream.source_options.offset:
        raise no_whole(stream.name)
    if not isinstance(target, Source):
        raise ConfigError(f"{target.connection.name} ({target.connection.type}) cannot be read.")
    plan = plan_of_everything(replication, stream, source, target)
    there = target.describe(plan.target)
    target_where = [*_last_load(stream, there, target), *_present(there, target)]
    bound = bound_of(plan, there, target) if stream.mode is Mode.INCREMENTAL else None
    found = reconcile(
        plan,
        source,
        target,
        compare=compare,
        only=only,
        source_where=[bound.reached(source)] if bound else (),
        target_where=target_where,
    )
    if bound is None:
        return found
    return replace(found, up_to=bound.value, newer_rows=bound.newer_rows(plan, source))


def plan_of_everything(
    replication: Replication, stream: Stream, source: Source, target: Target
) -> StreamPlan:
    """The plan of a stream that reads all that its target should have, from no cursor on."""
    options = stream.target_options.model_copy(update={"delete_missing": None})
    whole = replace(stream, mode=Mode.FULL_REFRESH, target_options=options)
    return plan_stream(whole, RunFacts(replication, source, target, datetime.now().astimezone()))


def _last_load(stream: Stream, there: SourceTable, target: Source) -> list[str]:
    column = _named(_LOADED_AT, there)
    if stream.mode is not Mode.SNAPSHOT or column is None or there.relation is None:
        return []
    name = target.quoted(column.name)
    whole = target.qualified(there.relation)
    return [f"{name} = (select max({name}) from {whole})"]  # noqa: S608 - identifiers are quoted


def _present(there: SourceTable, target: Source) -> list[str]:
    deleted, operation = _named(_DELETED_AT, there), _named(_OPERATION, there)
    conditions = [f"{target.quoted(deleted.name)} is null"] if deleted else []
    if operation:
        name = target.quoted(operation.name)
        conditions.append(f"{name} is null or {name} <> 'D'")
    return conditions


def _named(name: str, there: SourceTable) -> Column | None:
    return next((column for column in there.columns if column.name.lower() == name), None)
