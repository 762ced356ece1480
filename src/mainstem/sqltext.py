"""Values put into SQL: a value stays one, wherever its place is.

Names come from catalogues and files, and values from queries: whoever made them is not who wrote the SQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlglot import Dialect

from mainstem.errors import ReplicationError

__all__ = ["Sql", "Written", "in_sql"]

# Names as they may stand in SQL by themselves, quoted or not.
_NAME = re.compile(r'(?:\w+|"(?:[^"\\\0]|"")+")(?:\.(?:\w+|"(?:[^"\\\0]|"")+"))*')
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_DOLLARS = re.compile(r"\$(?:[A-Za-z_]\w*)?\$")
_WORD_BEFORE = re.compile(r"[\w$]")
_SHOWN = 60
# How a bracketed name ends; the other quotes end as they begin.
_ENDS = {"[": "]"}


class Sql(str):
    """Text that is SQL already, such as a name in its quotes."""

    __slots__ = ()


class Written(Sql):
    """Text of whoever wrote the replication or runs it, and what the run itself tells, such as its time."""

    __slots__ = ()


def in_sql(
    template: str,
    variable: re.Pattern[str],
    find: Callable[[re.Match[str]], str | None],
    dialect: str,
) -> str:
    r"""Put values into SQL.

    Between quotes a value is what stands between them: a quote in it ends nothing. Outside of quotes it has
    to be a name or a number, unless it is :class:`Sql`. In a comment it ends no comment.

    Args:
        template: The SQL.
        variable: What a variable looks like.
        find: The value of a match; ``None`` keeps it as it stands.
        dialect: Whose SQL it is, by sqlglot's name; empty for the plainest.

    Raises:
        ReplicationError: A value would become SQL.

    Example:
        >>> given = {"t": "it's", "q": Sql('"s"."t"')}
        >>> names = re.compile(r"{(\w+)}")
        >>> in_sql("select '{t}' from {q} -- {t}", names, lambda match: given.get(match.group(1)), "duckdb")
        'select \'it\'\'s\' from "s"."t" -- it_s'
    """
    rules, parts, at = _Rules.of(dialect), [], 0
    context = ""
    while at < len(template):
        match = variable.match(template, at)
        value = find(match) if match else None
        if match and value is not None:
            parts.append(rules.put(value, context, match.group()))
            at = match.end()
            continue
        # A variable that has no value is text like any other.
        length, context = rules.next(template, at, context)
        parts.append(template[at : at + length])
        at += length
    return "".join(parts)


class _Rules:
    """Where quotes and comments begin and end, in one dialect.

    A context is what ended it: a quote, the tag of a text in dollars, the end of a comment; empty outside.
    """

    @staticmethod
    @cache
    def of(dialect: str) -> _Rules:
        return _Rules(Dialect.get_or_raise(dialect or None).tokenizer_class)

    def __init__(self, tokenizer: Any) -> None:
        self._texts = {_first(quote) for quote in tokenizer.QUOTES}
        self._quotes = self._texts | {_first(quote) for quote in tokenizer.IDENTIFIERS}
        self._backslashes = "\\" in tokenizer.STRING_ESCAPES
        self._escaped_by_letter = bool(tokenizer.BYTE_STRINGS)
        self._has_dollars = bool(tokenizer.HEREDOC_STRINGS or tokenizer.RAW_STRINGS)
        lines = [comment for comment in tokenizer.COMMENTS if isinstance(comment, str)]
        self._comments: Mapping[str, str] = {**dict.fromkeys(lines, "\n"), "/*": "*/"}

    def next(self, text: str, at: int, context: str) -> tuple[int, str]:
        """How many characters are taken together, and what the context is behind them."""
        if context:
            if self._skips(context) and text[at] == "\\":
                return 2, context
            return (len(self._end(context)), "") if text.startswith(self._end(context), at) else (1, context)
        for begin, end in self._comments.items():
            if text.startswith(begin, at):
                return len(begin), end
        dollars = _DOLLARS.match(text, at) if self._has_dollars else None
        if dollars and not _WORD_BEFORE.match(text[at - 1 : at]):
            return len(dollars.group()), dollars.group()
        if text[at] in self._quotes:
            quote = _ENDS.get(text[at], text[at])
            prefixed = self._escaped_by_letter and quote == "'" and _is_escape(text, at)
            return 1, f"e{quote}" if prefixed else quote
        return 1, ""

    def put(self, value: str, context: str, variable: str) -> str:
        """A value as it stands in a context."""
        if not context:
            if isinstance(value, Sql) or _NAME.fullmatch(value) or _NUMBER.fullmatch(value):
                return value
            raise _refused(value, variable, f"Put it in quotes, '{variable}', or use a name that is quoted.")
        if context in self._comments.values():
            return re.sub(r"[^\w.]", "_", value)
        if context.startswith("$"):
            if "$" in value:
                raise _refused(value, variable, "Use quotes in the stead of dollars.")
            return value
        quote = self._end(context)
        if quote == "]" and "]" in value:
            raise _refused(value, variable, "Use double quotes in the stead of brackets.")
        escaped = value.replace("\\", "\\\\") if self._skips(context) else value
        return escaped if quote == "]" else escaped.replace(quote, quote * 2)

    def _skips(self, context: str) -> bool:
        return context == "e'" or (self._backslashes and context in self._texts)

    @staticmethod
    def _end(context: str) -> str:
        return "'" if context == "e'" else context


def _first(quote: Any) -> str:
    return str(quote if isinstance(quote, str) else quote[0])


def _is_escape(text: str, at: int) -> bool:
    """Whether a quote begins a text with escapes, as in ``E'...'``."""
    return text[at - 1 : at] in ("e", "E") and not _WORD_BEFORE.match(text[at - 2 : at - 1] if at > 1 else "")


def _refused(value: str, variable: str, hint: str) -> ReplicationError:
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    return ReplicationError(
        f"{variable} is {shown!r} here, which would become SQL where it stands: it is refused.", hint=hint
    )
