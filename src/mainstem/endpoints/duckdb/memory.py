"""Flat memory: DuckDB lets go of pages that nobody uses.

DuckDB keeps the pages that it reads and writes until its memory limit, which is most of the machine's
memory, so that what a run takes grows with the table. No statement empties the cache. Lowering the limit
does, but the limit belongs to the whole database, which dbt, dlt and others use in the same process: under a
low one they would run out of memory.

So the limit is never lowered: a limit that cannot be reached is asked for. DuckDB drops every page that
nobody uses, finds that this is not enough, says so, and keeps the limit that it has. That it is never enough
is seen to by a query that is begun and not read on, and so holds a hash table of a few megabytes.
"""

from __future__ import annotations

import threading
from contextlib import suppress

import duckdb

from mainstem.endpoints.duckdb.connecting import Database

__all__ = ["Cache"]

# What is kept: enough for what a batch touches, and small beside what the batch itself takes.
_KEPT_BYTES = 48 * 1024 * 1024
_USED = "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
_HELD = "SELECT a.i FROM range(1000000000) AS a(i) JOIN range(3000) AS b(i) ON a.i % 3000 = b.i"
_OUT_OF_REACH = "1KB"

_trimming = threading.Lock()


class Cache:
    """The pages of a database that DuckDB keeps in memory.

    Args:
        connection: A connection to it. It is only read.
        database: The database. The pages of one in memory are its tables, and stay.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, database: Database) -> None:
        self._connection = connection if database.path else None

    def trim(self) -> None:
        """Have DuckDB let go of pages that nobody uses, where it has many."""
        if self._connection is None:
            return
        try:
            with self._connection.cursor() as asked:
                ((used,),) = asked.execute(_USED).fetchall()
                if used and used > _KEPT_BYTES:
                    self._evict(asked)
        except duckdb.Error:
            # The user may have locked the configuration, and chosen a limit then.
            self._connection = None

    def _evict(self, asked: duckdb.DuckDBPyConnection) -> None:
        with _trimming, asked.cursor() as holding:
            holding.execute(_HELD).fetchone()
            ((limit,),) = asked.execute("SELECT current_setting('memory_limit')").fetchall()
            try:
                with suppress(duckdb.OutOfMemoryException):
                    asked.execute(f"SET memory_limit = '{_OUT_OF_REACH}'")
            finally:
                asked.execute(f"SET memory_limit = '{limit}'")
