"""Files as a target: written beside, then shown, and only then the old ones removed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from typing_extensions import Self, override

from mainstem.connections import Connection
from mainstem.endpoints.base import SourceTable
from mainstem.endpoints.files.base import FileEndpoint
from mainstem.endpoints.files.filelock import path_lock
from mainstem.endpoints.files.layout import TYPED, Layout, is_data, is_part, layout_of
from mainstem.endpoints.files.parts import PartFile
from mainstem.endpoints.files.showing import Showing
from mainstem.endpoints.files.staging import FileStaging, same_origin
from mainstem.endpoints.files.written import Written, written_columns
from mainstem.endpoints.locks import held
from mainstem.endpoints.steps import AddColumn, Call, ChangeType, Create, Empty, Insert, Step, Swap
from mainstem.endpoints.target import Capabilities, NativeType, Staging, Target, Use
from mainstem.errors import ConfigError, EndpointError, MainstemError
from mainstem.faults import Point, reached
from mainstem.files.formats.base import OpenFile, ReadOptions
from mainstem.files.formats.registry import format_of
from mainstem.schema import Relation
from mainstem.types import type_name

__all__ = ["FILE_OPTIONS", "FileTarget"]

FILE_OPTIONS = frozenset(
    {
        "header", "delimiter", "datetime_format", "encoding", "compression", "format", "file_max_rows",
        "file_max_bytes", "concurrency", "batch_limit", "column_casing", "column_typing", "max_decimals",
        "ignore_existing", "add_new_columns", "adjust_column_type", "use_bulk", "direct_insert",
    }
)  # fmt: skip

# Each file that tells how many rows it has must be asked.
_MOST_COUNTED = 100
# These do nothing to files that are there: each has its own columns.
_DEFINITIONS = (AddColumn, ChangeType)


class FileTarget(FileEndpoint, Target):
    """Files that are written whole."""

    capabilities = Capabilities(
        merges=False,
        remembers=False,
        partitions=True,
        runs_sql=False,
        table_keys=frozenset(),
        case_sensitive=True,
        options=FILE_OPTIONS,
    )

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        # Shared by the endpoints that `for_stream` makes.
        self._written: dict[Relation, Written] = {}
        self._seen: Layout | None = None

    @override
    def for_stream(self, options: Mapping[str, Any]) -> Self:
        other = super().for_stream(options)
        other._seen = None
        return other

    def layout(self, target: Relation) -> Layout:
        """How an object is written.

        Raises:
            ConfigError: The path or an option makes no sense.
        """
        self._seen = layout_of(target.name, self.options, is_one=not self.place.listable)
        return self._seen

    @override
    def address(self, target: Relation) -> str:
        return self.place.url(self.layout(target).root)

    @override
    @contextmanager
    def locked(self, target: Relation) -> Iterator[None]:
        root = self.layout(target).root
        with held(("files", self.place.url(root)), self.place.url(root)):
            path = self.place.local_path(root) if self.place.listable else None
            if path is None:
                yield
                return
            with path_lock(path):
                yield

    @override
    def beside(self, target: Relation, suffix: str) -> tuple[Target, Relation]:
        """A folder that nobody who reads the folder of the target takes for data."""
        root = self.layout(target).root.rstrip("/")
        if not self.place.listable:
            raise ConfigError(f"There is no place beside {self.place.url(root)}.", hint="Name a folder.")
        folder, slash, name = root.rpartition("/")
        path = f"{folder}{slash}_{suffix.strip('_')}/{name}/*.jsonl"
        return self.for_stream({}), Relation(None, path)

    # What is there.

    @override
    def inspect(self, target: Relation) -> SourceTable | None:
        layout = self.layout(target)
        known = self._written.get(target)
        if known is not None:
            return SourceTable(target, written_columns(layout.format, known.schema))
        found = self._files(layout)
        if not found:
            return None
        alike = [path for path in found if format_of(path) == layout.format.name]
        if layout.format.name not in TYPED or not alike:
            # What a text means is told by whoever reads it.
            return SourceTable(target, ())
        try:
            schema = layout.format.describe([self._opened(alike[-1])], ReadOptions())
        except EndpointError:
            # A broken file is replaced; and beside one, rows may have what columns they like.
            return SourceTable(target, ())
        return SourceTable(target, written_columns(layout.format, schema))

    def _files(self, layout: Layout) -> Sequence[str]:
        if not self.place.listable:
            return []
        found = [entry.path for entry in self.place.list(layout.root)]
        return [path for path in found if not layout.is_folder or is_part(path)]

    def _opened(self, path: str) -> OpenFile:
        return OpenFile(self.place.url(path), lambda: self.place.open(path), self.place.local_path(path))

    @override
    def count(self, target: Relation) -> int | None:
        known = self._written.get(target)
        if known is not None and known.total is not None:
            return known.total
        layout = self.layout(target)
        paths = self._files(layout)
        if len(paths) > _MOST_COUNTED or any(format_of(path) != layout.format.name for path in paths):
            return None
        try:
            counts = [layout.format.count(self._opened(path)) for path in paths]
        except EndpointError:
            # A broken part of before is none of this run's, which is published by now.
            return None
        return None if None in counts else sum(count for count in counts if count is not None)

    @override
    def maximum(self, target: Relation, column: str) -> pa.Scalar[Any] | None:
        raise EndpointError(
            f"{self.address(target)} cannot be asked for its greatest {column}.",
            hint="Please use the SLING_STATE environment variable for writing to files incrementally.",
        )

    # What can be written.

    @override
    def native_type(self, field: pa.Field[Any]) -> NativeType:
        # The stream's only object; before it is known, a folder.
        layout = self._seen or layout_of("folder/", self.options)
        written = layout.format.written_type(field)
        return NativeType(type_name(written.type), written.note)

    @override
    def create_statement(self, target: Relation, schema: pa.Schema) -> str:
        layout = self.layout(target)
        columns = ", ".join(f"{field.name} {self.native_type(field).sql}" for field in schema)
        return f"{self.address(target)} ({layout.format.name}): {columns}"

    @override
    def check_use(self, target: Relation, use: Use) -> Sequence[str]:
        layout = self.layout(target)
        shown = self.address(target)
        if not self.place.writable:
            raise ConfigError(f"{shown} cannot be written.", hint="Name another target.")
        if use is Use.DEFINE and layout.format.name not in TYPED:
            raise ConfigError(
                f"The mode definition-only only supports parquet or arrow formats, and {shown} would be"
                f" {layout.format.name}.",
                hint="A file of another format says nothing of its columns' types: set `format: parquet`.",
            )
        if use is Use.ADD and not layout.is_folder:
            raise ConfigError(
                f"{shown} is one file, which is there already: no rows can be added to it.",
                hint="Name a folder, as in orders/*.parquet, or a file for each run, with {run_timestamp}.",
            )
        if use is not Use.ADD and layout.is_folder:
            self._refuse_strangers(layout)
        return [layout.note] if layout.note else []

    def _refuse_strangers(self, layout: Layout) -> None:
        if not self.place.listable:
            return
        paths = [entry.path for entry in self.place.list(layout.root)]
        strange = [path for path in paths if is_data(path) and not is_part(path)]
        if strange:
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            raise EndpointError(
                f"{self.place.url(layout.root)} holds files that no run wrote: {strange[0]}{more}."
                " They would be read as rows of the table, and are not ours to remove.",
                hint="Move them away, or name another folder.",
            )

    # Writing.

    @override
    @contextmanager
    def stage(
        self, target: Relation, schema: pa.Schema, *, place: Relation | None = None, purpose: str = "staging"
    ) -> Iterator[Staging]:
        layout = self.layout(target)
        self._written.pop(target, None)
        self._sweep(layout)
        staging = FileStaging(self.place, layout, target, schema, self.options)
        try:
            yield staging
        finally:
            staging.drop()

    def _sweep(self, layout: Layout) -> None:
        """Remove what killed runs left: files that were never shown."""
        if not self.place.listable:
            return
        if layout.is_folder:
            Showing(self.place, layout.root).settle()
        folders = {layout.root.rpartition("/")[0]}
        if layout.levels:
            folders |= {entry.path.rpartition("/")[0] for entry in self.place.entries(layout.root, deep=True)}
        for folder in folders:
            self.place.sweep(f"{folder}/" if folder else "")

    @override
    def publish(self, staging: Staging, target: Relation, steps: Sequence[Step]) -> None:
        if not isinstance(staging, FileStaging):
            raise TypeError("These rows were staged elsewhere.")
        before_rows, after_rows = self._calls(steps)
        kinds = [type(step) for step in steps if not isinstance(step, (*_DEFINITIONS, Call))]
        if kinds not in ([Swap], [Create], [Empty, Insert], [Insert]):
            raise EndpointError(
                f"Files cannot be published by {', '.join(kind.__name__ for kind in kinds)}.",
                hint="Use full-refresh, truncate, snapshot, or incremental without a primary_key.",
            )
        for call in before_rows:
            call.action(self)
        adds = kinds == [Insert]
        before = self._files(staging.layout)
        paths = [file.path for file in staging.files]
        removed = [
            path for path in before if path not in paths and (not adds or same_origin(path, staging.run))
        ]
        with self._noted(staging.layout, paths, removed):
            self._show(staging.files, before)
            for path in removed:
                self.place.delete(path)
                reached(Point.MID_PUBLISH)
        rows = sum(file.rows for file in staging.files)
        self._written[target] = Written(staging.schema, None if adds else rows)
        self._called_behind(after_rows)

    def _called_behind(self, calls: Sequence[Call]) -> None:
        """Call what comes behind the rows: without a transaction they are shown, and not written again."""
        try:
            for call in calls:
                call.action(self)
        except MainstemError as error:
            error.transient = False
            raise

    def _calls(self, steps: Sequence[Step]) -> tuple[Sequence[Call], Sequence[Call]]:
        """The run's own steps, in front of the rows and behind them."""
        rows = [number for number, step in enumerate(steps) if not isinstance(step, Call)]
        first = rows[0] if rows else len(steps)
        calls = [(number, step) for number, step in enumerate(steps) if isinstance(step, Call)]
        return [step for n, step in calls if n < first], [step for n, step in calls if n > first]

    @contextmanager
    def _noted(self, layout: Layout, paths: Sequence[str], removed: Sequence[str]) -> Iterator[None]:
        """Note what is about to happen, where it is more than one thing."""
        if not layout.is_folder or len(paths) + len(removed) < 2:  # noqa: PLR2004
            yield
            return
        showing = Showing(self.place, layout.root)
        showing.begin(paths, removed)
        yield
        showing.end()

    def _show(self, files: Sequence[PartFile], before: Collection[str]) -> None:
        """Show files, all of them or none."""
        shown: list[str] = []
        try:
            for file in files:
                file.show()
                shown.append(file.path)
                reached(Point.MID_PUBLISH)
        except BaseException:
            for path in shown:
                if path not in before:
                    self.place.delete(path)
            raise

    @override
    def run_script(self, sql: str) -> None:
        raise EndpointError("Files run no SQL.", hint="Leave `pre_sql` and `post_sql` out.")
