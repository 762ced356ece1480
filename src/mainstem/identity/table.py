"""One physical table, or one object of a store, in the one spelling that it has here."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PhysicalTable"]


@dataclass(frozen=True, order=True)
class PhysicalTable:
    """A table by where it is, normalized: two that are equal are one and the same table.

    It is made by :meth:`Instance.table` and :meth:`Instance.object`, and holds no secret.

    Attributes:
        system: The kind of system, such as ``postgres``.
        instance: Which one: a host and port, a file, an account; empty where the kind alone tells.
        database: The database, or the bucket; empty where the system has none.
        schema: The schema; empty where the system has none.
        table: The table, or the key of the object.
    """

    system: str
    instance: str
    database: str
    schema: str
    table: str

    def __str__(self) -> str:
        named = ".".join(part for part in (self.database, self.schema, self.table) if part)
        return " ".join(part for part in (self.system, self.instance, named) if part)
