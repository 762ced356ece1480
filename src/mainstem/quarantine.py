"""What belongs to a target for rows that broke a constraint: a table, or a folder of files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack

from mainstem.constraint import QUARANTINE, QUARANTINE_SUFFIX, ConstraintCheck
from mainstem.endpoints import Insert, RunSql, Step, Swap, Target
from mainstem.schema import Relation

__all__ = ["Quarantine"]

_making = threading.Lock()


class Quarantine:
    """The quarantine of one target.

    Args:
        target: The open target.
        beside: The table or the files that the other rows go to.

    Attributes:
        name: What it is called, for people.

    Raises:
        ConfigError: There is no place for it.
    """

    def __init__(self, target: Target, beside: Relation) -> None:
        self._target, self._table = target.beside(beside, QUARANTINE_SUFFIX)
        self.name = self._target.address(self._table)

    def steps(self, check: ConstraintCheck, opened: ExitStack, since: str) -> Sequence[Step]:
        """Stage what was kept apart, and return the steps that publish it.

        There are none where a target has no transaction for them: there it is published by now. The rows
        follow, so that nothing is lost between the two.

        Args:
            check: What keeps the rows.
            opened: Closes what is opened.
            since: Where the stream goes on. Of files, those of a killed run that went on from the same
                are replaced.

        Raises:
            EndpointError: The target refused.
        """
        target, table = self._target, self._table
        if target.capabilities.runs_sql:
            self._make()
        staging = opened.enter_context(target.stage(table, QUARANTINE))
        staging.prepare(None, since)
        for batch in check.kept():
            staging.write(batch)
        staging.complete()
        if target.capabilities.runs_sql:
            names = ", ".join(target.quoted(name) for name in QUARANTINE.names)
            into, place = target.qualified(table), target.qualified(staging.place)
            return [RunSql(f"INSERT INTO {into} ({names}) SELECT {names} FROM {place}")]  # noqa: S608 - quoted
        is_new = target.inspect(table) is None
        whole = Swap(columns=QUARANTINE.names)
        target.publish(staging, table, [whole if is_new else Insert(list(QUARANTINE))])
        return []

    def sweep(self) -> None:
        """Remove what a killed run has left of its staging, where this one keeps nothing apart.

        Raises:
            EndpointError: The target refused.
        """
        # Who has staged for it has made it before.
        if self._target.inspect(self._table) is not None:
            with self._target.stage(self._table, QUARANTINE):
                pass

    def _make(self) -> None:
        """Make the table, beforehand: some systems cannot within a transaction."""
        # One stream makes it, where several have the same target's name.
        with _making:
            if self._target.inspect(self._table) is None:
                self._target.run_script(self._target.create_statement(self._table, QUARANTINE))
