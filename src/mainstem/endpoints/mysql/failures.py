"""The driver's errors as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
from pymysql.constants import CR, ER

from mainstem.connections import Connection
from mainstem.errors import ConfigError, ConnectError, EndpointError, LossyTypeError, TargetBusyError

__all__ = ["LOSSY", "NoLocalFilesError", "broken", "connect_error", "translated"]

# Errors that PyMySQL has no name for.
_CLIENT_LEFT_ALONE = 4031
_CONNECTION_KILLED = 1927
_INTERRUPTED = 1317
_SNAPSHOT_CHANGED = 1020
_NO_PASSWORD = 1698
_NO_LOCAL_FILES = frozenset({ER.NOT_ALLOWED_COMMAND, 3948})
_NEEDS_KEY = 3750
_TOO_LONG = (3024, 1969)

_BROKEN = frozenset(
    {
        *(CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, CR.CR_SERVER_LOST_EXTENDED, ER.SERVER_SHUTDOWN),
        *(_CLIENT_LEFT_ALONE, _CONNECTION_KILLED, ER.NET_READ_ERROR, ER.NET_READ_INTERRUPTED),
        *(ER.NET_ERROR_ON_WRITE, ER.NET_WRITE_INTERRUPTED, ER.NET_PACKETS_OUT_OF_ORDER),
    }
)
_BUSY = frozenset({ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, _SNAPSHOT_CHANGED})
LOSSY = frozenset(
    {
        *(ER.WARN_DATA_OUT_OF_RANGE, ER.WARN_DATA_TRUNCATED, ER.TRUNCATED_WRONG_VALUE, ER.DATA_TOO_LONG),
        *(ER.TRUNCATED_WRONG_VALUE_FOR_FIELD, ER.CANT_CREATE_GEOMETRY_OBJECT),
    }
)

_HINTS = {
    _NEEDS_KEY: "The server wants a primary key on every table: set sql_require_primary_key to OFF.",
    **dict.fromkeys(_TOO_LONG, "Is max_execution_time, or max_statement_time, too short?"),
    ER.OPTION_PREVENTS_STATEMENT: "Is this a replica, or a server that was made read-only?",
    ER.DISK_FULL: "The server's disk is full: make room and run again.",
    ER.RECORD_FILE_FULL: "The server has no more room for the table: make room and run again.",
    ER.NET_PACKET_TOO_LARGE: "Raise the server's max_allowed_packet: a row must fit in it.",
    ER.TOO_BIG_ROWSIZE: "InnoDB cannot hold so many wide columns in one row: leave some out.",
    ER.TOO_MANY_FIELDS: "InnoDB holds at most 1,017 columns: leave some out.",
    ER.SPECIFIC_ACCESS_DENIED_ERROR: "Grant the user that privilege.",
    ER.TABLEACCESS_DENIED_ERROR: "Grant the user that privilege.",
    ER.DBACCESS_DENIED_ERROR: "Grant the user that privilege.",
}

_CONNECT_HINTS = {
    ER.ACCESS_DENIED_ERROR: "Check the user and the password.",
    _NO_PASSWORD: "Give the connection a password.",
    ER.DBACCESS_DENIED_ERROR: "Check the name of the database, and whether the user may use it.",
    ER.BAD_DB_ERROR: "Check the name of the database.",
    ER.CON_COUNT_ERROR: "The server has no connection left: close some, or raise its max_connections.",
    ER.TOO_MANY_USER_CONNECTIONS: "Close some of the user's, or raise its max_user_connections.",
    ER.USER_LIMIT_REACHED: "Wait until the hour is over, or raise the user's limits.",
    ER.HOST_NOT_PRIVILEGED: "The server lets nobody in from this host.",
}
_FULL = frozenset({ER.CON_COUNT_ERROR, ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED})
_PASSING_REFUSALS = (
    *("Connection refused", "Connection reset", "No such file or directory", "timed out", "Lost connection"),
    *("No route to host", "Network is unreachable", "Temporary failure in name resolution"),
)
_HOST_HINTS = {
    "Connection refused": "Is the server running, and is the port right?",
    "Name or service not known": "Is the host name right?",
    "nodename nor servname": "Is the host name right?",
    "Temporary failure in name resolution": "Is the host name right?",
    "timed out": "Is the host right, and does a firewall let us through?",
    "CERTIFICATE_VERIFY_FAILED": "Give `ssl_ca` the certificate of who signed the server's.",
}


class NoLocalFilesError(EndpointError):
    """The server, or who stands before it, takes no rows by `LOAD DATA LOCAL`."""


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Map what the driver raises.

    Args:
        name: The connection's name, for the message.
    """
    try:
        yield
    except pymysql.err.MySQLError as error:
        raise _translated(name, error) from error
    except OSError as error:
        raise broken(name, str(error)) from error
    except AttributeError as error:
        # The driver's way to say that its socket is closed under it.
        if "NoneType" not in str(error):
            raise
        raise broken(name, "it is closed") from error


def connect_error(connection: Connection, place: str, error: Exception) -> EndpointError | ConfigError:
    """Say why there is no connection."""
    code, said = _parts(error)
    if isinstance(error, RuntimeError):
        return ConfigError(
            f"{connection.name}: the server wants a way of logging in that needs a library: {said}.",
            hint="pip install 'mainstem[mysql]'",
        )
    reason = re.sub(r"^Can't connect to MySQL server on '[^']*' \((?:\[Errno -?\d+\] )?(.*)\)$", r"\1", said)
    hint = _CONNECT_HINTS.get(code) or next(
        (text for sign, text in _HOST_HINTS.items() if sign in said), None
    )
    return ConnectError(
        f"{connection.name}: the MySQL server at {place} refused the connection: {reason.rstrip('.')}.",
        hint=hint,
        transient=code in _FULL or any(sign in said for sign in _PASSING_REFUSALS),
    )


def _translated(name: str, error: pymysql.err.MySQLError) -> EndpointError:
    code, said = _parts(error)
    if code in _BROKEN or (code == 0 and not said):
        return broken(name, said)
    message = f"{name}: MySQL said: {said.rstrip('.')}."
    if code in _BUSY:
        return TargetBusyError(
            message,
            hint="Another writer or a long transaction was in the way: run again.",
        )
    if code in LOSSY:
        return LossyTypeError(message)
    if code in _NO_LOCAL_FILES:
        return NoLocalFilesError(message)
    if code == _INTERRUPTED:
        return EndpointError(f"{name}: the statement was broken off.")
    return EndpointError(message, hint=_HINTS.get(code))


def broken(name: str, said: str) -> ConnectError:
    """Say that there is no server at the other end any more."""
    return ConnectError(
        f"{name}: the connection to MySQL broke: {said.rstrip('.') or 'it is closed'}.",
        hint="Is the server up? Run again.",
        transient=True,
    )


def _parts(error: Exception) -> tuple[int, str]:
    """The server's number and its sentence."""
    arguments = error.args
    if len(arguments) > 1 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1]).strip().splitlines()[0] if arguments[1] else ""
    return 0, str(error).strip().splitlines()[0] if str(error) else ""
