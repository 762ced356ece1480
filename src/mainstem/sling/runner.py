"""What the resource asks of an engine: to run streams as events, and to look at a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mainstem.events import Event
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.overrides import Overrides

__all__ = ["Request", "Runner", "Said"]


@dataclass(frozen=True)
class Request:
    """A run that is wanted.

    Attributes:
        definition: The replication.
        streams: The names of the streams, at least one.
        overrides: Keys that win over a stream's own, by its name.
        debug: Say more.
    """

    definition: SlingDefinition
    streams: Sequence[str]
    overrides: Overrides = field(default_factory=dict)
    debug: bool = False


@dataclass(frozen=True)
class Said:
    """A line of an engine that has its own words.

    Attributes:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        text: The line, without secrets.
    """

    level: str
    text: str


class Runner(ABC):
    """An engine behind the resource.

    Attributes:
        has_own_words: Whether it tells by lines of its own what its streams do.
        knows_tables: Whether its reports have the columns and the row counts of the tables.
    """

    has_own_words: ClassVar[bool] = False
    knows_tables: ClassVar[bool] = True

    @abstractmethod
    def run(self, request: Request) -> Generator[Event | Said, None, None]:
        """Run the streams. Closing the iterator breaks off.

        Raises:
            MainstemError: Nothing could be run at all.
        """

    @abstractmethod
    def row_count(self, connection: str, table: str) -> int:
        """Count the rows of a table.

        Raises:
            MainstemError: It is not there, or the system said no.
        """

    @abstractmethod
    def columns(self, connection: str, table: str) -> Sequence[Mapping[str, str]]:
        """Describe the columns of a table, one mapping each, under the headings of ``sling conns discover``.

        Raises:
            MainstemError: It is not there, or the system said no.
        """

    @abstractmethod
    def first_rows(self, connection: str, table: str, rows: int) -> Sequence[Mapping[str, Any]]:
        """Return some rows of a table.

        Raises:
            MainstemError: It is not there, or the system said no.
        """

    @abstractmethod
    def command(self, arguments: Sequence[str], *, json: bool) -> str:
        """Run the engine's own command line, and return what it writes to its standard output.

        Raises:
            SlingRunError: It ended with another exit code than 0.
        """
