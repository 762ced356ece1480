"""Expressions without rows: the conditions of hooks, over what is known of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from typing import Any

from mainstem.errors import Position, ReplicationError
from mainstem.expressions.compiler import Found, UnknownError, compiled
from mainstem.expressions.jsontext import json_text
from mainstem.expressions.machine import RefusedError, machine
from mainstem.expressions.parser import parse
from mainstem.expressions.sqltext import literal
from mainstem.replication.scanner import did_you_mean, named

__all__ = ["evaluated", "looked_up"]


def evaluated(text: str, names: Mapping[str, Any], position: Position, subject: str) -> Any:
    """Compute an expression.

    Args:
        text: It.
        names: What its names stand for: values, and mappings and lists of values.
        position: Where it stands.
        subject: What it is, as an error begins.

    Raises:
        ReplicationError: It is no expression, or cannot be computed.

    Example:
        >>> known = {"run": {"status": "success", "total_rows": 5}}
        >>> evaluated("run.status == 'success' && run.total_rows > 3", known, Position("p.yaml"), "if")
        True
    """
    expression = parse(text, position, subject)
    found = machine()
    found.probe("SELECT NULL AS n")
    try:
        typed = compiled(expression, _Values(names), found)
        return found.value(typed.sql)
    except RefusedError as refused:
        raise ReplicationError(
            f"{subject}: `{text}` cannot be computed: {refused}", position=position
        ) from refused


def looked_up(names: Mapping[str, Any], keys: Sequence[str | int]) -> tuple[bool, Any]:
    """Follow keys into mappings and lists: whether something is there, and what.

    Example:
        >>> looked_up({"a": [{"b": 1}]}, ["a", 0, "b"]), looked_up({}, ["a"])
        ((True, 1), (False, None))
    """
    value: Any = names
    for key in keys:
        if isinstance(value, Mapping):
            spelled = (
                key if key in value else next((k for k in value if str(k).lower() == str(key).lower()), None)
            )
            if spelled is None:
                return False, None
            value = value[spelled]
        elif isinstance(value, list | tuple) and str(key).lstrip("-").isdigit():
            if not -len(value) <= int(key) < len(value):
                return False, None
            value = value[int(key)]
        else:
            return False, None
    return True, value


class _Values:
    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def find(self, name: str, keys: Sequence[str | int]) -> Found:
        if name == "now":
            return Found(_literal(datetime.now(timezone.utc)))
        if name not in self._names:
            known = list(self._names)
            raise UnknownError(
                f"{named(name)} is nothing here.",
                did_you_mean(name, known) or f"There are {', '.join(known)}.",
            )
        # What is not there is NULL: a hook that did not run has left nothing.
        _, value = looked_up(self._names, [name, *keys])
        return Found(_literal(value), len(keys))


def _literal(value: Any) -> str:
    if isinstance(value, datetime):
        kind = "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ"
        return f"CAST({literal(value.isoformat(sep=' '))} AS {kind})"
    if isinstance(value, date):
        return f"CAST({literal(value.isoformat())} AS DATE)"
    if isinstance(value, Mapping | list | tuple):
        return f"CAST({literal(json_text(value))} AS JSON)"
    return literal(value)
