"""From what dbt says of a node to what Dagster is told of an asset or a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import dagster as dg

from mainstem.assets import (
    AssetEvent,
    AssetReport,
    CheckReport,
    ExecutionContext,
    ObservationReport,
    Report,
)
from mainstem.dbt.iterator import to_events
from mainstem.dbt.manifest import DbtManifestParam, Node, node_of, read_manifest, upstream_ids
from mainstem.dbt.messages import DbtCliEventMessage
from mainstem.dbt.nodes import RunNodes, assets_def_of
from mainstem.dbt.project import DbtProject
from mainstem.dbt.props import relation
from mainstem.dbt.translator import DagsterDbtTranslator
from mainstem.report import ReportedColumn, StreamReport

__all__ = ["events_of", "freshness_reports", "reports_of"]

# A node that dbt did not run leaves no report. What dbt saw no need to build again is there all the same.
_DONE = frozenset({"success", "warn", "no-op", "reused"})
_TESTED = frozenset({"pass", "warn", "fail", "error", "runtime error"})


def events_of(
    event: DbtCliEventMessage,
    manifest: DbtManifestParam,
    translator: DagsterDbtTranslator | None,
    context: ExecutionContext | None,
    project: DbtProject | None,
) -> Iterator[AssetEvent]:
    """Yield the Dagster events that one event of dbt makes.

    Args:
        event: dbt's event.
        manifest: dbt's manifest.
        translator: Says which asset a node is.
        context: The context of the asset or op that runs.
        project: The project, where ``@dbt_assets`` was given one.
    """
    if not event.is_result_event:
        return
    assets_def = assets_def_of(context)
    nodes = RunNodes(read_manifest(manifest), translator or DagsterDbtTranslator(), project, assets_def)
    yield from to_events(reports_of(event, nodes), context)


def reports_of(event: DbtCliEventMessage, nodes: RunNodes) -> Iterator[Report]:
    """Yield the reports that a node's result makes.

    An asset that was built makes one, and so does a test that is a check. A test that is none is an
    observation on each asset that it reads. A node that failed, or was skipped, makes none.
    """
    unique_id = event.unique_id
    if unique_id is None:
        return
    key = nodes.asset(unique_id)
    if key is not None:
        if event.status in _DONE:
            yield AssetReport(key, _stream_report(event, node_of(nodes.manifest, unique_id), nodes))
        return
    if not unique_id.startswith("test.") or event.status not in _TESTED:
        return
    test = node_of(nodes.manifest, unique_id)
    check = nodes.check(unique_id)
    if check is not None:
        severity = dg.AssetCheckSeverity.WARN if event.status == "warn" else dg.AssetCheckSeverity.ERROR
        yield CheckReport(
            key=check.asset_key,
            name=check.name,
            passed=event.status == "pass",
            severity=severity,
            metadata=_check_metadata(event, test),
        )
        return
    for parent in upstream_ids(nodes.manifest, test):
        yield ObservationReport(nodes.key(parent), _check_metadata(event, test), f"dbt test {test['name']}")


def freshness_reports(sources: Mapping[str, Any], nodes: RunNodes) -> Iterator[ObservationReport]:
    """Yield an observation of each source that ``dbt source freshness`` looked at.

    Args:
        sources: dbt's ``sources.json``.
        nodes: Which asset a source is.
    """
    for result in sources["results"]:
        loaded_at = result.get("max_loaded_at")
        metadata = {
            "unique_id": result["unique_id"],
            "status": result["status"],
            "message": result.get("error"),
            # Dagster's own name for it: its freshness checks look here.
            "dagster/last_updated_timestamp": _timestamp(loaded_at) if loaded_at else None,
            "age_seconds": result.get("max_loaded_at_time_ago_in_s"),
        }
        yield ObservationReport(nodes.key(result["unique_id"]), _said(metadata), "dbt source freshness")


def _timestamp(text: str) -> dg.MetadataValue:
    # Python 3.10 does not read the Z.
    return dg.MetadataValue.timestamp(datetime.fromisoformat(text.replace("Z", "+00:00")))


def _stream_report(event: DbtCliEventMessage, node: Node, nodes: RunNodes) -> StreamReport:
    rows = (event.result.get("adapter_response") or {}).get("rows_affected")
    seconds = event.result.get("execution_time")
    columns = node.get("columns") or {}
    described = {name.lower(): column.get("description") for name, column in columns.items()}
    return StreamReport(
        stream=node["name"],
        tool="dbt",
        target=relation(node),
        storage=(nodes.manifest.get("metadata") or {}).get("adapter_type"),
        # -1 is what a database driver says where it does not know.
        rows=int(rows) if rows is not None and rows >= 0 else None,
        row_count=event.found.get("rows"),
        seconds=seconds,
        columns=[
            ReportedColumn(name, type_, description=described.get(name.lower()) or None)
            for name, type_ in event.found.get("columns") or ()
        ],
        notes=[f"dbt could not tell more: {event.found['error']}"] if event.found.get("error") else (),
        extra=_said(
            {
                "unique_id": node["unique_id"],
                "invocation_id": event.raw_event["info"].get("invocation_id"),
                "status": event.result.get("status"),
                "message": event.result.get("message"),
                # The official name of it, beside the one that all tools share.
                "Execution Duration": seconds,
            }
        ),
    )


def _check_metadata(event: DbtCliEventMessage, test: Node) -> Mapping[str, Any]:
    failures = event.result.get("num_failures")
    seconds = event.result.get("execution_time")
    return _said(
        {
            "unique_id": test["unique_id"],
            "invocation_id": event.raw_event["info"].get("invocation_id"),
            "status": event.result.get("status"),
            "dagster_dbt/failed_row_count": int(failures) if failures is not None else None,
            "severity": ((test.get("config") or {}).get("severity") or "error").lower(),
            "message": event.result.get("message"),
            "Execution Duration": seconds,
        }
    )


def _said(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in metadata.items() if value not in (None, "")}
