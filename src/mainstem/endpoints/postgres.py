"""PostgreSQL, read as Arrow record batches through ADBC."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.base import CatalogEntry, Query, Source, SourceTable, first_rows, match_name
from mainstem.errors import ConnectError, EndpointError, LossyTypeError, RelationNotFoundError
from mainstem.schema import Column, Relation

__all__ = ["Postgres"]

# Native → Arrow, for the types that ADBC carries as they are. Other types travel as text, with a note.
# https://www.postgresql.org/docs/current/datatype.html
_TYPES: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "text": pa.string(),
    "character varying": pa.string(),
    "character": pa.string(),
    "name": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "time without time zone": pa.time64("us"),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "interval": pa.month_day_nano_interval(),
    "uuid": pa.uuid(),
    "json": pa.json_(),
    "jsonb": pa.json_(),
}

# What the driver calls a type, and what `format_type` calls it.
_FORMATTED: Mapping[str, str] = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "varchar": "character varying",
    "bpchar": "character",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
_MODIFIER_HEADER = 4
_TYPE_KEY = b"POSTGRESQL:type"

# A decimal of up to 18 digits fits a scaled bigint, which halves the client's work over text.
_INT8_DIGITS = 18
_ARROW_DIGITS = 38

# The server's earliest date is 4713 BC. A value before it is an infinity, or a year past 294246, that wrapped
# around when the driver moved it to the Unix epoch. https://www.postgresql.org/docs/current/datatype-datetime.html
_EARLIEST_DAY = -2_451_911
_EARLIEST_MICROSECOND = _EARLIEST_DAY * 86_400_000_000

_MODIFIER = re.compile(r"\((\d+)(?:,(-?\d+))?\)")

_QUERY_PARAMETERS = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "connect_timeout",
    "options",
)

_RELATIONS = """
select n.nspname, c.relname, c.oid, c.reltuples::bigint
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and lower(n.nspname) = lower($1)
   and n.nspname !~ '^pg_toast' and has_schema_privilege(n.oid, 'usage')
"""

_CATALOG = """
select n.nspname::text, c.relname::text, c.relkind in ('v', 'm')
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and has_schema_privilege(n.oid, 'usage')
   and case when $1 = '' then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
            else lower(n.nspname) = lower($1) end
 order by n.nspname collate "C", c.relname collate "C"
"""

_COLUMNS = """
select a.attname::text,
       format_type(a.atttypid, a.atttypmod),
       format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid),
                   case when t.typtype = 'd' then t.typtypmod else a.atttypmod end),
       a.attnotnull,
       col_description(a.attrelid, a.attnum)
  from pg_attribute a join pg_type t on t.oid = a.atttypid
 where a.attrelid = $1::bigint::oid and a.attnum > 0 and not a.attisdropped
 order by a.attnum
