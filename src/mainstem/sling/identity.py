"""The physical tables of streams: what each reads, and what it writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from itertools import takewhile

import dagster as dg

from mainstem.assets import AssetTables, ReadTable, WrittenTable
from mainstem.connections import Connection
from mainstem.endpoints.base import split_name
from mainstem.endpoints.files.naming import file_variables
from mainstem.errors import ConnectionConfigError
from mainstem.identity import Instance, PhysicalTable, instance_of
from mainstem.replication import Stream, StreamNames
from mainstem.replication.variables import PARTITION
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.expansion import is_expanded
from mainstem.sling.reading import is_custom_sql
from mainstem.sling.resource import SlingResource
from mainstem.sling.snapshot import book_of
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = ["connection_named", "tables_of_streams"]

# Two moments of which no part is written alike: an object that differs is another table each time.
_MOMENTS = (
    datetime(1987, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
    datetime(2012, 11, 10, 19, 18, 27, tzinfo=timezone.utc),
)
_URL = "://"
# No place at all.
_PIPES = frozenset({"-", "stdin", "stdin://", "stdout", "stdout://"})


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
    unknown: list[str] = []
    ends: list[_End | None] = []
    for name in (replication.source, replication.target):
        try:
            ends.append(_End(connection_named(name, definition, resources)))
        except ConnectionConfigError as error:
            # Where it was looked for is of no help in a list.
            told = error.message.splitlines()[0].partition(" Looked at:")[0]
            unknown.append(f"The connection {name} is not known: {told}")
            ends.append(None)
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
            tables = source.read(stream.name) if source is not None and source.tells(stream) else ()
            writes = [WrittenTable(table, f"source {stream.name}") for table in tables[:1]]
            found[spec.key] = AssetTables(writes=writes, unknown=unknown)
    return found


class _End:
    """A source or a target, by its connection alone."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        plain = {key: value for key, value in connection.properties.items() if isinstance(value, str)}
        self.instance: Instance | None = instance_of(connection.type, plain)

    def tells(self, stream: Stream) -> bool:
        """Whether a stream's name tells what it reads. SQL over files reaches no others."""
        return self.has_keys or not is_custom_sql(stream)

    def read(self, name: str) -> Sequence[PhysicalTable]:
        """The table of a name: as it is written, else as the system folds it."""
        exact = self.table(name)
        if exact is None:
            return []
        return list(dict.fromkeys([exact, self.table(name, quoted=False) or exact]))

    def table(self, name: str, *, quoted: bool | None = None) -> PhysicalTable | None:
        if self.instance is None or name in _PIPES:
            return None
        if self.instance.has_keys:
            return self.instance.object(name)
        parts = split_name(name)
        if not all(parts):
            return None
        *owner, table = parts
        schema = owner.pop() if owner else None
        return self.instance.table(table, schema, owner.pop() if owner else None, quoted=quoted)

    @property
    def has_keys(self) -> bool:
        """Whether its tables are files."""
        return self.instance is not None and self.instance.has_keys

    @property
    def schema(self) -> str:
        return self.instance.schema if self.instance else ""


def connection_named(name: str, definition: SlingDefinition, resources: Mapping[str, object]) -> Connection:
    """Return a connection of a replication.

    Args:
        name: Its name.
        definition: The replication.
        resources: A `SlingResource` among them has connections.

    Raises:
        ConnectionConfigError: It is not known.
    """
    resource = next((each for each in resources.values() if isinstance(each, SlingResource)), None)
    book = resource.connection_book([name]) if resource is not None else book_of(definition.connections)
    return book.find(name)


def _read(definition: SlingDefinition, stream: Stream, source: _End | None) -> Sequence[ReadTable]:
    key = definition.source_of(stream.name)
    if key is None or source is None or not source.tells(stream):
        return []
    usual = DagsterSlingTranslator().get_deps_asset_key({"name": stream.name, "config": None})
    tables = source.read(stream.name)
    explicit = bool(definition.dagster_meta(stream.name).get("deps"))
    what = f"stream {stream.name}"
    return [ReadTable(key, tables, what, explicit=explicit, usual=key in set(usual))] if tables else []


def _written(
    definition: SlingDefinition, stream: Stream, source: _End | None, target: _End | None
) -> Sequence[WrittenTable]:
    if target is None or is_expanded(stream):
        return []
    one, other = (_object(definition, stream, source, target, moment) for moment in _MOMENTS)
    if one != other and not target.has_keys:
        return []
    table = target.table(_pattern(one, other))
    return [WrittenTable(table, f"stream {stream.name}")] if table else []


def _object(
    definition: SlingDefinition, stream: Stream, source: _End | None, target: _End, started: datetime
) -> str:
    """The name of the target, as a run that starts then would have it."""
    schema, table, more = _names(stream, source)
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
    return variables.and_more(more).in_object(stream.object, PARTITION if target.has_keys else None)[0]


def _names(stream: Stream, source: _End | None) -> tuple[str, str, Mapping[str, str]]:
    """The schema and table of what a stream reads, and the variables that only files give."""
    if source is not None and source.has_keys:
        path = stream.name.partition(_URL)[2] or stream.name
        return "", path, file_variables(path)
    if is_custom_sql(stream):
        return "", stream.name, {}
    *owner, table = split_name(stream.name)
    return owner[-1] if owner else source.schema if source else "", table, {}


def _pattern(one: str, other: str) -> str:
    """What a file is called at any time, by what it is called at two."""
    if one == other:
        return one
    pairs = list(zip(one.split("/"), other.split("/"), strict=False))
    return "/".join(left if left == right else _wild(left, right) for left, right in pairs)


def _wild(one: str, other: str) -> str:
    """A pattern of two names: what they begin and end with alike."""
    start = _alike(one, other)
    end = _alike(one[len(start) :][::-1], other[len(start) :][::-1])[::-1]
    return f"{start}*{end}"


def _alike(one: str, other: str) -> str:
    return "".join(
        left for left, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )
