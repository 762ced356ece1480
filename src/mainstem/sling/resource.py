"""`SlingResource`: the connections, and the run."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

import dagster as dg
from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from mainstem.assets import ExecutionContext, definition_of, runs_assets
from mainstem.connections import Connection, ConnectionBook
from mainstem.errors import ConfigError, ConnectionConfigError
from mainstem.replication import Replication, ReplicationLike
from mainstem.sling.checks import Checks
from mainstem.sling.cli_engine import CliRunner
from mainstem.sling.connection import SlingConnectionResource
from mainstem.sling.constraint_checks import ConstraintChecks
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.embedded import EmbeddedRunner
from mainstem.sling.eventlog import EventLog
from mainstem.sling.expansion import tell_new_tables
from mainstem.sling.iterator import SlingEventIterator
from mainstem.sling.loading import load_config
from mainstem.sling.partition_rows import partition_counter
from mainstem.sling.run import overrides_for, reports, selected_streams
from mainstem.sling.runner import Request, Runner
from mainstem.sling.secrecy import Redactor
from mainstem.sling.translator import DagsterSlingTranslator

__all__ = ["SlingResource"]

# Of a long run, the end is what people look at.
_KEPT_LINES = 10_000
_LEAST = {"threads": 1, "retries": 0, "retry_delay": 0}


class SlingResource(dg.ConfigurableResource[None]):
    """Runs replications between its connections: in process, or by Sling's own program.

    Attributes:
        connections: The connections that replications may name, besides those of the environment.
        engine: ``embedded`` runs replications in this process. ``cli`` runs Sling's program, which
            ``SLING_BINARY`` names, or which is on the path; it is never downloaded.
        threads: So many streams run at once, each with connections of its own; those whose assets depend on
            each other run in that order. ``None`` takes ``SLING_THREADS``, or 1. Not with ``cli``.
        retries: A stream that failed for a reason that may pass is tried so many times more. ``None`` takes
            ``SLING_RETRIES``, or 2. Not with ``cli``.
        retry_delay: Seconds before the first retry; twice as many before each further one. ``None`` takes
            ``SLING_RETRY_DELAY``, or half a second. Not with ``cli``.

    Example::

        SlingResource(
            connections=[
                SlingConnectionResource(
                    name="MY_POSTGRES", type="postgres", connection_string=dg.EnvVar("POSTGRES_URL")
                ),
                SlingConnectionResource(
                    name="MY_DUCKDB", type="duckdb", connection_string="duckdb:///var/tmp/duckdb.db"
                ),
            ]
        )
    """

    connections: list[SlingConnectionResource] = Field(default_factory=list)
    engine: Literal["embedded", "cli"] = "embedded"
    threads: int | None = None
    retries: int | None = None
    retry_delay: float | None = None

    _lines: deque[str] = PrivateAttr(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    # Not as `ge` of the fields: Dagster's components cannot have such fields in a resource.
    @field_validator(*_LEAST, mode="before")
    @classmethod
    def _no_less(cls, value: Any, info: ValidationInfo) -> Any:
        least = _LEAST[info.field_name or ""]
        # A variable of the environment is a kind of 0 until a run looks it up.
        if type(value) in (int, float) and value < least:
            raise ValueError(f"It is at least {least}.")
        return value

    def replicate(
        self,
        *,
        context: ExecutionContext,
        replication_config: ReplicationLike | None = None,
        dagster_sling_translator: DagsterSlingTranslator | None = None,
        debug: bool = False,
        stream: bool = False,  # noqa: ARG002 - events always stream; existing projects pass it
    ) -> SlingEventIterator:
        """Run a replication; in assets of ``@sling_assets``, only the streams of those that are selected.

        In a re-execution from failure, the streams that the failed run has published are not run again.

        Args:
            context: The context of the asset or op.
            replication_config: The replication. ``None`` takes that of ``@sling_assets``.
            dagster_sling_translator: How a stream becomes an asset. ``None`` takes that of ``@sling_assets``.
            debug: Log what each stream does in more detail.
            stream: Accepted and ignored: events always stream.

        Returns:
            An event for each stream, the moment it is published. A stream that fails leaves the others to go
            on; when none is left, the run fails with all failures.

        Raises:
            ConfigError: There is no replication to run, or it is wrong; a connection is missing or wrong;
                Sling's program is wanted, and is not there.
            dagster.Failure: While iterating: a stream failed.
        """
        definition = self._definition(context, replication_config, dagster_sling_translator)
        streams = selected_streams(context, definition)
        replication = definition.replication
        needed = _needed(replication)
        book = self.connection_book(needed)
        source, target = _found(book, replication.source), _found(book, replication.target)
        request = Request(definition, streams, overrides_for(context, definition, streams, source), debug)
        runner = self._runner(needed, replication.variables)
        log = EventLog(context, self._lines, has_own_words=runner.has_own_words, debug=debug)
        checks = Checks(
            context,
            definition,
            (source, target),
            lambda names: overrides_for(context, definition, names, source),
        )
        reported = reports(
            context,
            runner,
            request,
            log,
            checks=checks,
            constraints=ConstraintChecks(definition, (source, target)),
            more=partition_counter(context, definition, target),
            at_end=lambda: tell_new_tables(context, replication, source),
        )
        return SlingEventIterator(reported, context, runner, definition, checks)

    def run_sling_cli(self, args: Sequence[str], force_json: bool = False) -> str:
        """Run the engine's command line with these connections, and return what it writes.

        It is ``mainstem``, which has Sling's commands and flags, or with ``engine="cli"`` Sling's own.

        Args:
            args: Such as ``["conns", "exec", "MY_DUCKDB", "select 1"]``.
            force_json: Have it write JSON.

        Raises:
            SlingRunError: It ended with another exit code than 0.
        """
        return self._runner().command(args, json=force_json)

    def get_column_info_for_table(self, target_name: str, table_name: str) -> list[dict[str, str]]:
        """Describe the columns of a table.

        Args:
            target_name: The connection's name.
            table_name: The table's name, such as ``main.orders``.

        Returns:
            A mapping for each column, under the headings of ``sling conns discover``: ``Column`` is its name,
            ``Native Type`` and ``General Type`` are its type in the system's words and in Sling's.

        Raises:
            MainstemError: There is no such connection or table, or the system said no.
        """
        return [dict(column) for column in self._runner([target_name]).columns(target_name, table_name)]

    def get_row_count_for_table(self, target_name: str, table_name: str) -> int:
        """Count the rows of a table.

        Args:
            target_name: The connection's name.
            table_name: The table's name, such as ``main.orders``.

        Raises:
            MainstemError: There is no such connection or table, or the system said no.
        """
        return self._runner([target_name]).row_count(target_name, table_name)

    def stream_raw_logs(self) -> Iterator[str]:
        """Yield the lines that the runs of this resource have logged so far, up to the last 10,000."""
        yield from tuple(self._lines)

    def prepare_environment(self) -> dict[str, str]:
        """Return the connections as variables that a command line reads, in Sling's form: they are secret.

        Raises:
            ConnectionConfigError: An environment variable is not set.
        """
        return {each.name: each.sling_definition().reveal() for each in self.connections}

    def _definition(
        self,
        context: ExecutionContext,
        config: ReplicationLike | None,
        translator: DagsterSlingTranslator | None,
    ) -> SlingDefinition:
        attached = definition_of(context.assets_def, SlingDefinition) if runs_assets(context) else None
        if attached is None:
            if config is None:
                raise ConfigError(
                    "There is no replication to run.",
                    hint="Pass replication_config=…, or use the resource in a function under @sling_assets.",
                )
            replication = load_config(config)
            return SlingDefinition.live(replication, translator, self.connection_book(_needed(replication)))
        if config is None:
            return attached if translator is None else SlingDefinition(attached.replication, translator)
        return SlingDefinition.of(config, translator or attached.translator, self.connections)

    def connection_book(self, needed: Sequence[str]) -> ConnectionBook:
        """The places where connections are found: these first, then the environment.

        Args:
            needed: The names of those that must be complete. Others are left out where they are not.

        Raises:
            ConnectionConfigError: One of those is malformed, or an environment variable is not set.
        """
        return ConnectionBook([each.connection() for each in self.connections if _is_there(each, needed)])

    def _runner(
        self, needed: Sequence[str] | None = None, variables: Mapping[str, str] | None = None
    ) -> Runner:
        """The engine, with the connections.

        Args:
            needed: The names of those without which nothing goes, the target's last; ``None`` for all.
            variables: The variables of the replication's ``env``.
        """
        given = [each for each in self.connections if _is_there(each, needed)]
        connections = [each.connection() for each in given]
        environment = {each.name: each.sling_definition().reveal() for each in given}
        book = ConnectionBook(connections)
        if self.engine == "embedded":
            given_settings = {
                "threads": self.threads,
                "retries": self.retries,
                "retry_delay": self.retry_delay,
            }
            return EmbeddedRunner(book, environment, Redactor(connections, variables), given_settings)
        # Sling finds connections in places of its own as well, and these have secrets too.
        found = [_found(book, name) for name in needed or ()]
        redact = Redactor([*connections, *(each for each in found if each)], variables)
        return CliRunner(environment, redact, found[-1].type if found and found[-1] else None)


def _needed(replication: Replication) -> Sequence[str]:
    """The names of the connections that a replication cannot do without; the target's is the last."""
    state = replication.variables.get("SLING_STATE") or os.environ.get("SLING_STATE") or ""
    return [*([state.partition("/")[0]] if state else []), replication.source, replication.target]


def _is_there(connection: SlingConnectionResource, needed: Collection[str] | None) -> bool:
    """Whether a connection is complete. One that is not is an error only where it is needed."""
    try:
        connection.connection()
    except ConnectionConfigError:
        if needed is None or connection.name.upper() in {name.upper() for name in needed}:
            raise
        return False
    return True


def _found(book: ConnectionBook, name: str) -> Connection | None:
    try:
        return book.find(name)
    except ConnectionConfigError:
        return None