"""


@dataclass(frozen=True)
class _Carriage:
    """How values of one native type travel: what is selected, and what is made of it in Arrow."""

    arrow_type: pa.DataType
    select: Callable[[exp.Column], exp.Expression] = lambda column: column
    decode: Callable[[pa.Array[Any]], pa.Array[Any]] = lambda values: values
    note: str | None = None


class Postgres(Source):
    """A PostgreSQL database.

    Properties of its connection: ``host`` (default ``localhost``), ``port`` (5432), ``user``, ``password``,
    ``database``, ``schema`` (default ``public``), and libpq's ``sslmode``, ``sslrootcert``, ``sslcert``,
    ``sslkey``, ``application_name``, ``connect_timeout`` and ``options``.
    """

    dialect = "postgres"

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._closing = threading.Lock()
        self._closed = False
        try:
            self._adbc = adbc.connect(_conninfo(connection))
        except adbc_driver_manager.Error as error:
            raise _connect_error(connection, error) from error

    @property
    @override
    def default_schema(self) -> str:
        return self.connection.text("schema") or "public"

    @override
    def close(self) -> None:
        # The driver must not let go of a connection that is being cancelled.
        with self._closing:
            self._closed = True
            self._adbc.close()

    @override
    def cancel(self) -> None:
        with self._closing, suppress(adbc_driver_manager.Error):
            if not self._closed:
                self._adbc.adbc_cancel()

    @override
    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        with self._transaction():
            rows = self._fetch(_CATALOG, schema or "")
        return [CatalogEntry(Relation(owner, name), is_view) for owner, name, is_view in rows]

    @override
    def execute(self, sql: str, limit: int | None = None) -> pa.Table:
        with _errors(self.connection.name), self._adbc.cursor() as cursor:
            cursor.execute(sql)
            table = first_rows(cursor.fetch_record_batch(), limit)
            self._adbc.commit()
            return table

    @override
    def describe_query(self, sql: str) -> SourceTable:
        with self._transaction(), self._adbc.cursor() as cursor:
            cursor.execute(f"select * from (\n{sql}\n) as described limit 0")
            fields = cursor.fetch_record_batch().schema
            if not all(_TYPE_KEY in (field.metadata or {}) for field in fields):
                return SourceTable(None, self._columns_of_view(sql))
        natives = [(field.name, _native(field)) for field in fields]
        return SourceTable(None, [_column(name, kind, kind, False, None) for name, kind in natives])

    def _columns_of_view(self, sql: str) -> Sequence[Column]:
        """Ask the catalogue, where the driver does not tell types: before 1.13, which Python 3.10 still has.

        The view goes with the transaction, which is always rolled back.
        """
        with self._adbc.cursor() as cursor:
            cursor.execute(
                f"create temporary view mainstem_described as select * from (\n{sql}\n) as described"
            )
        ((view,),) = self._fetch("select 'pg_temp.mainstem_described'::regclass::oid::bigint")
        return [_column(*row) for row in self._fetch(_COLUMNS, view)]

    @override
    def describe(self, relation: Relation) -> SourceTable:
        schema = relation.schema or self.default_schema
        where = self.connection.name
        with self._transaction():
            rows = self._fetch(_RELATIONS, schema)
            if not rows:
                raise self._no_such_schema(schema, where)
            schema = match_name(schema, {row[0] for row in rows}, what="schema", where=where)
            tables = {name: (oid, estimate) for owner, name, oid, estimate in rows if owner == schema}
            name = match_name(relation.name, tables, what="table", where=f"schema {schema} of {where}")
            oid, estimate = tables[name]
            columns = [_column(*row) for row in self._fetch(_COLUMNS, oid)]
        # The server says -1 where it has never counted.
        return SourceTable(Relation(schema, name), columns, estimate if estimate >= 0 else None)

    @override
    @contextmanager
    def read(self, query: Query) -> Iterator[Iterator[pa.RecordBatch]]:
        carriages = [
            _Carriage(pa.string(), _as_text) if column.as_text else _carriage(column.native_type)
            for column in query.columns
        ]
        with self._transaction(), _suspects_named(query.columns), self._adbc.cursor() as cursor:
            self._refuse_nested_arrays(query)
            cursor.execute(_select(query, carriages))
            with cursor.fetch_record_batch() as reader:
                yield self._decoded(reader, query.columns, carriages)

    def _decoded(
        self, reader: pa.RecordBatchReader, columns: Sequence[Column], carriages: Sequence[_Carriage]
    ) -> Iterator[pa.RecordBatch]:
        schema = pa.schema([pa.field(column.name, column.arrow_type) for column in columns])
        with _errors(self.connection.name), _suspects_named(columns):
            for batch in reader:
                arrays = [
                    _checked(column.name, _carried(column, carriage, values))
                    for column, carriage, values in zip(columns, carriages, batch.columns, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _refuse_nested_arrays(self, query: Query) -> None:
        """The driver would flatten an array of arrays without a word, and no catalogue tells them apart."""
        arrays = [
            column.name
            for column in query.columns
            if column.native_type.endswith("[]") and not column.as_text
        ]
        if not arrays:
            return
        nested = ", ".join(f"bool_or(array_ndims({_quoted(name)}) > 1)" for name in arrays)
        found = self._fetch(f"select {nested} from {_from(query)}")[0]
        for name, is_nested in zip(arrays, found, strict=True):
            if is_nested:
                raise LossyTypeError(
                    f"Column {name} of {query.relation or 'the query'} holds arrays of more than one"
                    " dimension, which no list type can carry as they are.",
                    hint="Leave the column out, or read it through a view as to_jsonb(…).",
                )

    def _no_such_schema(self, schema: str, where: str) -> RelationNotFoundError:
        query = "select nspname::text from pg_namespace where nspname !~ '^pg_' and nspname <> $1"
        known = sorted(row[0] for row in self._fetch(query, "information_schema"))
        if schema.lower() in (name.lower() for name in known):
            return RelationNotFoundError(
                f"Schema {schema} of {where} has no table or view that this user may see.",
                hint="Is the name right, and may the user use the schema?",
            )
        return RelationNotFoundError(
            f"There is no schema {schema} in {where}.", hint=f"There is: {', '.join(known) or 'none'}."
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One read-only look at the database; it never stays open behind us."""
        with _errors(self.connection.name):
            try:
                yield
            except BaseException:
                # A connection that broke cannot roll back, and that is not what to tell.
                with suppress(adbc_driver_manager.Error):
                    self._adbc.rollback()
                raise
            self._adbc.rollback()

    def _fetch(self, query: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        with self._adbc.cursor() as cursor:
            cursor.execute(query, parameters or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


def _column(name: str, declared: str, base: str, not_null: bool, comment: str | None) -> Column:
    carriage = _carriage(base)
    return Column(
        name=name,
        native_type=base,
        arrow_type=carriage.arrow_type,
        nullable=not not_null,
        comment=comment,
        notes=[f"Column {name}: {declared} {carriage.note}"] if carriage.note else [],
    )


def _carriage(native: str) -> _Carriage:
    """How a type travels, by the name that ``format_type`` gives it."""
    if native.endswith("[]"):
        return _array(native)
    base = _MODIFIER.sub("", native).strip()
    base = re.sub(r"\s+", " ", base)
    if base == "numeric":
        return _numeric(native)
    if base not in _TYPES:
        return _Carriage(pa.string(), _as_text, note="is carried as text")
    kind = _TYPES[base]
    return _Carriage(kind, decode=lambda values: _typed(values, kind))


def _array(native: str) -> _Carriage:
    item = _carriage(native.removesuffix("[]"))
    base = re.sub(r"\s+", " ", _MODIFIER.sub("", native.removesuffix("[]")).strip())
    if base in _TYPES:
        return _Carriage(pa.list_(item.arrow_type), decode=_relisted(item.arrow_type))
    listed = pa.list_(item.arrow_type)
    return _Carriage(listed, _as_texts, lambda values: values.cast(listed), note=item.note)


def _typed(values: pa.Array[Any], kind: pa.DataType) -> pa.Array[Any]:
    """What the driver gives, in Arrow's own type: older drivers know a UUID and JSON only as opaque."""
    if values.type == kind or not isinstance(kind, pa.BaseExtensionType):
        return values
    storage = values.storage if isinstance(values, pa.ExtensionArray) else values
    return pa.ExtensionArray.from_storage(kind, storage.cast(kind.storage_type))


def _relisted(item: pa.DataType) -> Callable[[pa.Array[Any]], pa.Array[Any]]:
    """Drop the driver's own field metadata inside a list, which would make the types unequal."""

    def relisted(values: pa.Array[Any]) -> pa.Array[Any]:
        if isinstance(item, pa.BaseExtensionType):
            lists = cast("pa.ListArray[Any]", values)
            inner = _typed(lists.values, item)
            return pa.ListArray.from_arrays(lists.offsets, inner, mask=lists.is_null())
        return values.cast(pa.list_(item))

    return relisted


def _numeric(native: str) -> _Carriage:
    """Decimals decide how fast a read is: scaled integers up to 18 digits, text and a cast up to 38."""
    modifier = _MODIFIER.search(native)
    if modifier is None:
        return _Carriage(
            pa.string(),
            _as_text,
            note="has no declared precision, so no decimal type holds it exactly: carried as text",
        )
    precision, scale = int(modifier.group(1)), int(modifier.group(2) or 0)
    if not 0 <= scale <= precision <= _ARROW_DIGITS:
        return _Carriage(pa.string(), _as_text, note="fits no decimal type: carried as text")
    if precision <= _INT8_DIGITS:
        scaled = exp.Literal.number(10**scale)
        kind = pa.decimal64(precision, scale)
        return _Carriage(
            kind,
            lambda column: exp.cast(
                exp.paren(exp.Mul(this=column, expression=scaled)), "bigint", dialect="postgres"
            ),
            lambda values: values.view(kind),
        )
    wide = pa.decimal128(precision, scale)
    return _Carriage(wide, _as_text, lambda values: values.cast(wide))


def _as_text(column: exp.Column) -> exp.Expression:
    return exp.cast(column, "text", dialect="postgres")


def _as_texts(column: exp.Column) -> exp.Expression:
    return exp.cast(column, "text[]", dialect="postgres")


def _select(query: Query, carriages: Sequence[_Carriage]) -> str:
    items = [
        exp.alias_(carriage.select(exp.column(column.name, quoted=True)), column.name, quoted=True).sql(
            "postgres"
        )
        for column, carriage in zip(query.columns, carriages, strict=True)
    ]
    limits = "" if query.limit is None else f" limit {int(query.limit)}"
    offset = f" offset {int(query.offset)}" if query.offset else ""
    return f"select {', '.join(items)} from {_from(query)}{limits}{offset}"


def _from(query: Query) -> str:
    """The table or the user's query, with the conditions. A line break ends a comment of the user's."""
    if query.sql is not None:
        source = f"(\n{query.sql}\n) as query"
    elif query.relation is not None:
        source = exp.table_(query.relation.name, db=query.relation.schema, quoted=True).sql("postgres")
    else:
        raise EndpointError("A query names neither a table nor SQL.")
    conditions = " and ".join(f"(\n{condition}\n)" for condition in query.where)
    return f"{source} where {conditions}" if conditions else source


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("postgres")


def _native(field: pa.Field[Any]) -> str:
    """The type of a query's column, by the name that ``format_type`` would give it.

    The driver tells the server's type name, and for a numeric its modifier: digits and scale in one integer
    (https://www.postgresql.org/docs/current/catalog-pg-attribute.html, `atttypmod`).
    """
    metadata = field.metadata or {}
    name = metadata[_TYPE_KEY].decode()
    if name.startswith("_"):
        return f"{_FORMATTED.get(name[1:], name[1:])}[]"
    modifier = int(metadata.get(b"POSTGRESQL:typmod", b"-1"))
    if name == "numeric" and modifier >= _MODIFIER_HEADER:
        packed = modifier - _MODIFIER_HEADER
        return f"numeric({packed >> 16},{packed & 0x7FF})"
    return _FORMATTED.get(name, name)


@contextmanager
def _suspects_named(columns: Sequence[Column]) -> Iterator[None]:
    """The server does not say which column held a NaN: name those that it can have been."""
    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        if "cannot convert NaN" not in str(error):
            raise
        suspects = [column.name for column in columns if pa.types.is_decimal(column.arrow_type)]
        raise LossyTypeError(
            f"A numeric column holds NaN, which no decimal can carry: {' or '.join(suspects)}.",
            hint="Replace NaN by NULL in a view over the table, or declare the column as text.",
        ) from error


def _carried(column: Column, carriage: _Carriage, values: pa.Array[Any]) -> pa.Array[Any]:
    try:
        return carriage.decode(values)
    except pa.ArrowInvalid as error:
        raise LossyTypeError(
            f"Column {column.name} ({column.native_type}) holds a value that Arrow's {column.arrow_type}"
            f" cannot carry: {str(error).splitlines()[0]}",
            hint="Leave the column out, or cast it in a view over the table.",
        ) from error


def _checked(name: str, values: pa.Array[Any]) -> pa.Array[Any]:
    """Refuse dates and times that wrapped around in the driver."""
    flat = pc.list_flatten(values) if pa.types.is_list(values.type) else values
    integer: pa.DataType
    if pa.types.is_timestamp(flat.type):
        earliest, integer = _EARLIEST_MICROSECOND, pa.int64()
    elif pa.types.is_date32(flat.type):
        earliest, integer = _EARLIEST_DAY, pa.int32()
    else:
        return values
    smallest: int | None = pc.min(flat.cast(integer)).as_py()
    if smallest is not None and smallest < earliest:
        raise LossyTypeError(
            f"Column {name} holds an infinite date or time, or one past the year 294246: Arrow has none.",
            hint="Replace infinity by NULL or by a far date in a view over the table.",
        )
    return values


def _conninfo(connection: Connection) -> str:
    """A connection string in keywords: room for a socket's folder, IPv6, and any password."""
    given = {
        "host": connection.text("host") or "localhost",
        "port": connection.text("port") or "5432",
        "user": connection.text("user"),
        "password": connection.text("password"),
        "dbname": connection.text("database"),
        **{key: connection.text(key) for key in _QUERY_PARAMETERS},
    }
    return " ".join(f"{key}='{_escaped(value)}'" for key, value in given.items() if value)


def _escaped(value: str) -> str:
    # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _connect_error(connection: Connection, error: Exception) -> ConnectError:
    host, port = connection.text("host") or "localhost", connection.text("port") or "5432"
    reason = _message(error).rpartition("failed: ")[2]
    hints = {
        "password authentication failed": "Check the user and the password.",
        "no password supplied": "Give the connection a password.",
        "does not exist": "Check the name of the database and of the user.",
        "Connection refused": "Is the server running, and is the port right?",
        "could not translate host name": "Is the host name right?",
    }
    hint = next((text for sign, text in hints.items() if sign in reason), None)
    return ConnectError(
        f"{connection.name}: PostgreSQL at {host}:{port} refused the connection: {reason}.", hint=hint
    )


@contextmanager
def _errors(name: str) -> Iterator[None]:
    """Map the driver's errors to ours."""
    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        # A query that fails while its rows stream comes as an OSError.
        message = _message(error)
        if any(sign in message for sign in _BROKEN):
            raise ConnectError(
                f"{name}: the connection to PostgreSQL broke: {message}.", hint="Is the server up? Run again."
            ) from error
        raise EndpointError(f"{name}: PostgreSQL said: {message}") from error


# How libpq says that there is no server at the other end any more.
_BROKEN = (
    "server closed the connection",
    "no connection to the server",
    "terminating connection",
    "SSL SYSCALL",
)


def _message(error: Exception) -> str:
    """The server's own sentence, without the driver's prefixes and without the query."""
    first = str(error).strip().splitlines()[0]
    return re.sub(r"^.*?(?:ERROR|FATAL):\s*", "", first).removeprefix("IO: [libpq] ").rstrip(".")
