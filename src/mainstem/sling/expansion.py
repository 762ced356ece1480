"""A replication's wildcards as streams, one for each table of a catalogue snapshot."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mainstem.assets import ExecutionContext
from mainstem.connections import Connection
from mainstem.endpoints import Source, open_source
from mainstem.endpoints.base import split_name
from mainstem.errors import MainstemError
from mainstem.plan import expand_wildcards, is_combined, is_wildcard
from mainstem.replication import Replication, ReplicationWarning, Stream, Variables
from mainstem.replication.variables import clean_name
from mainstem.sling.catalog import CatalogSnapshot

__all__ = ["ExpandedReplication", "expanded", "is_expanded", "not_in_the_snapshot", "tell_new_tables"]


@dataclass(frozen=True)
class ExpandedReplication(Replication):
    """A replication whose wildcards have become streams, one for each table of the snapshot.

    Attributes:
        wildcards: The streams as they were written.
        snapshot: What they were expanded by.
    """

    wildcards: Sequence[Stream] = ()
    snapshot: CatalogSnapshot | None = field(default=None, repr=False)


def is_expanded(stream: Stream) -> bool:
    """Whether a stream becomes one for each table that it matches, by a snapshot."""
    return is_wildcard(stream.name) and not is_combined(stream)


def not_in_the_snapshot(replication: Replication, source: Source) -> Sequence[str]:
    """The tables that the wildcards match by now and that the snapshot does not have yet.

    Args:
        replication: The replication as :func:`expand_for_definitions` gave it.
        source: The open source.
    """
    if not isinstance(replication, ExpandedReplication):
        return []
    known = {stream.name for stream in replication.streams}
    written = replace(replication, streams=replication.wildcards)
    found = expand_wildcards(written, written.streams, source)
    return [stream.name for stream in found if stream.name not in known and not stream.disabled]


def tell_new_tables(
    context: ExecutionContext, replication: Replication, connection: Connection | None
) -> None:
    """Log which tables have no asset yet, because they came after the snapshot. Nothing fails for it.

    Args:
        context: The context of the asset or op that runs.
        replication: The replication as :func:`expand_for_definitions` gave it.
        connection: The source's; ``None`` where it cannot be opened here.
    """
    taken = isinstance(replication, ExpandedReplication) and replication.snapshot
    if connection is None or not taken or not taken.taken:
        return
    try:
        with open_source(connection) as source:
            for table in not_in_the_snapshot(replication, source):
                context.log.warning(f"{table} is not yet in the snapshot ({taken.taken}): it has no asset.")
    except MainstemError as error:
        context.log.debug(f"Whether there are new tables is not known: {error}")


def expanded(replication: Replication, snapshot: CatalogSnapshot) -> ExpandedReplication:
    """Put the tables of a snapshot in the place of the wildcards that match them.

    Raises:
        ReplicationError: All tables of a wildcard would get the same object.
    """
    wanted = [each for each in replication.streams if not (is_wildcard(each.name) and each.disabled)]
    # One by one, so that each table's wildcard is known.
    expanded: dict[str, Stream] = {}
    origins: dict[str, str] = {}
    taken = replication
    for stream in wanted:
        if is_combined(stream):
            expanded[stream.name], origins[stream.name] = stream, stream.name
            continue
        for found in expand_wildcards(taken, [stream], snapshot):
            expanded[found.name], origins[found.name] = found, stream.name
        if is_wildcard(stream.name):
            if not any(origin == stream.name for origin in origins.values()):
                _warn_of_nothing(stream)
            # What an earlier wildcard has is not the later one's.
            taken = replace(replication, streams=[*replication.streams, *expanded.values()])
    values = replication.document.values["streams"]
    own = {name: _named(values[origin], name, origin, snapshot) for name, origin in origins.items()}
    return ExpandedReplication(
        source=replication.source,
        target=replication.target,
        streams=list(expanded.values()),
        document=replication.document.with_streams(own, origins),
        variables=replication.variables,
        hooks=replication.hooks,
        unsupported=replication.unsupported,
        wildcards=replication.streams,
        snapshot=snapshot,
    )


def _warn_of_nothing(stream: Stream) -> None:
    warnings.warn(
        f"{stream.position}: {stream.name} matches no table of the catalogue snapshot.",
        ReplicationWarning,
        stacklevel=6,
    )


def _named(own: Any, name: str, origin: str, snapshot: CatalogSnapshot) -> Any:
    """A wildcard's mapping as one table's own: its name is in the object, and in what Dagster reads."""
    if name == origin or not isinstance(own, Mapping):
        return own
    parts = split_name(name)
    schema, table = (snapshot.default_schema, parts[0]) if len(parts) == 1 else (parts[0], parts[-1])
    plain = _stream_variables(schema, table)
    clean = Variables({key: clean_name(value) for key, value in plain.values.items()})
    found = dict(own)
    if isinstance(found.get("object"), str):
        found["object"] = clean.in_text(found["object"])
    meta = found.get("meta")
    if isinstance(meta, Mapping) and isinstance(meta.get("dagster"), Mapping):
        keyed = Variables({key: value.lower() for key, value in clean.values.items()})
        dagster = {
            key: _filled(value, keyed if key in ("asset_key", "deps") else plain)
            for key, value in meta["dagster"].items()
        }
        found["meta"] = {**meta, "dagster": dagster}
    return found


def _stream_variables(schema: str, table: str) -> Variables:
    values = {"stream_name": f"{schema}.{table}".lower()}
    for key, value in (("stream_schema", schema), ("stream_table", table)):
        values |= {key: value, f"{key}_lower": value.lower(), f"{key}_upper": value.upper()}
    return Variables(values)


def _filled(value: Any, variables: Variables) -> Any:
    if isinstance(value, str):
        return variables.in_text(value)
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    return value
