"""`transforms`: what becomes of the values on their way, compiled before a row is read (spec §1.8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from mainstem.errors import ReplicationError
from mainstem.expressions import FUNCTIONS, NOT_BUILT, Entry, Program, ProgramBuilder, family, parse
from mainstem.plan.facts import Place
from mainstem.plan.model import PlannedColumn
from mainstem.replication.scanner import did_you_mean, named
from mainstem.schema import Column
from mainstem.types import type_name

__all__ = ["Transforms", "planned_transforms", "refuse_transformed_keys"]

_HERE = "transforms"
# One stage: the columns, each with an expression or with names of functions.
_Stage = Mapping[str, Any]


@dataclass(frozen=True)
class Transforms:
    """What is computed of each batch.

    Attributes:
        reads: The columns that are read of the source, in order.
        names: The names that `select` gives them.
        program: What is computed of them.
        notes: What the user should know.
    """

    reads: Sequence[Column]
    names: Sequence[str]
    program: Program
    notes: Sequence[str] = ()

    def columns(self) -> Sequence[tuple[Column, str]]:
        """The columns as they leave, each with its name: changed ones with their new type, new ones last."""
        made = {column.name: column for column in self.program.computed}
        known = [
            (
                replace(column, arrow_type=made[name].type, native_type=type_name(made[name].type), notes=()),
                name,
            )
            if name in made
            else (column, name)
            for column, name in zip(self.reads, self.names, strict=True)
        ]
        new = [
            (Column(column.name, type_name(column.type), column.type), column.name)
            for column in made.values()
            if column.is_new
        ]
        return [*known, *new]

    def described(self, column: PlannedColumn) -> PlannedColumn:
        """Say of a planned column how it is made."""
        made = next((each for each in self.program.computed if each.name == column.selected), None)
        if made is None:
            return column
        origins = dict(zip(self.names, self.reads, strict=True))
        sources = [origins[name].name for name in made.sources]
        return replace(column, sources=sources, transform=" | ".join(made.texts))

    def reading(self, columns: Sequence[PlannedColumn]) -> Transforms:
        """The same, reading as planned what no expression looks at.

        Only the source knows how its values look as text.
        """
        planned = {column.selected: column.source for column in columns if column.transform is None}
        reads = [
            column if index in self.program.needs else planned.get(name, column)
            for index, (column, name) in enumerate(zip(self.reads, self.names, strict=True))
        ]
        return replace(self, reads=reads)

    def applied(self, batch: pa.RecordBatch, columns: Sequence[PlannedColumn]) -> pa.RecordBatch:
        """Compute a batch.

        Args:
            batch: The columns that are read.
            columns: The columns that are wanted, in order.

        Raises:
            LossyTypeError: A value cannot be computed.
        """
        values: dict[str, pa.Array[Any]] = dict(zip(self.names, batch.columns, strict=True))
        computed = self.program.run(batch.columns)
        values |= {column.name: made for column, made in zip(self.program.computed, computed, strict=True)}
        names = [column.selected for column in columns]
        return pa.RecordBatch.from_arrays([values[name] for name in names], names=names)


def planned_transforms(
    place: Place, chosen: Sequence[tuple[Column, str]], env: Mapping[str, str], now: datetime
) -> Transforms | None:
    """Compile a stream's transforms.

    Args:
        place: The stream.
        chosen: The columns that are read, each with the name that `select` gives it.
        env: What ``env.X`` is.
        now: What ``now()`` is.

    Raises:
        ReplicationError: A function or a column is unknown, or a type does not fit.
        ConfigError: DuckDB's library is not installed.
    """
    stages = list(_stages(place))
    if not stages:
        return None
    names = [name for _, name in chosen]
    _refuse_twins(place, names)
    builder = ProgramBuilder([(name, column.arrow_type) for column, name in chosen], env, now)
    compiling = _Compiling(place, builder)
    for path, stage in stages:
        compiling.stage(path, stage)
    return Transforms([column for column, _ in chosen], names, builder.program(), compiling.notes)


def refuse_transformed_keys(place: Place, columns: Sequence[PlannedColumn]) -> None:
    """Refuse transforms of what source and target are compared by."""
    options = place.stream.target_options
    keys = {name.lower() for name in place.stream.primary_key} if options.delete_missing else set()
    update = (place.stream.update_key or "").lower()
    for column in columns:
        name = (column.selected or column.name).lower()
        if column.transform is None or name not in {*keys, update}:
            continue
        what = "update_key" if name == update else "primary_key"
        why = "the cursor" if name == update else "the keys that `delete_missing` reads"
        raise ReplicationError(
            f"The {what} {column.name} is transformed, so {why} would not be what the source has.",
            position=place.at(_HERE),
            hint="Transform it into a new column, as in `new: upper(record.old)`.",
        )


def _stages(place: Place) -> Iterator[tuple[tuple[str | int, ...], _Stage | str]]:
    """The stages, each with its place: a mapping, or the name of a function for all columns."""
    given: Any = place.stream.transforms
    if isinstance(given, Mapping):
        # The older form: every column with its functions; a text is one function, or an expression.
        if given:
            yield (_HERE,), given
        return
    for index, item in enumerate(given or ()):
        if isinstance(item, str | Mapping):
            yield (_HERE, index), item
        else:
            raise ReplicationError(
                "An item of `transforms` is the name of a function, or a mapping of columns.",
                position=place.at(_HERE, index),
                hint="Such as trim_space, or {name: upper(value)}.",
            )


class _Compiling:
    def __init__(self, place: Place, builder: ProgramBuilder) -> None:
        self._place = place
        self._builder = builder
        self.notes: list[str] = []

    def stage(self, path: tuple[str | int, ...], stage: _Stage | str) -> None:
        if isinstance(stage, str):
            self._check_name(stage, path)
            chained = [self._chained(column, [stage], path, quiet=True) for column in self._builder.columns]
            self._builder.stage([entry for entry in chained if entry])
            return
        entries = []
        for column, given in stage.items():
            at = (*path, column)
            entry = self._entry(str(column), given, at)
            if entry:
                entries.append(entry)
        if entries:
            self._builder.stage(entries)

    def _entry(self, column: str, given: Any, at: tuple[str | int, ...]) -> Entry | None:
        names = [given] if isinstance(given, str) and given in {*FUNCTIONS, *NOT_BUILT} else given
        if isinstance(names, str):
            subject = f"Transform of {named(column)}"
            return Entry(column, parse(names, self._place.at(*at), subject))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ReplicationError(
                f"Transform of {named(column)}: it is an expression, or a list of functions.",
                position=self._place.at(*at),
            )
        known = list(self._builder.columns)
        if column.lower() not in (each.lower() for each in known):
            raise ReplicationError(
                f"There is no column {named(column)} to transform.",
                position=self._place.at(*at),
                hint=did_you_mean(column, known) or f"Columns: {', '.join(known)}.",
            )
        for name in names:
            self._check_name(name, at)
        return self._chained(column, names, at, quiet=False)

    def _chained(
        self, column: str, names: Sequence[str], at: tuple[str | int, ...], *, quiet: bool
    ) -> Entry | None:
        """Functions one after another, but those that have nothing to do with the column's type."""
        text, position = "value", self._place.at(*at)
        kind = next(kind for known, kind in self._builder.columns.items() if known.lower() == column.lower())
        for name in names:
            takes = FUNCTIONS[name].takes
            # JSON may be given to a function of texts by name, but is not meant by "all columns".
            if takes and family(kind) not in takes - ({"json", "null"} if quiet else {"null"}):
                if not quiet:
                    self.notes.append(f"Column {column}: `{name}` does nothing to {kind}.")
                continue
            text = f"{name}({text})"
            entry = Entry(column, parse(text, position, f"Transform of {named(column)}"))
            kind = self._builder.typed(entry).type
        return None if text == "value" else entry

    def _check_name(self, name: str, at: tuple[str | int, ...]) -> None:
        function = FUNCTIONS.get(name)
        if function and function.least <= 1 <= function.most:
            return
        if name in NOT_BUILT:
            problem, hint = f"The transform `{name}` is not supported yet.", NOT_BUILT[name]
        elif function:
            problem = f"The function `{name}` takes more than the value."
            hint = f"Write a stage: `- {{column: {name}(value, …)}}`."
        else:
            problem = f"There is no transform {named(name)}."
            hint = did_you_mean(name, FUNCTIONS) or "docs/transforms.md lists them."
        raise ReplicationError(problem, position=self._place.at(*at), hint=hint)


def _refuse_twins(place: Place, names: Sequence[str]) -> None:
    lower = [name.lower() for name in names]
    twins = sorted({name for name in names if lower.count(name.lower()) > 1})
    if twins:
        raise ReplicationError(
            f"With `transforms`, {' and '.join(twins)} cannot be told apart.",
            position=place.at(_HERE),
            hint="Rename one of them with `select`.",
        )
