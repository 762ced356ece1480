"""What was kept of a source's catalogue: a JSON file beside the project, read in its stead."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mainstem.endpoints import CatalogEntry
from mainstem.errors import ConfigError
from mainstem.schema import Relation

__all__ = ["CatalogSnapshot", "SnapshotColumn", "SnapshotTable"]

_VERSION = 1
_READ_AGAIN = "Take it again: python -m mainstem.sling.prepare <replication.yaml>"


@dataclass(frozen=True)
class SnapshotColumn:
    """A column, in the source's own words.

    Attributes:
        name: Its name.
        type: Its type.
        nullable: Whether NULL may occur.
        comment: Its comment, if it has one.
    """

    name: str
    type: str
    nullable: bool = True
    comment: str | None = None


@dataclass(frozen=True)
class SnapshotTable:
    """A table or view of the source.

    Attributes:
        schema: Its schema.
        name: Its name.
        is_view: Whether it is a view.
        columns: Its columns; empty where nobody looked.
        primary_key: The columns of its primary key.
        estimated_rows: The source's own estimate.
        comment: What the source says of it.
    """

    schema: str
    name: str
    is_view: bool = False
    columns: Sequence[SnapshotColumn] = ()
    primary_key: Sequence[str] = ()
    estimated_rows: int | None = None
    comment: str | None = None

    @property
    def relation(self) -> Relation:
        """Its name."""
        return Relation(self.schema, self.name)


@dataclass(frozen=True)
class CatalogSnapshot:
    """The tables of a source that a replication may read, as they were at one moment. It holds no secret.

    Attributes:
        type: The kind of system, such as ``postgres``.
        default_schema: The schema of a name that has none.
        wildcards: The patterns that were looked for.
        tables: The tables, sorted by name.
        taken: When it was taken, as ISO 8601.
    """

    type: str
    default_schema: str
    wildcards: Sequence[str]
    tables: Sequence[SnapshotTable]
    # Two snapshots of the same catalogue are the same.
    taken: str = field(default="", compare=False)

    def catalog(self, schema: str | None = None) -> Sequence[CatalogEntry]:
        """The tables and views, of one schema or of all, sorted by name."""
        return [
            CatalogEntry(table.relation, table.is_view)
            for table in self.tables
            if schema is None or table.schema.lower() == schema.lower()
        ]

    def table(self, relation: Relation) -> SnapshotTable | None:
        """A table by its name, whose case does not matter; ``None`` where it was not there."""
        schema = relation.schema or self.default_schema
        return self._tables.get((schema.lower(), relation.name.lower()))

    @cached_property
    def _tables(self) -> Mapping[tuple[str, str], SnapshotTable]:
        return {(table.schema.lower(), table.name.lower()): table for table in self.tables}

    @classmethod
    def read(cls, path: Path) -> CatalogSnapshot | None:
        """Read a snapshot; ``None`` where there is none.

        Raises:
            ConfigError: The file is no snapshot, or of another version.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The catalogue snapshot {path} cannot be read.", hint=_READ_AGAIN) from error
        try:
            found = json.loads(text)
            if found["version"] != _VERSION:
                raise ConfigError(
                    f"The catalogue snapshot {path} is of another version of mainstem.", hint=_READ_AGAIN
                )
            tables = [_table(table) for table in found["tables"]]
            return cls(found["type"], found["default_schema"], found["wildcards"], tables, found["taken"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path} is no catalogue snapshot.", hint=_READ_AGAIN) from error

    def write(self, path: Path) -> bool:
        """Write it, in one step: whoever reads sees the old one or the new one.

        A snapshot that says the same as the one that is there leaves the file as it is.

        Returns:
            Whether there was something new.

        Raises:
            ConfigError: It cannot be written.
        """
        try:
            if CatalogSnapshot.read(path) == self:
                return False
        except ConfigError:
            # What is no snapshot is replaced by one.
            pass
        data = {"version": _VERSION, **asdict(self)}
        own = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            own.replace(path)
        except OSError as error:
            own.unlink(missing_ok=True)
            raise ConfigError(
                f"The catalogue snapshot {path} cannot be written: {os.strerror(error.errno or 0)}."
            ) from error
        return True


def _table(found: Mapping[str, Any]) -> SnapshotTable:
    columns = [SnapshotColumn(**column) for column in found["columns"]]
    return SnapshotTable(**{**found, "columns": columns})
