"""Iceberg through its own library: https://py.iceberg.apache.org/."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import Table
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.lake import Lake, LakeTables
from mainstem.errors import ConnectError, EndpointError, TargetBusyError
from mainstem.faults import Point, reached
from mainstem.files.formats.fitting import plain_schema
from mainstem.schema import Relation

__all__ = ["Iceberg"]

# Each addition to a transaction writes a file: about so many bytes in memory make one.
_FILE_BYTES = 128 * 1024 * 1024


class Iceberg(Lake):
    """Iceberg tables.

    Properties of its connection: ``path``, a folder that holds the tables and, in ``catalog.db``, their
    catalogue; or ``catalog_type`` (``rest``, ``sql``, ``glue``, ``hive``) and the catalogue's properties as
    pyiceberg calls them, such as ``uri``, ``warehouse`` and ``token``; ``catalog_name``, by which a
    catalogue of SQL tells its tables from others (default ``default``). ``schema`` (default ``main``) is
    the namespace of a name that has none.

    A commit is visible as a whole. Appending adds files; a merge and a truncate rewrite the table.
    """

    @override
    def open_tables(self, connection: Connection) -> LakeTables:
        return _IcebergTables(connection)


class _IcebergTables(LakeTables):
    def __init__(self, connection: Connection) -> None:
        self._name = connection.name
        with self._errors():
            self._catalog = _catalog(connection)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except CommitFailedException as error:
            raise TargetBusyError(
                f"{self._name}: another program committed to the table meanwhile.",
                hint="Run the stream again.",
            ) from error
        except OSError as error:
            raise ConnectError(f"{self._name} cannot be reached: {error.strerror or error}.") from error
        except (ValueError, NotImplementedError) as error:
            raise EndpointError(f"{self._name}: Iceberg refused: {error}") from error

    def _found(self, table: Relation) -> Table | None:
        with self._errors():
            try:
                return self._catalog.load_table((table.schema or "", table.name))
            except NoSuchTableError:
                return None

    def _table(self, table: Relation) -> Table:
        found = self._found(table)
        if found is None:
            raise EndpointError(f"There is no Iceberg table {table} in {self._name}.")
        return found

    @override
    def names(self) -> Sequence[Relation]:
        with self._errors():
            found = [
                Relation(".".join(parts[:-1]), parts[-1])
                for namespace in self._catalog.list_namespaces()
                for parts in self._catalog.list_tables(namespace)
            ]
        return sorted(found, key=str)

    @override
    def version(self, table: Relation) -> str | None:
        found = self._found(table)
        return None if found is None else found.metadata_location

    @override
    def schema(self, table: Relation) -> pa.Schema:
        return plain_schema(self._table(table).schema().as_arrow()).remove_metadata()

    @override
    def open(self, table: Relation) -> pa.RecordBatchReader:
        with self._errors():
            return self._table(table).scan().to_arrow_batch_reader()

    @override
    def replace(self, table: Relation, rows: pa.RecordBatchReader) -> None:
        with self._errors():
            self._catalog.create_namespace_if_not_exists(table.schema or "")
            found = self._found(table)
            if found is None:
                making = self._catalog.create_table_transaction((table.schema or "", table.name), rows.schema)
                with making as transaction:
                    _add(transaction, rows)
                return
            with found.transaction() as transaction:
                # Of an empty table the library would warn that there was nothing to delete.
                if any(True for _ in found.scan().plan_files()):
                    transaction.delete(AlwaysTrue())
                with transaction.update_schema(allow_incompatible_changes=True) as update:
                    _reshape(update, found.schema().as_arrow(), rows.schema)
                _add(transaction, rows)

    @override
    def append(self, table: Relation, rows: pa.RecordBatchReader) -> None:
        with self._errors(), self._table(table).transaction() as transaction:
            _add(transaction, rows)

    @override
    def close(self) -> None:
        engine = getattr(self._catalog, "engine", None)
        if engine is not None:
            engine.dispose()


def _catalog(connection: Connection) -> Catalog:
    given = {key: connection.text(key) for key in connection.properties}
    properties = {key: value for key, value in given.items() if value and key not in ("path", "schema")}
    kind = properties.pop("catalog_type", None)
    name = properties.pop("catalog_name", "default")
    if kind:
        return load_catalog(name, type=kind, **properties)
    folder = Path(connection.required("path").removeprefix("file://")).expanduser().absolute()
    if not folder.is_dir():
        raise ConnectError(
            f"{connection.name}: the folder {folder} does not exist.", hint="Create it, or mend `path`."
        )
    return load_catalog(name, type="sql", uri=f"sqlite:///{folder / 'catalog.db'}", warehouse=folder.as_uri())


def _add(transaction: Any, rows: pa.RecordBatchReader) -> None:
    """Add rows, a file at a time; the library takes a file's rows only as a whole."""
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in rows:
        waiting.append(batch)
        size += batch.nbytes
        if size >= _FILE_BYTES:
            transaction.append(pa.Table.from_batches(waiting))
            waiting, size = [], 0
    if waiting:
        transaction.append(pa.Table.from_batches(waiting))
    # Whoever has the transaction commits it next.
    reached(Point.MID_PUBLISH)


def _reshape(update: Any, before: pa.Schema, after: pa.Schema) -> None:
    """Have the columns of a table be others; one whose type changed is a new one of its name."""
    old, new = (plain_schema(schema).remove_metadata() for schema in (before, after))
    same = [name for name in new.names if name in old.names and old.field(name).type == new.field(name).type]
    for name in old.names:
        if name not in same:
            update.delete_column(name)
    added = pa.schema([field for field in after if field.name not in same])
    if len(added):
        update.union_by_name(added)
