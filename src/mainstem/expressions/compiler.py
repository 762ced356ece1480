"""From an expression to SQL over columns. Each part has a type, so that an error points at the part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mainstem.expressions.functions import FUNCTIONS, NOT_BUILT, Function
from mainstem.expressions.machine import Machine, RefusedError
from mainstem.expressions.operators import operation
from mainstem.expressions.parser import Expression
from mainstem.expressions.sqltext import Typed, as_text, literal, shown_type
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
from mainstem.expressions.written import written_argument
from mainstem.replication.scanner import did_you_mean, named

__all__ = ["Found", "Scope", "UnknownError", "compiled"]

_LONGEST_SQL = 100_000


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
        refused = f"{shown_type(of)} has no such index."
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
        return self._typed(sql, node, f"{shown_type(of)} has no parts.")

    # Operators.

    def _unary(self, node: Unary) -> Typed:
        of = self.compile(node.of)
        wanted, sql = ("bool", f"(NOT {of.sql})") if node.operator == "!" else ("number", f"(- {of.sql})")
        if of.family not in (wanted, "null"):
            raise self._error(f"`{node.operator}` does not take {shown_type(of)}.", node)
        return self._typed(sql, node, f"`{node.operator}` does not take {shown_type(of)}.")

    def _binary(self, node: Binary) -> Typed:
        left = self.compile(node.left)
        if node.operator == "in" and isinstance(node.right, ListOf):
            return self._among(left, node, node.right)
        right = self.compile(node.right)
        sql = operation(node, left, right)
        hint = None
        if {left.family, right.family} == {"text", "number"}:
            hint = "Make a number of the text: `int_parse(…)` or `float_parse(…)`."
        refused = f"`{node.operator}` does not take {shown_type(left)} and {shown_type(right)}."
        if sql is None:
            raise self._error(refused, node, hint)
        return self._typed(sql, node, refused, hint)

    def _among(self, left: Typed, node: Binary, listed: ListOf) -> Typed:
        items = [self.compile(item) for item in listed.items]
        for item, part in zip(items, listed.items, strict=True):
            if item.family not in (left.family, "null") and left.family != "null":
                raise self._error(f"{shown_type(left)} is never {shown_type(item)}.", part)
        if not items:
            return Typed("false", "BOOLEAN")
        return self._typed(
            f"({left.sql} IN ({', '.join(item.sql for item in items)}))", node, "this is no list."
        )

    def _ternary(self, node: Ternary) -> Typed:
        condition = self.compile(node.condition)
        if condition.family not in ("bool", "null"):
            raise self._error(f"a condition is true or false, not {shown_type(condition)}.", node.condition)
        branches = [self.compile(node.then), self.compile(node.otherwise)]
        self._alike(branches, [node.then, node.otherwise])
        sql = f"CASE WHEN {condition.sql} THEN {branches[0].sql} ELSE {branches[1].sql} END"
        return self._typed(sql, node, "the two values do not go together.")

    def _alike(self, items: Sequence[Typed], nodes: Sequence[Node]) -> None:
        known = next((item for item in items if item.family != "null"), None)
        for item, node in zip(items, nodes, strict=True):
            if known and item.family not in (known.family, "null"):
                raise self._error(f"{shown_type(item)} does not go together with {shown_type(known)}.", node)

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
            Typed(written_argument(written[index], argument, self._source, self._machine), "")
            if index in written
            else self.compile(argument)
            for index, argument in enumerate(given)
        ]
        values = [argument for argument in arguments if argument.type]
        first = values[0] if values else None
        if first and function.takes and first.family not in function.takes:
            raise self._error(f"`{node.name}` does not take {shown_type(first)}.", given[0])
        if function.alike or node.name == "if":
            start = 1 if node.name == "if" else 0
            self._alike(arguments[start:], given[start:])
        refused = f"`{node.name}` does not take {' and '.join(map(shown_type, values)) or 'that'}."
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
    if sql == "{1}":
        # It is a default, or an argument, that says itself where the first one goes.
        sql = parts[1]
    return sql.format(*parts, all=", ".join(parts), t0=as_text(first) if first and first.type else "")
