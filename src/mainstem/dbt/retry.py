"""What an earlier attempt at the same dbt command left undone, so that re-execution does that and no more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg

from mainstem.assets import AssetReport, ExecutionContext
from mainstem.dbt.environment import artifacts_prefix
from mainstem.dbt.fastjson import loads
from mainstem.dbt.manifest import node_of, upstream_ids
from mainstem.dbt.nodes import RunNodes
from mainstem.report import StreamReport

__all__ = ["RETRIABLE", "Attempt", "EarlierAttempt"]

#: The commands that dbt can retry, among those that build or test something.
RETRIABLE = frozenset({"build", "run", "seed", "snapshot", "test"})

_NOTE = "mainstem_attempt.json"
# What dbt itself retries.
_UNDONE = frozenset({"error", "fail", "skipped", "runtime error", "partial success"})
# With these dbt has a result for each node; otherwise it was stopped, or stopped itself.
_COMPLETE = frozenset({0, 1})


@dataclass(frozen=True)
class EarlierAttempt:
    """An attempt that came to its end, as it left itself in its folder of artifacts.

    Attributes:
        folder: The folder, which dbt's ``retry`` takes as its state.
        run_id: Dagster's run.
        done: The unique ids of the nodes that succeeded in it, or in those that it retried.
        undone: The unique ids of the nodes that failed or were skipped.
    """

    folder: Path
    run_id: str
    done: frozenset[str]
    undone: frozenset[str]

    def reused(self, nodes: RunNodes, context: ExecutionContext) -> Iterator[AssetReport]:
        """Yield a report of each selected asset that is not built again, for those downstream of it.

        A retry within the same run has none: its assets are materialized already.

        Args:
            nodes: Which node is which asset.
            context: The context of the asset that runs.
        """
        if self.run_id == context.run.run_id:
            return
        selected = {uid for uid, key in nodes.assets.items() if key in context.selected_asset_keys}
        manifest = nodes.manifest
        built = {uid: upstream_ids(manifest, node_of(manifest, uid)) for uid in selected & self.done}
        # Dagster wants an asset after those that it depends on.
        for unique_id in TopologicalSorter(built).static_order():
            if unique_id in built:
                yield self._reused(unique_id, nodes, context)

    def _reused(self, unique_id: str, nodes: RunNodes, context: ExecutionContext) -> AssetReport:
        key = nodes.assets[unique_id]
        event = context.instance.get_latest_materialization_event(key)
        told = event.asset_materialization if event and event.run_id == self.run_id else None
        before: Mapping[str, Any] = told.metadata if told else {}
        again = {"unique_id": unique_id, "status": "reused", "reused_from_run": self.run_id}
        report = StreamReport(stream=node_of(nodes.manifest, unique_id)["name"], tool="dbt")
        return AssetReport(key, report, metadata={**before, **again})


@dataclass(frozen=True)
class Attempt:
    """An attempt at a dbt command, in a step of Dagster.

    Attributes:
        fingerprint: What tells the command from another, and nothing of what is in it.
        earlier: The attempt that this one retries, if it does.
    """

    fingerprint: str
    earlier: EarlierAttempt | None

    @classmethod
    def of(cls, context: ExecutionContext, base: Path, arguments: Sequence[str]) -> Attempt:
        """Return the attempt that the step makes: at all of the command, or at what an earlier one left.

        Args:
            context: The context of the asset that runs.
            base: The project's target folder.
            arguments: The command. An earlier one has to be the same.
        """
        own = hashlib.blake2b(json.dumps(list(arguments)).encode(), digest_size=16).hexdigest()
        run_id = _run_to_retry(context)
        if run_id is None:
            return cls(own, None)
        folders = sorted(base.glob(f"{artifacts_prefix(context, run_id)}*"), key=_ended, reverse=True)
        found = (_read(folder, run_id, own) for folder in folders)
        return cls(own, next((earlier for earlier in found if earlier is not None), None))

    def end(self, folder: Path, exit_code: int) -> None:
        """Leave the note that a later attempt looks for.

        Args:
            folder: The folder of the command's artifacts.
            exit_code: How dbt ended.
        """
        done = sorted(self.earlier.done) if self.earlier else []
        note = {"fingerprint": self.fingerprint, "exit_code": exit_code, "done": done}
        with suppress(OSError):  # without it, re-execution does everything again
            (folder / _NOTE).write_text(json.dumps(note), encoding="utf-8")


def _run_to_retry(context: ExecutionContext) -> str | None:
    try:
        if context.op_execution_context.retry_number > 0:
            return context.run.run_id
        return context.run.parent_run_id if context.run.is_resume_retry else None
    except dg.DagsterError:  # the asset is called as a function: there is no run
        return None


def _ended(folder: Path) -> float:
    with suppress(OSError):
        return (folder / _NOTE).stat().st_mtime
    return 0


def _read(folder: Path, run_id: str, fingerprint: str) -> EarlierAttempt | None:
    """Return the attempt of a folder: ``None`` where it was another command, or did not end by itself."""
    try:
        note = loads((folder / _NOTE).read_bytes())
        if note["fingerprint"] != fingerprint or note["exit_code"] not in _COMPLETE:
            return None
        results = loads((folder / "run_results.json").read_bytes())["results"]
    except (OSError, ValueError, KeyError):
        return None
    undone = frozenset(result["unique_id"] for result in results if result["status"] in _UNDONE)
    done = frozenset(result["unique_id"] for result in results) | frozenset(note["done"])
    return EarlierAttempt(folder, run_id, done - undone, undone)
