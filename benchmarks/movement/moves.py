"""A case that moves tables from one system into another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.movement import ends
from benchmarks.movement.checks import same
from benchmarks.movement.contenders import Contender, Missing, Setup
from benchmarks.movement.place import Place
from benchmarks.movement.processes import measured
from benchmarks.movement.tables import Sizes, Table
from mainstem.errors import ConfigError

__all__ = ["Loaded", "Move"]


@dataclass(frozen=True)
class Loaded:
    """What the target has already, by a first run of the same tool that is not measured.

    Attributes:
        schema: The schema in PostgreSQL that the first run reads.
        tables: Its tables.
        changed: How many rows the measured run then finds changed.
    """

    schema: str
    tables: Callable[[Sizes], Sequence[Table]]
    changed: Callable[[Sizes], int]


@dataclass(frozen=True)
class Move:
    """Something to move.

    Attributes:
        name: What is moved from where to where.
        source: The system or the kind of file that is read.
        target: The one that is written.
        tables: The tables.
        contenders_of: Who takes turns beside mainstem: functions of this case, its place and the setup.
        loaded: What the target has already; ``None`` for nothing. Then the run is incremental.
    """

    name: str
    source: str
    target: str
    tables: Callable[[Sizes], Sequence[Table]]
    contenders_of: Sequence[Callable[[Move, Place, Setup], Contender | Missing]] = ()
    loaded: Loaded | None = None

    def rows(self, place: Place) -> int:
        """How many rows travel."""
        if self.loaded:
            return self.loaded.changed(place.sizes)
        return sum(table.rows for table in self.tables(place.sizes))

    def prepare(self, place: Place) -> str | None:
        """Start the servers and make what is read.

        Returns:
            Why the case cannot be, or ``None``.
        """
        try:
            for system in {self.source, self.target}:
                place.start(system)
            place.fill(self.source, self.tables(place.sizes), "public")
            if self.loaded:
                place.fill(self.source, self.loaded.tables(place.sizes), self.loaded.schema)
        except ConfigError as error:
            return str(error)
        return None

    def contenders(self, place: Place, setup: Setup) -> Iterator[Contender | Missing]:
        """All that take their turns: each revision of mainstem, and the others."""
        for name, tree in setup.trees.items():
            yield self.by_document(
                place, name, *setup.mainstem(tree, "run"), ends.written(place, self.target)
            )
        if setup.peers:
            for make in self.contenders_of:
                yield make(self, place, setup)

    def by_document(
        self, place: Place, name: str, program: Sequence[str], environment: Mapping[str, str], target: str
    ) -> Contender:
        """One that runs the replication's YAML, whose path ends its command."""
        environment = {**environment, "BENCH_SOURCE": ends.read(place, self.source), "BENCH_TARGET": target}
        first = [*program, self._document(place, name, self.loaded.schema if self.loaded else "public")]
        ready = partial(self.ready, place, name, first, environment)
        document = self._document(place, name, "public")
        return Contender(name, [*program, document], environment, ready, partial(self.wrong, place))

    def _document(self, place: Place, name: str, schema: str) -> str:
        """Write the replication (JSON is YAML), and return its path."""
        defaults: dict[str, Any] = {"mode": "full-refresh"}
        if self.loaded:
            defaults = {"mode": "incremental", "primary_key": "o_orderkey", "update_key": "o_updated"}
        document = {
            "source": "LOCAL" if self.source in ends.FILES else "BENCH_SOURCE",
            "target": "LOCAL" if self.target in ends.FILES else "BENCH_TARGET",
            "defaults": defaults,
            "streams": {
                ends.stream(place, self.source, schema, table.name): {
                    "object": ends.moved(place, self.target, table.name)
                }
                for table in self.tables(place.sizes)
            },
        }
        path = place.folder / f"{self.slug(name)}.{schema}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    def slug(self, name: str) -> str:
        """A file's name for what one of the contenders keeps."""
        return re.sub(r"\W+", "_", f"{self.name} {name}")

    def ready(
        self,
        place: Place,
        name: str,
        first: Sequence[str],
        environment: Mapping[str, str],
        kept: Path | None = None,
    ) -> None:
        """The target is empty, or as the tool's own first run left it.

        Args:
            place: Where.
            name: Who.
            first: The command of the first run.
            environment: Its environment.
            kept: A folder of the tool's own.

        Raises:
            RunFailedError: The first run failed.
        """
        place.clear(kept)
        if self.loaded:
            paths = [place.lake, *([kept] if kept else [])]
            run = partial(measured, first, environment, (), place.folder / "log")
            place.restore(self.slug(name), paths, run)

    def wrong(self, place: Place) -> str | None:
        """What is wrong with the rows that arrived, or ``None``."""
        for table in self.tables(place.sizes):
            try:
                arrived = place.arrived(self.target, table)
            except place.ERRORS as error:
                return f"{table.name}: {str(error).splitlines()[0]}"
            if found := same(table, place.sent(table), arrived):
                return found
        return None
