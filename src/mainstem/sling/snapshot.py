"""Wildcards become streams when definitions load, from a snapshot of the catalogue: without the database."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from mainstem.connections import Connection, ConnectionBook
from mainstem.endpoints import Source, SourceTable, open_source
from mainstem.errors import ConfigError, MainstemError, RelationNotFoundError, ReplicationError
from mainstem.plan import expand_wildcards
from mainstem.replication import (
    Replication,
    ReplicationLike,
    ReplicationWarning,
)
from mainstem.schema import Relation
from mainstem.sling.catalog import CatalogSnapshot, SnapshotColumn, SnapshotTable
from mainstem.sling.connection import SlingConnectionResource
from mainstem.sling.expansion import ExpandedReplication, expanded, is_expanded
from mainstem.sling.loading import load_config
from mainstem.sling.reading import is_custom_sql

__all__ = [
    "PREPARE_ON_LOAD",
    "Connections",
    "Prepared",
    "book_of",
    "expand_for_definitions",
    "prepare_replication",
    "read_snapshot",
    "snapshot_path",
]

Connections = Iterable[SlingConnectionResource | Connection] | ConnectionBook

#: Set to anything but 0 and false: every load of definitions takes the snapshots again, and fails where it
#: cannot. For the step that builds an image.
PREPARE_ON_LOAD = "MAINSTEM_PREPARE_ON_LOAD"

_FOLDER = ".mainstem"
_PLAIN = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class Prepared:
    """A snapshot that was taken.

    Attributes:
        path: Where it is kept.
        snapshot: What is in it.
        new: Tables that the one before it did not have, such as ``public.orders``.
        gone: Tables that only the one before it had.
    """

    path: Path
    snapshot: CatalogSnapshot
    new: Sequence[str]
    gone: Sequence[str]


def expand_for_definitions(
    replication: Replication,
    connections: Connections | None = None,
    project_folder: Path | None = None,
) -> Replication:
    """Return the replication with a stream for each table that its wildcards match.

    They are matched against the snapshot, in milliseconds and without a connection. In development (under
    ``dagster dev`` and ``dg dev``) and where :data:`PREPARE_ON_LOAD` is set, the snapshot is taken first.

    Args:
        replication: The replication. Without an enabled wildcard it is returned as it is.
        connections: Where its source may be found, besides the environment.
        project_folder: Where snapshots are kept, in a folder ``.mainstem``; ``None`` for the replication's
            own folder, or the working directory where it has no file.

    Raises:
        ReplicationError: There is no snapshot, or none of one of the wildcards; or all tables of a wildcard
            would get the same object.
        ConfigError: The snapshot is damaged.
        MainstemError: It was to be taken again, and could not.
    """
    wildcards = [each for each in replication.streams if is_expanded(each) and not each.disabled]
    if not wildcards:
        return replication
    path = snapshot_path(replication, project_folder)
    if _wanted_anew():
        _take_again(replication, connections, path)
    snapshot = CatalogSnapshot.read(path)
    unknown = [each for each in wildcards if snapshot is None or each.name not in snapshot.wildcards]
    if snapshot is None or unknown:
        raise ReplicationError(
            f"There is no catalogue snapshot yet with the wildcard {unknown[0].name}.",
            position=unknown[0].position,
            hint=_how_to_prepare(replication),
        )
    return expanded(replication, snapshot)


def prepare_replication(
    replication_config: ReplicationLike | Replication,
    connections: Connections | None = None,
    project_folder: Path | None = None,
) -> Prepared:
    """Take the snapshot of a replication's source: the tables that it may read, with their columns.

    Args:
        replication_config: The replication.
        connections: Where its source may be found, besides the environment: a resource's connections.
        project_folder: As in :func:`expand_for_definitions`.

    Raises:
        ConfigError: The replication or the connection is wrong.
        EndpointError: The source is not reached.

    Example::

        prepare_replication("replication.yaml", sling.connections)
    """
    book = book_of(connections)
    replication = load_config(replication_config, book)
    return _prepared(replication, book, snapshot_path(replication, project_folder))


def read_snapshot(replication: Replication, project_folder: Path | None = None) -> CatalogSnapshot | None:
    """The snapshot that is there; ``None`` where there is none.

    Raises:
        ConfigError: It is damaged.
    """
    if isinstance(replication, ExpandedReplication):
        return replication.snapshot
    return CatalogSnapshot.read(snapshot_path(replication, project_folder))


def snapshot_path(replication: Replication, project_folder: Path | None = None) -> Path:
    """Where a replication's snapshot is kept.

    Example:
        >>> document = {"source": "MY_PG", "target": "T", "streams": {"s.*": {"object": "{stream_table}"}}}
        >>> snapshot_path(load_config(document), Path("project")).as_posix()
        'project/.mainstem/my_pg-1cc923ec.catalog.json'
    """
    written = replication.document.source
    if not written.startswith("<"):
        folder = Path(written).absolute().parent if project_folder is None else project_folder
        return folder / _FOLDER / f"{Path(written).stem}.catalog.json"
    names = "\n".join([replication.source, *_wildcard_names(replication)])
    # A source may be a URL, with a password in it.
    source = replication.source.lower() if _PLAIN.fullmatch(replication.source) else "source"
    digest = hashlib.sha256(names.encode()).hexdigest()[:8]
    return (project_folder or Path.cwd()) / _FOLDER / f"{source}-{digest}.catalog.json"


def book_of(connections: Connections | None) -> ConnectionBook:
    """The places where connections are found: these first, then the environment.

    Raises:
        ConnectionConfigError: One of them is malformed.
    """
    if isinstance(connections, ConnectionBook):
        return connections
    return ConnectionBook(
        [
            each.connection() if isinstance(each, SlingConnectionResource) else each
            for each in connections or ()
        ]
    )


# The snapshot.


def _wanted_anew() -> bool:
    if _is_set(PREPARE_ON_LOAD):
        return True
    # A run's own process takes what is there: its assets must be those of the process that launched it.
    return bool(os.environ.get("DAGSTER_IS_DEV_CLI")) and multiprocessing.parent_process() is None


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() not in ("", "0", "false")


def _take_again(replication: Replication, connections: Connections | None, path: Path) -> None:
    try:
        _prepared(replication, book_of(connections), path)
    except MainstemError as error:
        if _is_set(PREPARE_ON_LOAD) or not path.exists():
            hint = "Are the connections handed over, as in @sling_assets(connections=sling.connections)?"
            raise ConfigError(
                f"The catalogue snapshot {path} cannot be taken: {error}", hint=f"\n{hint}"
            ) from error
        warnings.warn(
            f"The catalogue snapshot {path} is as it was, for it cannot be taken again: {error}",
            ReplicationWarning,
            stacklevel=4,
        )


def _prepared(replication: Replication, book: ConnectionBook, path: Path) -> Prepared:
    with open_source(book.find(replication.source)) as source:
        tables = _read_by(replication, source)
        snapshot = CatalogSnapshot(
            type=source.connection.type,
            default_schema=source.default_schema,
            wildcards=_wildcard_names(replication),
            tables=sorted(tables, key=lambda table: (table.schema, table.name)),
            taken=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
    try:
        before = CatalogSnapshot.read(path)
    except ConfigError:
        before = None
    snapshot.write(path)
    old, new = (
        {str(table.relation) for table in each.tables} if each else set() for each in (before, snapshot)
    )
    return Prepared(path, snapshot, sorted(new - old), sorted(old - new))


def _read_by(replication: Replication, source: Source) -> Sequence[SnapshotTable]:
    """The tables that the replication may read."""
    views = {entry.relation for entry in source.catalog() if entry.is_view}
    found: dict[Relation, SnapshotTable] = {}
    enabled = [stream for stream in replication.streams if not stream.disabled]
    for stream in expand_wildcards(replication, enabled, source):
        if is_custom_sql(stream):
            continue
        try:
            table = source.describe(source.relation(stream.name))
        except RelationNotFoundError:
            # A run tells it by name.
            continue
        if table.relation is not None:
            found[table.relation] = _kept(table, table.relation, is_view=table.relation in views)
    return list(found.values())


def _kept(table: SourceTable, relation: Relation, *, is_view: bool) -> SnapshotTable:
    return SnapshotTable(
        schema=relation.schema or "",
        name=relation.name,
        is_view=is_view,
        columns=[
            SnapshotColumn(column.name, column.native_type, column.nullable, column.comment)
            for column in table.columns
        ],
        primary_key=list(table.primary_key),
        estimated_rows=table.estimated_rows,
        comment=table.comment,
    )


def _wildcard_names(replication: Replication) -> list[str]:
    written = replication.wildcards if isinstance(replication, ExpandedReplication) else replication.streams
    return sorted(each.name for each in written if is_expanded(each))


def _how_to_prepare(replication: Replication) -> str:
    document = replication.document.source
    if document.startswith("<"):
        return f"Load the definitions once with {PREPARE_ON_LOAD}=1, or call prepare_replication(…)."
    return (
        f"Take one with `python -m mainstem.sling.prepare {document}`,"
        f" or load the definitions once with {PREPARE_ON_LOAD}=1."
    )
