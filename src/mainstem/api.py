"""A replication from Python, with no Dagster in the process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from mainstem.engine import Connections, Settings, run
from mainstem.errors import ReplicationFailedError
from mainstem.events import Event, ReplicationFinished
from mainstem.replication import Replication, ReplicationLike
from mainstem.report import StreamReport

__all__ = ["ReplicationReport", "replicate"]


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
    streams: Collection[str] | None = None,
    settings: Settings | None = None,
    on_event: Callable[[Event], object] | None = None,
) -> ReplicationReport:
    """Run a replication to its end.

    Args:
        config: The replication: a path to a YAML or JSON file, or a mapping.
        connections: What its ``source`` and ``target`` may name: URLs, mappings or
            :class:`~mainstem.connections.Connection` objects by name. Names that are not here are looked up
            in the process environment; the document may also hold URLs.
        streams: The names of the streams to run. ``None`` runs all that are not disabled.
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
    for event in run(config, connections, streams=streams, settings=settings):
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
