"""Wildcard streams become one stream for each table or view that they match (spec §1.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import translate
from typing import Protocol

from mainstem.endpoints import CatalogEntry, Source, SqlTarget
from mainstem.endpoints.base import split_name
from mainstem.errors import ReplicationError
from mainstem.replication import Replication, Stream
from mainstem.schema import Relation

__all__ = ["Catalogue", "expand_wildcards", "is_combined", "is_wildcard"]

# One of these in the object gives each table its own target.
_PER_STREAM = re.compile(r"\{(stream[._](table|name)(_lower|_upper)?|stream[._]file[._]\w+)\}")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Catalogue(Protocol):
    """What tables there are: an open source, or what was kept of one."""

    @property
    def default_schema(self) -> str:
        """The schema of a name that has none."""

    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        """The tables and views, of one schema or of all, sorted by name."""


def is_wildcard(name: str) -> bool:
    """Whether a stream's name is a pattern."""
    return "*" in name or "?" in name


def expand_wildcards(
    replication: Replication, streams: Sequence[Stream], source: Catalogue
) -> Sequence[Stream]:
    """Put the tables that a wildcard matches in its place, sorted by name.

    A table that has a stream of its own keeps that one's settings and place, and is left out where that one
    is disabled. Patterns match schemas exactly but for case, and tables as a case-insensitive glob.

    Args:
        replication: The document.
        streams: The streams to run, wildcards among them.
        source: The open source, whose catalogue is asked, or what was kept of it.

    Raises:
        ReplicationError: All tables of a wildcard would get the same object.
    """
    explicit = {
        _normal(stream.name, source) for stream in replication.streams if not is_wildcard(stream.name)
    }
    expanded: list[Stream] = []
    for stream in streams:
        if not is_wildcard(stream.name):
            expanded.append(stream)
            continue
        if isinstance(source, Source) and source.combines and is_combined(stream):
            expanded.append(stream)
            continue
        _refuse_one_object(stream)
        for name in _matches(stream.name, source):
            key = _normal(name, source)
            if key not in explicit:
                explicit.add(key)
                expanded.append(replace(stream, name=name))
    return expanded


def is_combined(stream: Stream) -> bool:
    """Whether a pattern means one stream of all files that match, and not one for each (spec §1.4).

    Of tables there is no such stream: a run refuses the pattern.
    """
    if not is_wildcard(stream.name):
        return False
    if stream.single is not None:
        return stream.single
    options = stream.target_options
    return not (_PER_STREAM.search(stream.object) or options.file_max_rows or options.file_max_bytes)


def _refuse_one_object(stream: Stream) -> None:
    if stream.single or not _PER_STREAM.search(stream.object):
        raise ReplicationError(
            f"All tables that {stream.name} matches would be written to the object {stream.object!r}.",
            position=stream.position,
            hint="Put {stream_table} into the object, and leave `single` out.",
        )


def _matches(pattern: str, source: Catalogue) -> Iterator[str]:
    if isinstance(source, Source) and source.combines:
        yield from source.matching(pattern)
        return
    parts = split_name(pattern)
    schema, table = (source.default_schema, parts[0]) if len(parts) == 1 else (parts[0], ".".join(parts[1:]))
    glob = re.compile(translate(table.lower()))
    for entry in source.catalog(None if is_wildcard(schema) else schema):
        owner, name = entry.relation.schema or "", entry.relation.name
        if is_wildcard(schema) and not re.match(translate(schema.lower()), owner.lower()):
            continue
        if glob.match(name.lower()) and not _is_staging(entry.relation, source):
            yield f"{_spelled(owner)}.{_spelled(name)}"


def _is_staging(relation: Relation, source: Catalogue) -> bool:
    """Whether a table is what another run stages, or a killed one left."""
    return "__mainstem_" in relation.name and isinstance(source, SqlTarget) and source.is_staging(relation)


def _spelled(name: str) -> str:
    """A part of a name as a user would write it: in quotes only where it needs them."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _normal(name: str, source: Catalogue) -> tuple[str, ...]:
    if isinstance(source, Source) and source.combines:
        return (source.relation(name).name,)
    parts = split_name(name)
    return tuple(part.lower() for part in ([source.default_schema, *parts] if len(parts) == 1 else parts))
