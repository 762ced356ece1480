"""Files as a source: a path, a pattern or a folder is a table."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa
from typing_extensions import Self, override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry, Query, Source, SourceTable
from mainstem.endpoints.files.base import FileEndpoint
from mainstem.endpoints.files.listing import LOADED_AT, Listing, list_files
from mainstem.endpoints.files.naming import file_variables
from mainstem.endpoints.files.querying import Rows, chosen_files, described, native_types
from mainstem.endpoints.selecting import clauses
from mainstem.endpoints.workfolder import work_folder
from mainstem.errors import EndpointError, ValueBreaksTypeError
from mainstem.files.formats.base import OpenFile, ReadOptions
from mainstem.files.formats.registry import format_named
from mainstem.files.places.base import FileInfo
from mainstem.files.places.std import STDIN, Std
from mainstem.schema import Column, Relation
from mainstem.sqltext import Sql
from mainstem.types import type_name

__all__ = ["FILE_OPTIONS", "FileSource"]

FILE_OPTIONS = frozenset(
    {
        "format", "header", "delimiter", "quote", "escape", "compression", "encoding", "skip_blank_lines",
        "skip_lines", "fields_per_rec", "null_if", "empty_as_null", "datetime_format", "max_decimals",
        "flatten", "jmespath", "sheet", "range", "limit", "offset",
    }
)  # fmt: skip

_STDIN = f"{STDIN}://"
_STDIN_NAMES = (STDIN, _STDIN, "-")


class FileSource(FileEndpoint, Source):
    """Files that are read."""

    source_options: ClassVar[frozenset[str]] = FILE_OPTIONS
    combines: ClassVar[bool] = True
    stamped: ClassVar[bool] = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._tables: dict[Relation, tuple[Listing, pa.Schema]] = {}
        # What streams taught of their columns; shared by the endpoints that `for_stream` makes.
        self._wider: dict[str, dict[str, tuple[pa.DataType, str]]] = {}
        self._standard_input = _StandardInput(connection)
        self._broken_off = threading.Event()

    @override
    def for_stream(self, options: Mapping[str, Any]) -> Self:
        other = super().for_stream(options)
        # Which files there are is asked once for each attempt of a stream.
        other._tables = {}
        return other

    @override
    def connect(self) -> None:
        if self.place.listable:
            next(iter(self.place.entries("", deep=False)), None)
        else:
            self.place.info(self.place.checked(""))

    @override
    def relation(self, name: str) -> Relation:
        return Relation(None, _STDIN) if name in _STDIN_NAMES else super().relation(name)

    @override
    def key_name(self, name: str) -> str:
        return LOADED_AT if name == "." else name

    @override
    def matching(self, pattern: str) -> Sequence[str]:
        if not self.place.listable or pattern in _STDIN_NAMES:
            return [pattern]
        path = self.place.checked(pattern)
        before = pattern.removesuffix(path) if pattern.endswith(path) else ""
        return [before + found.path for found in self.place.matches(path)]

    @override
    def stream_variables(self, stream: str) -> Mapping[str, str]:
        path = self.relation(stream).name
        names = ("bucket", "account", "container")
        given = {f"source_{name}": value for name in names if (value := self.connection.text(name))}
        return {
            **file_variables(path),
            **given,
            "source_kind": "file",
            "stream_full_name": path if path == _STDIN else self.place.url(path),
            "stream_scanner": Sql(self.qualified(Relation(None, path))),
        }

    # What there is.

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        found = sorted(self.place.entries("", deep=False), key=lambda entry: entry.path)
        return [CatalogEntry(Relation(None, entry.path)) for entry in found if not entry.path.startswith(".")]

    @override
    def describe(self, relation: Relation) -> SourceTable:
        return SourceTable(relation, self._columns(self._table(relation)[1]))

    @override
    def describe_query(self, sql: str) -> SourceTable:
        relation = self._stream
        schema = described(sql, relation.name, self._table(relation)[1])
        return SourceTable(None, self._columns(schema))

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        raise EndpointError("Files run no SQL.", hint="Give a stream `sql`, or load them into a database.")

    @property
    def _stream(self) -> Relation:
        """What the stream that this endpoint was made for reads."""
        return self.relation(str(self.options.get("stream") or ""))

    def _table(self, relation: Relation) -> tuple[Listing, pa.Schema]:
        if relation not in self._tables:
            listing = self._listing(relation)
            files = [file for _, file in listing.opened()]
            schema = listing.format.describe(files, self._reading) if files else pa.schema([])
            fields = [self._declared(field, listing) for field in schema]
            # A column of the file wins over one of its path.
            columns = {name: values for name, values in listing.columns.items() if name not in schema.names}
            added = [pa.field(name, values.type) for name, values in columns.items()]
            self._tables[relation] = (replace(listing, columns=columns), pa.schema([*fields, *added]))
        return self._tables[relation]

    def _listing(self, relation: Relation) -> Listing:
        if relation.name != _STDIN:
            return list_files(self.place, relation.name, self.options)
        kind = format_named(self.options.get("format") or "csv")
        return Listing(
            self._standard_input,
            [FileInfo(_STDIN)],
            kind,
            compression=self.options.get("compression") or "none",
        )

    def _declared(self, field: pa.Field[Any], listing: Listing) -> pa.Field[Any]:
        """A column with the type that the user gave it, or that a value beyond the sample asked for."""
        wider = self._widened.get(field.name)
        if wider is not None:
            return pa.field(field.name, wider[0])
        declared = self._declaration(field.name)
        if declared is None or not listing.format.is_text or pa.types.is_string(declared):
            return field
        return pa.field(field.name, declared, metadata=field.metadata)

    def _columns(self, schema: pa.Schema) -> Sequence[Column]:
        natives = native_types(schema)
        return [
            Column(
                field.name,
                natives[field.name],
                field.type,
                notes=[self._widened[field.name][1]] if field.name in self._widened else [],
            )
            for field in schema
        ]

    @property
    def _reading(self) -> ReadOptions:
        return ReadOptions.of(self.options)

    def _declaration(self, name: str) -> pa.DataType | None:
        """The type that the user gave a column."""
        found: Mapping[str, pa.DataType] = self.options.get("declared") or {}
        return found.get(name.lower(), found.get("*"))

    @property
    def _widened(self) -> dict[str, tuple[pa.DataType, str]]:
        return self._wider.setdefault(str(self.options.get("stream")), {})

    @override
    def widen(self, error: ValueBreaksTypeError) -> bool:
        if self._declaration(error.column) is not None or not isinstance(error.wider, pa.DataType):
            return False
        again = error.column in self._widened
        if again and pa.types.is_string(self._widened[error.column][0]):
            return False
        wider = pa.string() if again else error.wider
        where = error.file if error.line is None else f"{error.file}:{error.line}"
        note = (
            f"Column {error.column}: it seemed to be {error.wanted}, but a later value is not ({where}):"
            f" it was read anew as {type_name(wider)}."
        )
        self._widened[error.column] = (wider, note)
        return True

    # Rows.

    @override
    @contextmanager
    def read(self, query: Query) -> Iterator[Iterator[pa.RecordBatch]]:
        relation = query.relation or self._stream
        listing, schema = self._table(relation)
        kept, conditions = chosen_files(listing.columns, len(listing.files), query.where)
        wanted = pa.schema([pa.field(column.name, column.arrow_type) for column in query.columns])
        if query.sql is None and not conditions and not query.order_by:
            yield _sliced(self._batches(listing, _with_types(schema, wanted, only=True), kept), query)
            return
        every = _with_types(schema, wanted, only=False) if query.sql is None else schema
        sql = _select(replace(query, where=conditions), self)
        named = self.qualified(relation)
        once = sql.count(named) == 1
        with Rows(relation.name, every, self._batches(listing, every, kept), once=once) as rows:
            yield rows.run(sql, wanted)

    def _batches(self, listing: Listing, schema: pa.Schema, kept: Sequence[int]) -> Iterator[pa.RecordBatch]:
        """The rows of some files, with what is known of each file as columns."""
        options = self._reading
        self._broken_off.clear()
        for index in kept:
            listing.refuse_changed(listing.files[index])
            for file in listing.open_files(listing.files[index]):
                for batch in _of_file(listing, schema, index, file, options):
                    if self._broken_off.is_set():
                        raise EndpointError(f"Reading {file.name} was broken off.")
                    yield batch
            if not listing.place.versioned:
                listing.refuse_changed(listing.files[index])

    @override
    def cancel(self) -> None:
        self._broken_off.set()
        super().cancel()

    @override
    def close(self) -> None:
        self._standard_input.close()
        super().close()


def _of_file(
    listing: Listing, schema: pa.Schema, index: int, file: OpenFile, options: ReadOptions
) -> Iterator[pa.RecordBatch]:
    added = {
        field.name: listing.columns[field.name][index] for field in schema if field.name in listing.columns
    }
    own = pa.schema([field for field in schema if field.name not in added])
    repeat: Any = pa.repeat
    for batch in listing.format.read(file, own, options):
        columns = [
            repeat(added[field.name].cast(field.type), batch.num_rows)
            if field.name in added
            else batch.column(field.name)
            for field in schema
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _with_types(schema: pa.Schema, wanted: pa.Schema, *, only: bool) -> pa.Schema:
    """The files' columns with the types that are wanted, in which a layout of dates stays."""
    names = wanted.names if only else schema.names
    fields = [schema.field(name) for name in names]
    return pa.schema(
        [
            field.with_type(wanted.field(field.name).type) if field.name in wanted.names else field
            for field in fields
        ]
    )


