"""The items of a `select`, read from their text (spec §1.6).

::

    item        = "@columns" | ["-"] (name | pattern) | name "as" name | expression "as" name
    name        = text in double quotes | any other text
    pattern     = text with at least one "*"
    expression  = what is no name: a literal, or a text with an operator, a function or a keyword
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from mainstem.errors import Position
from mainstem.replication.scanner import named
from mainstem.replication.select_items import Declared, Item, Named, Pattern, Place, SelectExpression

__all__ = ["read_items"]

_OPERATORS = frozenset("()[]{}'\"`+*/%<>=|&!~^:;?\\")
_LITERALS = frozenset({"null", "true", "false", "current_date", "current_time", "current_timestamp"})
_KEYWORDS = frozenset({"and", "between", "case", "in", "is", "like", "not", "null", "or"})
_NUMBER = frozenset("0123456789.eE+-")
_LONGEST_NUMBER = 40
_QUOTE_IT = "A column's name that is more than letters, digits and underscores can stand in double quotes."


@dataclass(frozen=True)
class _Token:
    """A run of characters: ``space``, ``word``, ``quoted``, ``string``, ``group`` or ``comma``."""

    kind: str
    start: int
    end: int


def read_items(text: str, position: Position) -> Iterator[Item]:
    """Read items with commas between.

    Args:
        text: The items; commas in quotes and parentheses belong to an item.
        position: Where the text stands.

    Raises:
        ReplicationError: An item is of no form that there is; with a caret under what is wrong.
    """
    own: list[_Token] = []
    start = 0
    for token in _tokens(Place(text, 0, position)):
        if token.kind == "comma":
            yield _Reader(Place(text, start, position), own).item()
            own, start = [], token.end
        else:
            own.append(token)
    yield _Reader(Place(text, start, position), own).item()


def _tokens(place: Place) -> Iterator[_Token]:
    text, at = place.text, 0
    while at < len(text):
        start, character = at, text[at]
        if character.isspace():
            kind = "space"
            while text[at : at + 1].isspace():
                at += 1
        elif character in "\"'":
            kind, at = "quoted" if character == '"' else "string", _behind_quote(place, at)
        elif character == "(":
            kind, at = "group", _behind_group(place, at)
        elif character == ",":
            kind, at = "comma", at + 1
        elif character == ")":
            raise place.error("this `)` closes nothing.", at=at, hint=_QUOTE_IT)
        else:
            kind = "word"
            while at < len(text) and not text[at].isspace() and text[at] not in "\"'(),":
                at += 1
        yield _Token(kind, start, at)


def _behind_quote(place: Place, start: int) -> int:
    """Return the index behind the closing quote. A doubled quote stands for itself."""
    text, at = place.text, start
    while True:
        at = text.find(text[start], at + 1)
        if at < 0:
            raise place.error(f"the quote {text[start]} is not closed.", at=start, hint=_QUOTE_IT)
        if text[at + 1 : at + 2] != text[start]:
            return at + 1
        at += 1


def _behind_group(place: Place, start: int) -> int:
    """Return the index behind the closing parenthesis."""
    text, at, depth = place.text, start, 0
    while at < len(text):
        if text[at] in "\"'":
            at = _behind_quote(place, at)
            continue
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            return at
    raise place.error("this `(` is not closed.", at=start, hint=_QUOTE_IT)


class _Reader:
    """Reads one item."""

    def __init__(self, place: Place, tokens: Sequence[_Token]) -> None:
        self._tokens = _trimmed(tokens)
        start = self._tokens[0].start if self._tokens else place.at
        self._place = Place(place.text, start, place.position)

    def item(self) -> Item:
        if not self._tokens:
            self._fail("an item is empty.")
        text = self._text(self._tokens)
        if text == "@columns":
            return Declared(self._place)
        if text.startswith("@"):
            self._fail(f"{named(text)} means nothing.", hint="Did you mean `@columns`?")
        if text.startswith("-"):
            return self._excluded()
        body, alias = self._split(self._tokens)
        return self._column(body, excluded=False) if alias is None else self._renamed(body, alias)

    def _excluded(self) -> Item:
        first, *rest = self._tokens
        shorter = [_Token(first.kind, first.start + 1, first.end)] if first.end - first.start > 1 else []
        body, alias = self._split(_trimmed([*shorter, *rest]))
        if not body:
            self._fail("a name is missing behind the `-`.", at=first.end)
        if alias is not None:
            hint = "An expression that begins with a minus stands in parentheses: (-amount) as negated."
            self._fail("a column that is left out has no new name.", hint=hint)
        return self._column(body, excluded=True)

    def _split(self, tokens: Sequence[_Token]) -> tuple[Sequence[_Token], str | None]:
        """Return what stands in front of `as`, and the name behind it."""
        places = [
            index
            for index, token in enumerate(tokens)
            if index and token.kind == "word" and self._text([token]).lower() == "as"
        ]
        if not places:
            return tokens, None
        if len(places) > 1:
            hint = "One item gives one column one new name."
            self._fail("there is more than one `as`.", at=tokens[places[1]].start, hint=hint)
        behind = _trimmed(tokens[places[0] + 1 :])
        if not behind:
            self._fail("a new name is missing behind `as`.", at=tokens[places[0]].end)
        return _trimmed(tokens[: places[0]]), self._alias(behind)

    def _alias(self, tokens: Sequence[_Token]) -> str:
        if len(tokens) == 1 and tokens[0].kind == "quoted":
            return self._unquoted(tokens[0])
        alias = self._text(tokens)
        if any(token.kind not in ("word", "space") for token in tokens) or "*" in alias:
            self._fail(f"{named(alias)} is not a name.", at=tokens[0].start, hint=_QUOTE_IT)
        return alias

    def _column(self, tokens: Sequence[_Token], *, excluded: bool) -> Item:
        """Read a name or a pattern."""
        if len(tokens) == 1 and tokens[0].kind == "quoted":
            return Named(self._place, self._unquoted(tokens[0]), excluded=excluded)
        text = self._text(tokens)
        kinds = {token.kind for token in tokens}
        if kinds & {"quoted", "string"} or ("group" in kinds and "*" in text):
            hint = _QUOTE_IT if excluded else f"{_QUOTE_IT} An expression needs a name: … as name."
            self._fail(f"{named(text)} is not a column.", at=tokens[0].start, hint=hint)
        if "*" in text:
            return Pattern(self._place, text, excluded=excluded)
        return Named(self._place, text, excluded=excluded)

    def _renamed(self, tokens: Sequence[_Token], alias: str) -> Item:
        if len(tokens) == 1 and tokens[0].kind == "quoted":
            return Named(self._place, self._unquoted(tokens[0]), alias)
        text = self._text(tokens)
        if len(tokens) == 1 and (text.startswith("*") or text.endswith("*")):
            self._fail("a pattern means many columns, and they cannot all have one name.")
        if self._is_expression(tokens):
            return SelectExpression(text, alias, self._place)
        return Named(self._place, text, alias)

    def _is_expression(self, tokens: Sequence[_Token]) -> bool:
        text = self._text(tokens)
        words = text.lower().split()
        if "-" in words or any(character in _OPERATORS for character in text):
            return True
        if len(words) > 1:
            return any(word in _KEYWORDS for word in words)
        return text.lower() in _LITERALS or _is_number(text)

    def _unquoted(self, token: _Token) -> str:
        name = self._place.text[token.start + 1 : token.end - 1].replace('""', '"')
        if not name:
            self._fail("a name is empty.", at=token.start)
        return name

    def _text(self, tokens: Sequence[_Token]) -> str:
        return self._place.text[tokens[0].start : tokens[-1].end] if tokens else ""

    def _fail(self, problem: str, *, at: int | None = None, hint: str | None = None) -> NoReturn:
        raise self._place.error(problem, at=at, hint=hint)


def _trimmed(tokens: Sequence[_Token]) -> Sequence[_Token]:
    """Return the tokens without the space around them."""
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind == "space":
        start += 1
    while end > start and tokens[end - 1].kind == "space":
        end -= 1
    return tokens[start:end]


def _is_number(text: str) -> bool:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.issuperset(text):
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True
