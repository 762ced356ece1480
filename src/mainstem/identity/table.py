"""One physical table, or one object of a store, in the one spelling that it has here."""

from __future__ import annotations

from dataclasses import dataclass

from mainstem.identity.objects import may_meet
from mainstem.identity.systems import rules_of

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
        table: The table, or the key of the object: a file's, a folder's or a pattern.
    """

    system: str
    instance: str
    database: str
    schema: str
    table: str

    @property
    def owner(self) -> tuple[str, str, str, str]:
        """What it is in: all but its own name."""
        return self.system, self.instance, self.database, self.schema

    @property
    def is_file(self) -> bool:
        """Whether it is the object of a store: then it may be behind other names as well."""
        return rules_of(self.system).keys

    def meets(self, other: PhysicalTable) -> bool:
        """Whether what is in this one may be in the other as well: the same table, or files of a pattern."""
        if self == other:
            return True
        return self.is_file and self.owner == other.owner and may_meet(self.table, other.table)

    def __str__(self) -> str:
        between = "/" if self.is_file else "."
        named = between.join(part for part in (self.database, self.schema, self.table) if part)
        return " ".join(part for part in (self.system, self.instance, named) if part)