def _sliced(batches: Iterator[pa.RecordBatch], query: Query) -> Iterator[pa.RecordBatch]:
    """Rows within `limit` and `offset`."""
    skip, left = query.offset, query.limit
    for batch in batches:
        passed = min(skip, batch.num_rows)
        skip -= passed
        part = batch.slice(passed, left)
        if part.num_rows:
            yield part
        left = None if left is None else left - part.num_rows
        if left == 0:
            return


def _select(query: Query, source: Source) -> str:
    items = ", ".join(source.quoted(column.name) for column in query.columns)
    rows = source.qualified(query.relation) if query.relation else f"(\n{query.sql}\n) AS query"
    return f"SELECT {items} FROM {rows}{clauses(query, source.ordered)}"


class _StandardInput(Std):
    """Standard input, which is kept in a file for as long as it may be read again."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._spooled: Path | None = None
        self._holding = ExitStack()
        self._spooling = threading.Lock()

    @override
    def open_file(self, path: str) -> BinaryIO:
        with self._spooling:
            if self._spooled is None:
                self._spooled = self._holding.enter_context(work_folder()) / "stdin"
                with self._spooled.open("wb") as spool:
                    shutil.copyfileobj(super().open_file(path), spool)
        return self._spooled.open("rb")

    @override
    def close(self) -> None:
        self._spooled = None
        self._holding.close()
