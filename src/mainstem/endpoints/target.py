"""What can be written: a staging place, and steps that publish what is staged, all at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import pyarrow as pa

from mainstem.endpoints.base import Endpoint, SourceTable
from mainstem.endpoints.raw import RawForm, RawRows
from mainstem.endpoints.steps import Step
from mainstem.schema import Relation

__all__ = ["TABLE_OPTIONS", "Capabilities", "KeyProfile", "NativeType", "Staging", "Target", "Use"]

# The `target_options` that say something to a table of a database (spec §4.2).
TABLE_OPTIONS = frozenset(
    {
        "add_new_columns", "adjust_column_type", "batch_limit", "column_casing", "column_typing",
        "delete_missing", "direct_insert", "ignore_existing", "max_decimals", "merge_strategy",
        "post_sql", "pre_sql", "table_ddl", "table_keys", "table_tmp", "use_bulk",
    }
)  # fmt: skip


class Use(Enum):
    """What a stream does to its target."""

    REPLACE = "replace"
    ADD = "add"
    DEFINE = "define"


@dataclass(frozen=True)
class Capabilities:
    """What a target can do, as data. A strategy asks this, never for a system's name.

    Attributes:
        transactional_ddl: What changes a table's definition can be part of the publishing transaction.
        folds_to_upper: A plain name belongs in upper case here (`column_casing`, spec §4.2).
        merge_strategy: How rows are merged where nothing is said (spec §3.3).
        identifier_bytes: The most bytes of a name; ``None`` for no limit.
        case_sensitive: Tables whose names differ only in case are two tables.
        moves_between_schemas: A table can be moved into another schema; where not, its rows are copied.
        table_keys: The kinds of `table_keys` that a table can have.
        parallel_streams: Several streams can be written to it at once.
        merges: Rows that are there can be found by a key, changed and deleted.
        remembers: The greatest value of a column can be asked; where not, `SLING_STATE` keeps the cursor.
        keeps_state: It has tables for what runs keep, such as cursors (`SLING_STATE`).
        partitions: An object's name may have partitions in it, such as ``{part_year}`` (spec §2).
        runs_sql: Statements of the run's own can be part of the publishing transaction.
        options: The `target_options` that it carries out.
    """

    transactional_ddl: bool = True
    folds_to_upper: bool = False
    merge_strategy: str = "update_insert"
    identifier_bytes: int | None = None
    case_sensitive: bool = False
    moves_between_schemas: bool = True
    table_keys: frozenset[str] = frozenset({"primary", "unique", "index"})
    parallel_streams: bool = True
    merges: bool = True
    remembers: bool = True
    keeps_state: bool = True
    partitions: bool = False
    runs_sql: bool = True
    options: frozenset[str] = TABLE_OPTIONS


@dataclass(frozen=True)
class NativeType:
    """The type that a target gives to a column.

    Attributes:
        sql: The type, in the target's words.
        note: What the user should know, where the target has no such type and the values are stored as
            something else: ``is stored as TEXT``, to be read after the column's name.
    """

    sql: str
    note: str | None = None


@dataclass(frozen=True)
class KeyProfile:
    """What the staged rows have in the columns of a key.

    Attributes:
        nulls: So many rows have NULL in this column, for the columns where there are any.
        repeated: So many keys stand in more than one row.
        repeated_with_null: So many of those have NULL in a column, so that nothing tells their rows apart.
    """

    nulls: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    repeated_with_null: int = 0


class Staging(ABC):
    """A place beside the target that takes rows until they are published. Nobody takes it for a table.

    Leaving it without having published it drops it.

    Attributes:
        place: Its name.
        schema: The Arrow schema of what it takes.
    """

    place: Relation
    schema: pa.Schema

    def prepare(self, update_key: str | None, since: str | None) -> None:  # noqa: B027 - most need not know
        """Be told of the stream, before the first batch.

        Args:
            update_key: The column of the cursor, by its name here; ``None`` where there is none.
            since: Where the stream goes on, with the stream's name; ``None`` where it reads everything.

        Raises:
            ConfigError: The rows cannot be written without such a column.
        """

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch, which has this staging place's schema."""

    @property
    def raw_form(self) -> RawForm | None:
        """In which form it takes rows as the system itself writes them; ``None`` for none."""
        return None

    def write_raw(self, rows: RawRows) -> None:
        """Take the next piece of rows in the raw form. It takes them so, or as batches, and not both.

        Raises:
            LossyTypeError: A value does not fit.
        """
        raise NotImplementedError

    @abstractmethod
    def complete(self) -> int:
        """Take no more rows, and count those that are there."""

    @abstractmethod
    def profile(self, columns: Sequence[str]) -> KeyProfile:
        """Look at a key in the completed rows."""

    @abstractmethod
    def maximum(self, column: str) -> pa.Scalar[Any] | None:
        """The greatest staged value of a column; ``None`` where there is none but NULL."""


