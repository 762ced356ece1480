"""From an expression to SQL over columns. Each part has a type, so that an error points at the part."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from mainstem.errors import ReplicationError
from mainstem.expressions.functions import FUNCTIONS, NOT_BUILT, PARTS, UNITS, Function
from mainstem.expressions.machine import Machine, RefusedError
from mainstem.expressions.parser import Expression
from mainstem.expressions.syntax import (
    Binary,
    Call,
    Index,
    ListOf,
    Literal,
    Name,
    Node,
    Slice,
    Ternary,
    Unary,
)
from mainstem.replication.columns import parse_column
from mainstem.replication.scanner import did_you_mean, named

__all__ = ["Found", "Scope", "Typed", "UnknownError", "compiled", "family", "literal"]

_LONGEST_SQL = 100_000
_LONGEST_PATTERN = 1_000
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|U?HUGEINT|DECIMAL.*|DOUBLE|FLOAT|.*_LITERAL)")
_TIMES = re.compile(r"(DATE|TIME.*|TIMESTAMP.*)")
_FAMILIES = {
    "VARCHAR": "text",
    "BOOLEAN": "bool",
    "JSON": "json",
    "BLOB": "bytes",
    "UUID": "uuid",
    '"NULL"': "null",
}
_GENERAL: Mapping[str, str] = {
    "bigint": "BIGINT",
    "binary": "BLOB",
    "bool": "BOOLEAN",
    "date": "DATE",
    "datetime": "TIMESTAMP",
    "float": "DOUBLE",
    "integer": "INTEGER",
    "json": "JSON",
    "smallint": "SMALLINT",
    "string": "VARCHAR",
    "text": "VARCHAR",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestampz": "TIMESTAMPTZ",
    "uuid": "UUID",
}
_ALGORITHMS = ("md5", "sha1", "sha256")
_COMPARISONS = {"==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


@dataclass(frozen=True)
class Typed:
    """SQL, and its type in DuckDB's words."""

    sql: str
    type: str

    @property
    def family(self) -> str:
        """The kind of its type."""
        return family(self.type)


@dataclass(frozen=True)
class Found:
    """What a name stands for.

    Attributes:
        sql: It, in SQL.
        keys: So many of the keys behind the name belong to it.
    """

    sql: str
    keys: int = 0


class UnknownError(Exception):
    """A name stands for nothing. Its message is the end of a sentence; ``hint`` says what there is."""

    def __init__(self, problem: str, hint: str | None = None) -> None:
        super().__init__(problem)
        self.hint = hint


class Scope(Protocol):
    """What names stand for."""

    def find(self, name: str, keys: Sequence[str | int]) -> Found:
        """What a name with the constant keys behind it stands for.

        Raises:
            UnknownError: Nothing.
        """


def compiled(expression: Expression, scope: Scope, machine: Machine) -> Typed:
    """Compile an expression.

    Args:
        expression: It.
        scope: What its names stand for.
        machine: Whose probe has the columns.

    Raises:
        ReplicationError: A name or a function is unknown, or a type does not fit; with a caret under it.
    """
    return _Compiler(expression, scope, machine).compile(expression.node)


def family(kind: str) -> str:
    """The kind of a DuckDB type: ``text``, ``number``, ``bool``, ``time``, ``list``, ``json`` and others."""
    if kind.endswith("]"):
        return "list"
    if kind in _FAMILIES:
        return _FAMILIES[kind]
    if _NUMBERS.fullmatch(kind):
        return "number"
    if _TIMES.fullmatch(kind):
        return "time"
    return kind.partition("(")[0].lower()


