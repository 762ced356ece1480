"""Queries whose rows come as Arrow batches, through the driver's own interface.

The other one, that of Python's drivers, imports pandas where it is installed: that takes a tenth of a second
and thirty megabytes, of which a run has nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import adbc_driver_manager
import adbc_driver_postgresql
import pyarrow as pa

from mainstem.endpoints.cancelling import CANCEL_SECONDS, DriverThread, Insistence, LeftBehindError

__all__ = ["ArrowRows", "ArrowSession"]

_T = TypeVar("_T")

# Beside the batch that is being written, two are read ahead.
_BATCH_BYTES = 8 * 1024 * 1024


class ArrowSession:
    """A connection whose queries give Arrow batches. Each statement is a transaction until one is begun.

    Args:
        conninfo: Where it is, and how to get in, in libpq's words.

    Raises:
        adbc_driver_manager.Error: The server cannot be reached, or refused the credentials.
    """

    def __init__(self, conninfo: str) -> None:
        self._database = adbc_driver_postgresql.connect(conninfo)
        try:
            self._connection = adbc_driver_manager.AdbcConnection(self._database)
        except BaseException:
            self._database.close()
            raise
        # What is to be closed, the last one first.
        self._held: list[Any] = [self._database, self._connection]
        self._asking = threading.Lock()
        self._insistence = Insistence()
        self._thread: DriverThread[Any] = DriverThread("mainstem-query", self._let_go)

    def run(self, sql: str) -> None:
        """Run a short statement that gives no rows, or none that anybody wants."""

        def work() -> None:
            with self._statement(sql) as statement:
                statement.execute_update()

        self.call(work)

    @contextmanager
    def query(self, sql: str) -> Iterator[ArrowRows]:
        """Run a query, and read its rows while the context lasts."""
        rows = ArrowRows(self, self.call(lambda: self._queried(sql)))
        try:
            yield rows
        finally:
            rows.close()

    def call(self, work: Callable[[], _T]) -> _T:
        """Have the driver do something, and wait for it so that Ctrl-C ends the waiting, and then the call.

        Raises:
            LeftBehindError: The server does not answer, and was waited for no longer.
        """
        try:
            found: _T = self._thread.call(work)
        except Exception:
            raise
        except BaseException:
            self.cancel()
            if not self._thread.settles(CANCEL_SECONDS):
                self._thread.leave()
            raise
        return found

    def cancel(self) -> None:
        """Break off what runs. Any thread may call it.

        Whoever waits for a server that does not even answer to this is told so, and the connection is left.
        """
        if not self._thread.is_busy:
            return
        # The driver asks the server for it, and would wait for the answer for ever.
        asking = threading.Thread(target=self._ask, name="mainstem-cancel", daemon=True)
        asking.start()
        asking.join(CANCEL_SECONDS)
        if asking.is_alive() or self._insistence.is_vain():
            self._thread.leave()

    def close(self) -> None:
        """Let go of the connection."""
        self._thread.end()

    def end_query(self) -> None:
        """Let go of the query that was begun last, and of its rows."""
        with suppress(LeftBehindError):
            self._thread.call(lambda: self._release(2))

    def _ask(self) -> None:
        with self._asking, suppress(adbc_driver_manager.Error):
            self._connection.cancel()

    def _let_go(self) -> None:
        # Not while it is being asked something.
        with self._asking:
            self._release(0)

    def _release(self, kept: int) -> None:
        while len(self._held) > kept:
            # What broke cannot say goodbye.
            with suppress(adbc_driver_manager.Error, pa.ArrowException, OSError):
                self._held.pop().close()

    def _queried(self, sql: str) -> pa.RecordBatchReader:
        self._release(2)
        statement = adbc_driver_manager.AdbcStatement(self._connection)
        self._held.append(statement)
        statement.set_sql_query(sql)
        statement.set_options(
            **{adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)}
        )
        handle, _ = statement.execute_query()
        reader = pa.RecordBatchReader.from_stream(handle)
        self._held.append(reader)
        return reader

    @contextmanager
    def _statement(self, sql: str) -> Iterator[Any]:
        statement = adbc_driver_manager.AdbcStatement(self._connection)
        try:
            statement.set_sql_query(sql)
            yield statement
        finally:
            statement.close()


class ArrowRows(Iterator[pa.RecordBatch]):
    """The rows of a query, as they come.

    Attributes:
        schema: Their columns.
    """

    def __init__(self, session: ArrowSession, reader: pa.RecordBatchReader) -> None:
        self._session = session
        self._reader: pa.RecordBatchReader | None = reader
        self.schema = reader.schema

    def __next__(self) -> pa.RecordBatch:
        if self._reader is None:
            raise StopIteration
        return self._session.call(self._reader.read_next_batch)

    def close(self) -> None:
        """Let go of them. Doing so twice is allowed."""
        if self._reader is not None:
            self._reader = None
            self._session.end_query()
