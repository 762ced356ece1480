"""Expressions over the columns of record batches, in stages: compiled once, run on whole batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa

from mainstem.errors import LossyTypeError
from mainstem.expressions.compiler import Found, UnknownError, compiled
from mainstem.expressions.machine import RefusedError, given, identifier, machine, taken
from mainstem.expressions.parser import Expression
from mainstem.expressions.sqltext import Typed, literal
from mainstem.replication.scanner import did_you_mean, named
from mainstem.types import cast_values

__all__ = ["Computed", "Entry", "Program", "ProgramBuilder", "json_rows"]

_MOST_STAGES = 30
_SHOWN = 300


@dataclass(frozen=True)
class Entry:
    """An expression, and the column that takes its values.

    Attributes:
        column: The column's name; a name that is not there yet makes a new one.
        expression: It.
        value: The column that ``value`` is; ``None``: the column itself.
    """

    column: str
    expression: Expression
    value: str | None = None


@dataclass(frozen=True)
class Computed:
    """A column that a program computes.

    Attributes:
        name: Its name.
        type: Its Arrow type.
        sources: The names of the given columns that it is made of, in their order.
        texts: The expressions that make it, in their order.
        is_new: It was not among the given ones.
    """

    name: str
    type: pa.DataType
    sources: Sequence[str]
    texts: Sequence[str]
    is_new: bool


@dataclass
class _Column:
    name: str
    number: int
    sources: frozenset[int]
    texts: list[str] = field(default_factory=list)
    type: str = ""


class _Scope:
    """The columns as a stage finds them."""

    def __init__(
        self, columns: Sequence[_Column], own: _Column | None, env: Mapping[str, str], now: datetime | None
    ) -> None:
        self._columns = {column.name.lower(): column for column in columns}
        self._own = own
        self._env = env
        self._now = now
        self.used: list[_Column] = []

    def find(self, name: str, keys: Sequence[str | int]) -> Found:
        if name == "value":
            return self._taken(self._own)
        if name == "record" and keys and isinstance(keys[0], str):
            column = self._columns.get(keys[0].lower())
            if column is None:
                known = [each.name for each in self._columns.values()]
                hint = did_you_mean(keys[0], known) or f"Columns: {', '.join(known)}."
                raise UnknownError(f"there is no column {named(keys[0])}.", hint)
            return self._taken(column, 1)
        if name == "env" and keys and isinstance(keys[0], str):
            if keys[0] not in self._env:
                raise UnknownError(
                    f"`env` has no {named(keys[0])}.", "It has what the replication's `env` says."
                )
            return Found(literal(self._env[keys[0]]), 1)
        if name == "now":
            moment = (self._now or datetime.now(timezone.utc)).isoformat(sep=" ")
            return Found(f"CAST({literal(moment)} AS TIMESTAMPTZ)")
        column_hint = f"Write record.{name}." if name.lower() in self._columns else None
        raise UnknownError(
            f"{named(name)} is nothing here.", column_hint or "There are `value`, `record.x` and `env.X`."
        )

    def _taken(self, column: _Column | None, keys: int = 0) -> Found:
        if column is None:
            raise UnknownError("a new column has no `value`.", "Write record.x for another column's.")
        self.used.append(column)
        return Found(identifier(column.number), keys)


class ProgramBuilder:
    """Compiles stage after stage.

    Args:
        columns: The columns that are given: names and Arrow types, in order.
        env: What ``env.X`` is.
        now: What ``now()`` is; ``None``: the time of the compilation.
    """

    def __init__(
        self,
        columns: Sequence[tuple[str, pa.DataType]],
        env: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> None:
        self._given = list(columns)
        self._env = dict(env or {})
        self._now = now or datetime.now(timezone.utc)
        self._columns = [
            _Column(name, number, frozenset({number})) for number, (name, _) in enumerate(columns)
        ]
        self._stages: list[Mapping[int, str]] = []
        self._machine = machine()
        rows, base = taken([_none(kind) for _, kind in columns])
        self._machine.probe(base, rows)
        for column in self._columns:
            column.type = self._machine.type_of(identifier(column.number))

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns as they are now: names, and types in DuckDB's words."""
        return {column.name: column.type for column in self._columns}

    def typed(self, entry: Entry) -> Typed:
        """Compile an expression on the columns as they are now.

        Raises:
            ReplicationError: It cannot be compiled.
        """
        return self._compiled(entry)[0]

    def stage(self, entries: Sequence[Entry]) -> None:
        """Add a stage. Its expressions see the columns as the stage before left them.

        Raises:
            ReplicationError: An expression cannot be compiled, or there are too many stages.
        """
        made: dict[int, str] = {}
        changed: list[_Column] = []
        if entries and len(self._stages) >= _MOST_STAGES:
            raise entries[0].expression.source.error(f"there are more than {_MOST_STAGES} stages.", 0)
        for entry in entries:
            typed, used = self._compiled(entry)
            found = self._column(entry.column)
            number = (
                found.number if found else len(self._columns) + sum(not self._column(c.name) for c in changed)
            )
            sources = frozenset().union(*(each.sources for each in used))
            texts = [*(found.texts if found else []), str(entry.expression)]
            made[number] = typed.sql
            changed.append(_Column(found.name if found else entry.column, number, sources, texts, typed.type))
        known = {column.number: column for column in [*self._columns, *changed]}
        chosen = ", ".join(
            f"{made[number]} AS {identifier(number)}" if number in made else identifier(number)
            for number in known
        )
        self._machine.probe(f"SELECT {chosen}, n FROM probe")  # noqa: S608 - compiled
        self._columns = [known[number] for number in sorted(known)]
        self._stages.append(made)

    def program(self) -> Program:
        """What was compiled."""
        touched = [column for column in self._columns if column.texts]
        live = {column.number for column in touched}.union(*(column.sources for column in touched))
        return Program(self._given, sorted(number for number in live if number < len(self._given)),
                       touched, self._stages)  # fmt: skip

    def _compiled(self, entry: Entry) -> tuple[Typed, Sequence[_Column]]:
        scope = _Scope(self._columns, self._column(entry.value or entry.column), self._env, self._now)
        typed = compiled(entry.expression, scope, self._machine)
        if typed.family == "null":
            typed = Typed(f"CAST({typed.sql} AS VARCHAR)", "VARCHAR")
        return typed, scope.used

    def _column(self, name: str) -> _Column | None:
        return next((each for each in self._columns if each.name.lower() == name.lower()), None)


