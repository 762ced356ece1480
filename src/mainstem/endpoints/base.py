"""What a system can do, as data and as methods. A strategy asks this, never for a system's name."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

import pyarrow as pa
from typing_extensions import Self

from mainstem.connections import Connection
from mainstem.errors import RelationNotFoundError
from mainstem.report import ReportedColumn
from mainstem.schema import Column, Relation

__all__ = [
    "Capabilities",
    "Endpoint",
    "Source",
    "SourceTable",
    "Staging",
    "Target",
    "TargetTable",
    "match_name",
    "split_name",
]


@dataclass(frozen=True)
class Capabilities:
    """What a target can do.

    Attributes:
        replaces_atomically: A table can be replaced by another in one transaction, so that a reader sees
            the old one or the new one and nothing between.
    """

    replaces_atomically: bool = False


@dataclass(frozen=True)
class SourceTable:
    """A table or view of the source, as its catalogue describes it.

    Attributes:
        relation: Its exact name.
        columns: Its columns, in order, each with the Arrow type in which its values travel.
        estimated_rows: The catalogue's own estimate; ``None`` where it has none.
    """

    relation: Relation
    columns: Sequence[Column]
    estimated_rows: int | None = None


@dataclass(frozen=True)
class TargetTable:
    """A table of the target, as its readers see it.

    Attributes:
        columns: Its columns, in order, in the target's own words.
        row_count: Its rows.
    """

    columns: Sequence[ReportedColumn]
    row_count: int


class Staging(ABC):
    """A place beside the target that takes rows until they are published. Nobody else sees it as a table.

    Leaving it without :meth:`Target.replace` having published it drops it.
    """

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch. Its schema is that of the planned columns."""

    @abstractmethod
    def complete(self) -> int:
        """Take no more rows, and count those that are there."""


class Endpoint(ABC):
    """A system, open. Use it as a context manager.

    What can be read is a :class:`Source`, what can be written a :class:`Target`; most systems are both.

    Args:
        connection: Where it is, and how to get in.

    Raises:
        ConnectError: It cannot be reached, or refused the credentials.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    @abstractmethod
    def default_schema(self) -> str:
        """The schema of a name that has none."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the system. Closing twice is allowed."""

    def relation(self, name: str) -> Relation:
        """Read a name of the replication, such as ``data.orders`` or ``"My Schema"."My Table"``.

        Raises:
            RelationNotFoundError: It has no part, or more parts than this system's names have.
        """
        parts = split_name(name)
        if len(parts) == 1 and parts[0]:
            return Relation(self.default_schema, parts[0])
        if len(parts) == 2 and all(parts):  # noqa: PLR2004 - schema and table
            return Relation(parts[0], parts[1])
        raise RelationNotFoundError(
            f"{name!r} is no table name for {self.connection.name} ({self.connection.type}).",
            hint="It looks like schema.table; quote parts that contain a dot.",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Source(Endpoint):
    """An endpoint that can be read."""

    @abstractmethod
    def describe(self, relation: Relation) -> SourceTable:
        """Look a table or view up in the catalogue.

        Raises:
            RelationNotFoundError: It is not there, or its name is ambiguous.
        """

    @abstractmethod
    def read(
        self, relation: Relation, columns: Sequence[Column]
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """Read these columns as record batches of exactly their Arrow types, in constant memory.

        Raises:
            LossyTypeError: A value cannot be carried by its column's Arrow type.
            EndpointError: The system refused the query or broke off.
        """


class Target(Endpoint):
    """An endpoint that can be written."""

    capabilities: Capabilities

    @abstractmethod
    def stage(self, target: Relation, schema: pa.Schema) -> AbstractContextManager[Staging]:
        """Open a staging place for a target, sweeping what a killed run left of it.

        Raises:
            LossyTypeError: The system has no type for one of the columns.
            TargetBusyError: Someone else holds the target.
        """

    @abstractmethod
    def replace(self, staging: Staging, target: Relation) -> None:
        """Publish: in one transaction the staging place becomes the target, in the old one's stead."""

    @abstractmethod
    def inspect(self, target: Relation) -> TargetTable | None:
        """The target as it is now; ``None`` where there is none."""


def split_name(name: str) -> list[str]:
    """Split a dotted name into its parts; double quotes hold a part together, a doubled quote is a quote.

    Example:
        >>> split_name('data."odd.name"')
        ['data', 'odd.name']
    """
    parts, part, quoted = [], "", False
    characters = iter(enumerate(name))
    for index, character in characters:
        if character == '"' and quoted and name[index + 1 : index + 2] == '"':
            part += next(characters)[1]
        elif character == '"':
            quoted = not quoted
        elif character == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += character
    return [*parts, part]


def match_name(wanted: str, known: Collection[str], *, what: str, where: str) -> str:
    """Find a name as it stands in a catalogue: exactly, else the only one that differs in case.

    Args:
        wanted: The name that is looked for.
        known: The names that are there.
        what: What it names, for the message: ``table`` or ``schema``.
        where: Where it was looked for, for the message.

    Raises:
        RelationNotFoundError: It is not there, or only in several spellings.
    """
    if wanted in known:
        return wanted
    same = [name for name in known if name.lower() == wanted.lower()]
    if len(same) == 1:
        return same[0]
    if same:
        raise RelationNotFoundError(
            f"There are several {what}s like {wanted} in {where}: {', '.join(sorted(same))}.",
            hint="Quote the name.",
        )
    near = difflib.get_close_matches(wanted, known, n=1)
    shown = ", ".join(sorted(known)[:10]) or "none that this user may see"
    raise RelationNotFoundError(
        f"There is no {what} {wanted} in {where}.",
        hint=f"Did you mean {near[0]}?" if near else f"There is: {shown}.",
    )
