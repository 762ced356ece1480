"""What a system can do, as data and as methods. A strategy asks this, never for a system's name."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar

import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import ParseError
from typing_extensions import Self

from mainstem.connections import Connection
from mainstem.endpoints.comparable import Form, Written
from mainstem.endpoints.raw import RawForm, RawRows
from mainstem.errors import EndpointError, RelationNotFoundError, ValueBreaksTypeError
from mainstem.schema import Column, Relation

__all__ = [
    "CatalogEntry",
    "Endpoint",
    "Query",
    "Source",
    "SourceTable",
    "first_rows",
    "match_name",
    "split_name",
]


@dataclass(frozen=True)
class CatalogEntry:
    """A table or view that a catalogue lists.

    Attributes:
        relation: Its exact name.
        is_view: Whether it is a view.
    """

    relation: Relation
    is_view: bool = False


@dataclass(frozen=True)
class SourceTable:
    """A table, a view or a query, as the system describes it.

    Attributes:
        relation: Its exact name; ``None`` for a query.
        columns: Its columns, in order, each with the Arrow type in which its values travel.
        estimated_rows: The catalogue's own estimate; ``None`` where it has none.
        primary_key: The columns of its primary key, in the key's order; empty where it has none.
        comment: What the catalogue says of it.
    """

    relation: Relation | None
    columns: Sequence[Column]
    estimated_rows: int | None = None
    primary_key: Sequence[str] = ()
    comment: str | None = None


@dataclass(frozen=True)
class Query:
    """What is read of a source.

    Attributes:
        columns: The columns, in order, as :meth:`Source.describe` or :meth:`Source.describe_query` gave them.
        relation: The table or view; ``None`` where ``sql`` is read.
        sql: The user's own query, in the system's SQL.
        where: Conditions that all hold, in the system's SQL.
        limit: At most so many rows; ``None`` for all.
        offset: So many rows are passed over first.
        order_by: Columns by which the rows come, as :meth:`Source.ordered` has it; NULL where it falls.
    """

    columns: Sequence[Column]
    relation: Relation | None = None
    sql: str | None = None
    where: Sequence[str] = ()
    limit: int | None = None
    offset: int = 0
    order_by: Sequence[Column] = ()


# The `source_options` that cut a stream into parts (spec §1.9), for :meth:`Source.read_together`.
CHUNK_OPTIONS = frozenset({"chunk_size", "chunk_count", "chunk_expr"})
# The `source_options` that say something to a database.
TABLE_SOURCE_OPTIONS = frozenset({"limit", "offset", "range", "max_decimals", "empty_as_null"})


class Endpoint(ABC):
    """A system, open. Use it as a context manager.

    What can be read is a :class:`Source`, what can be written a :class:`Target`; most systems are both.

    Attributes:
        dialect: The name of its SQL in sqlglot.
        name_parts: The most parts that a table's name has: 2 for ``schema.table``, 3 with a database.

    Args:
        connection: Where it is, and how to get in.

    Raises:
        ConnectError: It cannot be reached, or refused the credentials.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    dialect: ClassVar[str]
    name_parts: ClassVar[int] = 2

    def connect(self) -> None:  # noqa: B027 - most are in as soon as they are made
        """Get in, where that is left to the first use. Doing so twice is allowed.

        Raises:
            ConnectError: It cannot be reached, or refused the credentials.
            TargetBusyError: Someone else holds it, and does not let go.
        """

    @property
    @abstractmethod
    def default_schema(self) -> str:
        """The schema of a name that has none."""

    @abstractmethod
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        """List the tables and views that the user may see, sorted by name.

        Args:
            schema: Only of this schema, whose case does not matter; ``None`` for all but the system's own.
        """

    @abstractmethod
    def describe(self, relation: Relation) -> SourceTable:
        """Look a table or view up in the catalogue.

        Raises:
            RelationNotFoundError: It is not there, or its name is ambiguous.
        """

    @abstractmethod
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        """Run a statement and return its rows, at most ``limit`` of them.

        Raises:
            EndpointError: The system refused it.
        """

    def quoted(self, identifier: str) -> str:
        """Quote an identifier for the system's SQL: in double quotes, as the standard has it."""
        doubled = identifier.replace('"', '""')
        return f'"{doubled}"'

    def qualified(self, relation: Relation) -> str:
        """Write a relation's whole name for the system's SQL, each part quoted."""
        parts = (relation.database, relation.schema, relation.name)
        return ".".join(self.quoted(part) for part in parts if part)

    def for_stream(self, options: Mapping[str, Any]) -> Self:  # noqa: ARG002 - most have none of their own
        """The same system, open as it is, for one stream.

        Args:
            options: What the stream says of reading here (`source_options`), or of writing
                (`target_options`), and its ``update_key``.

        Raises:
            ConfigError: One of them makes no sense.
        """
        return self

    @abstractmethod
    def close(self) -> None:
        """Let go of the system. Closing twice is allowed."""

    @abstractmethod
    def cancel(self) -> None:
        """Break off the statement that runs, at the server too. Any thread may call it, at any time.

        The thread that waits for the statement gets an :class:`~mainstem.errors.EndpointError`.
        """

    def relation(self, name: str) -> Relation:
        """Read a name of the replication, such as ``data.orders`` or ``"My Schema"."My Table"``.

        Raises:
            RelationNotFoundError: It has no part, or more parts than this system's names have.
        """
        parts = split_name(name)
        if not all(parts) or len(parts) > self.name_parts:
            raise RelationNotFoundError(
                f"{name!r} is no table name for {self.connection.name} ({self.connection.type}).",
                hint="It looks like schema.table; quote parts that contain a dot.",
            )
        *owner, table = parts
        schema = owner.pop() if owner else self.default_schema
        return Relation(schema, table, owner.pop() if owner else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Source(Endpoint):
    """An endpoint that can be read.

    Attributes:
        source_options: The `source_options` that say something to it.
        combines: Whether a stream's name may be a pattern of what is read together, as of files.
        tells_sizes: Whether :meth:`sizes` says anything.
        stamped: Whether rows from here tell when they were loaded, where nothing is said (spec §3.5).
    """

    source_options: ClassVar[frozenset[str]] = TABLE_SOURCE_OPTIONS
    combines: ClassVar[bool] = False
    tells_sizes: ClassVar[bool] = False
    stamped: ClassVar[bool] = False

    def matching(self, pattern: str) -> Sequence[str]:  # noqa: ARG002 - most are asked for their catalogue
        """The names of the streams that a pattern means, sorted, where :attr:`combines` holds.

        Raises:
            EndpointError: The pattern is refused, or the system cannot be reached.
        """
        return []

    def stream_variables(self, stream: str) -> Mapping[str, str]:  # noqa: ARG002 - most add none
        """The variables that only streams of such a source have, or have otherwise (spec §2)."""
        return {}

    def key_name(self, name: str) -> str:
        """The column that an `update_key` means."""
        return name

    def widen(self, error: ValueBreaksTypeError) -> bool:  # noqa: ARG002 - most know their types
        """Read a column as a wider type from now on. The stream then starts anew.

        Returns:
            Whether it will; otherwise the error stands.
        """
        return False

    @abstractmethod
    def describe_query(self, sql: str) -> SourceTable:
        """Have the system describe the result of a query, without running it.

        Raises:
            EndpointError: The system does not accept the query.
        """

    @abstractmethod
    def read(self, query: Query) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """Read record batches of exactly the columns' Arrow types, in constant memory.

        Raises:
            LossyTypeError: A value cannot be carried by its column's Arrow type.
            EndpointError: The system refused the query or broke off.
        """

    def read_together(  # those whose connections cannot share a moment refuse the options
        self,
        parts: Sequence[Query],  # noqa: ARG002
        readers: int,  # noqa: ARG002
    ) -> AbstractContextManager[Sequence[Iterator[pa.RecordBatch]]]:
        """Read what several queries give, all as it is at one moment. See :data:`CHUNK_OPTIONS`.

        Args:
            parts: The queries. They have the same columns.
            readers: So many connections read at once, at most.

        Returns:
            What each connection reads, for a thread of its own.

        Raises:
            LossyTypeError: As in :meth:`read`; and so on.
        """
        raise EndpointError(f"{self.connection.name} reads no stream in parts.")

    def read_raw(  # most write rows in no form of their own
        self,
        query: Query,  # noqa: ARG002
        form: RawForm,  # noqa: ARG002
    ) -> AbstractContextManager[Iterator[RawRows]] | None:
        """Read rows as the system writes them itself, where that is just what the other end reads.

        Args:
            query: What is read.
            form: How the other end reads rows.

        Returns:
            The rows, in constant memory; ``None`` where they cannot be had in that form, or would lose
            something by it. Reading them raises what :meth:`read` does.
        """
        return None

    def ordered(self, column: Column) -> str:
        """The expression that is compared to a cursor, and by which rows are ordered.

        Text is compared by its bytes, so that source and target agree on which value is the greatest.
        """
        return self.quoted(column.name)

    def written(self, value: str, column: Column, form: Form) -> Written | None:  # noqa: ARG002
        """Write a value so that every system writes it alike; ``None`` where this one cannot.

        Args:
            value: An expression of the column's type, such as its quoted name.
            column: The column, as this system describes it.
            form: How the value is written.
        """
        return None

    def checksum(self, texts: Sequence[str]) -> str | None:  # noqa: ARG002
        """An aggregate over rows: the sum of 60 bits of each row's MD5, as text, in whatever order they come.

        Args:
            texts: Expressions of a row's values, each written in one of the forms, or NULL.

        Returns:
            The expression; ``None`` where this system cannot compute it.
        """
        return None

    def sizes(self) -> Mapping[Relation, int]:
        """How many rows the tables have about, as the catalogue knows without a look at them."""
        return {}

    def statistics(self, relation: Relation) -> Mapping[str, int | str]:  # noqa: ARG002
        """What the catalogue keeps of a table, by name, without looking at its rows.

        ``changes``, where there is one, is a text that is another after each change of a row.
        """
        return {}

    def literal(self, text: str, column: Column) -> str:
        """Render a text as a literal of a column's type, in the system's SQL.

        Args:
            text: Such as ``2024-01-01`` or ``42``; never trusted.
            column: The column that it will be compared to.
        """
        value = exp.Literal.string(text)
        try:
            return exp.cast(value, column.native_type, dialect=self.dialect).sql(self.dialect)
        except ParseError:
            return value.sql(self.dialect)


def first_rows(stream: Iterable[pa.RecordBatch], schema: pa.Schema, limit: int | None) -> pa.Table:
    """Read a stream of batches into a table, no further than the limit."""
    batches, rows = [], 0
    for batch in stream:
        batches.append(batch)
        rows += batch.num_rows
        if limit is not None and rows >= limit:
            break
    return pa.Table.from_batches(batches, schema).slice(0, limit)


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
