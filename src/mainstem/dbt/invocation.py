"""A dbt command that runs: its events, its reports, its artifacts, its failure."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from typing_extensions import Self

from mainstem.assets import AssetReport, ExecutionContext, Report
from mainstem.dbt.environment import DbtProgram
from mainstem.dbt.fastjson import loads
from mainstem.dbt.iterator import DbtEventIterator
from mainstem.dbt.known_columns import KnownColumns, around_selected
from mainstem.dbt.manifest import Manifest, read_manifest
from mainstem.dbt.messages import DbtCliEventMessage
from mainstem.dbt.nodes import RunNodes, assets_def_of
from mainstem.dbt.process import DbtProcess
from mainstem.dbt.project import DbtProject
from mainstem.dbt.results import freshness_reports, reports_of
from mainstem.dbt.retry import Attempt
from mainstem.dbt.transcript import Transcript, at_least
from mainstem.dbt.translator import DagsterDbtTranslator
from mainstem.errors import ConfigError, DbtRunError

__all__ = ["DbtCliInvocation"]

# Only these build or test something; what another command says of a node is no result.
_COMMANDS_WITH_RESULTS = frozenset({"build", "run", "seed", "snapshot", "test", "retry"})
_TERMINATION_SECONDS = "DAGSTER_DBT_TERMINATION_TIMEOUT_SECONDS"


class DbtCliInvocation:
    """A dbt command that was started. ``DbtCliResource.cli`` makes it.

    dbt writes its artifacts into a folder of the invocation's own, which stays: for ``get_artifact``, and
    for whoever looks into ``dbt.log`` after a failure. ``dbt clean`` removes them all.

    Attributes:
        process: dbt's process.
        command: The dbt command, such as ``build``.
        project_dir: The project.
        target_path: The folder of this invocation's artifacts, absolute.
        context: The context of the asset or op that runs.
        project: The project, where ``@dbt_assets`` was given one.
        raise_on_error: Whether the end of the events raises where dbt failed.
        termination_timeout_seconds: How long dbt gets to cancel its queries when it is interrupted, before
            it is killed. ``DAGSTER_DBT_TERMINATION_TIMEOUT_SECONDS``, or 25.
    """

    def __init__(
        self,
        program: DbtProgram,
        arguments: Sequence[str],
        *,
        command: str,
        env: Mapping[str, str],
        log_level: str,
        project_dir: Path,
        target_path: Path,
        manifest: Manifest | None,
        dagster_dbt_translator: DagsterDbtTranslator,
        context: ExecutionContext | None,
        project: DbtProject | None,
        raise_on_error: bool,
        attempt: Attempt | None = None,
    ) -> None:
        self.command = command
        self.project_dir = project_dir
        self.target_path = target_path
        self.dagster_dbt_translator = dagster_dbt_translator
        self.context = context
        self.project = project
        self.raise_on_error = raise_on_error
        self.termination_timeout_seconds = float(os.environ.get(_TERMINATION_SECONDS, "25"))
        self._program = program
        self._manifest = manifest
        self._attempt = attempt
        self._log_level = log_level
        self._results_before = _modified(target_path / "run_results.json")
        self._command_line = [*program.command, *arguments]
        self._process = DbtProcess(self._command_line, cwd=project_dir, env=env, listens=program.reports)
        self._source = self._read()
        self._unread: deque[DbtCliEventMessage] = deque()
        self._running: Counter[str] = Counter()
        self._finished: set[str] = set()
        self._transcript = Transcript(log_level, lambda: self.manifest)
        self._traces = False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that runs dbt."""
        return self._process.popen

    @property
    def dbt_command(self) -> str:
        """The command line of dbt's process."""
        return shlex.join(self._command_line)

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest that was given; without one, the manifest that dbt wrote for this command.

        Raises:
            ConfigError: None was given, and dbt has not written one.
        """
        # To ask whether it is empty is to parse all of it.
        if self._manifest is not None:
            return self._manifest
        return read_manifest(self.target_path / "manifest.json")

    def wait(self) -> Self:
        """Wait for dbt to end.

        Raises:
            DbtRunError: dbt failed, and ``raise_on_error`` is set.
        """
        for _ in self.stream_raw_events():
            pass
        return self

    def is_successful(self) -> bool:
        """Whether dbt did all it was asked for. Waits for its end; its events can still be streamed."""
        self._unread.extend(self._source)
        return self.process.returncode == 0

    def get_error(self) -> DbtRunError | None:
        """Return what failed, or ``None``. Waits for dbt's end; its events can still be streamed."""
        if self.is_successful():
            return None
        log = self.target_path / "dbt.log"
        return self._transcript.error(self.command, self.process.returncode, log)

    def get_artifact(self, artifact: str) -> dict[str, Any]:
        """Return an artifact of this command, parsed.

        Args:
            artifact: Its file name, such as ``run_results.json``.

        Raises:
            ConfigError: The command wrote no such artifact.
        """
        try:
            content: dict[str, Any] = loads((self.target_path / artifact).read_bytes())
        except FileNotFoundError as error:
            raise ConfigError(
                f"dbt {self.command} wrote no {artifact} into {self.target_path}.",
                hint="Ask for it once the command has ended; not every command writes every artifact.",
            ) from error
        return content

    def stream(self) -> DbtEventIterator:
        """Return the results of the command as Dagster events, each as soon as dbt reports it.

        In an asset a model, seed or snapshot gives an ``Output``, and a test an ``AssetCheckResult``. In an
        op they give an ``AssetMaterialization`` and an ``AssetCheckEvaluation``, and so does what dbt did
        beside the selection. A test that is no check gives an ``AssetObservation`` of each asset that it
        reads, and ``source freshness`` gives one of each source.

        The last of them is followed by the error, if there was one and ``raise_on_error`` is set: what
        succeeded is reported in any case, and each node that dbt skipped is logged, with the reason.
        """
        return DbtEventIterator(self)

    def stream_raw_events(self) -> Iterator[DbtCliEventMessage]:
        """Yield dbt's own events: those it shows at its log level, and the result of each node.

        Raises:
            DbtRunError: dbt failed, and ``raise_on_error`` is set. Raised after the last event.
        """
        while self._unread:
            yield self._unread.popleft()
        yield from self._source
        error = self.get_error() if self.raise_on_error else None
        if error is not None:
            raise error

    def reports(self) -> Iterator[Report]:
        """Yield a report for each asset that dbt built, each check that it ran, each thing that it saw.

        Raises:
            DbtRunError: dbt failed, and ``raise_on_error`` is set. Raised after the last report.
        """
        if self._attempt is not None and self._attempt.earlier is not None and self.context is not None:
            yield from self._attempt.earlier.reused(self._nodes, self.context)
        for event in self.stream_raw_events():
            if event.is_result_event:
                yield from self._reports_of(event)
        if self.command == "source" and (self.target_path / "sources.json").exists():
            yield from freshness_reports(self.get_artifact("sources.json"), self._nodes)

    def fetch_rows(self) -> None:
        """Have the rows of each table counted once it is built."""
        self._ask(rows=True)

    def fetch_columns(self, *, with_lineage: bool) -> None:
        """Have the columns of each table read once it is built, and traced to those upstream."""
        self._traces = with_lineage
        known: list[str] = []
        # Without a manifest of its own, an op does not know what the command is going to read.
        if with_lineage and self._manifest is not None:
            known = self._columns.known(around_selected(self.context, self._nodes))
        self._ask(columns=True, lineage=with_lineage, known=known)

    def stop(self) -> None:
        """End dbt, if it still runs: it is interrupted, so that it cancels its queries, or else killed."""
        self._process.stop(self.termination_timeout_seconds)

    @cached_property
    def _nodes(self) -> RunNodes:
        translator, assets_def = self.dagster_dbt_translator, assets_def_of(self.context)
        return RunNodes(self.manifest, translator, self.project, assets_def)

    @cached_property
    def _columns(self) -> KnownColumns:
        return KnownColumns(self._nodes, self.context)

    def _ask(self, **what: object) -> None:
        if self._program.reports:
            self._process.ask(what)
        else:
            dg.get_dagster_logger().warning(
                f"{self._program.command[0]} is not dbt's own script: no rows or columns can be fetched. "
                "Set dbt_executable to the dbt of a Python environment."
            )

    def _reports_of(self, event: DbtCliEventMessage) -> Iterator[Report]:
        if event.status == "skipped" and event.unique_id is not None:
            why = self._transcript.why_skipped(event.unique_id) or event.result.get("message")
            because = f": {why} failed" if why else ""
            dg.get_dagster_logger().warning(f"dbt skipped {self._transcript.name(event.unique_id)}{because}.")
        self._columns.learn(event)
        for report in reports_of(event, self._nodes):
            if self._traces and isinstance(report, AssetReport):
                yield self._traced(report, event)
            else:
                yield report

    def _traced(self, report: AssetReport, event: DbtCliEventMessage) -> AssetReport:
        traced = self._columns.traced(report, event)
        if traced.untraced is not None:
            dg.get_dagster_logger().warning(
                f"Not all columns of {report.report.stream} are traced: {traced.untraced}. "
                "They count as made of all columns of the tables that it reads."
            )
        return traced

    def _read(self) -> Iterator[DbtCliEventMessage]:
        """Read dbt's output once, from start to end. Where that is cut short, dbt is ended."""
        try:
            for line in self._process.lines():
                event = DbtCliEventMessage.from_line(line)
                if event is None:
                    self._transcript.plain(line.decode(errors="replace").rstrip())
                elif self._is_wanted(event):
                    yield self._noted(event)
            if self._attempt is not None:
                self._attempt.end(self.target_path, self.process.returncode)
            for event in self._results_not_logged():
                yield self._noted(event)
        except BaseException:  # an interrupt, or whoever listened has gone
            self.stop()
            raise

    def _noted(self, event: DbtCliEventMessage) -> DbtCliEventMessage:
        if event.is_result_event and event.unique_id is not None:
            self._finished.add(event.unique_id)
        self._transcript.event(event)
        return event

    def _is_wanted(self, event: DbtCliEventMessage) -> bool:
        """Whether dbt would show the event, or it is the one result of its node."""
        if not event.is_result_event:
            self._running.update([event.unique_id or ""] if event.name == "NodeStart" else [])
            return at_least(event.level, self._log_level)
        if self.command not in _COMMANDS_WITH_RESULTS:
            return False
        if self._program.reports:
            return event.from_runner
        # A batch of a microbatch model starts and finishes like a node, within its node.
        unique_id = event.unique_id or ""
        self._running[unique_id] -= 1
        return self._running[unique_id] <= 0

    def _results_not_logged(self) -> Iterator[DbtCliEventMessage]:
        """Yield the results that dbt wrote down and did not log: with ``--quiet`` it logs none."""
        file = self.target_path / "run_results.json"
        if self.command not in _COMMANDS_WITH_RESULTS or _modified(file) in (None, self._results_before):
            return
        for result in loads(file.read_bytes())["results"]:
            node = self.manifest["nodes"].get(result["unique_id"])
            if node is not None and result["unique_id"] not in self._finished:
                yield DbtCliEventMessage.from_result(node, result)


def _modified(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None
