"""How each asset of a graph is: when it was made, of what, whether that still holds, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import dagster as dg

from mainstem.graph.schedules import Scheduled, schedules_of

__all__ = ["AssetStatus", "graph_status"]

_VERSION, _CODE, _INPUT = "dagster/data_version", "dagster/code_version", "dagster/input_data_version/"
# Under which name a tool says how many rows there are, the most telling first.
_ROWS = ("dagster/row_count", "rows", "num_rows")


@dataclass(frozen=True)
class AssetStatus:
    """How an asset is.

    Attributes:
        key: The asset.
        group: Its group.
        kinds: Its kinds.
        upstream: What it depends on.
        external: Nobody materializes it here.
        at: When it was last materialized, or observed where it is external; ``None`` for never.
        rows: How many rows it had then.
        stale: Why it is not what it would be now; empty where it is.
        failing: The checks that did not hold in its latest run.
        schedules: The schedules that make it.
        automated: It is made by itself, by its automation condition.
    """

    key: dg.AssetKey
    group: str | None
    kinds: Sequence[str]
    upstream: Sequence[dg.AssetKey]
    external: bool
    at: datetime | None
    rows: int | None
    stale: Sequence[str]
    failing: Sequence[str]
    schedules: Sequence[Scheduled]
    automated: bool = False

    @property
    def name(self) -> str:
        """Its key, with slashes."""
        return self.key.to_user_string()


def graph_status(
    defs: dg.Definitions, instance: dg.DagsterInstance, now: datetime | None = None
) -> Sequence[AssetStatus]:
    """Return the status of all assets, what is upstream before what is downstream.

    Args:
        defs: The definitions.
        instance: What has run.
        now: The time from which the next runs of schedules are told; ``None`` for the present.
    """
    specs = {spec.key: spec for spec in defs.resolve_all_asset_specs()}
    graph = defs.resolve_asset_graph()
    history = _History(instance)
    schedules = schedules_of(defs, instance, now)
    made = {key for key in specs if key in graph.materializable_asset_keys}
    ordered = [key for key in graph.toposorted_asset_keys if key in specs]
    stale: dict[dg.AssetKey, Sequence[str]] = {}
    found = []
    for key in ordered:
        spec, event = specs[key], history.event(key)
        stale[key] = _stale(spec, history, stale) if key in made else ()
        found.append(
            AssetStatus(
                key=key,
                group=spec.group_name,
                kinds=sorted(spec.kinds),
                upstream=[dep.asset_key for dep in spec.deps],
                external=key not in made,
                at=datetime.fromtimestamp(event.timestamp, timezone.utc) if event else None,
                rows=event.rows if event else None,
                stale=stale[key],
                failing=history.failing(key),
                schedules=[schedule for schedule, keys in schedules.items() if key in keys],
                automated=spec.automation_condition is not None,
            )
        )
    return found


@dataclass(frozen=True)
class _Event:
    timestamp: float
    run_id: str
    tags: Mapping[str, str]
    metadata: Mapping[str, Any]

    @property
    def rows(self) -> int | None:
        values = (getattr(self.metadata.get(name), "value", None) for name in _ROWS)
        return next((value for value in values if isinstance(value, int)), None)


class _History:
    """The latest event of each asset."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._events: dict[dg.AssetKey, _Event | None] = {}

    def event(self, key: dg.AssetKey) -> _Event | None:
        """The latest materialization, else the latest observation."""
        if key not in self._events:
            records = [
                *self._instance.fetch_materializations(key, limit=1).records,
                *self._instance.fetch_observations(key, limit=1).records,
            ]
            self._events[key] = _read(records[0]) if records else None
        return self._events[key]

    def failing(self, key: dg.AssetKey) -> Sequence[str]:
        """The checks that did not hold in the run that made an asset."""
        event = self.event(key)
        if event is None:
            return []
        return sorted(name for checked, name in self._failed(event.run_id) if checked == key)

    @cached_property
    def _by_run(self) -> dict[str, list[tuple[dg.AssetKey, str]]]:
        return {}

    def _failed(self, run_id: str) -> Sequence[tuple[dg.AssetKey, str]]:
        if run_id not in self._by_run:
            kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
            failed = []
            for record in self._instance.get_records_for_run(run_id, of_type=kind).records:
                event = record.event_log_entry.dagster_event
                told = event.asset_check_evaluation_data if event else None
                if told is not None and not told.passed:
                    failed.append((told.asset_key, told.check_name))
            self._by_run[run_id] = failed
        return self._by_run[run_id]


def _read(record: dg.EventLogRecord) -> _Event:
    told: Any = record.asset_materialization or record.event_log_entry.asset_observation
    return _Event(record.timestamp, record.run_id, told.tags or {}, told.metadata)


def _stale(
    spec: dg.AssetSpec, history: _History, stale: Mapping[dg.AssetKey, Sequence[str]]
) -> Sequence[str]:
    event = history.event(spec.key)
    if event is None:
        return ["never materialized"]
    causes = []
    if spec.code_version and event.tags.get(_CODE) not in (None, spec.code_version):
        causes.append("its code has changed")
    for dep in spec.deps:
        name = dep.asset_key.to_user_string()
        then, upstream = event.tags.get(f"{_INPUT}{name}"), history.event(dep.asset_key)
        now = upstream.tags.get(_VERSION) if upstream else None
        if then is not None and now is not None and then != now:
            causes.append(f"{name} is new")
        elif stale.get(dep.asset_key):
            causes.append(f"{name} is stale")
    return causes
