"""Who has what could not be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from mainstem.endpoints.locks import LOCK_SECONDS
from mainstem.endpoints.postgres.connecting import Session
from mainstem.endpoints.postgres.names import text_literal
from mainstem.errors import TargetBusyError

__all__ = ["holders_named", "lock_timeout"]

_HOLDERS = """
select distinct a.pid, coalesce(nullif(a.application_name, ''), 'no name'), coalesce(a.state, 'hidden')
  from pg_locks l join pg_stat_activity a using (pid)
 where l.relation = to_regclass({table}) and l.granted and l.pid <> pg_backend_pid()
 order by a.pid
"""


def lock_timeout() -> str:
    """A call by which a transaction waits for a lock no longer than we do; the user's own bound stays."""
    return (
        "set_config('lock_timeout', case when current_setting('lock_timeout') = '0'"
        f" then '{LOCK_SECONDS}s' else current_setting('lock_timeout') end, true)"
    )


@contextmanager
def holders_named(session: Session, table: str | None) -> Iterator[None]:
    """Say of a lock that was waited for in vain which sessions of the server have it.

    Args:
        session: Asks the server. It is in no transaction that failed.
        table: The table's whole name, quoted; ``None`` where several may be meant.
    """
    try:
        yield
    except TargetBusyError as error:
        found = _holders(session, table) if table else []
        if not found:
            raise
        pids = ", ".join(f"pg_terminate_backend({pid})" for pid, _, _ in found)
        held = ", ".join(f"{pid} ({application}, {state})" for pid, application, state in found)
        raise TargetBusyError(
            f"{error.message} It is held by server process {held}.",
            hint=f"Have it commit, or end it: `select {pids}`. Then run again.",
        ) from error.__cause__


def _holders(session: Session, table: str) -> list[tuple[int, str, str]]:
    try:
        found = session.execute(_HOLDERS.format(table=text_literal(table)).encode()).fetchall()
    except psycopg.Error:
        # What we wanted to say more is not worth another error.
        return []
    return [(int(pid), str(application), str(state)) for pid, application, state in found]
