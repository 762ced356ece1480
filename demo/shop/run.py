"""Launch one Dagster run over everything, and follow it through its event log."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from shop import settings
from shop.services import ShopError, dagster, dagster_environment

_COMMAND = ("dg", "launch", "--job", "everything")
_POLL_SECONDS = 0.2
# Under which name a tool says how many rows it wrote, the most telling first.
_ROWS = ("dagster/row_count", "rows", "num_rows")


@dataclass
class AssetOutcome:
    """What the run did to one asset.

    Attributes:
        key: The asset's key, with slashes.
        materialized: Whether it was.
        rows: Rows written, if the tool said so.
        seconds: The elapsed time that the tool told; else the time since its step began, or went on from
            the asset before.
        table: The physical table's name, if the tool said so.
        passed: How many checks held.
        failed: The names of those that did not.
    """

    key: str
    materialized: bool = False
    rows: int | None = None
    seconds: float | None = None
    table: str | None = None
    passed: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass
class Run:
    """A run as its event log tells it, so far.

    Attributes:
        run_id: Dagster's id of the run.
        succeeded: Whether it ended, and well.
        assets: What became of each asset that was planned, by key, in the order in which they were done.
        errors: What went wrong, by step.
        step: The step that runs.
        since: When that step began, or was done with its latest asset.
    """

    run_id: str
    succeeded: bool = False
    assets: dict[str, AssetOutcome] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    step: str = ""
    since: float = 0.0

    def asset(self, key: dg.AssetKey) -> AssetOutcome:
        """Return the outcome of an asset, a new one if it was not heard of yet."""
        name = key.to_user_string()
        return self.assets.setdefault(name, AssetOutcome(name))


def everything() -> Iterator[tuple[Run, AssetOutcome | None]]:
    """Launch the job over all assets as a user would, and tell what happens while it happens.

    Dagster's whole output goes into the run log.

    Yields:
        The run as it stands, and an asset that is done, if one is.

    Raises:
        ShopError: The run did not start.
    """
    os.environ["DAGSTER_HOME"] = dagster_environment()["DAGSTER_HOME"]
    with dg.DagsterInstance.get() as instance:
        earlier = _latest(instance)
        with dagster(_COMMAND, settings.RUN_LOG) as process:
            run: Run | None = None
            cursor = None
            ended = False
            while not ended:
                time.sleep(_POLL_SECONDS)
                ended = process.poll() is not None
                run = run or _started(instance, earlier)
                if run:
                    batch = instance.get_records_for_run(run.run_id, cursor)
                    cursor = batch.cursor
                    for record in batch.records:
                        yield run, _read(run, record.event_log_entry)
        if run is None:
            raise ShopError(f"The run did not start: {_last_line()}", hint=f"The log is {settings.RUN_LOG}.")
        stored = instance.get_run_by_id(run.run_id)
        run.succeeded = stored is not None and stored.is_success


def _latest(instance: dg.DagsterInstance) -> str | None:
    records = instance.get_run_records(limit=1)
    return records[0].dagster_run.run_id if records else None


def _started(instance: dg.DagsterInstance, earlier: str | None) -> Run | None:
    """The run that is launched, as soon as it is there. Nobody else launches one: we hold the lock."""
    latest = _latest(instance)
    return Run(latest) if latest and latest != earlier else None


def _read(run: Run, entry: dg.EventLogEntry) -> AssetOutcome | None:
    """Bring the run up to date with one entry of its log. Returns the asset that is done by it, if one is."""
    event, kinds = entry.dagster_event, dg.DagsterEventType
    if event is None:
        return None
    kind = event.event_type
    if kind == kinds.ASSET_MATERIALIZATION_PLANNED and event.asset_key:
        run.asset(event.asset_key)
    elif kind == kinds.STEP_START:
        run.step, run.since = event.step_key or "", entry.timestamp
    elif kind == kinds.STEP_FAILURE:
        run.errors[event.step_key or ""] = _cause(event.step_failure_data.error)
    elif kind == kinds.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        outcome = run.asset(check.asset_key)
        outcome.passed += check.passed
        outcome.failed += [] if check.passed else [check.check_name]
    elif kind == kinds.ASSET_MATERIALIZATION:
        return _materialized(run, event.step_materialization_data.materialization, entry.timestamp)
    return None


def _materialized(run: Run, materialization: dg.AssetMaterialization, at: float) -> AssetOutcome:
    values: dict[str, Any] = {name: value.value for name, value in materialization.metadata.items()}
    outcome = run.asset(materialization.asset_key)
    run.assets[outcome.key] = run.assets.pop(outcome.key)  # to the end: the assets are in order of the run
    outcome.materialized = True
    outcome.rows = next((values[name] for name in _ROWS if isinstance(values.get(name), int)), None)
    outcome.seconds = values.get("elapsed_time", at - run.since)
    outcome.table = values.get("dagster/table_name")
    run.since = at
    return outcome


def _cause(error: Any) -> str:
    """The message of the user's own exception, which Dagster wraps."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error is not None else "no reason was recorded"


def _last_line() -> str:
    lines = settings.RUN_LOG.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "its log is empty")
