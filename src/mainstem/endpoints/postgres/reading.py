"""Queries whose rows come as Arrow batches, through the driver's own interface.

The other one, that of Python's drivers, imports pandas where it is installed: that takes a tenth of a second
and thirty megabytes, of which a run has nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

import adbc_driver_manager
import adbc_driver_postgresql
import pyarrow as pa

__all__ = ["ArrowSession"]

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

    def run(self, sql: str) -> None:
        """Run a short statement that gives no rows, or none that anybody wants."""
        with self._statement(sql) as statement:
            statement.execute_update()

    @contextmanager
    def query(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """Run a query, and read its rows while the context lasts."""
        with self._statement(sql) as statement:
            statement.set_options(
                **{adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(_BATCH_BYTES)}
            )
            handle, _ = self._waited(statement.execute_query)
            with pa.RecordBatchReader.from_stream(handle) as reader:
                yield reader

    def cancel(self) -> None:
        """Break off what runs. Any thread may call it."""
        self._connection.cancel()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
        self._database.close()

    @contextmanager
    def _statement(self, sql: str) -> Iterator[Any]:
        statement = adbc_driver_manager.AdbcStatement(self._connection)
        try:
            statement.set_sql_query(sql)
            yield statement
        finally:
            statement.close()

    def _waited(self, call: Callable[[], _T]) -> _T:
        """Wait for a call so that Ctrl-C ends the waiting, and then the call.

        Ctrl-C reaches the main thread alone, and there not before the driver comes back.
        """
        if threading.current_thread() is not threading.main_thread():
            return call()
        answers: SimpleQueue[tuple[_T | None, BaseException | None]] = SimpleQueue()

        def answer() -> None:
            try:
                answers.put((call(), None))
            except BaseException as error:
                answers.put((None, error))

        thread = threading.Thread(target=answer, name="mainstem-query", daemon=True)
        thread.start()
        try:
            found, error = answers.get()
        except BaseException:
            with suppress(adbc_driver_manager.Error):
                self.cancel()
            thread.join()
            raise
        if error is not None:
            raise error
        return found  # type: ignore[return-value] # without an error it is what the call returned
