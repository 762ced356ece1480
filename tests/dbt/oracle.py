"""Whether a column's lineage is true, asked of DuckDB itself: what is not named may change as it likes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from mainstem.dbt.lineage import Origin, QueryLineage, Table, trace_query

__all__ = ["TABLES", "Oracle"]

# By table, its columns and their types.
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "a": {"id": "int", "x": "int", "y": "varchar", "l": "int[]", "s": "struct(f int, x int)", "j": "json"},
    "b": {"id": "int", "x": "int", "z": "int", "größe": "int"},
    "c": {"id": "int", "w": "varchar", "x y": "int", "a": "struct(x int, id int)"},
}
TABLES = [Table(name, name, "main", "memory", list(columns)) for name, columns in COLUMNS.items()]
_ROWS = 5


class Oracle:
    """Three small tables, whose columns are given other values one after another.

    Args:
        seed: Of the values.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - values to try, no secret
        self._connection = duckdb.connect(config={"threads": 1})
        self._values = {name: self._filled(columns) for name, columns in COLUMNS.items()}
        self._others = [
            (name, column, [self._value(kind) for _ in range(_ROWS)])
            for name, columns in COLUMNS.items()
            for column, kind in columns.items()
            for _ in range(2)
        ]
        for name, columns in COLUMNS.items():
            listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            self._connection.execute(f"create table {name} ({listed})")

    def runs(self, sql: str) -> bool:
        """Whether it is a query of DuckDB's."""
        try:
            self._write()
            self._results(sql)
        except duckdb.Error:
            return False
        return True

    def traced(self, sql: str, tables: Sequence[Table] = TABLES) -> QueryLineage:
        """The lineage of a query that was run, so that the names of its columns are known."""
        self._write()
        return trace_query(sql, dialect="duckdb", tables=tables, columns=list(self._results(sql)))

    def lies(self, sql: str, told: QueryLineage) -> list[str]:
        """What changes of a query's result, though what was changed is not named among its origins."""
        self._write()
        before = self._results(sql)
        rows_known = not any("which rows" in problem for problem in told.problems)
        found = []
        for table, column, values in self._others:
            changed = Origin(table, column)
            if not rows_known or changed in told.rows:
                continue
            self._fill(table, {column: values})
            try:
                after = self._results(sql)
            except duckdb.Error:
                continue  # such as a cast that the new value does not allow
            finally:
                self._fill(table, {})
            for name, origins in told.columns.items():
                if changed not in origins and before[name] != after[name]:
                    found.append(f"{name} depends on {table}.{column}")
        return sorted(set(found))

    def _results(self, sql: str) -> dict[str, Counter[str]]:
        relation = self._connection.execute(sql)
        names = [each[0] for each in relation.description]
        rows = relation.fetchall()
        return {name: Counter(repr(row[at]) for row in rows) for at, name in enumerate(names)}

    def _write(self) -> None:
        for name in self._values:
            self._fill(name, {})

    def _fill(self, name: str, others: Mapping[str, list[Any]]) -> None:
        values = {**self._values[name], **others}
        marks = ", ".join("?" for _ in values)
        rows = [value for row in zip(*values.values(), strict=True) for value in row]
        self._connection.execute(f"delete from {name}")
        self._connection.execute(f"insert into {name} values {', '.join([f'({marks})'] * _ROWS)}", rows)

    def _filled(self, columns: Mapping[str, str]) -> dict[str, list[Any]]:
        return {name: [self._value(kind) for _ in range(_ROWS)] for name, kind in columns.items()}

    def _value(self, kind: str) -> Any:
        pick = self._random.randrange
        if kind.endswith("[]"):
            return [pick(9) for _ in range(pick(1, 4))]
        if kind.startswith("struct"):
            names = [each.split()[0] for each in kind[7:-1].split(", ")]
            return {name: pick(9) for name in names}
        if kind == "json":
            return f'{{"k": {pick(9)}, "x": {pick(9)}}}'
        return str(pick(9)) if kind == "varchar" else pick(5)
