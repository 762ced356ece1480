"""One session with Snowflake, through the ADBC driver: everything comes as Arrow.

https://arrow.apache.org/adbc/current/driver/snowflake.html
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_manager
import adbc_driver_snowflake.dbapi as adbc
import pyarrow as pa

from mainstem.connections import Connection
from mainstem.endpoints.snowflake.connecting import driver_options
from mainstem.endpoints.snowflake.failures import connect_error, translated
from mainstem.errors import EndpointError

__all__ = ["Session"]

# So many batches wait to be taken, and so many parts of a result are fetched at once: memory is flat.
_STATEMENT = {"adbc.rpc.result_queue_size": "4", "adbc.snowflake.rpc.prefetch_concurrency": "2"}


class Session:
    """One session.

    Args:
        connection: Where the account is, and how to get in.

    Raises:
        ConnectionConfigError: A property is missing or wrong.
        ConnectError: Snowflake cannot be reached, or refused the credentials.
    """

    def __init__(self, connection: Connection) -> None:
        self._name = connection.name
        self._lock = threading.Lock()
        self._running: set[Any] = set()
        self._closed = False
        options = driver_options(connection)
        try:
            self._adbc = adbc.connect(db_kwargs=options, autocommit=True)
        except adbc_driver_manager.Error as error:
            raise connect_error(connection, error) from error

    def run(self, sql: str) -> None:
        """Run a statement."""
        with self._statement() as cursor, translated(self._name):
            cursor.execute(sql)

    def table(self, sql: str) -> pa.Table:
        """Run a query of few rows."""
        with self.reader(sql) as reader, translated(self._name):
            return reader.read_all()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query of few rows, and return them as Python values."""
        found = self.table(sql)
        return list(zip(*(column.to_pylist() for column in found.columns), strict=True))

    @contextmanager
    def reader(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Run a query whose batches come while they are read."""
        with self._statement() as cursor:
            with translated(self._name):
                cursor.execute(sql)
                found: pa.RecordBatchReader = cursor.fetch_record_batch()
            yield found

    def schema(self, sql: str) -> pa.Schema:
        """Have Snowflake describe a query's result, without running it."""
        with self._statement() as cursor, translated(self._name):
            found: pa.Schema = cursor.adbc_execute_schema(sql)
            return found

    def cancel(self) -> None:
        """Break off whatever runs. Any thread may call it."""
        with self._lock:
            for cursor in self._running:
                with suppress(adbc_driver_manager.Error):
                    cursor.adbc_cancel()

    def close(self) -> None:
        """End the session, and with it its temporary stages. Doing so twice is allowed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            running = list(self._running)
            self._running.clear()
        # One that was left open in the middle keeps the driver from closing.
        for cursor in running:
            with suppress(adbc_driver_manager.Error):
                cursor.close()
        with suppress(adbc_driver_manager.Error):
            self._adbc.close()

    @contextmanager
    def _statement(self) -> Iterator[Any]:
        with self._lock:
            if self._closed:
                raise EndpointError(f"{self._name} is closed.")
            cursor = self._adbc.cursor(adbc_stmt_kwargs=_STATEMENT)
            self._running.add(cursor)
        try:
            yield cursor
        finally:
            with self._lock:
                is_ours = cursor in self._running
                self._running.discard(cursor)
            if is_ours:
                with suppress(adbc_driver_manager.Error):
                    cursor.close()
