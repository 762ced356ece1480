"""`SlingResource`: the connections, and the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg
from pydantic import Field

from mainstem.assets import AssetReport, ExecutionContext, definition_of, runs_assets
from mainstem.connections import ConnectionBook
from mainstem.engine import run
from mainstem.errors import ConfigError, ReplicationFailedError
from mainstem.events import (
    Event,
    ReplicationFinished,
    StreamFailed,
    StreamPublished,
    StreamSkipped,
    StreamStarted,
)
from mainstem.replication import ReplicationLike
from mainstem.report import StreamReport
from mainstem.sling.connection import SlingConnectionResource
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.iterator import SlingEventIterator
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = ["SlingResource"]


class SlingResource(dg.ConfigurableResource[None]):
    """Runs replications between its connections, in process.

    Attributes:
        connections: The connections that replications may name.

    Example::

        SlingResource(
            connections=[
                SlingConnectionResource(
                    name="MY_POSTGRES", type="postgres", connection_string=dg.EnvVar("POSTGRES_URL")
                ),
                SlingConnectionResource(
                    name="MY_DUCKDB", type="duckdb", connection_string="duckdb:///var/tmp/duckdb.db"
                ),
            ]
        )
    """

    connections: list[SlingConnectionResource] = Field(default_factory=list)

    def replicate(
        self,
        *,
        context: ExecutionContext,
        replication_config: ReplicationLike | None = None,
        dagster_sling_translator: DagsterSlingTranslator | None = None,
        debug: bool = False,
        stream: bool = False,  # noqa: ARG002 - events always stream; existing projects pass it
    ) -> SlingEventIterator:
        """Run a replication; in an asset, only the streams of the selected assets.

        Args:
            context: The context of the asset or op.
            replication_config: The replication. ``None`` takes that of ``@sling_assets``.
            dagster_sling_translator: How a stream becomes an asset. ``None`` takes that of ``@sling_assets``.
            debug: Log what each stream will do and has done in more detail.
            stream: Accepted and ignored: events always stream.

        Returns:
            An event for each stream, the moment it is published. A stream that fails leaves the others to go
            on; when none is left, the run fails with all failures.

        Raises:
            ConfigError: There is no replication to run, or it is wrong; a connection is missing or wrong.
            dagster.Failure: While iterating: a stream failed.
        """
        definition = _definition(context, replication_config, dagster_sling_translator)
        names = _selected(context, definition)
        return SlingEventIterator(self._reports(context, definition, names, debug=debug), context)

    def _reports(
        self, context: ExecutionContext, definition: SlingDefinition, names: Sequence[str], *, debug: bool
    ) -> Iterator[AssetReport]:
        book = ConnectionBook([connection.connection() for connection in self.connections])
        for event in run(definition.replication, book, streams=names):
            _log(context, event, debug=debug)
            if isinstance(event, StreamPublished):
                yield _asset_report(definition, event.report)
            elif isinstance(event, ReplicationFinished) and event.failures:
                published = [report.stream for report in event.reports]
                error = ReplicationFailedError(event.failures, published, event.skipped)
                raise dg.Failure(description=str(error)) from error


def _definition(
    context: ExecutionContext, config: ReplicationLike | None, translator: DagsterSlingTranslator | None
) -> SlingDefinition:
    attached = definition_of(context.assets_def, SlingDefinition) if runs_assets(context) else None
    if config is not None:
        return SlingDefinition.of(config, translator or (attached.translator if attached else None))
    if attached is None:
        raise ConfigError(
            "There is no replication to run.",
            hint="Pass replication_config=…, or use the resource in a function under @sling_assets.",
        )
    return attached if translator is None else SlingDefinition.of(attached.replication, translator)


def _selected(context: ExecutionContext, definition: SlingDefinition) -> Sequence[str]:
    if not runs_assets(context):
        return list(definition.specs)
    return definition.streams_of(context.selected_asset_keys)


def _asset_report(definition: SlingDefinition, report: StreamReport) -> AssetReport:
    upstream = definition.source_of(report.stream)
    lineage = None
    if upstream is not None:
        lineage = {
            column.name: [dg.TableColumnDep(upstream, source) for source in column.sources]
            for column in report.columns
            if column.sources is not None
        }
    return AssetReport(definition.specs[report.stream].key, report, lineage)


def _log(context: ExecutionContext, event: Event, *, debug: bool) -> None:
    """Say each thing once: a line when a stream starts and one when it ends, none for a batch."""
    if isinstance(event, StreamStarted):
        context.log.info(f"{event.stream} → {event.target}")
    elif isinstance(event, StreamPublished):
        report = event.report
        context.log.info(
            f"{report.stream}: {report.rows:,} rows in {report.seconds:.2f} s into {report.target}"
        )
        for note in report.notes:
            context.log.warning(f"{report.stream}: {note}")
        if debug:
            context.log.debug(f"{report}")
    elif isinstance(event, StreamFailed):
        context.log.error(f"{event.error}")
    elif isinstance(event, StreamSkipped):
        context.log.warning(
            f"{event.stream}: skipped, because {event.because.stream} failed in {event.because.phase}"
        )
