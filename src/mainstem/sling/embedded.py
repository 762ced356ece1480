"""mainstem's own engine behind the resource: in this process, with nothing to install."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from typing_extensions import override

from mainstem.connections import ConnectionBook
from mainstem.endpoints import Endpoint, open_endpoint
from mainstem.engine import run
from mainstem.events import Event
from mainstem.schema import Relation
from mainstem.settings import Settings
from mainstem.sling.command import run_command
from mainstem.sling.general import general_type
from mainstem.sling.overrides import overridden
from mainstem.sling.runner import Request, Runner, Said
from mainstem.sling.secrecy import Redactor

__all__ = ["EmbeddedRunner"]


class EmbeddedRunner(Runner):
    """Runs streams in this process.

    Args:
        book: The connections.
        environment: What the command line gets in its environment, besides the process's: it may be secret.
        redact: Masks what of it is secret.
        settings: Settings that win over the environment's, by the engine's names; ``None`` is not given.
    """

    def __init__(
        self,
        book: ConnectionBook,
        environment: Mapping[str, str],
        redact: Redactor,
        settings: Mapping[str, Any],
    ) -> None:
        self._book = book
        self._settings = {name: value for name, value in settings.items() if value is not None}
        self._environment = environment
        self._redact = redact

    @override
    def run(self, request: Request) -> Generator[Event | Said, None, None]:
        replication = overridden(request.definition.replication, request.overrides)
        environment = {**self._book.variables, **replication.variables}
        yield from run(
            replication,
            self._book,
            streams=request.streams,
            settings=replace(Settings.from_environment(environment), **self._settings),
            after=request.definition.order,
        )

    @override
    def row_count(self, connection: str, table: str) -> int:
        with self._table(connection, table) as (endpoint, relation):
            counted = endpoint.execute(f"SELECT count(*) FROM {endpoint.qualified(relation)}")  # noqa: S608 - quoted
            return int(counted.column(0)[0].as_py())

    @override
    def columns(self, connection: str, table: str) -> Sequence[Mapping[str, str]]:
        with self._table(connection, table) as (endpoint, relation):
            return [
                {
                    "Schema": relation.schema or "",
                    "Table": relation.name,
                    "ID": str(number),
                    "Column": column.name,
                    "Native Type": column.native_type,
                    "General Type": general_type(column.arrow_type),
                }
                for number, column in enumerate(endpoint.describe(relation).columns, 1)
            ]

    @override
    def first_rows(self, connection: str, table: str, rows: int) -> Sequence[Mapping[str, Any]]:
        with self._table(connection, table) as (endpoint, relation):
            sql = f"SELECT * FROM {endpoint.qualified(relation)} LIMIT {rows}"  # noqa: S608 - quoted
            found: list[dict[str, Any]] = endpoint.execute(sql, rows).to_pylist()
            return found

    @override
    def command(self, arguments: Sequence[str], *, json: bool) -> str:
        ours = [sys.executable, "-c", "from mainstem.cli import main; main()"]
        return run_command([*ours, *arguments], self._environment, self._redact, json=json)

    @contextmanager
    def _table(self, connection: str, table: str) -> Iterator[tuple[Endpoint, Relation]]:
        with open_endpoint(self._book.find(connection)) as endpoint:
            relation = endpoint.relation(table)
            yield endpoint, endpoint.describe(relation).relation or relation
