"""What a stream will do, fixed before a row is read: pure, and printable."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from mainstem.endpoints import Source, Target
from mainstem.errors import NotSupportedYetError, RelationNotFoundError, ReplicationError
from mainstem.replication import Mode, Replication, Stream, StreamNames, render_object
from mainstem.schema import Column, Relation

__all__ = ["PlannedColumn", "StreamPlan", "plan_stream", "refuse_unsupported"]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True)
class PlannedColumn:
    """A column on its way.

    Attributes:
        source: The column as the source has it.
        name: Its name in the target.
    """

    source: Column
    name: str


@dataclass(frozen=True)
class StreamPlan:
    """What one stream will do.

    Attributes:
        stream: The stream's name.
        mode: Its mode.
        source: The table or view that is read.
        target: The table that is written.
        columns: Its columns, in order.
        estimated_rows: The source's own estimate; ``None`` where it has none.
        notes: What the user should know beforehand.
    """

    stream: str
    mode: Mode
    source: Relation
    target: Relation
    columns: Sequence[PlannedColumn]
    estimated_rows: int | None
    notes: Sequence[str]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the batches that are staged, under the target's names."""
        return pa.schema([pa.field(column.name, column.source.arrow_type) for column in self.columns])


def refuse_unsupported(replication: Replication, streams: Sequence[Stream]) -> None:
    """Refuse what is known to Sling and not carried out yet.

    Raises:
        NotSupportedYetError: With every such key of the document and of the streams that would run.
    """
    found = [*replication.unsupported, *(key for stream in streams for key in stream.unsupported)]
    if found:
        # A key of `defaults` is found once for each stream that takes it.
        lines = dict.fromkeys(f"{item.position}: {item.what} is not supported yet" for item in found)
        raise NotSupportedYetError(
            "\n".join(lines), hint="\nNothing was read or written. Remove the keys above to run the rest."
        )


def plan_stream(
    stream: Stream, replication: Replication, source: Source, target: Target, started: datetime
) -> StreamPlan:
    """Plan a stream against the source's catalogue. Nothing is changed anywhere.

    Args:
        stream: The stream.
        replication: The document that it stands in.
        source: The open source.
        target: The open target.
        started: When the run began, in local time.

    Raises:
        ReplicationError: Its ``object`` cannot be rendered, or two columns get the same name in the target.
        RelationNotFoundError: The source has no such table, or the table has no columns.
    """
    table = source.describe(source.relation(stream.name))
    if not table.columns:
        raise RelationNotFoundError(f"{table.relation} has no columns that this user may see.")
    name, notes = _object(stream, table.relation, replication, source, target, started)
    return StreamPlan(
        stream=stream.name,
        mode=stream.mode,
        source=table.relation,
        target=target.relation(name),
        columns=_planned(table.columns, stream),
        estimated_rows=table.estimated_rows,
        notes=[*notes, *(note for column in table.columns for note in column.notes)],
    )


def _object(  # noqa: PLR0917 - the variables are made of all of them
    stream: Stream,
    found: Relation,
    replication: Replication,
    source: Source,
    target: Target,
    started: datetime,
) -> tuple[str, list[str]]:
    names = StreamNames(
        stream=stream.name,
        schema=found.schema or "",
        table=found.name,
        source=(source.connection.name, source.connection.type),
        target=(target.connection.name, target.connection.type),
        target_schema=target.default_schema,
        started=started,
    )
    rendered, unresolved = render_object(stream.object, names)
    position = replication.document.position("streams", stream.name, "object")
    if not rendered.strip("."):
        raise ReplicationError(f"The object {stream.object!r} leaves no name.", position=position)
    return rendered, [
        f"{position}: {{{name}}} is no variable of this stream and was removed from the object, as in Sling"
        for name in unresolved
    ]


def _planned(columns: Sequence[Column], stream: Stream) -> Sequence[PlannedColumn]:
    planned: dict[str, PlannedColumn] = {}
    for column in columns:
        name = _normalized(column.name)
        twin = planned.get(name.lower())
        if twin is not None:
            raise ReplicationError(
                f"The columns {twin.source.name} and {column.name} both become {name} in the target.",
                position=stream.position,
                hint="Rename one of them in a view over the table.",
            )
        planned[name.lower()] = PlannedColumn(column, name)
    return list(planned.values())


def _normalized(name: str) -> str:
    """Sling's default `column_casing` (spec §4.2): a plain name in one case becomes lower case."""
    return name.lower() if _PLAIN_NAME.fullmatch(name) and name == name.upper() else name
