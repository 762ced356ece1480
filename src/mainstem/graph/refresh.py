"""A run of the whole graph that makes what has changed, and says of all else that it was skipped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mainstem.errors import MainstemError
from mainstem.graph.status import AssetStatus, graph_status

__all__ = ["FAILED", "MADE", "SKIPPED", "Refreshed", "refresh"]

MADE, FAILED, SKIPPED = "made", "failed", "skipped"
_LOOK, _MAKE = "mainstem_observe", "mainstem_refresh"
# Where a class of errors is defined, before its message.
_MODULE = re.compile(r"^(?:\w+\.)+\w+: ")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did to an asset.

    Attributes:
        status: How the asset is now.
        outcome: ``made``, ``failed`` or ``skipped``.
        why: Why it was made or skipped, or what went wrong.
    """

    status: AssetStatus
    outcome: str
    why: str


def refresh(defs: dg.Definitions, instance: dg.DagsterInstance) -> Sequence[Refreshed]:
    """Look at the sources, and make in this process what is not as it would be now.

    These are two runs of Dagster: one that observes, and one of all assets that are stale by what was seen.
    Where nothing is, there is no second one.

    Args:
        defs: The definitions.
        instance: What has run, and where these runs are kept.

    Returns:
        All assets that are made here, what is upstream before what is downstream.

    Raises:
        MainstemError: A source could not be observed.
    """
    observed = defs.resolve_asset_graph().observable_asset_keys
    partitioned = {spec.key for spec in defs.resolve_all_asset_specs() if spec.partitions_def is not None}
    unseen = _run(defs, instance, _LOOK, observed - partitioned)
    if unseen:
        raise MainstemError(
            f"The sources could not be observed. {next(iter(unseen.values()))}",
            hint="What depends on them is not known to be unchanged. Nothing was made.",
        )
    before = [each for each in graph_status(defs, instance) if not each.external]
    due = {each.key for each in before if each.stale and each.key not in partitioned}
    failures = _run(defs, instance, _MAKE, due)
    after = {each.key: each for each in graph_status(defs, instance)}
    seen = {key for key, each in after.items() if each.at is not None}
    return [_told(each, after[each.key], partitioned, failures, seen) for each in before]


def _told(
    before: AssetStatus,
    now: AssetStatus,
    partitioned: Collection[dg.AssetKey],
    failures: Mapping[dg.AssetKey, str],
    seen: AbstractSet[dg.AssetKey],
) -> Refreshed:
    if before.key in partitioned:
        return Refreshed(now, SKIPPED, "it has partitions, which are run by themselves")
    if now.at is None or (before.stale and now.at == before.at):
        return Refreshed(now, FAILED, failures.get(before.key, "What it is made of was not made."))
    if before.stale:
        return Refreshed(now, MADE, "; ".join(before.stale))
    changed = "nothing that it is made of has changed" if seen & set(now.upstream) else "no change is known"
    return Refreshed(now, SKIPPED, f"{changed} since {now.at:%Y-%m-%d %H:%M}")


def _run(
    defs: dg.Definitions, instance: dg.DagsterInstance, name: str, keys: Collection[dg.AssetKey]
) -> Mapping[dg.AssetKey, str]:
    """Run assets, if there are any, and return what went wrong with which."""
    if not keys:
        return {}
    job = dg.define_asset_job(name, selection=dg.AssetSelection.assets(*sorted(keys)))
    found = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).get_repository_def().get_job(name)
    # A project's own loggers say what they are set to say.
    quiet = {} if defs.loggers else _QUIET
    result = found.execute_in_process(instance=instance, raise_on_error=False, run_config=quiet)
    kinds = dg.DagsterEventType
    steps: dict[str | None, list[dg.AssetKey]] = {}
    for record in instance.get_records_for_run(
        result.run_id, of_type=kinds.ASSET_MATERIALIZATION_PLANNED
    ).records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.asset_key is not None:
            steps.setdefault(event.step_key, []).append(event.asset_key)
    failures: dict[dg.AssetKey, str] = {}
    for event in result.all_events:
        if event.event_type == kinds.STEP_FAILURE:
            # What is observed is not planned.
            failed = steps.get(event.step_key, keys)
            failures.update(dict.fromkeys(failed, _cause(event.step_failure_data.error)))
    return failures


def _cause(error: Any) -> str:
    """The message of the user's own exception, which Dagster wraps."""
    while error is not None and error.cause is not None:
        error = error.cause
    return _MODULE.sub("", error.message).strip() if error is not None else "No reason was recorded."
