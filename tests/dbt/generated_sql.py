"""Queries that nobody would write: every clause within every other, over the tables of the oracle."""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["random_query"]

# What can be done to one number, and to two.
_ONE = (
    "{0} + 1",
    "abs({0})",
    "coalesce({0}, 7)",
    "case when {0} > 2 then 1 else {0} end",
    "-{0}",
    "cast({0} as bigint)",
)
_TWO = (
    "{0} + {1}",
    "coalesce({0}, {1})",
    "case when {0} > 2 then {1} end",
    "least({0}, {1})",
    "if({0} > {1}, 1, 0)",
)
_NUMBERS = {"a": ["id", "x"], "b": ["id", "x", "z", "größe"], "c": ["id", "x y"]}


class _Writer:
    """Writes one query.

    Args:
        pick: Makes the choices.
    """

    def __init__(self, pick: random.Random) -> None:
        self._pick = pick
        self._names = 0

    def query(self, depth: int, width: int = 0) -> tuple[str, list[str]]:
        """A query of numbers, and the names of its columns.

        Args:
            depth: How deep queries may be nested in it.
            width: How many columns it has to have; 0 for any number.
        """
        kinds = ["select", "select", "select", "union", "with", "group", "star"] if depth else ["select"]
        kind = self._pick.choice(kinds)
        if kind == "union":
            return self._union(depth, width)
        if kind == "with":
            name = self._name("q")
            inner, columns = self.query(depth - 1)
            named = [self._name("k") for _ in columns] if self._chance(0.3) else columns
            listed = f"({', '.join(named)})" if named is not columns else ""
            outer, found = self._select(depth - 1, width, [(name, name, named)])
            return f"with {name}{listed} as ({inner}) {outer}", found
        if kind == "group":
            return self._group(depth, width)
        if kind == "star" and not width:
            return self._star(depth)
        return self._select(depth, width)

    def _select(
        self, depth: int, width: int, given: Sequence[tuple[str, str, list[str]]] = ()
    ) -> tuple[str, list[str]]:
        source, columns = self._from(depth, given)
        names = [self._name("o") for _ in range(width or self._pick.randint(1, 3))]
        told = [f"{self._number(columns, depth)} as {name}" for name in names]
        if self._chance(0.2) and len(names) > 1:
            told[-1] = f"{names[0]} * 2 as {names[-1]}"
        distinct = "distinct " if self._chance(0.15) else ""
        where = f" where {self._number(columns, depth)} > 1" if self._chance(0.25) else ""
        return f"select {distinct}{', '.join(told)} from {source}{where}", names

    def _group(self, depth: int, width: int) -> tuple[str, list[str]]:
        source, columns = self._from(depth, ())
        names = [self._name("o") for _ in range(width or 2)]
        key = self._pick.choice(columns)
        made = [
            f"{self._pick.choice(['sum', 'max', 'count', 'min'])}({self._number(columns, 0)})"
            for _ in names[1:]
        ]
        told = ", ".join(f"{each} as {name}" for each, name in zip([key, *made], names, strict=True))
        by = self._pick.choice([key, "1", "all"])
        having = f" having count(*) > {self._pick.randint(0, 1)}" if self._chance(0.2) else ""
        return f"select {told} from {source} group by {by}{having}", names

    def _star(self, depth: int) -> tuple[str, list[str]]:
        inner, columns = self.query(depth - 1)
        alias, found = self._name("t"), list(columns)
        changes = ""
        if len(columns) > 1 and self._chance(0.5):
            changes += f" exclude ({columns[0]})"
            found = columns[1:]
        if self._chance(0.5):
            changes += f" replace ({self._number([f'{alias}.{each}' for each in columns], 0)} as {found[-1]})"
        star = self._pick.choice(["*", f"{alias}.*"])
        return f"select {star}{changes} from ({inner}) {alias}", found

    def _union(self, depth: int, width: int) -> tuple[str, list[str]]:
        left, columns = self.query(depth - 1, width)
        if self._chance(0.3) and not width:
            right, others = self.query(depth - 1)
            listed = ", ".join(f"{each} as {self._pick.choice(columns)}" for each in others[:1])
            found = [*columns]
            return f"({left}) union all by name (select {listed} from ({right}))", found
        right, _ = self.query(depth - 1, len(columns))
        word = self._pick.choice(["union all", "union all", "union", "except", "intersect"])
        return f"({left}) {word} ({right})", columns

    def _from(self, depth: int, given: Sequence[tuple[str, str, list[str]]]) -> tuple[str, list[str]]:
        source, alias, names = given[0] if given else self._table(depth)
        columns = [f"{alias}.{each}" for each in names]
        if not self._chance(0.5):
            return source, columns
        other, its_alias, its_names = self._table(depth)
        theirs = [f"{its_alias}.{each}" for each in its_names]
        kind = self._pick.choice(["join", "left join", "full join", "right join", "lateral", "using"])
        if kind == "lateral":
            name = self._name("l")
            made = self._number(columns, 0)
            return f"{source}, lateral (select {made} as v) {name}", [*columns, f"{name}.v"]
        if kind == "using" and "id" in names and "id" in its_names:
            side = self._pick.choice(["", "left ", "right ", "full "])
            return f"{source} {side}join {other} using (id)", ["id", *columns, *theirs]
        if kind == "using":
            kind = "join"
        on = f"{self._pick.choice(columns)} = {self._pick.choice(theirs)}"
        return f"{source} {kind} {other} on {on}", [*columns, *theirs]

    def _table(self, depth: int) -> tuple[str, str, list[str]]:
        alias = self._name("t")
        if depth and self._chance(0.4):
            inner, columns = self.query(depth - 1)
            return f"({inner}) {alias}", alias, columns
        table = self._pick.choice(list(_NUMBERS))
        return (
            f"{table} as {alias}",
            alias,
            [f'"{each}"' if " " in each else each for each in _NUMBERS[table]],
        )

    def _number(self, columns: Sequence[str], depth: int) -> str:
        one, other = self._pick.choice(columns), self._pick.choice(columns)
        kind = self._pick.random()
        if kind < 0.35:
            return one
        if kind < 0.55:
            return self._pick.choice(_ONE).format(one)
        if kind < 0.8 or not depth:
            return self._pick.choice(_TWO).format(one, other)
        if kind < 0.9:
            table = self._pick.choice(list(_NUMBERS))
            name, made = self._name("s"), _NUMBERS[table][0]
            value = self._pick.choice([f"max({name}.{made})", f"max({name}.{made} + {one})", "count(*)"])
            return f"(select {value} from {table} {name} where {name}.id = {other})"
        return f"sum({one}) over (partition by {other})"

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _chance(self, of: float) -> bool:
        return self._pick.random() < of


def random_query(pick: random.Random) -> str:
    """Write a query.

    Args:
        pick: Makes the choices.
    """
    return _Writer(pick).query(pick.randint(0, 3))[0]