class Program:
    """Stages of expressions, ready to be run on batches.

    Attributes:
        computed: The columns that it computes.
        needs: The indexes of the given columns that it reads.
    """

    def __init__(
        self,
        given_columns: Sequence[tuple[str, pa.DataType]],
        needs: Sequence[int],
        touched: Sequence[_Column],
        stages: Sequence[Mapping[int, str]],
    ) -> None:
        self.needs = needs
        self._touched = touched
        self._stages = stages
        self._outputs = [given(column.type) for column in touched]
        empty = self.run([_none(kind) for _, kind in given_columns])
        names = [name for name, _ in given_columns]
        self.computed = [
            Computed(
                column.name,
                values.type,
                [names[number] for number in sorted(column.sources)],
                column.texts,
                column.number >= len(names),
            )
            for column, values in zip(touched, empty, strict=True)
        ]

    def run(self, arrays: Sequence[pa.Array[Any]]) -> Sequence[pa.Array[Any]]:
        """Compute the columns of a batch.

        Args:
            arrays: All given columns, in their order.

        Returns:
            The computed columns, in the order of :attr:`computed`.

        Raises:
            LossyTypeError: A value cannot be computed.
        """
        rows, base = self._rows(arrays)
        try:
            found = machine().table(self._sql(base, self._touched), rows)
        except RefusedError as refused:
            raise self._told(arrays, refused) from refused
        columns = []
        for index, (_, arrow) in enumerate(self._outputs):
            values: Any = found.column(index).combine_chunks()
            columns.append(values if arrow is None else cast_values(values, arrow))
        return columns

    def _rows(self, arrays: Sequence[pa.Array[Any]]) -> tuple[pa.Table, str]:
        rows, query = taken([arrays[number] for number in self.needs])
        if not self.needs:
            length = len(arrays[0]) if arrays else 0
            rows = pa.table({"n": pa.nulls(length, pa.bool_())})
        # The numbers inside are those of all given columns.
        again = [f"{identifier(at)} AS {identifier(number)}" for at, number in enumerate(self.needs)]
        return rows, f"SELECT {', '.join([*again, 'n'])} FROM ({query})"  # noqa: S608 - compiled

    def _sql(self, base: str, touched: Sequence[_Column]) -> str:
        live = set(self.needs)
        sql = base
        for stage in self._stages:
            made = dict(stage)
            chosen = [identifier(number) for number in sorted(live - set(made))]
            chosen += [f"{text} AS {identifier(number)}" for number, text in sorted(made.items())]
            live |= set(made)
            sql = f"SELECT {', '.join([*chosen, 'n'])} FROM ({sql})"  # noqa: S608 - compiled
        outputs = [
            f"CAST({identifier(column.number)} AS {wanted})" if wanted else identifier(column.number)
            for column, (wanted, _) in ((column, given(column.type)) for column in touched)
        ]
        named_outputs = [f"{text} AS o{index}" for index, text in enumerate(outputs)]
        return f"SELECT {', '.join([*named_outputs, 'n'])} FROM ({sql})"  # noqa: S608 - compiled

    def _told(self, arrays: Sequence[pa.Array[Any]], refused: RefusedError) -> LossyTypeError:
        """Which column it was: tried one by one."""
        rows, base = self._rows(arrays)
        for column in self._touched:
            try:
                machine().table(self._sql(base, [column]), rows)
            except RefusedError as again:
                return LossyTypeError(
                    f"Column {column.name}: `{column.texts[-1]}` cannot take a value: {str(again)[:_SHOWN]}",
                    hint="Catch it in the expression, as with `try_cast` or a condition.",
                )
        return LossyTypeError(f"A value cannot be computed: {str(refused)[:_SHOWN]}")


def _none(kind: pa.DataType) -> pa.Array[Any]:
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    empty: Any = pa.array([], storage)
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, empty)
    found: pa.Array[Any] = empty
    return found


def json_rows(names: Sequence[str], columns: Sequence[pa.Array[Any]]) -> pa.Array[Any]:
    r"""Each row as a JSON object.

    Example:
        >>> json_rows(["a", "b"], [pa.array(["1", None]), pa.array(["x", 'y"'])]).to_pylist()
        ['{"a":"1","b":"x"}', '{"a":null,"b":"y\\""}']
    """
    rows, base = taken(columns)
    pairs = ", ".join(f"{literal(name)}, {identifier(number)}" for number, name in enumerate(names))
    found = machine().table(f"SELECT CAST(json_object({pairs}) AS VARCHAR) AS row FROM ({base})", rows)  # noqa: S608
    values: pa.Array[Any] = found.column(0).combine_chunks()
    return values
