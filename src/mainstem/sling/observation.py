"""Sources that are looked at: how many rows, how far, and a data version that is another after a change."""

# No `from __future__ import annotations`: Dagster reads the annotations of a function below.
import hashlib
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mainstem.assets import column_metadata, table_metadata
from mainstem.endpoints import Source, SourceTable, open_source
from mainstem.errors import ConfigError, MainstemError, RelationNotFoundError
from mainstem.reconcile import Fingerprint, fingerprint
from mainstem.reconcile.measure import Side
from mainstem.replication import Mode, Replication, ReplicationLike, Stream
from mainstem.report import ReportedColumn
from mainstem.schema import Column
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.expansion import tell_new_tables
from mainstem.sling.reading import described
from mainstem.sling.resource import SlingResource
from mainstem.sling.snapshot import Connections
from mainstem.sling.sources import build_sling_source_specs, source_nodes
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = ["build_sling_source_observations"]

# What tells that a source has changed.
_UPDATE_KEY, _CHECKSUM, _ROWS, _STATISTICS = "update_key", "checksum", "rows", "statistics"
_WAYS = (_UPDATE_KEY, _CHECKSUM, _ROWS, _STATISTICS)


def build_sling_source_observations(
    replication_config: ReplicationLike | Replication,
    *,
    dagster_sling_translator: DagsterSlingTranslator | None = None,
    name: str = "observe_sling_sources",
    resource_key: str = "sling",
    connections: Connections | None = None,
    group_name: str | None = None,
    automation_condition: dg.AutomationCondition[Any] | None = None,
    exclude: Collection[dg.AssetKey] = (),
) -> dg.AssetsDefinition:
    """Make observable assets of what a replication reads, in the stead of ``build_sling_source_specs``.

    An observation tells the rows, the greatest update key, what the catalogue counts, the columns, and a data
    version. With it Dagster shows a target as stale when its source has changed since the target was made,
    and automation conditions can act on it. Observe them in the UI, by an automation condition, or in a
    job of ``dg.AssetSelection.assets(sources)``, alone or before targets that it selects besides.

    What tells a change is said by ``meta.dagster.observe`` of a stream:

    - ``update_key``: the row count and the greatest update key. The default of incremental streams that
      have one: it is by these that a run finds its rows.
    - ``checksum``: the values themselves, computed inside the source by one scan. The default of all others.
    - ``rows``: the row count alone.
    - ``statistics``: what the source counts of changed rows, without a scan. It counts those of a
      transaction that was rolled back as well, and may be late by a second. PostgreSQL has it.

    A change of the columns is a change in each of them.

    Args:
        replication_config: The replication, as in ``@sling_assets``.
        dagster_sling_translator: How a stream becomes an asset, as in ``@sling_assets``.
        name: The op's name.
        resource_key: The key of the :class:`SlingResource` whose connections are taken.
        connections: As in ``build_sling_source_specs``, for what is shown before the first observation.
        group_name: The group of them all.
        automation_condition: When they are observed, such as ``dg.AutomationCondition.on_cron("@hourly")``.
        exclude: Those that other assets of the project make: an asset has one definition.

    Raises:
        ReplicationError: Something is wrong with the replication, or a wildcard has no snapshot.
        ConfigError: ``meta.dagster.observe`` of a stream is none of these.

    Example::

        sources = build_sling_source_observations("replication.yaml")
        defs = dg.Definitions(
            assets=[sources, postgres_sling_assets],
            jobs=[dg.define_asset_job("look", selection=dg.AssetSelection.assets(sources))],
            resources={"sling": sling},
        )
    """
    definition = SlingDefinition.of(replication_config, dagster_sling_translator, connections)
    specs = build_sling_source_specs(
        definition.replication,
        dagster_sling_translator=definition.translator,
        connections=connections,
        group_name=group_name,
        automation_condition=automation_condition,
        exclude=exclude,
    )
    streams = {node.key: node.stream for node in source_nodes(definition) if node.key not in exclude}
    ways = {key: _way(stream) for key, stream in streams.items()}

    def observe(context: dg.AssetExecutionContext) -> Iterator[dg.ObserveResult]:
        resource: SlingResource = getattr(context.resources, resource_key)
        replication = definition.replication
        connection = resource.connection_book([replication.source]).find(replication.source)
        with open_source(connection) as source:
            chosen = [key for key in streams if key in context.selected_asset_keys]
            yield from _observed(
                context, source, replication, {key: (streams[key], ways[key]) for key in chosen}
            )
        tell_new_tables(context, replication, connection)

    with warnings.catch_warnings():
        # It is public, and in beta: that is for us to follow, and nothing to tell our users.
        warnings.simplefilter("ignore", dg.BetaWarning)
        made: dg.AssetsDefinition = dg.multi_observable_source_asset(
            specs=specs, name=name, can_subset=True, required_resource_keys={resource_key}
        )(observe)
    return made


