"""The table beside a target for rows that broke a constraint: filled as the rest is published."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack

from mainstem.constraint import QUARANTINE, QUARANTINE_SUFFIX, ConstraintCheck
from mainstem.endpoints import RunSql, Step, Target
from mainstem.schema import Relation

__all__ = ["Quarantine"]

_making = threading.Lock()


class Quarantine:
    """The quarantine of one target.

    Args:
        target: The open target.
        beside: The table that the other rows go to.

    Attributes:
        table: Its name.
    """

    def __init__(self, target: Target, beside: Relation) -> None:
        self._target = target
        room = (target.capabilities.identifier_bytes or 1_000) - len(QUARANTINE_SUFFIX)
        name = beside.name.encode()[:room].decode(errors="ignore")
        self.table = Relation(beside.schema, f"{name}{QUARANTINE_SUFFIX}", beside.database)

    def steps(self, check: ConstraintCheck, opened: ExitStack) -> Sequence[Step]:
        """Stage what was kept apart, and return the steps that publish it.

        Raises:
            EndpointError: The target refused.
        """
        self._make()
        staging = opened.enter_context(self._target.stage(self.table, QUARANTINE))
        for batch in check.kept():
            staging.write(batch)
        staging.complete()
        names = ", ".join(self._target.quoted(name) for name in QUARANTINE.names)
        into, place = self._target.qualified(self.table), self._target.qualified(staging.place)
        return [RunSql(f"INSERT INTO {into} ({names}) SELECT {names} FROM {place}")]  # noqa: S608 - quoted

    def _make(self) -> None:
        """Make the table, beforehand: some systems cannot within a transaction."""
        # One stream makes it, where several have the same target's name.
        with _making:
            if self._target.inspect(self.table) is None:
                self._target.run_script(self._target.create_statement(self.table, QUARANTINE))
