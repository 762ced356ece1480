"""What SQLite calls the rows of a table: https://www.sqlite.org/rowidtable.html."""

from __future__ import annotations

from collections.abc import Iterable

from mainstem.errors import EndpointError

__all__ = ["row_id"]

_NAMES = ("rowid", "_rowid_", "oid")


def row_id(columns: Iterable[str]) -> str:
    """A name of the row's number that no column has.

    Raises:
        EndpointError: The columns have all of them.

    Example:
        >>> row_id(["id", "ROWID"])
        '_rowid_'
    """
    taken = {name.lower() for name in columns}
    found = next((name for name in _NAMES if name not in taken), None)
    if found is None:
        raise EndpointError(
            f"The columns {', '.join(_NAMES)} leave SQLite no name for its own row numbers.",
            hint="Rename one of them with `select`.",
        )
    return found