def _observed(
    context: dg.AssetExecutionContext,
    source: Source,
    replication: Replication,
    chosen: Mapping[dg.AssetKey, tuple[Stream, str]],
) -> Iterator[dg.ObserveResult]:
    failures = []
    for key, (stream, way) in chosen.items():
        try:
            observation = _look(source, replication, stream, way)
        except MainstemError as error:
            context.log.error(f"{stream.name}: {error}")
            failures.append(f"{stream.name}: {error}")
        else:
            yield dg.ObserveResult(
                asset_key=key,
                data_version=dg.DataVersion(observation.version),
                metadata=observation.metadata,
            )
    if failures:
        told = "\n".join(f"  {failure}" for failure in failures)
        raise dg.Failure(f"{len(failures)} of {len(chosen)} sources could not be observed.\n{told}")


@dataclass(frozen=True)
class _Observation:
    """What was seen of a source.

    Attributes:
        way: What tells a change.
        told: What it tells.
        table: The columns.
        system: The kind of system.
        statistics: What the catalogue counts.
        found: What was computed; ``None`` where nothing had to be.
    """

    way: str
    told: str
    table: SourceTable
    system: str
    statistics: Mapping[str, int | str]
    found: Fingerprint | None = None

    @property
    def version(self) -> str:
        """The data version: another one where anything has changed."""
        shape = [f"{column.name} {column.native_type}" for column in self.table.columns]
        return hashlib.sha256("\n".join([self.way, self.told, *shape]).encode()).hexdigest()[:20]

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The same for people."""
        columns = [
            ReportedColumn(column.name, column.native_type, column.nullable, column.comment)
            for column in self.table.columns
        ]
        said = {
            "dagster/row_count": self.found.rows if self.found else None,
            "greatest_update_key": self.found.greatest if self.found else None,
            "estimated_rows": self.table.estimated_rows,
            "statistics": dg.MetadataValue.json(dict(self.statistics)) if self.statistics else None,
            "version_by": self.way,
        }
        relation = self.table.relation
        return {
            **{key: value for key, value in said.items() if value is not None},
            **table_metadata(str(relation) if relation else None, self.system),
            **column_metadata(columns),
        }


def _look(source: Source, replication: Replication, stream: Stream, way: str) -> _Observation:
    side, table = _read(source, replication, stream)
    system = source.connection.type
    statistics = source.statistics(table.relation) if table.relation else {}
    key = _update_key(stream, table)
    if way != _STATISTICS:
        by_key = key if way == _UPDATE_KEY else None
        found = fingerprint(side, table.columns, update_key=by_key, values=way == _CHECKSUM)
        return _Observation(way, found.version, table, system, statistics, found)
    if "changes" not in statistics:
        raise ConfigError(
            f"{source.connection.name} ({system}) keeps no count of the changes of {stream.name}.",
            hint=f"Let `meta.dagster.observe` be {_UPDATE_KEY}, {_CHECKSUM} or {_ROWS}.",
        )
    return _Observation(way, str(statistics["changes"]), table, system, statistics)


def _read(source: Source, replication: Replication, stream: Stream) -> tuple[Side, SourceTable]:
    try:
        return described(source, stream, replication.document.source)
    except RelationNotFoundError as error:
        hint = f"{error.hint or ''} If it is gone for good, take a new snapshot.".strip()
        raise RelationNotFoundError(error.message, hint=hint) from error


def _update_key(stream: Stream, table: SourceTable) -> Column | None:
    if stream.update_key is None:
        return None
    with suppress(StopIteration):
        wanted = stream.update_key
        exact = (column for column in table.columns if column.name == wanted)
        any_case = (column for column in table.columns if column.name.lower() == wanted.lower())
        return next(exact, None) or next(any_case)
    raise ConfigError(f"{stream.name} has no column {stream.update_key}, its update_key.")


def _way(stream: Stream) -> str:
    """What tells a change of a stream's source."""
    said = (stream.meta.get("dagster") or {}).get("observe")
    if said is None:
        moves_on = stream.mode in (Mode.INCREMENTAL, Mode.BACKFILL) and stream.update_key
        return _UPDATE_KEY if moves_on else _CHECKSUM
    if said not in _WAYS:
        raise ConfigError(
            f"`meta.dagster.observe` of stream {stream.name} is {said!r}.", hint=f"It is {', '.join(_WAYS)}."
        )
    if said == _UPDATE_KEY and not stream.update_key:
        raise ConfigError(f"Stream {stream.name} has no update_key by which its changes could be told.")
    return str(said)
