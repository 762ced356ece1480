"""The text of one column of a stream's `columns`: type, modifiers, constraint (spec §1.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mainstem.errors import NotSupportedYetError, Position
from mainstem.replication.column_types import GENERAL_TYPES, NATIVE_NAMES, ColumnType, GeneralType
from mainstem.replication.scanner import Scanner, did_you_mean, named

__all__ = ["ColumnSpec", "Constraint", "parse_column"]

_MOST_DIGITS = 38
_LONGEST_TEXT = 2**31 - 1

_WITH_LENGTH = frozenset({GeneralType.STRING, GeneralType.TEXT, GeneralType.BINARY})
_FLAGS = ("not_null", "nullable", "primary_key", "unique")
_NAMING = ("index", "unique_index")
_MODIFIERS = (*_FLAGS, *_NAMING, "description")
_RESERVED = frozenset({"default", "check", "auto_increment", "identity"})
_CONTRADICTIONS = (("nullable", "not_null"), ("nullable", "primary_key"))


@dataclass(frozen=True)
class Constraint:
    """What the values of a column have to satisfy.

    Attributes:
        text: The expression over ``value``, as it was written.
        position: Where the column's text stands.
        column: The name under which it stands there; ``*`` for every column.
    """

    text: str
    position: Position = field(compare=False, repr=False)
    column: str = field(default="", compare=False)


@dataclass(frozen=True)
class ColumnSpec:
    """What a replication says of a column. Its text, ``str(spec)``, reads back as the same.

    Attributes:
        name: The column's name, as it was written; ``*`` for every column.
        type: Its type.
        nullable: Whether NULL may occur. ``None`` where nothing was said.
        primary_key: Whether it belongs to the primary key.
        unique: Whether a value occurs once only.
        description: What it holds, for the target's catalogue.
        index: The name of an index over it; columns that name the same index share it.
        unique_index: The name of a unique index over it.
        constraint: What its values have to satisfy.
        position: Where its text stands.
    """

    name: str
    type: ColumnType
    nullable: bool | None = None
    primary_key: bool = False
    unique: bool = False
    description: str | None = None
    index: str | None = None
    unique_index: str | None = None
    constraint: Constraint | None = None
    position: Position | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return " ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield str(self.type)
        if self.nullable is not None:
            yield "nullable" if self.nullable else "not_null"
        if self.primary_key:
            yield "primary_key"
        if self.unique:
            yield "unique"
        if self.description is not None:
            yield f"description({_in_quotes(self.description)})"
        if self.index is not None:
            yield f"index({_in_quotes(self.index)})"
        if self.unique_index is not None:
            yield f"unique_index({_in_quotes(self.unique_index)})"
        if self.constraint:
            yield f"| {self.constraint.text}"


def parse_column(name: str, text: str, position: Position) -> ColumnSpec:
    r"""Read what a replication says of one column.

    Args:
        name: The column's name; ``*`` for all columns.
        text: ``type[(length[, scale])] [modifiers] [| constraint]``. Types and modifiers may be in any case.
        position: Where the text stands.

    Raises:
        NotSupportedYetError: A modifier is ``default``, ``check``, ``auto_increment`` or ``identity``.
        ReplicationError: The text is not of that form; with a caret under the character at fault.

    Example:
        >>> spec = parse_column("price", "decimal(12, 2) not_null | value > 0", Position("a.yaml", 9, 14))
        >>> spec.type.precision, spec.nullable, spec.constraint.text
        (12, False, 'value > 0')
    """
    return _Parser(name, text, position).column()


def _in_quotes(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Parser:
    """Reads the text of one column."""

    def __init__(self, name: str, text: str, position: Position) -> None:
        self._name = name
        self._position = position
        self._scanner = Scanner(text, position, subject=f"Column {named(name)}")

    def column(self) -> ColumnSpec:
        if not self._name.strip():
            self._scanner.fail("a column needs a name.", at=0)
        kind = self._type()
        modifiers = self._modifiers()
        nullable = True if "nullable" in modifiers else False if "not_null" in modifiers else None
        return ColumnSpec(
            name=self._name,
            type=kind,
            nullable=nullable,
            primary_key="primary_key" in modifiers,
            unique="unique" in modifiers,
            description=modifiers.get("description"),
            index=modifiers.get("index"),
            unique_index=modifiers.get("unique_index"),
            constraint=self._constraint(),
            position=self._position,
        )

    def _type(self) -> ColumnType:
        scanner = self._scanner
        scanner.skip_space()
        start = scanner.at
        word = scanner.word()
        if not word or word.lower() in (*_MODIFIERS, *_RESERVED):
            scanner.fail("the type comes first.", at=start, hint=f"The types are {', '.join(GENERAL_TYPES)}.")
        kind = GENERAL_TYPES.get(word.lower())
        if kind is None:
            native = NATIVE_NAMES.get(word.lower())
            guess = f"Did you mean `{native}`?" if native else did_you_mean(word, GENERAL_TYPES)
            hint = guess or f"The types are {', '.join(GENERAL_TYPES)}."
            scanner.fail(f"{named(word)} is not a type.", at=start, hint=hint)
        if not scanner.accept("("):
            return ColumnType(kind)
        if kind is GeneralType.DECIMAL:
            return self._decimal()
        if kind not in _WITH_LENGTH:
            scanner.fail(f"{named(kind.value)} has no size.", at=scanner.at - 1)
        length = self._size("the length", 1, _LONGEST_TEXT)
        self._close()
        return ColumnType(kind, length=length)

    def _decimal(self) -> ColumnType:
        precision = self._size("the precision", 1, _MOST_DIGITS)
        scale = self._size("the scale", 0, precision) if self._scanner.accept(",") else None
        self._close()
        return ColumnType(GeneralType.DECIMAL, precision=precision, scale=scale)

    def _size(self, what: str, least: int, most: int) -> int:
        self._scanner.skip_space()
        start = self._scanner.at
        word = self._scanner.word()
        if not (word.isascii() and word.isdigit()):
            self._scanner.fail(f"{what} must be a whole number.", at=start)
        digits = word.lstrip("0") or "0"
        # Python refuses to read numbers of some thousand digits.
        if len(digits) > len(str(most)) or not least <= int(digits) <= most:
            self._scanner.fail(f"{what} must be from {least} to {most}, not {named(word)}.", at=start)
        return int(digits)

    def _close(self) -> None:
        if not self._scanner.accept(")"):
            self._scanner.fail("here a `)` is missing.")

    def _modifiers(self) -> dict[str, str]:
        """Return the modifiers that were written, each with its argument."""
        scanner = self._scanner
        found: dict[str, str] = {}
        while True:
            scanner.skip_space()
            if scanner.peek() in ("", "|"):
                return found
            start = scanner.at
            word = scanner.word().lower()
            self._check(word, start, found)
            found[word] = self._argument(word)

    def _check(self, word: str, start: int, found: Mapping[str, str]) -> None:
        scanner = self._scanner
        if not word:
            scanner.fail("here a modifier, or `|` and a constraint, is expected.")
        if word in _RESERVED:
            scanner.fail(f"`{word}` is not yet supported.", at=start, error=NotSupportedYetError)
        if word not in _MODIFIERS:
            guess = did_you_mean(word, _MODIFIERS, likeness=0.5)
            hint = guess or f"The modifiers are {', '.join(_MODIFIERS)}; a constraint begins with `|`."
            scanner.fail(f"{named(word)} is not a modifier.", at=start, hint=hint)
        if word in found:
            scanner.fail(f"`{word}` is said twice.", at=start)
        for one, other in _CONTRADICTIONS:
            if (word == one and other in found) or (word == other and one in found):
                scanner.fail(f"`{one}` contradicts `{other}`.", at=start)

    def _argument(self, word: str) -> str:
        scanner = self._scanner
        if word in _FLAGS:
            if scanner.accept("("):
                scanner.fail(f"`{word}` takes nothing in parentheses.", at=scanner.at - 1)
            return ""
        example = 'description("…")' if word == "description" else f"{word}(name)"
        if not scanner.accept("("):
            scanner.fail(f"`{word}` is written {example}.")
        scanner.skip_space()
        start = scanner.at
        if scanner.peek() in ('"', "'"):
            argument = scanner.quoted()
        else:
            argument = scanner.word(also="$-.") if word in _NAMING else ""
            if not argument:
                scanner.fail(f"`{word}` is written {example}.", at=start)
        if word in _NAMING and not argument:
            scanner.fail(f"`{word}` needs a name.", at=start)
        self._close()
        return argument

    def _constraint(self) -> Constraint | None:
        if not self._scanner.accept("|"):
            return None
        text = self._scanner.text[self._scanner.at :].strip()
        if not text:
            self._scanner.fail("a constraint is missing behind the `|`.")
        return Constraint(text, self._position, self._name)
