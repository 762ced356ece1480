"""From what dlt tells of a load to one report a resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import dagster as dg
from dlt import Pipeline
from dlt.common.pipeline import LoadInfo
from dlt.common.storages.load_package import LoadJobInfo
from dlt.extract.resource import DltResource

from mainstem.assets import AssetReport, column_metadata
from mainstem.dlt.failures import job_message, qualified
from mainstem.dlt.run import PipelineRun
from mainstem.dlt.secrets import Secrets
from mainstem.dlt.tables import ResourceTables, resource_tables, schema_columns
from mainstem.report import StreamReport


@dataclass(frozen=True)
class DltAssetReport(AssetReport):
    """An asset's report that knows the tables behind it, for what is fetched later.

    Attributes:
        tables: The tables of the asset's resource.
    """

    tables: ResourceTables | None = None


def asset_report(
    run: PipelineRun, key: dg.AssetKey, resource: DltResource, notes: Sequence[str] = ()
) -> DltAssetReport:
    """Report on a resource that was loaded.

    Args:
        run: The run.
        key: The asset that the resource is.
        resource: The resource, as it was extracted.
        notes: What the user should know besides.
    """
    schema = run.pipeline.schemas[run.schema]
    tables = resource_tables(resource, schema)
    dataset = run.load.dataset_name or run.pipeline.dataset_name
    rows = _rows(run, tables)
    children = {
        table: column_metadata(columns)["dagster/column_schema"]
        for table in tables.others
        if (columns := schema_columns(schema, table))
    }
    report = StreamReport(
        stream=resource.name,
        tool="dlt",
        target=qualified(dataset, tables.main) if tables.main else None,
        storage=run.load.destination_name,
        rows=rows,
        seconds=_seconds(run, resource, tables),
        columns=schema_columns(schema, tables.main),
        notes=notes,
        extra={**children, **_load_metadata(run, tables, dataset, rows)},
    )
    return DltAssetReport(key=key, report=report, tables=tables)


def _load_metadata(
    run: PipelineRun, tables: ResourceTables, dataset: str | None, rows: int | None
) -> Mapping[str, Any]:
    load = run.load
    said = {
        "rows_loaded": rows,
        "jobs": [_job_metadata(job, run.pipeline) for job in run.jobs(tables.all)],
        "load_ids": list(load.loads_ids),
        "first_run": load.first_run,
        "started_at": _text(min(_times(load, "started_at"), default=None)),
        "finished_at": _text(max(_times(load, "finished_at"), default=None)),
        "dataset_name": dataset,
        "destination_name": load.destination_name,
        "destination_type": load.destination_type,
    }
    return {key: value for key, value in said.items() if value is not None}


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


def _rows(run: PipelineRun, tables: ResourceTables) -> int | None:
    """Count the rows that this run normalized for the resource's own tables."""
    trace = run.pipeline.last_trace
    normalized = trace.last_normalize_info if trace else None
    if normalized is None or any(load_id not in normalized.metrics for load_id in run.load.loads_ids):
        return None
    return sum(
        written.items_count
        for load_id in run.load.loads_ids
        for metrics in normalized.metrics[load_id]
        for table, written in metrics["table_metrics"].items()
        if table in tables.roots
    )


def _seconds(run: PipelineRun, resource: DltResource, tables: ResourceTables) -> float | None:
    """From the resource's first extracted row to the end of its last load job."""
    trace = run.pipeline.last_trace
    extracted = trace.last_extract_info if trace else None
    if extracted is None:
        return None
    begun = [
        metrics["resource_metrics"][resource.name].created
        for load_id in run.load.loads_ids
        for metrics in extracted.metrics.get(load_id, ())
        if resource.name in metrics["resource_metrics"]
    ]
    ended = [
        job.finished_at.timestamp()
        for loads in run.load.metrics.values()
        for load in loads
        for job in load["job_metrics"].values()
        if job.finished_at and job.table_name in tables.all
    ]
    return max(0.0, max(ended) - min(begun)) if begun and ended else None


def _times(load: LoadInfo, which: str) -> Iterable[datetime]:
    # Not `load.finished_at`: it fails on a package that did not finish.
    for packages in load.metrics.values():
        for metrics in packages:
            time: datetime | None = metrics.get(which)  # type: ignore[assignment] # a key of the typed dict
            if time is not None:
                yield time


def _text(time: datetime | None) -> str | None:
    return time.astimezone(timezone.utc).isoformat() if time else None
