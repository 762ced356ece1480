"""An expression's text, as words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mainstem.errors import Position
from mainstem.replication.scanner import Scanner, complaint

__all__ = ["END", "LONGEST", "Source", "Token", "tokens"]

# Longer ones are no expressions any more, and nobody waits for them.
LONGEST = 10_000
END = "end"

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?")
_SIGN = re.compile(r"&&|\|\||==|!=|<>|<=|>=|[-+*/%!<>?:()\[\],.]")


@dataclass(frozen=True)
class Source:
    """An expression as it was written.

    Attributes:
        text: It.
        position: Where it stands in the document.
        subject: What it is, as an error begins: ``Transform of `name```.
    """

    text: str
    position: Position
    subject: str

    def error(self, problem: str, at: int, hint: str | None = None) -> Exception:
        """An error that points at a character."""
        return complaint(
            f"{self.subject}: {problem}", text=self.text, at=at, position=self.position, hint=hint
        )


@dataclass(frozen=True)
class Token:
    """One word of an expression.

    Attributes:
        kind: ``word``, ``number``, ``text``, ``sign``, or :data:`END`.
        text: The word; of a text in quotes, what is in them.
        at: The index of its first character.
    """

    kind: str
    text: str
    at: int


def tokens(source: Source) -> Iterator[Token]:
    """Take a text apart.

    Raises:
        ReplicationError: It is too long, a quote is not closed, or a character belongs to nothing.
    """
    text = source.text
    if len(text) > LONGEST:
        raise source.error(f"it has {len(text)} characters; {LONGEST} are allowed.", 0)
    scanner = Scanner(text, source.position, subject=source.subject)
    while True:
        scanner.skip_space()
        at = scanner.at
        if at >= len(text):
            yield Token(END, "", at)
            return
        if scanner.peek() in "\"'":
            yield Token("text", scanner.quoted(), at)
            continue
        for kind, pattern in (("word", _WORD), ("number", _NUMBER), ("sign", _SIGN)):
            found = pattern.match(text, at)
            if found is not None:
                scanner.at = found.end()
                yield Token(kind, found.group(), at)
                break
        else:
            raise source.error("this character has no meaning here.", at)
