"""The schedules of a graph: what each makes, and when next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

import dagster as dg

__all__ = ["Scheduled", "schedules_of"]

_RUNNING = "RUNNING"
_TURNED = frozenset({_RUNNING, "STOPPED"})


@dataclass(frozen=True)
class Scheduled:
    """A schedule.

    Attributes:
        name: Its name.
        cron: When it runs, as a cron expression.
        next: When it runs next; ``None`` where it is turned off.
    """

    name: str
    cron: str
    next: datetime | None

    def __str__(self) -> str:
        return f"{self.name} ({self.cron}): {f'{self.next:%Y-%m-%d %H:%M %Z}' if self.next else 'off'}"


def schedules_of(
    defs: dg.Definitions, instance: dg.DagsterInstance, now: datetime | None = None
) -> Mapping[Scheduled, frozenset[dg.AssetKey]]:
    """Return the schedules, each with the assets that it makes.

    Args:
        defs: The definitions.
        instance: Knows which schedules are turned on.
        now: The time from which the next run is told; ``None`` for the present.
    """
    repository = defs.get_repository_def()
    # An instance in memory knows of none.
    states = instance.all_instigator_state() if instance.schedule_storage is not None else ()
    turned = {state.instigator_name: state.status.value for state in states}
    found = {}
    for schedule in repository.schedule_defs:
        crons = (
            [schedule.cron_schedule] if isinstance(schedule.cron_schedule, str) else schedule.cron_schedule
        )
        status = turned.get(schedule.name)
        # What the user has turned counts, and else what the code says.
        running = (status if status in _TURNED else schedule.default_status.value) == _RUNNING
        zone = schedule.execution_timezone or "UTC"
        following = (
            min(_next(cron, zone, now or datetime.now(timezone.utc)) for cron in crons) if running else None
        )
        keys = frozenset(repository.get_job(schedule.job_name).asset_layer.selected_asset_keys)
        found[Scheduled(schedule.name, ", ".join(crons), following)] = keys
    return found


def _next(cron: str, zone: str, now: datetime) -> datetime:
    """The next moment of a cron expression: the beginning of the first partition that it would cut."""
    windows = dg.TimeWindowPartitionsDefinition(
        start=now, fmt="%Y-%m-%d %H:%M:%S", cron_schedule=cron, timezone=zone, end_offset=1
    )
    with dg.partition_loading_context(now):
        window = windows.get_first_partition_window()
    if window is None:
        raise ValueError(f"{cron} has no next moment.")
    return window.start
