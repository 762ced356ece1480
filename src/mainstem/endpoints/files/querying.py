"""SQL over the rows of files: DuckDB reads the batches as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from typing_extensions import Self

from mainstem.endpoints.files.dialect import DIALECT
from mainstem.endpoints.workfolder import work_folder
from mainstem.errors import EndpointError, MainstemError
from mainstem.types import cast_values

__all__ = ["Rows", "chosen_files", "described", "native_types", "quoted"]

_BATCH_ROWS = 65_536


class Rows:
    """Batches under a name, for one query. Use it as a context manager.

    Args:
        name: What the query calls them.
        schema: Theirs.
        batches: They, read once.
        once: Whether the query names them only once; otherwise they are kept for its time.
    """

    def __init__(
        self, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch], *, once: bool = True
    ) -> None:
        self._name = name
        self._schema = schema
        self._batches = batches
        self._once = once
        self._failure: MainstemError | None = None
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        self._connection = _connection(self._opened)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def run(self, sql: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Run the query.

        Args:
            sql: It.
            schema: The columns that it gives, by name, as they are wanted.

        Raises:
            EndpointError: DuckDB refused it, or a file is broken.
        """
        reader = pa.RecordBatchReader.from_batches(self._schema, self._guarded())
        with self._told():
            if self._once:
                self._connection.register(self._name, reader)
            else:
                self._connection.register("mainstem rows", reader)
                self._connection.execute(
                    f'CREATE TEMP TABLE {quoted(self._name)} AS SELECT * FROM "mainstem rows"'
                )
            found = self._connection.execute(sql).to_arrow_reader(_BATCH_ROWS)
            for batch in found:
                columns = [_cast(batch.column(field.name), field.type) for field in schema]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _guarded(self) -> Iterator[pa.RecordBatch]:
        """The batches. DuckDB would make text of an error: it is kept."""
        try:
            yield from self._batches
        except MainstemError as error:
            self._failure = error
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if self._failure is not None:
                raise self._failure from error
            raise EndpointError(
                f"The query over the files was refused: {str(error).splitlines()[0]}",
                hint="It is DuckDB's SQL.",
            ) from error


def described(sql: str, name: str, schema: pa.Schema) -> pa.Schema:
    """The columns of a query's result, found without any row.

    Raises:
        EndpointError: DuckDB refused it.
    """
    with ExitStack() as opened:
        connection = _connection(opened)
        connection.register(name, schema.empty_table())
        try:
            return connection.execute(f"SELECT * FROM (\n{sql}\n) AS query LIMIT 0").to_arrow_reader(1).schema
        except (duckdb.Error, pa.ArrowException) as error:
            raise EndpointError(
                f"The query over the files was refused: {str(error).splitlines()[0]}",
                hint="It is DuckDB's SQL; {stream_scanner} stands for the files' rows.",
            ) from error


def native_types(schema: pa.Schema) -> Mapping[str, str]:
    """What DuckDB calls the types of columns."""
    if not schema.names:
        return {}
    with ExitStack() as opened:
        connection = _connection(opened)
        connection.register("rows", schema.empty_table())
        found = connection.execute("DESCRIBE SELECT * FROM rows").fetchall()
    return {str(row[0]): str(row[1]) for row in found}


def chosen_files(
    columns: Mapping[str, pa.Array[Any]], count: int, conditions: Sequence[str]
) -> tuple[Sequence[int], Sequence[str]]:
    """Which files rows can come from, by conditions that the files alone decide.

    Args:
        columns: What is known of each file.
        count: How many files there are.
        conditions: They must all hold.

    Returns:
        The files' numbers, and the conditions that their rows must still be asked.
    """
    if not conditions:
        return range(count), ()
    numbers = list(range(count))
    left = []
    with ExitStack() as opened:
        connection = _connection(opened)
        known = {**columns, "mainstem number": pa.array(numbers, pa.int64())}
        connection.register("files", pa.table(dict(known)))
        for condition in conditions:
            for part in _parts(condition):
                try:
                    sql = f'SELECT "mainstem number" FROM files WHERE (\n{part}\n)'
                    kept = {row[0] for row in connection.execute(sql).fetchall()}
                except duckdb.Error:
                    # It asks for a column of the rows.
                    left.append(condition)
                    continue
                numbers = [number for number in numbers if number in kept]
    return numbers, list(dict.fromkeys(left))


def _parts(condition: str) -> Sequence[str]:
    """What must hold each for itself: what stands between the outermost ANDs."""
    try:
        parsed = sqlglot.parse_one(condition, dialect=DIALECT)
    except SqlglotError:
        return [condition]
    plain = parsed.unnest()
    return [part.sql(DIALECT) for part in plain.flatten()] if isinstance(plain, exp.And) else [condition]


def quoted(name: str) -> str:
    """Quote an identifier for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def _connection(opened: ExitStack) -> duckdb.DuckDBPyConnection:
    folder = opened.enter_context(work_folder())
    connection = duckdb.connect(":memory:", config={"temp_directory": str(folder), "threads": 2})
    opened.callback(connection.close)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = true")
    # A query reads the stream's rows, and no other file.
    connection.execute("SET enable_external_access = false")
    return connection


def _cast(values: pa.Array[Any], wanted: pa.DataType) -> pa.Array[Any]:
    if values.type == wanted:
        return values
    if isinstance(wanted, pa.JsonType) and pa.types.is_string(values.type):
        return pa.ExtensionArray.from_storage(wanted, values.cast(wanted.storage_type))
    return cast_values(values, wanted)
