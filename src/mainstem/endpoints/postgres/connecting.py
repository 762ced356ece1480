"""Ways into a PostgreSQL server, and what the server's words of refusal become."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_manager
import psycopg
import pyarrow as pa
from psycopg.pq import TransactionStatus

from mainstem.connections import Connection
from mainstem.endpoints.cancelling import CANCEL_SECONDS, Insistence
from mainstem.endpoints.postgres.reading import ArrowSession
from mainstem.errors import ConnectError, EndpointError, LossyTypeError, TargetBusyError

__all__ = ["Session", "break_off", "driver_errors", "open_reader", "open_session", "server_errors"]

Session = psycopg.Connection[tuple[Any, ...]]

# What it logs of a connection that broke is in our errors: without a handler Python would print it.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

_PROPERTIES = (
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
)
# In seconds. Nobody waits for ever to be let in, nor for an end that is gone without a word: libpq itself
# would notice after two hours. https://www.postgresql.org/docs/current/libpq-connect.html
_PATIENCE = {
    "connect_timeout": "30",
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "6",
}

# How libpq says that there is no server at the other end any more.
_BROKEN = (
    "server closed the connection",
    "no connection to the server",
    "terminating connection",
    "the connection is lost",
    "the connection is closed",
    "could not receive data from server",
    "could not send data to server",
    "SSL SYSCALL",
)

# How it says that it has no place left.
_CROWDED = ("too many clients", "too many connections", "remaining connection slots")

# How it refuses a connection for now.
_PASSING_REFUSALS = (
    "Connection refused",
    "Connection reset",
    "No route to host",
    "Network is unreachable",
    "Temporary failure in name resolution",
    "No such file or directory",
    *_CROWDED,
    "starting up",
    "shutting down",
    "in recovery mode",
    "timeout expired",
    "timed out",
    *_BROKEN,
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCK_NOT_HAD = "55P03"
_BUSY = {
    _LOCK_NOT_HAD: "a lock was not let go in time",
    "40P01": "a deadlock",
    "40001": "another transaction",
}
_LOSSY = frozenset(
    {"22000", "22001", "22003", "22007", "22008", "22021", "22P02", "22P03", "22P05", "22030", "2200N"}
)
# The server has no room for us at this moment.
_PASSING = frozenset({"53200", "53300"})
# What fails while rows stream comes as words alone.
_WORDS = {
    "due to lock timeout": _LOCK_NOT_HAD,
    "deadlock detected": "40P01",
    "due to conflict with recovery": "40001",
    "could not serialize access": "40001",
    "statement timeout": "57014",
}
# Whose detail names objects, never a row's values.
_DETAILED = frozenset({"2BP01", "0A000", "55006", "42P16"})
_HINTS = {
    "42501": "Grant the user the right, or connect as another.",
    "53100": "The server's disk is full: make room and run again.",
    "57014": "Was it cancelled, or is `statement_timeout` too short?",
}


def open_session(connection: Connection) -> Session:
    """Connect for statements and for COPY. Each statement is a transaction of its own until one is begun.

    Raises:
        ConnectError: The server cannot be reached, or refused the credentials.
    """
    try:
        # Prepared statements would outlive a transaction, which a pooler between us does not allow.
        return psycopg.connect(_conninfo(connection), autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise _connect_error(connection, error) from error


def open_reader(connection: Connection) -> ArrowSession:
    """Connect for reading Arrow batches.

    Raises:
        ConnectError: The server cannot be reached, or refused the credentials.
    """
    try:
        return ArrowSession(_conninfo(connection))
    except adbc_driver_manager.Error as error:
        raise _connect_error(connection, error) from error


def break_off(sessions: Collection[Session], insistence: Insistence) -> None:
    """End what sessions wait for: at the server, and where that does not answer by cutting the wires.

    Any thread may call it, at any time.
    """
    busy = [session for session in sessions if session.info.transaction_status is TransactionStatus.ACTIVE]
    try:
        for session in busy:
            session.cancel_safe(timeout=CANCEL_SECONDS)
    except psycopg.Error:
        # The next one would not be answered either.
        busy = list(sessions)
    else:
        if not busy or not insistence.is_vain():
            return
    for session in busy:
        _cut(session)


def _cut(session: Session) -> None:
    """Whoever waits for the session learns of it as of a server that hangs up."""
    with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(session.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


@contextmanager
def server_errors(name: str, *, about: str | None = None, writing: bool = False) -> Iterator[None]:
    """Map what the server says to a statement to our errors.

    Args:
        name: The connection's name.
        about: What the statement was about, such as the target's name.
        writing: Values are being written: one that does not fit is a `LossyTypeError`.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _refusal(name, error, about, writing) from error


