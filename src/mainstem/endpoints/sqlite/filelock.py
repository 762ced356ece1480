"""A lock on one table of a file, that other processes see."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path

from mainstem.endpoints.locks import held_by_file
from mainstem.errors import ConnectError
from mainstem.schema import Relation

__all__ = ["file_lock"]


def file_lock(database: Path, table: Relation) -> AbstractContextManager[None]:
    """Hold a table of a database from other runs, by a file beside it that goes with the lock.

    The database's own lock would keep out every writer of every table for as long. On Windows SQLite itself
    still lets one writer publish after the other.

    Raises:
        TargetBusyError: Another process has it, and does not let go within a minute.
        ConnectError: The folder cannot be written.
    """
    digest = hashlib.sha256(table.name.lower().encode()).hexdigest()[:12]
    return held_by_file(
        database.with_name(f"{database.name}.mainstem-{digest}.lock"),
        f"{table} in the SQLite file {database}",
        "Run the streams of one table one after the other.",
        lambda error: ConnectError(
            f"The folder of the SQLite file {database} cannot be written: {error.strerror}.",
            hint="SQLite itself keeps its journal there.",
        ),
    )
