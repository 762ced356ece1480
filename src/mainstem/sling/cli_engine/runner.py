"""Sling's own program behind the resource."""

from __future__ import annotations

import json as json_text
import os
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from typing_extensions import override

from mainstem.errors import SlingRunError
from mainstem.events import Event
from mainstem.sling.cli_engine.binary import find_binary
from mainstem.sling.cli_engine.document import handover, written_to_file
from mainstem.sling.cli_engine.process import LineProcess
from mainstem.sling.cli_engine.tracker import Tracker
from mainstem.sling.command import run_command
from mainstem.sling.runner import Request, Runner, Said
from mainstem.sling.secrecy import Redactor

__all__ = ["CliRunner"]


class CliRunner(Runner):
    """Runs streams by Sling's program, found by ``SLING_BINARY`` or on the path.

    Args:
        environment: The connections, as the program reads them: secret.
        redact: Masks what of it is secret.
        storage: The kind of system of the target.

    Raises:
        ConfigError: The program is not there.
    """

    has_own_words = True
    knows_tables = False

    def __init__(self, environment: Mapping[str, str], redact: Redactor, storage: str | None = None) -> None:
        self._binary = find_binary()
        self._environment = environment
        self._redact = redact
        self._storage = storage
        self._spelled: Mapping[str, str] = {}

    @override
    def run(self, request: Request) -> Generator[Event | Said, None, None]:
        handed = handover(request)
        environment = {**os.environ, **self._environment, **handed.environment}
        environment.setdefault("SLING_LOGGING", "JSON")
        if environment.pop("SLING_THREADS", None) is not None or handed.without_threads:
            yield Said(
                "warning", "SLING_THREADS is left out: streams that Sling runs at once cannot be told apart."
            )
        objects = {name: request.definition.streams[name].object for name in request.streams}
        tracker = Tracker(objects, self._storage, self._redact)
        self._spelled = tracker.targets
        debug = ["-d"] if request.debug else []
        with (
            written_to_file(handed.document) as path,
            LineProcess([self._binary, "run", *debug, "-r", str(path)], environment) as process,
        ):
            for raw in process.lines():
                yield from tracker.take(raw)
            yield from tracker.finish(process.wait())

    @override
    def row_count(self, connection: str, table: str) -> int:
        sql = f"select count(*) as ct from {self._name(table)}"  # noqa: S608 - a name as Sling spelled it, or the user
        (counted,) = self._rows(["conns", "exec", connection, sql])
        return int(next(iter(counted.values())))

    @override
    def columns(self, connection: str, table: str) -> Sequence[Mapping[str, str]]:
        return self._rows(["conns", "discover", connection, "--pattern", table, "--columns"])

    @override
    def first_rows(self, connection: str, table: str, rows: int) -> Sequence[Mapping[str, Any]]:
        sql = f"select * from {self._name(table)} limit {rows}"  # noqa: S608 - likewise
        return self._rows(["conns", "exec", connection, sql])

    @override
    def command(self, arguments: Sequence[str], *, json: bool) -> str:
        return run_command([self._binary, *arguments], self._environment, self._redact, json=json)

    def _name(self, table: str) -> str:
        return self._spelled.get(table, table)

    def _rows(self, arguments: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        said = self.command(arguments, json=True)
        for text in (said, *reversed(said.splitlines())):
            try:
                found = json_text.loads(text)
                return [dict(zip(found["fields"], row, strict=True)) for row in found["rows"]]
            except (ValueError, TypeError, KeyError):
                continue
        raise SlingRunError(f"Sling's answer to {' '.join(arguments[:2])} is no table.", exit_code=0)
