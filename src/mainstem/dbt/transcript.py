"""What a dbt command said, as far as it matters once the command has ended."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mainstem.dbt.manifest import Manifest, node_of, upstream_ids
from mainstem.dbt.messages import LEVELS, DbtCliEventMessage
from mainstem.errors import ConfigError, DbtRunError

__all__ = ["Transcript", "at_least"]

# A traceback of dbt's, beside the message that says the same to people.
_NOT_FOR_PEOPLE = frozenset({"MainStackTrace"})


class Transcript:
    """Shows what dbt says as it says it, and keeps what went wrong.

    Args:
        level: The level from which on the user wants to see dbt's events.
        manifest: Gives the manifest, which may not be there before dbt has written it.
    """

    def __init__(self, level: str, manifest: Callable[[], Manifest]) -> None:
        self._level = level
        self._manifest = manifest
        self._errors: list[str] = []
        self._plain: deque[str] = deque(maxlen=20)
        self._exceptions: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._skipped: list[str] = []

    def plain(self, text: str) -> None:
        """Take what is no event: where dbt cannot even start, it is all there is."""
        if text:
            self._plain.append(text)
            _show(text)

    def event(self, event: DbtCliEventMessage) -> None:
        """Take an event."""
        unique_id = event.unique_id
        if event.is_result_event and unique_id is not None:
            self._result(unique_id, event)
        elif event.exception is not None and unique_id is not None:
            self._exceptions[unique_id] = event.exception
        if event.level == "error" and event.name not in _NOT_FOR_PEOPLE:
            self._errors.append(event.text)
        if at_least(event.level, self._level):
            _show(str(event))

    def _result(self, unique_id: str, event: DbtCliEventMessage) -> None:
        if event.failure is not None:
            # Of a microbatch model dbt says "ERROR" in the end, and why in between.
            why = self._exceptions.get(unique_id) if event.failure.isupper() else None
            self._failed[unique_id] = why or event.failure
        elif event.status == "skipped":
            self._skipped.append(unique_id)

    def why_skipped(self, unique_id: str) -> str | None:
        """Return the failed node, or the failed test of one, that a skipped node is downstream of."""
        try:
            return next(self._causes(unique_id), None)
        except ConfigError:  # not in the manifest
            return None

    def _causes(self, unique_id: str) -> Iterator[str]:
        manifest = self._manifest()
        parents = upstream_ids(manifest, node_of(manifest, unique_id))
        for failed in self._failed:
            tested = _tested(manifest, failed)
            if failed in parents or tested.intersection(parents):
                yield self.name(failed)
        for parent in parents:
            if parent in self._skipped:
                yield from self._causes(parent)

    def name(self, unique_id: str) -> str:
        """Return what people call a node: its type, its name and its file."""
        try:
            node: Mapping[str, str] = node_of(self._manifest(), unique_id)
        except ConfigError:
            return unique_id
        return f"{node['resource_type']} {node['name']} ({node['original_file_path']})"

    def error(self, command: str, exit_code: int, log: Path) -> DbtRunError:
        """Return the error of a command that failed."""
        return DbtRunError(
            command,
            exit_code=exit_code,
            failures={self.name(uid): message for uid, message in self._failed.items()},
            skipped=[self.name(uid) for uid in self._skipped],
            said=self._errors or list(self._plain),
            hint=f"dbt's log of this command is {log}",
        )


def at_least(level: str, threshold: str) -> bool:
    """Whether an event of this level is shown from that level on."""
    known = threshold if threshold in LEVELS else "info"
    return LEVELS.index(level if level in LEVELS else "info") >= LEVELS.index(known)


def _tested(manifest: Manifest, unique_id: str) -> set[str]:
    """Return what a test is about, and nothing for any other node."""
    if not unique_id.startswith(("test.", "unit_test.")):
        return set()
    return set(upstream_ids(manifest, node_of(manifest, unique_id)))


def _show(text: str) -> None:
    # dbt's own output belongs to the step's, where Dagster captures it.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
