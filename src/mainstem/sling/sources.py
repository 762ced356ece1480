"""What a replication reads, as nodes of the asset graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from mainstem.assets import attach_definition, column_metadata, table_metadata
from mainstem.connections import ConnectionBook
from mainstem.endpoints.base import split_name
from mainstem.errors import ConfigError, ConnectionConfigError
from mainstem.replication import Replication, ReplicationLike, Stream
from mainstem.report import ReportedColumn
from mainstem.schema import Relation
from mainstem.sling.catalog import CatalogSnapshot, SnapshotTable
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.reading import is_custom_sql
from mainstem.sling.snapshot import Connections, book_of, read_snapshot
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = ["SourceNode", "build_sling_source_specs", "source_nodes"]


@dataclass(frozen=True)
class SourceNode:
    """A source of at least one stream.

    Attributes:
        key: Its asset.
        stream: The first stream that reads it, with its ``meta.dagster``.
    """

    key: dg.AssetKey
    stream: Stream


def build_sling_source_specs(
    replication_config: ReplicationLike | Replication,
    *,
    dagster_sling_translator: DagsterSlingTranslator | None = None,
    connections: Connections | None = None,
    group_name: str | None = None,
    automation_condition: dg.AutomationCondition[Any] | None = None,
    exclude: Collection[dg.AssetKey] = (),
) -> Sequence[dg.AssetSpec]:
    """Describe what a replication reads, for ``dg.Definitions(assets=…)``: as external assets.

    Each has the kind of its system and the name of its table. Its columns and the estimate of its rows come
    from the catalogue's snapshot (``python -m mainstem.sling.prepare``), where there is one: nothing is
    connected to.

    Args:
        replication_config: The replication, as in ``@sling_assets``.
        dagster_sling_translator: How a stream becomes an asset, as in ``@sling_assets``: its dependency is
            the source.
        connections: The resource's connections, which tell the kind of the system.
        group_name: The group of them all.
        automation_condition: When they are observed, where they can be.
        exclude: Those that other assets of the project make: an asset has one definition.

    Raises:
        ReplicationError: Something is wrong with the replication, or a wildcard has no snapshot.
    """
    definition = SlingDefinition.of(replication_config, dagster_sling_translator, connections)
    snapshot = _snapshot(definition.replication)
    system = snapshot.type if snapshot else _system(definition.replication, connections)
    return [
        attach_definition(
            dg.AssetSpec(
                key=node.key,
                group_name=group_name,
                kinds={system} if system else None,
                automation_condition=automation_condition,
                **_described(node.stream, snapshot, system),
            ),
            definition,
        )
        for node in source_nodes(definition)
        if node.key not in exclude
    ]


def source_nodes(definition: SlingDefinition) -> Sequence[SourceNode]:
    """The assets that the streams of a replication read, each once, in the order of the document."""
    nodes: dict[dg.AssetKey, SourceNode] = {}
    for name in definition.streams:
        key = definition.source_of(name)
        if key is not None:
            nodes.setdefault(key, SourceNode(key, definition.stream_with_meta(name)))
    return list(nodes.values())


def reported(table: SnapshotTable) -> Sequence[ReportedColumn]:
    """A table's columns as a report has them."""
    return [
        ReportedColumn(column.name, column.type, column.nullable, column.comment) for column in table.columns
    ]


def _described(stream: Stream, snapshot: CatalogSnapshot | None, system: str | None) -> Mapping[str, Any]:
    if is_custom_sql(stream):
        return {"description": stream.sql}
    name = ".".join(split_name(stream.name))
    table = snapshot.table(_relation(stream.name)) if snapshot else None
    if table is None:
        return {"metadata": table_metadata(name, system)}
    metadata = {**table_metadata(str(table.relation), system), **column_metadata(reported(table))}
    if table.estimated_rows is not None:
        metadata["estimated_rows"] = table.estimated_rows
    return {"metadata": metadata, "description": table.comment}


def _relation(name: str) -> Relation:
    *owner, table = split_name(name)
    return Relation(owner[-1] if owner else None, table)


def _snapshot(replication: Replication) -> CatalogSnapshot | None:
    try:
        return read_snapshot(replication)
    except ConfigError:
        # Whoever needs it says so; here it is only for show.
        return None


def _system(replication: Replication, connections: Connections | None) -> str | None:
    """The kind of system that a connection is, if it is defined anywhere here."""
    try:
        book: ConnectionBook = book_of(connections)
        return book.find(replication.source).type
    except ConnectionConfigError:
        return None
