"""A replication from Python, with no Dagster in the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mainstem.engine import Connections, plan, run
from mainstem.errors import ReplicationFailedError
from mainstem.events import Event, ReplicationFinished
from mainstem.replication import Replication, ReplicationLike
from mainstem.report import StreamReport
from mainstem.settings import Settings

__all__ = ["ReplicationReport", "plan", "replicate"]


@dataclass(frozen=True)
class ReplicationReport:
    """What a run did.

    Attributes:
        streams: A report for each published stream, in order.
        seconds: Elapsed time of the whole run.
    """

    streams: Sequence[StreamReport]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows written, over all streams."""
        return sum(report.rows or 0 for report in self.streams)


def replicate(
    config: ReplicationLike | Replication,
    connections: Connections = (),
    *,
    streams: Sequence[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    on_event: Callable[[Event], object] | None = None,
) -> ReplicationReport:
    """Run a replication to its end.

    Args:
        config: The replication: a path to a YAML or JSON file, its text, or a mapping.
        connections: What its ``source`` and ``target`` may name: URLs, mappings or
            :class:`~mainstem.connections.Connection` objects by name. Names that are not here are looked up
            in the environment, ``env.yaml`` and dbt's profiles; the document may also hold URLs.
        streams: Which streams to run: names, ids, globs, ``tag:x``, or ``-tag:x`` to leave out. ``None`` runs
            all that are not disabled.
        overrides: Keys that win over every stream's own, such as ``{"mode": "full-refresh"}``.
        settings: ``None`` reads the process environment.
        on_event: Called with each event as it happens, such as a progress display's ``show``.

    Returns:
        What each stream did.

    Raises:
        ConfigError: The replication or a connection is wrong. Nothing was read or written.
        ReplicationFailedError: At least one stream failed. The others are published.

    Example::

        from mainstem import replicate

        report = replicate(
            "replication.yaml",
            connections={
                "MY_POSTGRES": "postgresql://test_user:test_pass@localhost:5432/test_db",
                "MY_DUCKDB": "duckdb:///var/tmp/duckdb.db",
            },
        )
        print(report.rows)
    """
    finished: ReplicationFinished | None = None
    for event in run(config, connections, streams=streams, overrides=overrides, settings=settings):
        if on_event is not None:
            on_event(event)
        if isinstance(event, ReplicationFinished):
            finished = event
    if finished is None:
        raise AssertionError("The engine ended without saying so.")
    if finished.failures:
        published = [report.stream for report in finished.reports]
        raise ReplicationFailedError(finished.failures, published, finished.skipped)
    return ReplicationReport(finished.reports, finished.seconds)
