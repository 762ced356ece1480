"""The physical tables of streams: what each reads, and what it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import dagster as dg

from mainstem.assets import AssetTables, ReadTable, WrittenTable
from mainstem.connections import Connection, ConnectionBook
from mainstem.endpoints.base import split_name
from mainstem.errors import ConnectionConfigError
from mainstem.identity import Instance, PhysicalTable, instance_of
from mainstem.plan import is_wildcard
from mainstem.replication import Stream, StreamNames
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.reading import is_custom_sql
from mainstem.sling.resource import SlingResource
from mainstem.sling.snapshot import book_of
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = ["connections_of", "tables_of_streams"]

# Two moments that no pattern of a date writes alike: an object that differs is another table each time.
_MOMENTS = (
    datetime(2001, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
    datetime(2012, 11, 10, 9, 8, 7, tzinfo=timezone.utc),
)


def tables_of_streams(
    definition: SlingDefinition, specs: Sequence[dg.AssetSpec], resources: Mapping[str, object]
) -> Mapping[dg.AssetKey, AssetTables]:
    """Return the tables of assets: of streams' targets, and of what stands for their sources.

    Args:
        definition: The replication.
        specs: The assets.
        resources: A `SlingResource` among them has the connections; otherwise, what the definition was given,
            and the environment.
    """
    replication = definition.replication
    book, unknown = connections_of(definition, resources)
    ends: list[_End | None] = []
    for name in (replication.source, replication.target):
        try:
            connection = book.find(name)
        except ConnectionConfigError as error:
            unknown.append(f"The connection {name} is not known: {error.message.splitlines()[0]}")
            ends.append(None)
        else:
            ends.append(_End(connection))
    source, target = ends
    streams = {spec.key: name for name, spec in definition.specs.items()}
    reading = {key: name for name in definition.streams if (key := definition.source_of(name)) is not None}
    found = {}
    for spec in specs:
        if spec.key in streams:
            stream = definition.streams[streams[spec.key]]
            found[spec.key] = AssetTables(
                writes=_written(definition, stream, source, target),
                reads=_read(definition, stream, source),
                unknown=unknown,
            )
        elif spec.key in reading:
            stream = definition.streams[reading[spec.key]]
            tables = source.read(stream.name) if source is not None and not is_custom_sql(stream) else ()
            writes = [WrittenTable(table, f"source {stream.name}") for table in tables[:1]]
            found[spec.key] = AssetTables(writes=writes, unknown=unknown)
    return found


class _End:
    """A source or a target, by its connection alone."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        plain = {key: value for key, value in connection.properties.items() if isinstance(value, str)}
        self.instance: Instance | None = instance_of(connection.type, plain)

    def read(self, name: str) -> Sequence[PhysicalTable]:
        """The table of a name: as it is written, else as the system folds it."""
        exact = self.table(name)
        if exact is None:
            return []
        return list(dict.fromkeys([exact, self.table(name, quoted=False) or exact]))

    def table(self, name: str, *, quoted: bool | None = None) -> PhysicalTable | None:
        parts = split_name(name)
        if self.instance is None or not all(parts):
            return None
        *owner, table = parts
        schema = owner.pop() if owner else None
        return self.instance.table(table, schema, owner.pop() if owner else None, quoted=quoted)

    @property
    def schema(self) -> str:
        return self.instance.schema if self.instance else ""


def connections_of(
    definition: SlingDefinition, resources: Mapping[str, object]
) -> tuple[ConnectionBook, list[str]]:
    """Return the connections of a replication, and why one of them is not known.

    Args:
        definition: The replication.
        resources: A `SlingResource` among them has connections.
    """
    replication = definition.replication
    unknown: list[str] = []
    resource = next((each for each in resources.values() if isinstance(each, SlingResource)), None)
    try:
        if resource is not None:
            return resource.connection_book([replication.source, replication.target]), unknown
        return book_of(definition.connections), unknown
    except ConnectionConfigError as error:
        unknown.append(str(error))
        return ConnectionBook(environment={}), unknown


def _read(definition: SlingDefinition, stream: Stream, source: _End | None) -> Sequence[ReadTable]:
    key = definition.source_of(stream.name)
    if key is None or source is None or is_custom_sql(stream):
        return []
    usual = DagsterSlingTranslator().get_deps_asset_key({"name": stream.name, "config": None})
    tables = source.read(stream.name)
    explicit = bool(definition.dagster_meta(stream.name).get("deps"))
    what = f"stream {stream.name}"
    return [ReadTable(key, tables, what, explicit=explicit, usual=key in set(usual))] if tables else []


def _written(
    definition: SlingDefinition, stream: Stream, source: _End | None, target: _End | None
) -> Sequence[WrittenTable]:
    if target is None or is_wildcard(stream.name):
        return []
    names = {_object(definition, stream, source, target, moment) for moment in _MOMENTS}
    if len(names) > 1:
        return []
    table = target.table(names.pop())
    return [WrittenTable(table, f"stream {stream.name}")] if table else []


def _object(
    definition: SlingDefinition, stream: Stream, source: _End | None, target: _End, started: datetime
) -> str:
    """The name of the target, as a run that starts then would have it."""
    custom = is_custom_sql(stream)
    *owner, table = [stream.name] if custom else split_name(stream.name)
    schema = "" if custom else owner[-1] if owner else source.schema if source else ""
    origin = source.connection if source else None
    variables = StreamNames(
        stream=stream.name,
        schema=schema,
        table=table,
        full_name="",
        source=(origin.name, origin.type) if origin else ("", ""),
        target=(target.connection.name, target.connection.type),
        target_schema=target.schema,
        started=started,
        id=stream.id,
        description=stream.description,
        run_id=started.isoformat(),
        environment=definition.replication.variables,
    ).variables()
    return variables.in_object(stream.object)[0]
