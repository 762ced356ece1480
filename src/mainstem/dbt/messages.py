"""What dbt says while it runs, and the report that a node's result makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from mainstem.assets import AssetEvent, AssetEventIterator, AssetReport, CheckReport, ExecutionContext
from mainstem.dbt.fastjson import loads
from mainstem.dbt.manifest import DbtManifestParam, Node, node_of, read_manifest
from mainstem.dbt.nodes import RunNodes, assets_def_of
from mainstem.dbt.project import DbtProject
from mainstem.dbt.props import relation
from mainstem.dbt.translator import DagsterDbtTranslator
from mainstem.report import StreamReport

__all__ = ["LEVELS", "DbtCliEventMessage", "report_of"]

#: dbt's log levels, the least important first.
LEVELS = ("debug", "info", "warn", "error", "none")

_RESULT = "NodeFinished"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# dbt names the node in the first line, as whoever shows the message does.
_NAMES_NODE = re.compile(r"\A\w+ Error in .*\)\n\s*")
_THREAD = re.compile(r"\AException on worker thread\. \w+ Error\s*")
# A node that dbt did not run leaves no report.
_DONE = frozenset({"success", "warn", "no-op"})
_TESTED = frozenset({"pass", "warn", "fail", "error", "runtime error"})
_FAILED = frozenset({"error", "fail", "runtime error", "partial success"})


@dataclass(frozen=True)
class DbtCliEventMessage:
    """One event of dbt's structured log.

    Attributes:
        raw_event: The event as dbt wrote it, with ``info`` and ``data``.
    """

    raw_event: Mapping[str, Any]

    def __str__(self) -> str:
        return str(self.raw_event["info"]["msg"])

    @classmethod
    def from_line(cls, line: bytes) -> DbtCliEventMessage | None:
        """Return the event that a line of output is, or ``None`` where it is something else."""
        if not line.startswith(b"{"):
            return None
        try:
            event = loads(line)
        except ValueError:
            return None
        if isinstance(event, dict) and isinstance(event.get("info"), dict) and "data" in event:
            return cls(event)
        return None

    @classmethod
    def from_result(cls, node: Node, result: Mapping[str, Any]) -> DbtCliEventMessage:
        """Return the event that dbt would have logged for an entry of its ``run_results.json``."""
        node_info = {"unique_id": node["unique_id"], "resource_type": node["resource_type"]}
        run_result = {**result, "num_failures": result.get("failures") or 0}
        info = {"name": _RESULT, "level": "debug", "msg": f"Finished running node {node['unique_id']}"}
        return cls({"info": info, "data": {"node_info": node_info, "run_result": run_result}})

    @property
    def name(self) -> str:
        """The event's name, such as ``LogModelResult``."""
        return str(self.raw_event["info"].get("name", ""))

    @property
    def level(self) -> str:
        """One of dbt's log levels."""
        return str(self.raw_event["info"].get("level", "info"))

    @property
    def text(self) -> str:
        """The message without the colours of a terminal."""
        return _COLOURS.sub("", str(self))

    @property
    def unique_id(self) -> str | None:
        """The node that the event is about, if it is about one."""
        return (self.raw_event["data"].get("node_info") or {}).get("unique_id") or None

    @property
    def is_result_event(self) -> bool:
        """Whether the event is the result of a node."""
        return self.name == _RESULT and self.unique_id is not None

    @property
    def result(self) -> Mapping[str, Any]:
        """The result of a node: its status, message, seconds, failures and the adapter's response."""
        return self.raw_event["data"].get("run_result") or {}

    @property
    def failure(self) -> str | None:
        """What dbt says, where the event is the result of a node that failed."""
        status = str(self.result.get("status", ""))
        if not self.is_result_event or status not in _FAILED:
            return None
        message = _COLOURS.sub("", str(self.result.get("message") or status))
        return _NAMES_NODE.sub("", message)

    @property
    def exception(self) -> str | None:
        """What the database said, where the event is an exception that dbt did not expect from a node."""
        exception = self.raw_event["data"].get("exc")
        return _THREAD.sub("", str(exception)) if exception else None

    def to_default_asset_events(
        self,
        manifest: DbtManifestParam,
        dagster_dbt_translator: DagsterDbtTranslator | None = None,
        context: ExecutionContext | None = None,
        target_path: Path | None = None,  # noqa: ARG002 - those who moved here pass it
        project: DbtProject | None = None,
    ) -> Iterator[AssetEvent]:
        """Yield the Dagster event that this event makes: one for a node's result, none for any other.

        Args:
            manifest: dbt's manifest.
            dagster_dbt_translator: Says which asset a node is.
            context: The context of the asset or op that runs.
            target_path: Not needed.
            project: The project, where ``@dbt_assets`` was given one.
        """
        if not self.is_result_event:
            return
        translator = dagster_dbt_translator or DagsterDbtTranslator()
        nodes = RunNodes(read_manifest(manifest), translator, project, assets_def_of(context))
        report = report_of(self, nodes)
        if report is not None:
            yield from AssetEventIterator([report], context)


def report_of(event: DbtCliEventMessage, nodes: RunNodes) -> AssetReport | CheckReport | None:
    """Return the report that a node's result makes.

    Returns:
        ``None`` for a node that failed or was skipped, and for one that is neither an asset nor a check.
    """
    unique_id, status = event.unique_id, str(event.result.get("status", "")).lower()
    if unique_id is None:
        return None
    key = nodes.asset(unique_id)
    if key is not None:
        node = node_of(nodes.manifest, unique_id)
        return AssetReport(key, _stream_report(event, node, nodes)) if status in _DONE else None
    check = nodes.check(unique_id)
    if check is None or status not in _TESTED:
        return None
    return CheckReport(
        key=check.asset_key,
        name=check.name,
        passed=status == "pass",
        severity=dg.AssetCheckSeverity.WARN if status == "warn" else dg.AssetCheckSeverity.ERROR,
        metadata=_check_metadata(event, node_of(nodes.manifest, unique_id)),
    )


def _stream_report(event: DbtCliEventMessage, node: Node, nodes: RunNodes) -> StreamReport:
    rows = (event.result.get("adapter_response") or {}).get("rows_affected")
    return StreamReport(
        stream=node["name"],
        tool="dbt",
        target=relation(node),
        storage=(nodes.manifest.get("metadata") or {}).get("adapter_type"),
        # -1 is what a database driver says where it does not know.
        rows=int(rows) if rows is not None and rows >= 0 else None,
        seconds=event.result.get("execution_time"),
        extra=_said({"unique_id": node["unique_id"], "status": event.result.get("message")}),
    )


def _check_metadata(event: DbtCliEventMessage, test: Node) -> Mapping[str, Any]:
    failures = event.result.get("num_failures")
    return _said(
        {
            "unique_id": test["unique_id"],
            "status": event.result.get("status"),
            "failures": int(failures) if failures is not None else None,
            "severity": ((test.get("config") or {}).get("severity") or "error").lower(),
            "message": event.result.get("message"),
            "elapsed_time": event.result.get("execution_time"),
        }
    )


def _said(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in metadata.items() if value not in (None, "")}
