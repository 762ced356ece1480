"""What operators of two sides are in SQL, by the families of their types."""

from __future__ import annotations

from mainstem.expressions.sqltext import Typed, as_text
from mainstem.expressions.syntax import Binary, Literal

__all__ = ["operation"]

_COMPARISONS = {"==": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def operation(node: Binary, left: Typed, right: Typed) -> str | None:  # noqa: PLR0911 - one an operator
    """The SQL of an operator; ``None`` where it does not take these types."""
    operator, families = node.operator, {left.family, right.family} - {"null"}
    if operator in ("&&", "||"):
        word = "AND" if operator == "&&" else "OR"
        return f"({left.sql} {word} {right.sql})" if families <= {"bool"} else None
    if operator in _COMPARISONS:
        return _comparison(node, left, right)
    if operator == "in":
        if right.family == "list":
            return f"list_contains({right.sql}, {left.sql})"
        return f"contains({as_text(right)}, {as_text(left)})" if families <= {"text", "json"} else None
    if operator == "+" and families & {"text", "json"}:
        return f"({as_text(left)} || {as_text(right)})"
    if operator == "+" and families == {"list"}:
        return f"list_concat({left.sql}, {right.sql})"
    return f"({left.sql} {operator} {right.sql})" if families <= {"number"} else None


def _comparison(node: Binary, left: Typed, right: Typed) -> str | None:
    sign = _COMPARISONS[node.operator]
    for one, other in ((left, node.right), (right, node.left)):
        if isinstance(other, Literal) and other.value is None and sign in ("=", "<>"):
            return f"({one.sql} IS {'NOT ' if sign == '<>' else ''}NULL)"
    families = {left.family, right.family} - {"null"}
    if families == {"json", "text"}:
        return f"({as_text(left)} {sign} {as_text(right)})"
    if len(families) > 1 and not ("text" in families and families & {"time", "uuid"}):
        return None
    return f"({left.sql} {sign} {right.sql})"
