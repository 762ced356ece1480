"""The text of one value, read from left to right, and errors that point at a character of it."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from typing import NoReturn

from mainstem.errors import Position, ReplicationError

__all__ = ["Scanner", "complaint", "did_you_mean", "named"]

_SHOWN_BEFORE = 60
_SHOWN_AFTER = 40
# A word longer than this is no misspelling, and comparing it would take long.
_LONGEST_WORD = 100
_ESCAPES = {'"': '"', "'": "'", "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}


class Scanner:
    """A cursor over a text.

    Attributes:
        text: The whole text.
        at: The index of the next character.

    Args:
        text: The whole text.
        position: Where the value stands in the document.
        subject: What is read, in words, as the error begins: ``Column `id```.
    """

    def __init__(self, text: str, position: Position, *, subject: str) -> None:
        self.text = text
        self.at = 0
        self._position = position
        self._subject = subject

    def peek(self) -> str:
        """Return the next character; an empty text at the end."""
        return self.text[self.at : self.at + 1]

    def skip_space(self) -> None:
        """Move to the next character that is no white space."""
        while self.peek().isspace():
            self.at += 1

    def accept(self, character: str) -> bool:
        """Move past white space and this character, if that is what comes next."""
        self.skip_space()
        if self.peek() != character:
            return False
        self.at += 1
        return True

    def word(self, also: str = "") -> str:
        """Read letters, digits and underscores.

        Args:
            also: Further characters that belong to a word here.

        Returns:
            The word; empty if another character comes next.
        """
        start = self.at
        while (character := self.peek()) and (character.isalnum() or character in "_" + also):
            self.at += 1
        return self.text[start : self.at]

    def quoted(self) -> str:
        r"""Read a text in single or double quotes, with the escapes ``\" \' \\ \n \r \t``.

        Raises:
            ReplicationError: The closing quote is missing, or an escape is none of those.
        """
        start = self.at
        quote = self.peek()
        self.at += 1
        read: list[str] = []
        while (character := self.peek()) != quote:
            if not character:
                self.fail(f"the quote {quote} is not closed.", at=start)
            if character == "\\":
                self.at += 1
                character = _ESCAPES.get(self.peek(), "")
                if not character:
                    self.fail("this is not an escape.", at=self.at - 1, hint=r"Write a backslash as \\.")
            read.append(character)
            self.at += 1
        self.at += 1
        return "".join(read)

    def fail(
        self,
        problem: str,
        *,
        at: int | None = None,
        hint: str | None = None,
        error: type[ReplicationError] = ReplicationError,
    ) -> NoReturn:
        """Raise an error that points at a character.

        Args:
            problem: What is wrong with it, as the end of a sentence.
            at: The character's index; ``None`` for the next one.
            hint: What to do about it.
            error: Which error.
        """
        where = self.at if at is None else at
        sentence = f"{self._subject}: {problem}"
        raise complaint(
            sentence, text=self.text, at=where, position=self._position, hint=hint, error=error
        ) from None


def complaint(
    problem: str,
    *,
    text: str,
    at: int,
    position: Position,
    hint: str | None = None,
    error: type[ReplicationError] = ReplicationError,
) -> ReplicationError:
    """Make an error that shows the text with a caret below one of its characters.

    YAML's quotes and escapes hide how the value's characters lie in the file, so the error names the place of
    the value, and the caret the place in it.

    Args:
        problem: What is wrong, as a sentence.
        text: The value.
        at: The index of the offending character; the length of the text for "here something is missing".
        position: Where the value stands in the document.
        hint: What to do about it, as a sentence.
        error: Which error.

    Example:
        >>> print(complaint("A type is missing.", text="(10, 2)", at=0, position=Position("a.yaml", 3, 9)))
        a.yaml:3:9: A type is missing.
          (10, 2)
          ^
    """
    sentences = f"{problem} {hint}" if hint else problem
    return error(f"{sentences}{_pointed_at(text, at)}", position=position)


def did_you_mean(word: str, known: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """Ask for the known word that is most like this one, in whatever case.

    Args:
        word: What was written.
        known: What could have been.
        likeness: How alike they have to be, from 0 to 1.

    Returns:
        A question; ``None`` if nothing is near.

    Example:
        >>> did_you_mean("EMIAL", ["id", "email"])
        'Did you mean `email`?'
    """
    if len(word) > _LONGEST_WORD:
        return None
    spelled = {each.lower(): each for each in known if len(each) <= _LONGEST_WORD}
    near = difflib.get_close_matches(word.lower(), spelled, n=1, cutoff=likeness)
    return f"Did you mean {named(spelled[near[0]])}?" if near else None


def named(word: str) -> str:
    """Return the word as a message shows it: in backticks, legible, and not longer than a line."""
    return f"`{_legible(word[:_SHOWN_BEFORE])}{'…' if len(word) > _SHOWN_BEFORE else ''}`"


def _pointed_at(text: str, at: int) -> str:
    """Return the line of the text that has this character, cut to what is near it, above a caret."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    end = len(text) if end < 0 else end
    if not text[start:end].strip():
        return ""
    first, last = max(start, at - _SHOWN_BEFORE), min(end, at + _SHOWN_AFTER)
    before = f"{'…' if first > start else ''}{_legible(text[first:at])}"
    after = f"{_legible(text[at:last])}{'…' if last < end else ''}"
    return f"\n  {before}{after}\n  {' ' * _width(before)}^"


def _legible(text: str) -> str:
    return "".join(each if each.isprintable() else " " if each.isspace() else "\ufffd" for each in text)


def _width(text: str) -> int:
    """Count the cells that the text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )
