"""Arguments that have to stand in the expression itself: types, patterns, formats, units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mainstem.errors import ReplicationError
from mainstem.expressions.functions import PARTS, UNITS
from mainstem.expressions.lexer import Source
from mainstem.expressions.machine import Machine, RefusedError
from mainstem.expressions.sqltext import literal
from mainstem.expressions.syntax import Literal, Node
from mainstem.replication.columns import parse_column
from mainstem.replication.scanner import did_you_mean, named

__all__ = ["written_argument"]

_LONGEST_PATTERN = 1_000
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
_CHOICES: Mapping[str, Sequence[str]] = {
    "type": (*_GENERAL, "decimal(p, s)"),
    "unit": tuple(UNITS),
    "part": PARTS,
    "algorithm": _ALGORITHMS,
}


def written_argument(what: str, node: Node, source: Source, machine: Machine) -> str:
    """An argument as SQL.

    Args:
        what: What it has to be: a key of ``Function.literal``.
        node: It.
        source: The expression's text, for errors.
        machine: Tries patterns and formats.

    Raises:
        ReplicationError: It is no text, or not one of those that there are.
    """
    if not isinstance(node, Literal) or not isinstance(node.value, str):
        raise source.error(f"this must be a text that stands here: a {what}.", node.at)
    try:
        return _READERS[what](_Argument(node, node.value, source, machine))
    except KeyError:
        known = _CHOICES.get(what, ())
        hint = did_you_mean(node.value, known) or f"There are {', '.join(known)}."
        raise source.error(f"{named(node.value)} is no {what}.", node.at, hint) from None


class _Argument:
    def __init__(self, node: Node, value: str, source: Source, machine: Machine) -> None:
        self.value = value
        self._node = node
        self._source = source
        self._machine = machine

    def type(self) -> str:
        try:
            kind = parse_column("x", self.value, self._source.position).type
        except ReplicationError:
            raise KeyError(self.value) from None
        if kind.kind.value == "decimal":
            arrow: Any = kind.arrow_type()
            return f"DECIMAL({arrow.precision}, {arrow.scale})"
        return _GENERAL[kind.kind.value]

    def pattern(self) -> str:
        if len(self.value) > _LONGEST_PATTERN:
            raise self._error(f"a pattern has at most {_LONGEST_PATTERN} characters.")
        self._try(f"regexp_matches('', {literal(self.value)})", "pattern", None)
        return literal(self.value)

    def format(self) -> str:
        tried = f"strftime(TIMESTAMP '2024-01-01', {literal(self.value)})"
        self._try(tried, "format", "Such as %Y-%m-%d %H:%M:%S.")
        return literal(self.value)

    def parsing(self) -> str:
        """A template, with a place for what is parsed."""
        if self.value.lower() == "auto":
            return "CAST({0} AS TIMESTAMP)"
        shown = self.format().replace("{", "{{").replace("}", "}}")
        return f"strptime({{0}}, {shown})"

    def _try(self, sql: str, what: str, hint: str | None) -> None:
        try:
            self._machine.value(sql)
        except RefusedError as refused:
            raise self._error(f"this is no {what}: {refused}.", hint) from refused

    def _error(self, problem: str, hint: str | None = None) -> Exception:
        return self._source.error(problem, self._node.at, hint)


_READERS: Mapping[str, Callable[[_Argument], str]] = {
    "type": _Argument.type,
    "pattern": _Argument.pattern,
    "format": _Argument.format,
    "parsing": _Argument.parsing,
    "unit": lambda given: UNITS[given.value.lower().rstrip("s")],
    "part": lambda given: literal({part: part for part in PARTS}[given.value.lower()]),
    "algorithm": lambda given: {name: name for name in _ALGORITHMS}[given.value.lower()],
    "key": lambda given: literal('"' + given.value.replace('"', "") + '"'),
}