def literal(value: object) -> str:
    """A Python value as SQL.

    Example:
        >>> literal("it's"), literal(None), literal(2)
        ("'it''s'", 'NULL', '2')
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"CAST('{value!r}' AS DOUBLE)"
    if isinstance(value, int | Decimal):
        return f"({value})" if value < 0 else str(value)
    text = str(value).replace("'", "''")
    # A NUL would end the statement.
    return "'" + text.replace("\0", "' || chr(0) || '") + "'"


class _Compiler:
    def __init__(self, expression: Expression, scope: Scope, machine: Machine) -> None:
        self._source = expression.source
        self._scope = scope
        self._machine = machine

    def compile(self, node: Node) -> Typed:
        for kind, build in self._builders.items():
            if isinstance(node, kind):
                found: Typed = build(self, node)
                return found
        raise AssertionError(f"No part of an expression: {node!r}")

    def _typed(self, sql: str, node: Node, otherwise: str, hint: str | None = None) -> Typed:
        if sql == "NULL":
            return Typed(sql, '"NULL"')
        if len(sql) > _LONGEST_SQL:
            raise self._error("the expression is too large.", node)
        try:
            return Typed(sql, self._machine.type_of(sql))
        except RefusedError as refused:
            raise self._error(otherwise, node, hint) from refused

    def _error(self, problem: str, node: Node, hint: str | None = None) -> Exception:
        return self._source.error(problem, node.at, hint)

    # Values and names.

    def _literal(self, node: Literal) -> Typed:
        return self._typed(literal(node.value), node, "this is no value.")

    def _list_of(self, node: ListOf) -> Typed:
        items = [self.compile(item) for item in node.items]
        self._alike(items, node.items)
        return self._typed(f"[{', '.join(item.sql for item in items)}]", node, "these make no list.")

    def _name(self, node: Node) -> Typed:
        """A name, with the keys behind it."""
        keys: list[Node] = []
        of = node
        while isinstance(of, Index):
            keys.insert(0, of)
            of = of.of
        if not isinstance(of, Name):
            return self._index(node) if isinstance(node, Index) else self.compile(node)
        constant = []
        for each in keys:
            key = each.key if isinstance(each, Index) else each
            if (
                not isinstance(key, Literal)
                or not isinstance(key.value, str | int)
                or isinstance(key.value, bool)
            ):
                break
            constant.append(key.value)
        try:
            found = self._scope.find(of.name, constant)
        except UnknownError as unknown:
            raise self._error(str(unknown), of, unknown.hint) from None
        typed = self._typed(found.sql, of, "this is no value.")
        for each in keys[found.keys :]:
            if isinstance(each, Index):
                typed = self._indexed(typed, each)
        return typed

    def _index(self, node: Index) -> Typed:
        chain: Node = node
        while isinstance(chain, Index):
            chain = chain.of
        if isinstance(chain, Name):
            return self._name(node)
        return self._indexed(self.compile(node.of), node)

    def _indexed(self, of: Typed, node: Index) -> Typed:
        key = self.compile(node.key)
        refused = f"{_shown(of)} has no such index."
        if of.family == "list" and key.family == "number":
            number = node.key.value if isinstance(node.key, Literal) else None
            place = f"{number + 1}" if isinstance(number, int) else f"CAST({key.sql} AS BIGINT) + 1"
            if isinstance(node.key, Unary):
                place = f"CAST({key.sql} AS BIGINT)"
            return self._typed(f"list_extract({of.sql}, {place})", node, refused)
        if of.family == "struct" and isinstance(node.key, Literal):
            return self._typed(f"struct_extract({of.sql}, {key.sql})", node, refused)
        if of.family == "map":
            return self._typed(f"map_extract_value({of.sql}, {key.sql})", node, refused)
        if of.family in ("json", "text") and isinstance(node.key, Literal):
            pointer = "/" + str(node.key.value).replace("~", "~0").replace("/", "~1")
            return self._typed(f"json_extract_string({of.sql}, {literal(pointer)})", node, refused)
        raise self._error(refused, node)

    def _slice(self, node: Slice) -> Typed:
        of = self.compile(node.of)
        start = self.compile(node.start).sql if node.start else "0"
        stop = self.compile(node.stop).sql if node.stop else "9223372036854775807"
        sql = f"array_slice({of.sql}, CAST({start} AS BIGINT) + 1, CAST({stop} AS BIGINT))"
        return self._typed(sql, node, f"{_shown(of)} has no parts.")

    # Operators.

    def _unary(self, node: Unary) -> Typed:
        of = self.compile(node.of)
        wanted, sql = ("bool", f"(NOT {of.sql})") if node.operator == "!" else ("number", f"(- {of.sql})")
        if of.family not in (wanted, "null"):
            raise self._error(f"`{node.operator}` does not take {_shown(of)}.", node)
        return self._typed(sql, node, f"`{node.operator}` does not take {_shown(of)}.")

    def _binary(self, node: Binary) -> Typed:
        left = self.compile(node.left)
        if node.operator == "in" and isinstance(node.right, ListOf):
            return self._among(left, node, node.right)
        right = self.compile(node.right)
        sql = self._operation(node, left, right)
        hint = None
        if {left.family, right.family} == {"text", "number"}:
            hint = "Make a number of the text: `int_parse(…)` or `float_parse(…)`."
        refused = f"`{node.operator}` does not take {_shown(left)} and {_shown(right)}."
        if sql is None:
            raise self._error(refused, node, hint)
        return self._typed(sql, node, refused, hint)

    def _operation(  # noqa: PLR0911 - one return an operator
        self, node: Binary, left: Typed, right: Typed
    ) -> str | None:
        operator, families = node.operator, {left.family, right.family} - {"null"}
        if operator in ("&&", "||"):
            word = "AND" if operator == "&&" else "OR"
            return f"({left.sql} {word} {right.sql})" if families <= {"bool"} else None
        if operator in _COMPARISONS:
            return self._comparison(node, left, right)
        if operator == "in":
            if right.family == "list":
                return f"list_contains({right.sql}, {left.sql})"
            return f"contains({_as_text(right)}, {_as_text(left)})" if families <= {"text", "json"} else None
        if operator == "+" and families & {"text", "json"}:
            return f"({_as_text(left)} || {_as_text(right)})"
        if operator == "+" and families == {"list"}:
            return f"list_concat({left.sql}, {right.sql})"
        return f"({left.sql} {operator} {right.sql})" if families <= {"number"} else None

    def _comparison(self, node: Binary, left: Typed, right: Typed) -> str | None:
        sign = _COMPARISONS[node.operator]
        for one, other in ((left, node.right), (right, node.left)):
            if isinstance(other, Literal) and other.value is None and sign in ("=", "<>"):
                return f"({one.sql} IS {'NOT ' if sign == '<>' else ''}NULL)"
        families = {left.family, right.family} - {"null"}
        if families == {"json", "text"}:
            return f"({_as_text(left)} {sign} {_as_text(right)})"
        if len(families) > 1 and not ("text" in families and families & {"time", "uuid"}):
            return None
        return f"({left.sql} {sign} {right.sql})"

    def _among(self, left: Typed, node: Binary, listed: ListOf) -> Typed:
        items = [self.compile(item) for item in listed.items]
        for item, part in zip(items, listed.items, strict=True):
            if item.family not in (left.family, "null") and left.family != "null":
                raise self._error(f"{_shown(left)} is never {_shown(item)}.", part)
        if not items:
            return Typed("false", "BOOLEAN")
        return self._typed(
            f"({left.sql} IN ({', '.join(item.sql for item in items)}))", node, "this is no list."
        )

    def _ternary(self, node: Ternary) -> Typed:
        condition = self.compile(node.condition)
        if condition.family not in ("bool", "null"):
            raise self._error(f"a condition is true or false, not {_shown(condition)}.", node.condition)
        branches = [self.compile(node.then), self.compile(node.otherwise)]
        self._alike(branches, [node.then, node.otherwise])
        sql = f"CASE WHEN {condition.sql} THEN {branches[0].sql} ELSE {branches[1].sql} END"
        return self._typed(sql, node, "the two values do not go together.")

    def _alike(self, items: Sequence[Typed], nodes: Sequence[Node]) -> None:
        known = next((item for item in items if item.family != "null"), None)
        for item, node in zip(items, nodes, strict=True):
            if known and item.family not in (known.family, "null"):
                raise self._error(f"{_shown(item)} does not go together with {_shown(known)}.", node)

    # Functions.

    def _call(self, node: Call) -> Typed:
        function = self._function(node)
        given = node.arguments
        if not function.least <= len(given) <= function.most:
            wanted = (
                str(function.least)
                if function.least == function.most
                else f"{function.least} to {function.most}"
            )
            raise self._error(f"`{node.name}` takes {wanted} arguments, not {len(given)}.", node)
        written = function.literal or {}
        arguments = [
            Typed(self._written(written[index], argument), "") if index in written else self.compile(argument)
            for index, argument in enumerate(given)
        ]
        values = [argument for argument in arguments if argument.type]
        first = values[0] if values else None
        if first and function.takes and first.family not in function.takes:
            raise self._error(f"`{node.name}` does not take {_shown(first)}.", given[0])
        if function.alike or node.name == "if":
            start = 1 if node.name == "if" else 0
            self._alike(arguments[start:], given[start:])
        refused = f"`{node.name}` does not take {' and '.join(map(_shown, values)) or 'that'}."
        return self._typed(_filled(function, arguments), node, refused)

    def _function(self, node: Call) -> Function:
        if node.name in FUNCTIONS:
            return FUNCTIONS[node.name]
        if node.name == "now":
            return Function(self._now(node), 0, 0)
        if node.name in NOT_BUILT:
            raise self._error(f"`{node.name}` is not supported yet.", node, NOT_BUILT[node.name])
        guess = did_you_mean(node.name, [*FUNCTIONS, "now"])
        raise self._error(f"there is no function {named(node.name)}.", node, guess)

    def _now(self, node: Call) -> str:
        try:
            return self._scope.find("now", ()).sql
        except UnknownError:
            raise self._error("there is no time here.", node) from None

    def _written(self, what: str, node: Node) -> str:
        """An argument that has to stand in the expression itself."""
        if not isinstance(node, Literal) or not isinstance(node.value, str):
            raise self._error(f"this must be a text that stands here: a {what}.", node)
        try:
            return _WRITTEN[what](self, node, node.value)
        except KeyError:
            known = _CHOICES.get(what, ())
            hint = did_you_mean(node.value, known) or f"There are {', '.join(known)}."
            raise self._error(f"{named(node.value)} is no {what}.", node, hint) from None

    def _type(self, value: str) -> str:
        try:
            kind = parse_column("x", value, self._source.position).type
        except ReplicationError:
            raise KeyError(value) from None
        if kind.kind.value == "decimal":
            arrow: Any = kind.arrow_type()
            return f"DECIMAL({arrow.precision}, {arrow.scale})"
        return _GENERAL[kind.kind.value]

    def _pattern(self, node: Node, value: str) -> str:
        if len(value) > _LONGEST_PATTERN:
            raise self._error(f"a pattern has at most {_LONGEST_PATTERN} characters.", node)
        try:
            self._machine.value(f"regexp_matches('', {literal(value)})")
        except RefusedError as refused:
            raise self._error(f"this is no pattern: {refused}.", node) from refused
        return literal(value)

    def _format(self, node: Node, value: str) -> str:
        try:
            self._machine.value(f"strftime(TIMESTAMP '2024-01-01', {literal(value)})")
        except RefusedError as refused:
            raise self._error(
                f"this is no format: {refused}.", node, "Such as %Y-%m-%d %H:%M:%S."
            ) from refused
        return literal(value)

    def _parsing(self, node: Node, value: str) -> str:
        if value.lower() == "auto":
            return "CAST({0} AS TIMESTAMP)"
        return f"strptime({{0}}, {self._format(node, value)})".replace("{{0}}", "{0}")

    _builders: Mapping[type[Node], Callable[..., Typed]] = {
        Literal: _literal,
        ListOf: _list_of,
        Name: _name,
        Index: _index,
        Slice: _slice,
        Unary: _unary,
        Binary: _binary,
        Ternary: _ternary,
        Call: _call,
    }


_CHOICES: Mapping[str, Sequence[str]] = {
    "type": (*_GENERAL, "decimal(p, s)"),
    "unit": tuple(UNITS),
    "part": PARTS,
    "algorithm": _ALGORITHMS,
}
_WRITTEN: Mapping[str, Callable[[_Compiler, Node, str], str]] = {
    "type": lambda compiler, _, value: compiler._type(value),
    "pattern": lambda compiler, node, value: compiler._pattern(node, value),
    "format": lambda compiler, node, value: compiler._format(node, value),
    "parsing": lambda compiler, node, value: compiler._parsing(node, value),
    "unit": lambda _, __, value: UNITS[value.lower().rstrip("s")],
    "part": lambda _, __, value: literal({part: part for part in PARTS}[value.lower()]),
    "algorithm": lambda _, __, value: {name: name for name in _ALGORITHMS}[value.lower()],
    "key": lambda _, __, value: literal('"' + value.replace('"', "") + '"'),
}


def _filled(function: Function, arguments: Sequence[Typed]) -> str:
    first = arguments[0] if arguments else None
    sql = function.sql
    if first and first.family == "list" and function.lists:
        sql = function.lists
    elif first and first.family == "json" and function.json:
        sql = function.json
    elif len(arguments) == 1 and function.alone:
        sql = function.alone
    parts = [argument.sql for argument in arguments]
    defaults = function.defaults or {}
    parts += [defaults[index] for index in range(len(parts), function.most) if index in defaults]
    template = sql.format(*parts, all=", ".join(parts), t0=_as_text(first) if first and first.type else "")
    # A default, or an argument that stands in the expression, may itself say where the first one goes.
    return template.replace("{0}", parts[0]) if sql == "{1}" else template


def _as_text(typed: Typed) -> str:
    if typed.family == "json":
        return f"json_extract_string({typed.sql}, '$')"
    return typed.sql if typed.family in ("text", "bytes") else f"CAST({typed.sql} AS VARCHAR)"


_WORDS = {"null": "NULL", "number": "a number", "text": "a text", "bool": "a truth value", "time": "a time",
          "list": "a list", "json": "JSON", "bytes": "bytes", "uuid": "a UUID"}  # fmt: skip


def _shown(typed: Typed) -> str:
    return _WORDS.get(typed.family, typed.type)
