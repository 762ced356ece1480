"""A look at the database: a transaction in which text is the same text everywhere."""

from __future__ import annotations

from contextlib import suppress

import adbc_driver_manager

from mainstem.endpoints.postgres.holders import lock_timeout
from mainstem.endpoints.postgres.names import text_literal
from mainstem.endpoints.postgres.reading import ArrowSession

__all__ = ["ONE_MOMENT", "SETTINGS", "Look"]

# Text forms that another server reads in the same way, whatever the user's settings; and a bound for waiting.
SETTINGS = f"""
select set_config('datestyle', 'iso', true), set_config('intervalstyle', 'postgres', true),
       set_config('extra_float_digits', '3', true), set_config('bytea_output', 'hex', true),
       {lock_timeout()}
"""

# What several connections see alike has to stay so from the first query to the last.
ONE_MOMENT = "begin isolation level repeatable read read only"


class Look:
    """One look at the database, in a transaction that is never left open.

    Args:
        session: A connection.
        begin: The statement that begins the transaction.
        moment: What another look has exported: it sees the same.
    """

    def __init__(self, session: ArrowSession, begin: str, moment: str | None = None) -> None:
        self.session = session
        self._is_open = True
        session.run(begin)
        if moment is not None:
            session.run(f"set transaction snapshot {text_literal(moment)}")
        session.run(SETTINGS)

    def exported(self) -> str:
        """The moment that it sees, for other looks, as long as it lasts."""
        with self.session.query("select pg_export_snapshot()") as rows:
            return str(next(rows).column(0)[0].as_py())

    def close(self) -> None:
        """Let go of what it saw. Doing so twice is allowed."""
        if self._is_open:
            self._is_open = False
            # A connection that broke cannot roll back, and that is not what to tell.
            with suppress(adbc_driver_manager.Error, OSError):
                self.session.run("rollback")