@contextmanager
def driver_errors(name: str) -> Iterator[None]:
    """Map what is said while Arrow batches are read."""
    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        # A query that fails while its rows stream comes as an OSError.
        message = _first_sentence(error)
        state = _state(error, message)
        if _is_broken(message):
            raise _broken(name, message) from error
        if state in _BUSY:
            raise _busy(name, state, message) from error
        raise EndpointError(
            f"{name}: PostgreSQL said: {message}", hint=_HINTS.get(state), transient=state in _PASSING
        ) from error


def _state(error: Exception, message: str) -> str:
    given = getattr(error, "sqlstate", None)
    return str(given) if given else next((state for words, state in _WORDS.items() if words in message), "")


def _busy(name: str, state: str, message: str, place: str = "") -> TargetBusyError:
    return TargetBusyError(
        f"{name}: {_BUSY[state]} was in the way{place}: {message}.",
        hint="Who holds it? `select * from pg_stat_activity` tells. Run again when it is free.",
    )


def _refusal(name: str, error: psycopg.Error, about: str | None, writing: bool) -> EndpointError:
    state = error.sqlstate or ""
    message = (error.diag.message_primary or _first_sentence(error)).rstrip(".")
    is_silent = isinstance(error, psycopg.OperationalError) and not state
    if is_silent or _is_broken(message) or state.startswith(("08", "57P")):
        return _broken(name, message)
    if state in _DETAILED and error.diag.message_detail:
        message = f"{message} ({' '.join(error.diag.message_detail.split())})"
    place = f" for {about}" if about else ""
    if state in _BUSY:
        return _busy(name, state, message, place)
    if writing and state in _LOSSY:
        column = _column_of(error)
        return LossyTypeError(
            f"{name}: a value does not fit{f' column {column}' if column else ''}{place}: {message}.",
            hint="Declare another type under `columns`, or leave the column out.",
        )
    # Two sessions that make the same schema or type at once: one of them is told of a catalogue's index.
    is_race = state == "23505" and (error.diag.schema_name == "pg_catalog" or "pg_" in message)
    return EndpointError(
        f"{name}: PostgreSQL said{place}: {message}",
        hint=_HINTS.get(state),
        transient=is_race or state in _PASSING or "tuple concurrently" in message,
    )


def _column_of(error: psycopg.Error) -> str | None:
    """The column that COPY was at, as the error's context tells."""
    found = re.search(
        r"^COPY .*?, line \d+, column (.*?)(?:: \".*)?$", error.diag.context or "", re.MULTILINE
    )
    return found.group(1) if found else error.diag.column_name


def _is_broken(message: str) -> bool:
    return any(sign in message for sign in _BROKEN)


def _broken(name: str, message: str) -> ConnectError:
    return ConnectError(
        f"{name}: the connection to PostgreSQL broke: {message}.",
        hint="Is the server up? Run again.",
        transient=True,
    )


def _conninfo(connection: Connection) -> str:
    """A connection string in keywords: room for a socket's folder, IPv6, and any password."""
    given = {
        "fallback_application_name": "mainstem",
        # Whatever the database's own encoding is.
        "client_encoding": "UTF8",
        "host": connection.text("host") or "localhost",
        "port": connection.text("port") or "5432",
        "user": connection.text("user"),
        "password": connection.text("password"),
        "dbname": connection.text("database"),
        **{key: connection.text(key) for key in _PROPERTIES},
        **{key: connection.text(key) or default for key, default in _PATIENCE.items()},
    }
    return " ".join(f"{key}='{_escaped(value)}'" for key, value in given.items() if value)


def _escaped(value: str) -> str:
    # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _connect_error(connection: Connection, error: Exception) -> ConnectError:
    host, port = connection.text("host") or "localhost", connection.text("port") or "5432"
    reason = _first_sentence(error).rpartition("failed: ")[2]
    hints = {
        "password authentication failed": "Check the user and the password.",
        "no password supplied": "Give the connection a password.",
        "does not exist": "Check the name of the database and of the user.",
        "Connection refused": "Is the server running, and is the port right?",
        "could not translate host name": "Is the host name right?",
        "failed to resolve host": "Is the host name right?",
        **dict.fromkeys(_CROWDED, "Wait until others are done, or raise the server's `max_connections`."),
    }
    hint = next((text for sign, text in hints.items() if sign in reason), None)
    return ConnectError(
        f"{connection.name}: PostgreSQL at {host}:{port} refused the connection: {reason}.",
        hint=hint,
        transient=any(sign in reason for sign in _PASSING_REFUSALS),
    )


def _first_sentence(error: Exception) -> str:
    """The server's own sentence, without the driver's prefixes and without the query."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r"^.*?(?:ERROR|FATAL):\s*", "", first).removeprefix("IO: [libpq] ").rstrip(".")
