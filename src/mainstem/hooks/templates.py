"""Values in a text that something else reads: SQL, or a shell. A value within quotes stays one value."""

from __future__ import annotations

import re
from typing import Any

import sqlglot

from mainstem.errors import HookError
from mainstem.expressions import shown
from mainstem.hooks.scope import Scope

__all__ = ["in_shell", "in_sql"]

_PLACE = re.compile(r"\{[^{}\n]+\}")
_TAG = re.compile(r"\$(?:[A-Za-z_]\w*)?\$")
_VARIABLE = "MAINSTEM_VALUE_"


def in_sql(text: str, scope: Scope, dialect: str) -> str:
    """Put values where ``{name}`` stands in SQL.

    Within a literal, a quoted name or a comment a value cannot end it. Elsewhere it is SQL: a table's name,
    say, or a number; NULL is ``NULL``.

    Args:
        text: The SQL.
        scope: What is known.
        dialect: Which SQL it is.

    Raises:
        HookError: A value would end the text between dollar signs in which it stands.

    Example:
        >>> scope = Scope({"name": "O'Hara", "n": 3})
        >>> in_sql("select '{name}', {n} from t -- {else}", scope, "duckdb")
        "select 'O''Hara', 3 from t -- {else}"
    """
    return _Sql(text, scope, dialect).filled()


class _Sql:
    def __init__(self, text: str, scope: Scope, dialect: str) -> None:
        self._text = text
        self._scope = scope
        escapes = sqlglot.Dialect.get_or_raise(dialect).tokenizer_class.STRING_ESCAPES
        self._backslash = "\\" in escapes
        # What is open: a quote, `--`, `/*` or a tag between dollar signs; nothing is SQL itself.
        self._open = ""

    def filled(self) -> str:
        written, at, text = "", 0, self._text
        while at < len(text):
            place = _PLACE.match(text, at)
            if place is not None:
                written += self._value(place.group())
                at = place.end()
                continue
            step = self._step(at)
            written += text[at : at + step]
            at += step
        return written

    def _step(self, at: int) -> int:
        """See what the character opens or closes; so many characters belong together."""
        text, opened = self._text, self._open
        if opened in ("'", '"', "`"):
            if text[at] == "\\" and self._backslash:
                return 2
            # A doubled quote closes and opens.
            self._open = "" if text[at] == opened else opened
            return 1
        if opened == "--":
            self._open = "" if text[at] == "\n" else opened
            return 1
        if opened:
            closing = "*/" if opened == "/*" else opened
            closes = text.startswith(closing, at)
            self._open = "" if closes else opened
            return len(closing) if closes else 1
        tag = _TAG.match(text, at)
        for opening in ("--", "/*", "'", '"', "`", *([tag.group()] if tag else [])):
            if text.startswith(opening, at):
                self._open = opening
                return len(opening)
        return 1

    def _value(self, place: str) -> str:
        value: Any = self._scope.filled(place)
        if value == place:
            return place
        if not self._open:
            return "NULL" if value is None else shown(value)
        text = shown(value)
        if self._open in ("'", '"', "`"):
            text = text.replace("\\", "\\\\") if self._backslash and self._open != "`" else text
            return text.replace(self._open, self._open * 2)
        if self._open == "--":
            return " ".join(text.splitlines())
        closing = "*/" if self._open == "/*" else self._open
        if closing in text:
            raise HookError(f"The value of {place} would end the {closing} in which it stands.")
        return text


def in_shell(text: str, scope: Scope) -> tuple[str, dict[str, str]]:
    """Put values where ``{name}`` stands in a shell's text: as variables of the shell, which are no commands.

    Args:
        text: The text.
        scope: What is known.

    Returns:
        The text, and the variables.

    Example:
        >>> in_shell('echo "{name}" ${HOME}', Scope({"name": "$(ls)"}))
        ('echo "${MAINSTEM_VALUE_1}" ${HOME}', {'MAINSTEM_VALUE_1': '$(ls)'})
    """
    variables: dict[str, str] = {}

    def put(match: re.Match[str]) -> str:
        value = scope.filled(match.group())
        if value == match.group():
            return match.group()
        name = f"{_VARIABLE}{len(variables) + 1}"
        variables[name] = shown(value)
        return f"${{{name}}}"

    return _PLACE.sub(put, text), variables
