"""What was found in one of the places where connections may be defined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mainstem.connections.model import Connection
from mainstem.connections.systems import canonical_type
from mainstem.errors import ConnectionConfigError, Position

__all__ = ["UNKNOWN_TYPE", "Contents", "Entry", "add_entry", "noted"]

UNKNOWN_TYPE = "unknown"


@dataclass(frozen=True)
class Entry:
    """A connection that a place defines, be it well or badly.

    Attributes:
        type: The kind of system, as far as it is known.
        connection: The connection; ``None`` where it cannot be used.
        problem: Why it cannot be used.
    """

    type: str
    connection: Connection | None = None
    problem: str | None = None

    @classmethod
    def made(cls, where: Position, make: Callable[[], Connection], said: str | None = None) -> Entry:
        """Make the connection; an error becomes the entry's problem, for the others are usable.

        Args:
            where: Where the definition stands.
            make: Makes the connection.
            said: The type that the definition says it has, for the case that it cannot be used.
        """
        try:
            connection = make()
        except ConnectionConfigError as error:
            kind = canonical_type(said or "")
            return cls(kind if kind.isidentifier() else UNKNOWN_TYPE, problem=_told(error, where))
        return cls(connection.type, connection)

    def open(self) -> Connection:
        """Return the connection.

        Raises:
            ConnectionConfigError: It cannot be used; the message says why.
        """
        if self.connection is None:
            raise ConnectionConfigError(self.problem or "The connection cannot be used.")
        return self.connection


@dataclass(frozen=True)
class Contents:
    """What one place holds.

    Attributes:
        where: The place, as a user knows it: a path, a variable's name.
        entries: Its connections, by upper-case name.
        variables: What it adds to the environment. Values may be secret.
        problems: What could not be read, each with its position and nothing of the text.
        absent: Why there is nothing at all, such as ``not there``.
    """

    where: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    problems: Sequence[str] = ()
    absent: str | None = None


def add_entry(entries: dict[str, Entry], name: str, where: Position, entry: Entry) -> None:
    """Add a connection under its upper-case name. One name for two connections makes it unusable."""
    upper = name.upper()
    if upper in entries:
        entry = Entry(entry.type, problem=f"{where}: The file has more than one connection {upper}.")
    entries[upper] = entry


@contextmanager
def noted(problems: list[str], where: Position) -> Iterator[None]:
    """Note an error as a problem and go on behind the block, for what stands elsewhere is usable."""
    try:
        yield
    except ConnectionConfigError as error:
        problems.append(_told(error, where))


def _told(error: ConnectionConfigError, where: Position) -> str:
    """The error's text, with the place before it unless it says one itself."""
    told = str(error)
    return told if told.startswith(where.source) else f"{where}: {told}"
