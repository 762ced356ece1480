"""Those that take turns in a case: each a command, what comes before it, and what its result must be."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.movement.place import Place

__all__ = ["Case", "Contender", "Missing", "Setup"]


@dataclass(frozen=True)
class Setup:
    """What this session measures.

    Attributes:
        trees: The revisions of mainstem, by name.
        peers: Whether the others and the limits take their turns as well.
        tools: What the names of those begin with that do.
        sling: Sling's program; ``None`` where there is none.
        packages: A folder whose packages dlt may import as well; ``None`` for none.
    """

    trees: Mapping[str, Path]
    peers: bool = True
    tools: tuple[str, ...] = ("",)
    sling: str | None = None
    packages: str | None = None

    def mainstem(self, tree: Path, *arguments: str) -> tuple[Sequence[str], Mapping[str, str]]:
        """The command line of a revision, and its environment."""
        command = [sys.executable, "-c", "from mainstem.cli import main; main()", *arguments]
        return command, {**os.environ, "PYTHONPATH": str(tree / "src")}


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Contender:
    """One that takes its turns.

    Attributes:
        name: Its name in the table.
        command: The program and its arguments.
        environment: Its whole environment.
        ready: What is done before each run, and not measured.
        wrong: What is wrong with what the run left, or ``None``.
        once: Whether one run is enough: it is there for scale.
        tries: How often a run is tried that fails or hangs.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], object] = _nothing
    wrong: Callable[[], str | None] = _nothing
    once: bool = False
    tries: int = 1


@dataclass(frozen=True)
class Missing:
    """One that takes no turn.

    Attributes:
        name: Its name in the table.
        why: Why not.
    """

    name: str
    why: str


class Case(Protocol):
    """Something to measure."""

    @property
    def name(self) -> str:
        """What it is."""

    def rows(self, place: Place) -> int:
        """How many rows, or other things, one run is about."""

    def prepare(self, place: Place) -> str | None:
        """Make what it needs. Returns why it cannot be, or ``None``."""

    def contenders(self, place: Place, setup: Setup) -> Iterable[Contender | Missing]:
        """All that take their turns, mainstem first."""
