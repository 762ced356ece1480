"""What dbt says while it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mainstem.assets import AssetEvent, ExecutionContext
from mainstem.dbt.fastjson import loads
from mainstem.dbt.manifest import DbtManifestParam, Node
from mainstem.dbt.project import DbtProject
from mainstem.dbt.translator import DagsterDbtTranslator

__all__ = ["LEVELS", "DbtCliEventMessage"]

#: dbt's log levels, the least important first.
LEVELS = ("debug", "info", "warn", "error", "none")

_RESULT = "NodeFinished"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# dbt names the node in the first line, as whoever shows the message does.
_NAMES_NODE = re.compile(r"\A\w+ Error in .*\)\n\s*")
_THREAD = re.compile(r"\AException on worker thread\. \w+ Error\s*")
# Under this key our runner adds what it found out to a node's result.
_FOUND = "mainstem"
_FAILED = frozenset({"error", "fail", "runtime error", "partial success"})


@dataclass(frozen=True)
class DbtCliEventMessage:
    """One event of dbt's structured log.

    Attributes:
        raw_event: The event as dbt wrote it, with ``info`` and ``data``. To the result of a node that it
            built, ``mainstem`` adds what was fetched of it.
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
    def status(self) -> str:
        """How a node ended, in dbt's words; empty where the event is no result."""
        return str(self.result.get("status", "")).lower()

    @property
    def from_runner(self) -> bool:
        """Whether our runner printed it, and not dbt itself."""
        return _FOUND in self.raw_event

    @property
    def found(self) -> Mapping[str, Any]:
        """What was fetched of the node: ``rows``, ``columns``, ``sql``, ``upstream``, or an ``error``."""
        return self.raw_event.get(_FOUND) or {}

    @property
    def has_column_lineage_metadata(self) -> bool:
        """Whether the event knows the columns of the node, and the SQL that they are made by."""
        return bool(self.found.get("columns") and self.found.get("sql"))

    @property
    def failure(self) -> str | None:
        """What dbt says, where the event is the result of a node that failed."""
        if not self.is_result_event or self.status not in _FAILED:
            return None
        message = _COLOURS.sub("", str(self.result.get("message") or self.status))
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
        """Yield the Dagster events that this event makes: those of a node's result, none for any other.

        Args:
            manifest: dbt's manifest.
            dagster_dbt_translator: Says which asset a node is.
            context: The context of the asset or op that runs.
            target_path: Not needed.
            project: The project, where ``@dbt_assets`` was given one.
        """
        # It takes events, and here an event takes it.
        from mainstem.dbt.results import events_of  # noqa: PLC0415

        yield from events_of(self, manifest, dagster_dbt_translator, context, project)
