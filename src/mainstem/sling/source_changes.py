"""The columns of a replication's source against those that it had at the last load, or in the snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from mainstem.assets import wired_keys
from mainstem.assets.source_changes import SourceChange
from mainstem.endpoints import Source, open_source
from mainstem.endpoints.base import split_name
from mainstem.errors import RelationNotFoundError
from mainstem.replication import Stream
from mainstem.schema import Relation
from mainstem.sling.catalog import CatalogSnapshot
from mainstem.sling.check_outcomes import Columns, changed_columns
from mainstem.sling.checks import columns_before
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.identity import connection_named
from mainstem.sling.reading import described
from mainstem.sling.snapshot import read_snapshot

__all__ = ["changes_of_sources"]


def changes_of_sources(
    definition: SlingDefinition,
    specs: Sequence[dg.AssetSpec],
    resources: Mapping[str, object],
    latest: Callable[[dg.AssetKey], Mapping[str, Any]],
) -> Sequence[SourceChange]:
    """Connect to the source of a replication, and tell which of its columns are not what they were.

    What they were is what the last load has kept, where it has a `schema_change` check, else what the
    catalogue's snapshot says.

    Args:
        definition: The replication.
        specs: Its assets.
        resources: The resources of the definitions, by key.
        latest: Gives the metadata of an asset's latest materialization.

    Raises:
        MainstemError: The source cannot be looked at.
    """
    streams = {spec.key: name for name, spec in definition.specs.items()}
    wanted = [(spec, definition.streams[streams[spec.key]]) for spec in specs if spec.key in streams]
    connection = connection_named(definition.replication.source, definition, resources)
    snapshot = read_snapshot(definition.replication)
    found: list[SourceChange] = []
    with open_source(connection) as source:
        for spec, stream in wanted:
            found += _changes(definition, spec, stream, _before(latest(spec.key), stream, snapshot), source)
    return found


def _before(
    metadata: Mapping[str, Any], stream: Stream, snapshot: CatalogSnapshot | None
) -> tuple[Columns | None, str]:
    """The columns that a source had, and when."""
    kept = columns_before(metadata)
    if kept is not None or snapshot is None:
        return kept, "the last load"
    *owner, name = split_name(stream.name)
    table = snapshot.table(Relation(owner[-1] if owner else None, name))
    columns = {column.name: column.type for column in table.columns} if table else {}
    return columns or None, f"the snapshot of {snapshot.taken}"


def _changes(
    definition: SlingDefinition,
    spec: dg.AssetSpec,
    stream: Stream,
    kept: tuple[Columns | None, str],
    source: Source,
) -> Iterator[SourceChange]:
    before, since = kept
    key = definition.source_of(stream.name)
    if before is None or key is None:
        return
    try:
        _, table = described(source, stream, definition.replication.document.source)
        now = {column.name: column.native_type for column in table.columns}
    except RelationNotFoundError:
        now = {}
    key = wired_keys(spec.metadata).get(key, key)
    for what, columns in changed_columns(before, now).items():
        for name, kind in columns.items():
            yield SourceChange(key, name, what, kind, since)
