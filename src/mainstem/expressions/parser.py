"""From an expression's text to its parts, by precedence climbing. Depth and size are bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from mainstem.errors import Position
from mainstem.expressions.lexer import END, Source, Token, tokens
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

__all__ = ["DEEPEST", "Expression", "parse"]

DEEPEST = 64
_MOST_DIGITS = 38
_WHOLE = re.compile(r"\d+")

# The higher, the closer an operator binds.
_BINDING: Mapping[str, int] = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<>", "<", "<=", ">", ">=", "in"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%"), 5),
}
_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "nil": None}
_WORDED: Mapping[str, str] = {"and": "&&", "or": "||"}


class Expression:
    """An expression that was read.

    Attributes:
        source: Its text, and where it stands.
        node: What it is made of.
    """

    def __init__(self, source: Source, node: Node) -> None:
        self.source = source
        self.node = node

    def __str__(self) -> str:
        return self.source.text


def parse(text: str, position: Position, subject: str = "The expression") -> Expression:
    """Read an expression.

    Args:
        text: It.
        position: Where it stands in the document.
        subject: What it is, as an error begins.

    Raises:
        ReplicationError: It is none; with a caret under the character at fault.

    Example:
        >>> parse("value > 0 && value < 10", Position("a.yaml", 3, 9)).node.operator
        '&&'
    """
    source = Source(text, position, subject)
    return Expression(source, _Parser(source).whole())


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._next = next(self._tokens)
        self._open = 0

    def whole(self) -> Node:
        if self._next.kind == END:
            raise self._source.error("an expression is missing.", 0)
        node = self._ternary()
        if self._next.kind != END:
            raise self._unexpected("here it should end.")
        return node

    def _ternary(self) -> Node:
        self._open += 1
        if self._open > DEEPEST:
            raise self._too_deep(self._next.at)
        node = self._binary(1)
        if self._accept("?"):
            then = self._ternary()
            self._expect(":")
            otherwise = self._ternary()
            node = self._made(Ternary, node.at, node, then, otherwise)
        self._open -= 1
        return node

    def _binary(self, least: int) -> Node:
        left = self._unary()
        while True:
            operator = _WORDED.get(self._next.text, self._next.text) if self._is_sign_or_word() else ""
            binding = _BINDING.get(operator, 0)
            if binding < least:
                return left
            at = self._advance().at
            right = self._binary(binding + 1)
            left = self._made(Binary, at, operator, left, right)

    def _unary(self) -> Node:
        signs = []
        while self._next.kind == "sign" and self._next.text in "!-":
            signs.append(self._advance())
            if len(signs) > DEEPEST:
                raise self._too_deep(self._next.at)
        node = self._postfix()
        for sign in reversed(signs):
            node = self._made(Unary, sign.at, sign.text, node)
        return node

    def _postfix(self) -> Node:
        node = self._primary()
        while True:
            if self._accept("."):
                if self._next.kind not in ("word", "number"):
                    raise self._unexpected("behind the dot a name is expected.")
                word = self._advance()
                node = self._made(Index, word.at, node, Literal(word.at, 1, word.text))
            elif self._next.kind == "sign" and self._next.text == "[":
                node = self._bracket(node, self._advance().at)
            else:
                return node

    def _bracket(self, of: Node, at: int) -> Node:
        start = None if self._is(":") else self._ternary()
        if not self._accept(":"):
            self._expect("]")
            if start is None:
                raise self._source.error("an index is missing.", at)
            return self._made(Index, at, of, start)
        stop = None if self._is("]") else self._ternary()
        self._expect("]")
        return self._made(Slice, at, of, start, stop)

    def _primary(self) -> Node:  # noqa: PLR0911 - one return a kind of value
        token = self._advance()
        if token.kind == "number":
            return Literal(token.at, 1, self._number(token))
        if token.kind == "text":
            return Literal(token.at, 1, token.text)
        if token.kind == "word":
            if token.text in _CONSTANTS:
                return Literal(token.at, 1, _CONSTANTS[token.text])
            if self._accept("("):
                return self._made(Call, token.at, token.text, self._list(")"))
            return Name(token.at, 1, token.text)
        if token.text == "(":
            node = self._ternary()
            self._expect(")")
            return node
        if token.text == "[":
            return self._made(ListOf, token.at, self._list("]"))
        raise self._source.error(
            "here a value is missing." if token.kind == END else "here a value is expected.", token.at
        )

    def _list(self, close: str) -> tuple[Node, ...]:
        items: list[Node] = []
        if self._accept(close):
            return ()
        while True:
            items.append(self._ternary())
            if self._accept(close):
                return tuple(items)
            self._expect(",", f"here a comma or `{close}` is expected.")

    def _number(self, token: Token) -> int | Decimal | float:
        if len(token.text) > _MOST_DIGITS + 2:
            raise self._source.error(f"a number has at most {_MOST_DIGITS} digits.", token.at)
        if _WHOLE.fullmatch(token.text):
            return int(token.text)
        if "e" in token.text.lower():
            return float(token.text)
        return Decimal(token.text)

    def _made(self, kind: Callable[..., Node], at: int, *parts: object) -> Node:
        nodes = [part for part in parts if isinstance(part, Node)]
        nodes += [each for part in parts if isinstance(part, tuple) for each in part]
        depth = 1 + max((node.depth for node in nodes), default=0)
        if depth > DEEPEST:
            raise self._too_deep(at)
        return kind(at, depth, *parts)

    def _too_deep(self, at: int) -> Exception:
        return self._source.error(f"it is nested more than {DEEPEST} levels deep.", at)

    def _is(self, sign: str) -> bool:
        return self._next.kind == "sign" and self._next.text == sign

    def _is_sign_or_word(self) -> bool:
        return self._next.kind in ("sign", "word")

    def _accept(self, sign: str) -> bool:
        if not self._is(sign):
            return False
        self._advance()
        return True

    def _expect(self, sign: str, otherwise: str | None = None) -> None:
        if not self._accept(sign):
            raise self._unexpected(otherwise or f"here a `{sign}` is missing.")

    def _unexpected(self, problem: str) -> Exception:
        return self._source.error(problem, self._next.at)

    def _advance(self) -> Token:
        token = self._next
        if token.kind != END:
            self._next = next(self._tokens)
        return token
