"""A dbt command that runs: its events, its reports, its artifacts, its failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from typing_extensions import Self

from mainstem.assets import AssetEventIterator, AssetReport, CheckReport, ExecutionContext
from mainstem.dbt.fastjson import loads
from mainstem.dbt.manifest import Manifest, read_manifest
from mainstem.dbt.messages import LEVELS, DbtCliEventMessage, report_of
from mainstem.dbt.nodes import RunNodes, assets_def_of
from mainstem.dbt.process import DbtProcess
from mainstem.dbt.project import DbtProject
from mainstem.dbt.translator import DagsterDbtTranslator
from mainstem.errors import ConfigError, DbtRunError

__all__ = ["DbtCliInvocation", "DbtEventIterator"]

# Only these build or test something; what another command says of a node is no result.
_COMMANDS_WITH_RESULTS = frozenset({"build", "run", "seed", "snapshot", "test", "retry"})
_TERMINATION_SECONDS = "DAGSTER_DBT_TERMINATION_TIMEOUT_SECONDS"
# A traceback of dbt's, beside the message that says the same to people.
_NOT_FOR_PEOPLE = frozenset({"MainStackTrace"})


class DbtEventIterator(AssetEventIterator):
    """The results of a dbt command as Dagster events, one by one as dbt reports them."""

    def __init__(self, invocation: DbtCliInvocation) -> None:
        super().__init__(invocation.reports(), invocation.context)
        self._invocation = invocation

    def close(self) -> None:
        """Stop dbt, if it still runs."""
        super().close()
        self._invocation.stop()


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
    ) -> None:
        self.command = command
        self.project_dir = project_dir
        self.target_path = target_path
        self.dagster_dbt_translator = dagster_dbt_translator
        self.context = context
        self.project = project
        self.raise_on_error = raise_on_error
        self.termination_timeout_seconds = float(os.environ.get(_TERMINATION_SECONDS, "25"))
        self._manifest = manifest
        self._log_level = log_level
        self._results_before = _modified(target_path / "run_results.json")
        self._process = DbtProcess(arguments, cwd=project_dir, env=env)
        self._source = self._read()
        self._unread: deque[DbtCliEventMessage] = deque()
        self._running: Counter[str] = Counter()
        self._finished: set[str] = set()
        self._failures: dict[str, str] = {}
        self._exceptions: dict[str, str] = {}
        self._said: deque[str] = deque(maxlen=20)
        self._errors: list[str] = []

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that runs dbt."""
        return self._process.popen

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest that was given; without one, the manifest that dbt wrote for this command.

        Raises:
            ConfigError: None was given, and dbt has not written one.
        """
        return self._manifest if self._manifest else read_manifest(self.target_path / "manifest.json")

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
        return DbtRunError(
            self.command,
            exit_code=self.process.returncode,
            failures=self._failures,
            said=self._errors or list(self._said),
            hint=f"dbt's log of this command is {self.target_path / 'dbt.log'}",
        )

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

        In an asset a model, seed or snapshot gives a ``MaterializeResult`` and a test an
        ``AssetCheckResult``; elsewhere they give an ``AssetMaterialization`` and an
        ``AssetCheckEvaluation``, and so does what dbt did beside the selection.

        The last of them is followed by the error, if there was one and ``raise_on_error`` is set: what
        succeeded is reported in any case.
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

    def reports(self) -> Iterator[AssetReport | CheckReport]:
        """Yield a report for each asset that dbt built and each check that it ran.

        Raises:
            DbtRunError: dbt failed, and ``raise_on_error`` is set. Raised after the last report.
        """
        nodes: RunNodes | None = None
        for event in self.stream_raw_events():
            if not event.is_result_event:
                continue
            if nodes is None:
                assets_def = assets_def_of(self.context)
                nodes = RunNodes(self.manifest, self.dagster_dbt_translator, self.project, assets_def)
            report = report_of(event, nodes)
            if report is not None:
                yield report

    def stop(self) -> None:
        """End dbt, if it still runs: it is interrupted, so that it cancels its queries, or else killed."""
        self._process.stop(self.termination_timeout_seconds)

    def _read(self) -> Iterator[DbtCliEventMessage]:
        """Read dbt's output once, from start to end. Where that is cut short, dbt is ended."""
        try:
            for line in self._process.lines():
                event = DbtCliEventMessage.from_line(line)
                if event is None:
                    self._keep(line.decode(errors="replace").rstrip())
                elif self._is_wanted(event):
                    self._note(event)
                    yield event
            for event in self._results_not_logged():
                self._note(event)
                yield event
        except BaseException:  # an interrupt, or whoever listened has gone
            self.stop()
            raise

    def _keep(self, text: str) -> None:
        """Pass on what is no event: where dbt cannot even start, it is all there is."""
        if text:
            self._said.append(text)
            _show(text)

    def _is_wanted(self, event: DbtCliEventMessage) -> bool:
        """Whether dbt would show the event, or it is the one result of its node."""
        unique_id = event.unique_id
        if event.name == "NodeStart" and unique_id is not None:
            self._running[unique_id] += 1
        if event.is_result_event and unique_id is not None:
            # A batch of a microbatch model starts and finishes like a node, within its node.
            self._running[unique_id] -= 1
            return self.command in _COMMANDS_WITH_RESULTS and self._running[unique_id] <= 0
        return _at_least(event.level, self._log_level)

    def _note(self, event: DbtCliEventMessage) -> None:
        if event.is_result_event and event.unique_id is not None:
            self._finished.add(event.unique_id)
            if event.failure is not None:
                # Of a microbatch model dbt says "ERROR" in the end, and why in between.
                why = self._exceptions.get(event.unique_id) if event.failure.isupper() else None
                self._failures[self._name(event.unique_id)] = why or event.failure
        elif event.exception is not None and event.unique_id is not None:
            self._exceptions[event.unique_id] = event.exception
        if event.level == "error" and event.name not in _NOT_FOR_PEOPLE:
            self._errors.append(event.text)
        if _at_least(event.level, self._log_level):
            _show(str(event))

    def _name(self, unique_id: str) -> str:
        node = self.manifest["nodes"].get(unique_id) or self.manifest.get("unit_tests", {}).get(unique_id)
        if node is None:
            return unique_id
        return f"{node['resource_type']} {node['name']} ({node['original_file_path']})"

    def _results_not_logged(self) -> Iterator[DbtCliEventMessage]:
        """Yield the results that dbt wrote down and did not log: with ``--quiet`` it logs none."""
        file = self.target_path / "run_results.json"
        if self.command not in _COMMANDS_WITH_RESULTS or _modified(file) in (None, self._results_before):
            return
        for result in loads(file.read_bytes())["results"]:
            node = self.manifest["nodes"].get(result["unique_id"])
            if node is not None and result["unique_id"] not in self._finished:
                yield DbtCliEventMessage.from_result(node, result)


def _show(text: str) -> None:
    # dbt's own output belongs to the step's, where Dagster captures it.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _at_least(level: str, threshold: str) -> bool:
    known = threshold if threshold in LEVELS else "info"
    return LEVELS.index(level if level in LEVELS else "info") >= LEVELS.index(known)


def _modified(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None
