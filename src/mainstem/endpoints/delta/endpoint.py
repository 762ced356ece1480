"""Delta Lake through its own library: https://delta-io.github.io/delta-rs/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.endpoints.lake import Lake, LakeTables
from mainstem.errors import ConnectError, EndpointError, TargetBusyError
from mainstem.files.formats.fitting import plain_schema
from mainstem.schema import Relation

__all__ = ["Delta"]

# The library's names for what a connection to an object store has (spec §5).
_STORAGE: Mapping[str, str] = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "region": "AWS_REGION",
    "endpoint": "AWS_ENDPOINT_URL",
}


class Delta(Lake):
    """Delta tables.

    Properties of its connection: ``path`` (a folder, or a URL such as ``s3://bucket/lake``), under which
    a table is ``schema/table``; ``schema`` (default ``main``); and for S3 ``access_key_id``,
    ``secret_access_key``, ``session_token``, ``region`` and ``endpoint``. Only a folder of this machine
    can be listed.

    A commit is one version: readers see the version before or after a stream. Appending adds files; a merge
    and a truncate rewrite the table.
    """

    @override
    def open_tables(self, connection: Connection) -> LakeTables:
        return _DeltaTables(connection)


class _DeltaTables(LakeTables):
    def __init__(self, connection: Connection) -> None:
        self._name = connection.name
        self._root = connection.required("path").removeprefix("file://").rstrip("/")
        options = {theirs: connection.text(ours) for ours, theirs in _STORAGE.items()}
        self._options = {key: value for key, value in options.items() if value}
        if self._options.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            self._options["AWS_ALLOW_HTTP"] = "true"

    def _is_local(self) -> bool:
        return "://" not in self._root

    def _path(self, table: Relation) -> str:
        for part in (table.schema, table.name):
            if not part or part in (".", "..") or "/" in part or "\\" in part or "\0" in part:
                raise EndpointError(f"{table} is no name for a table in {self._name}.")
        return f"{self._root}/{table.schema}/{table.name}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except CommitFailedError as error:
            raise TargetBusyError(
                f"{self._name}: another program committed to the table meanwhile.",
                hint="Run the stream again.",
            ) from error
        except OSError as error:
            raise ConnectError(
                f"{self._name}: {self._root} cannot be reached.", hint="Mend `path`."
            ) from error
        except DeltaError as error:
            raise EndpointError(f"{self._name}: Delta Lake refused: {str(error).splitlines()[0]}") from error

    def _found(self, table: Relation) -> DeltaTable | None:
        with self._errors():
            try:
                return DeltaTable(self._path(table), storage_options=self._options)
            except TableNotFoundError:
                return None

    def _table(self, table: Relation) -> DeltaTable:
        found = self._found(table)
        if found is None:
            raise EndpointError(f"There is no Delta table {table} in {self._name}.")
        return found

    @override
    def names(self) -> Sequence[Relation]:
        if not self._is_local():
            raise EndpointError(
                f"{self._name}: only a folder of this machine can be listed.", hint="Name the table."
            )
        # A table is there with its first commit, and a write that failed may leave an empty log.
        logs = {commit.parent for commit in Path(self._root).glob("*/*/_delta_log/[0-9]*")}
        return [Relation(log.parent.parent.name, log.parent.name) for log in sorted(logs)]

    @override
    def version(self, table: Relation) -> str | None:
        found = self._found(table)
        return None if found is None else str(found.version())

    @override
    def schema(self, table: Relation) -> pa.Schema:
        exported: Any = self._table(table).schema().to_arrow()
        return plain_schema(pa.schema(exported))

    @override
    def open(self, table: Relation) -> pa.RecordBatchReader:
        with self._errors():
            return self._table(table).to_pyarrow_dataset().scanner().to_reader()

    @override
    def replace(self, table: Relation, rows: pa.RecordBatchReader) -> None:
        self._write(table, rows, mode="overwrite", schema_mode="overwrite")

    @override
    def append(self, table: Relation, rows: pa.RecordBatchReader) -> None:
        self._write(table, rows, mode="append")

    def _write(self, table: Relation, rows: pa.RecordBatchReader, **how: Any) -> None:
        with self._errors():
            write_deltalake(self._path(table), rows, storage_options=self._options, **how)