class Target(Endpoint):
    """An endpoint that can be written."""

    capabilities: Capabilities

    def connect_to_write(self) -> None:
        """Get in as a run does. What is not there yet is no error where it can be made, and is not made.

        Raises:
            ConnectError: It cannot be reached, refused the credentials, or cannot be made.
            TargetBusyError: Someone else holds it, and does not let go.
        """
        self.connect()

    @abstractmethod
    def locked(self, target: Relation) -> AbstractContextManager[None]:
        """Keep other runs away from a target, from the plan to the publish.

        Raises:
            TargetBusyError: Another run has it, and does not finish within the time that is waited.
        """

    @abstractmethod
    def inspect(self, target: Relation) -> SourceTable | None:
        """The target as it is now; ``None`` where there is none. Nothing is made by asking.

        Raises:
            RelationNotFoundError: The name is a view's, which cannot be written.
        """

    def address(self, target: Relation) -> str:
        """What a target is called in reports: in the way by which others find it."""
        return str(target)

    def beside(self, target: Relation, suffix: str) -> tuple[Target, Relation]:
        """Name another object that belongs to a target, such as the table of its bad rows.

        Args:
            target: The target.
            suffix: What is behind its name.

        Returns:
            The name, and by what it is written: this endpoint, or the same system with other options.

        Raises:
            ConfigError: There is no place beside it.
        """
        room = (self.capabilities.identifier_bytes or 1_000) - len(suffix)
        name = target.name.encode()[:room].decode(errors="ignore")
        return self, replace(target, name=f"{name}{suffix}")

    def check_use(self, target: Relation, use: Use) -> Sequence[str]:  # noqa: ARG002 - most can do it all
        """Look whether a target can be used so, before anything is read.

        Returns:
            What the user should know beforehand.

        Raises:
            ConfigError: It cannot, as its name or its options are.
            EndpointError: It cannot, as it is now.
        """
        return []

    @abstractmethod
    def count(self, target: Relation) -> int | None:
        """Count the rows of a table; ``None`` where that would mean to read all of it."""

    @abstractmethod
    def maximum(self, target: Relation, column: str) -> pa.Scalar[Any] | None:
        """The greatest value of a column, from which an incremental run goes on; ``None`` for none."""

    @abstractmethod
    def native_type(self, field: pa.Field[Any]) -> NativeType:
        """The type that a column gets here.

        Args:
            field: Its name and Arrow type. Metadata ``length``: at most so many characters.

        Raises:
            LossyTypeError: The system has no type that holds every value.
        """

    @abstractmethod
    def create_statement(self, target: Relation, schema: pa.Schema) -> str:
        """The DDL of a table with these columns, in the target's SQL.

        Raises:
            LossyTypeError: The system has no type for one of the columns.
        """

    @abstractmethod
    def stage(
        self, target: Relation, schema: pa.Schema, *, place: Relation | None = None, purpose: str = "staging"
    ) -> AbstractContextManager[Staging]:
        """Open a staging place for a target, sweeping what a killed run left of it.

        Args:
            target: The target.
            schema: What will be staged.
            place: The user's own name for it (`table_tmp`); ``None`` for one made of the target's.
            purpose: Tells the staging places of one target apart.

        Raises:
            LossyTypeError: The system has no type for one of the columns.
        """

    @abstractmethod
    def publish(self, staging: Staging, target: Relation, steps: Sequence[Step]) -> None:
        """Carry out the steps so that a reader sees the target before all of them, or after.

        Raises:
            EndpointError: The target refused; it is as it was.
        """

    @abstractmethod
    def run_script(self, sql: str) -> None:
        """Run the user's own statements, one after the other (`pre_sql`, `post_sql`).

        Raises:
            EndpointError: The target refused one of them.
        """
