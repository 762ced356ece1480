"""From what dlt tells of a load to one report an asset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import dagster as dg
from dlt import Pipeline
from dlt.common.metrics import DataWriterMetrics
from dlt.common.storages.load_package import LoadJobInfo
from dlt.extract.resource import DltResource

from mainstem.assets import AssetReport, column_metadata
from mainstem.dlt.definition import ResourceAssets
from mainstem.dlt.failures import job_message, qualified
from mainstem.dlt.run import PipelineRun
from mainstem.dlt.secrets import Secrets
from mainstem.dlt.tables import ResourceTables, resource_tables, schema_columns
from mainstem.report import StreamReport


@dataclass(frozen=True)
class DltAssetReport(AssetReport):
    """An asset's report that knows the tables behind it, for what is fetched later.

    Attributes:
        tables: The tables of the asset.
    """

    tables: ResourceTables | None = None


def asset_reports(
    run: PipelineRun, assets: ResourceAssets, resource: DltResource, notes: Sequence[str] = ()
) -> Iterator[DltAssetReport]:
    """Report on a resource that was loaded: on its own asset, then on those of its nested tables.

    Args:
        run: The run.
        assets: The assets that the resource is.
        resource: The resource, as it was extracted.
        notes: What the user should know besides.
    """
    schema = run.pipeline.schemas[run.schema]
    tables = resource_tables(resource, schema)
    seconds = _seconds(run, resource)
    children = {
        table: column_metadata(columns)["dagster/column_schema"]
        for table in tables.others
        if (columns := schema_columns(schema, table))
    }
    yield _report(run, assets.spec.key, resource.name, tables, notes, seconds=seconds, extra=children)
    for table, spec in assets.nested.items():
        strange = table in schema.tables and table not in tables.nested
        more = [f"{table} is no nested table of the resource {resource.name}."] if strange else []
        own = replace(tables, main=table, roots=[table], nested=[])
        yield _report(run, spec.key, table, own, [*notes, *more], seconds=seconds)


def _report(
    run: PipelineRun,
    key: dg.AssetKey,
    stream: str,
    tables: ResourceTables,
    notes: Sequence[str],
    *,
    seconds: float | None,
    extra: Mapping[str, Any] | None = None,
) -> DltAssetReport:
    rows = _sum(run, tables.roots, "items_count")
    report = StreamReport(
        stream=stream,
        tool="dlt",
        target=qualified(run.dataset, tables.main) if tables.main else None,
        storage=run.pipeline.destination.destination_name,
        rows=rows,
        bytes=_sum(run, tables.all, "file_size"),
        seconds=seconds,
        columns=schema_columns(run.pipeline.schemas[run.schema], tables.main),
        notes=notes,
        extra={**(extra or {}), **_load_metadata(run, tables, rows)},
    )
    return DltAssetReport(key=key, report=report, tables=tables)


def _load_metadata(run: PipelineRun, tables: ResourceTables, rows: int | None) -> Mapping[str, Any]:
    destination = run.pipeline.destination
    said = {
        "rows_loaded": rows,
        "jobs": [_job_metadata(job, run.pipeline) for job in run.jobs(tables.all)],
        "load_ids": list(run.load_ids),
        "schema_changes": _schema_changes(run, tables) or None,
        "first_run": run.first_run,
        "started_at": _text(run.started),
        "finished_at": _text(datetime.now(timezone.utc)),
        "dataset_name": run.dataset,
        "destination_name": destination.destination_name,
        "destination_type": destination.destination_type,
    }
    return {key: value for key, value in said.items() if value is not None}


def _schema_changes(run: PipelineRun, tables: ResourceTables) -> Mapping[str, Any]:
    """What this run added to the tables at the destination: whole tables, and columns of older ones."""
    if run.known is None:
        return {}
    added = {
        table: update.get("columns", {})
        for package in run.packages
        for table, update in package.schema_update.items()
        if table in tables.all
    }
    columns = {
        table: {
            name: column.get("data_type")
            for name, column in update.items()
            if name not in run.known[table] and column.get("data_type")
        }
        for table, update in added.items()
        if table in run.known
    }
    changes = {
        "new_tables": [table for table in added if table not in run.known],
        "new_columns": {table: new for table, new in columns.items() if new},
        "dropped_tables": _named(run, tables, "dropped_tables"),
        "truncated_tables": _named(run, tables, "truncated_tables"),
    }
    return {name: value for name, value in changes.items() if value}


def _named(run: PipelineRun, tables: ResourceTables, which: str) -> Sequence[str]:
    return [table for package in run.packages for table in getattr(package, which, ()) if table in tables.all]


def _job_metadata(job: LoadJobInfo, pipeline: Pipeline) -> Mapping[str, Any]:
    file = job.job_file_info
    message = job_message(job)
    return {
        "table_name": file.table_name,
        "job_id": file.job_id(),
        "file_name": file.file_name(),
        "file_format": file.file_format,
        "file_size": job.file_size,
        "state": job.state,
        "created_at": _text(job.created_at),
        "elapsed": job.elapsed,
        "retry_count": file.retry_count,
        "failed_message": Secrets(pipeline).redact(message) if message else None,
    }


def normalized_rows(run: PipelineRun, tables: Sequence[str]) -> int | None:
    """Count the rows that were normalized for some tables. ``None`` where an earlier run did that.

    Args:
        run: The run.
        tables: The tables' names in dlt.
    """
    return _sum(run, tables, "items_count")


def _sum(run: PipelineRun, tables: Sequence[str], what: str) -> int | None:
    metrics = run.normalized.metrics if run.normalized else {}
    if any(load_id not in metrics for load_id in run.load_ids):
        return None
    written: Iterator[tuple[str, DataWriterMetrics]] = (
        item
        for load_id in run.load_ids
        for part in metrics[load_id]
        for item in part["table_metrics"].items()
    )
    return sum(int(getattr(metric, what)) for table, metric in written if table in tables)


def _seconds(run: PipelineRun, resource: DltResource) -> float | None:
    """From the resource's first extracted row until now."""
    begun = [
        metrics["resource_metrics"][resource.name].created
        for load_id in run.load_ids
        for metrics in (run.extracted.metrics if run.extracted else {}).get(load_id, ())
        if resource.name in metrics["resource_metrics"]
    ]
    return max(0.0, datetime.now(timezone.utc).timestamp() - min(begun)) if begun else None


def _text(time: datetime | None) -> str | None:
    return time.astimezone(timezone.utc).isoformat() if time else None
