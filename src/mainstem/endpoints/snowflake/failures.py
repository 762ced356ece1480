"""The driver's errors as ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import adbc_driver_manager
import pyarrow as pa

from mainstem.connections import Connection
from mainstem.endpoints.snowflake.connecting import place_of
from mainstem.errors import (
    ConnectError,
    ConnectionConfigError,
    EndpointError,
    LossyTypeError,
    TargetBusyError,
)

__all__ = ["connect_error", "translated"]

# The server's numbers. https://docs.snowflake.com/en/developer-guide/snowflake-rest-api and the drivers' own.
_NO_WAREHOUSE = 606
_CANCELED = 604
_LOCK_TIMEOUT = 625
_DEADLOCK = 3030
_NOT_FOUND = 2003
_NO_PRIVILEGE = 3001
_STATEMENT_TIMEOUT = 630
_SESSION_GONE = frozenset({390111, 390112, 390114})

# Classes of SQLSTATE in which a value was refused. 22000 is for anything.
_LOSSY = "22"
_NOT_LOSSY = frozenset({"22000", "22023"})

_HINTS = {
    _NO_WAREHOUSE: "Give the connection a `warehouse`, and the role the right to use it.",
    _NOT_FOUND: "Is the name right, its case too, and may the role see it?",
    _NO_PRIVILEGE: "Grant the role the privilege, or give the connection another `role`.",
    _STATEMENT_TIMEOUT: "Raise STATEMENT_TIMEOUT_IN_SECONDS, or use a larger warehouse.",
}
_CONNECT_HINTS = {
    390100: "Check the `user` and the `password`, or the `token`.",
    390101: "Check the `authenticator`.",
    390144: "Does the user have the public key of this `private_key`, and is it this `account`?",
    390189: "Check the `role`, and whether the user has it.",
    390201: "Check `database`, `warehouse` and `role`, and whether the user may use them.",
    390303: "Check the `token`.",
    390318: "The `token` has expired: get a new one.",
    390422: "The account lets nobody in from this address: ask whoever keeps its network policy.",
}
_HOST_HINTS = {
    "connection refused": "Is the `host` right, and the `port`?",
    "no such host": "Is the `account`, or the `host`, right?",
    "incorrect password": "Check `private_key_passphrase`.",
    "PEM block": "`private_key` is a key in the form PKCS#8, or the path of its file.",
    "PKCS8": "`private_key` is a key in the form PKCS#8, or the path of its file.",
    "HTTP: 403": "Is the `account` right?",
    "HTTP: 404": "Is the `account` right?",
}

_STATUS = re.compile(r"^[A-Z_]+: ")
_PRODUCT = re.compile(r"^\[Snowflake\] ")
_CODE = re.compile(r"^(?:\d{4,6}(?: \(\w+\))?: )+")
_BEHIND = re.compile(r"\.?\s*(?:Vendor code: \d+)?\.?\s*(?:SQLSTATE: \w+)?\s*$")
_REQUEST = re.compile(r'^(?:IO: )?\w+ "https?://[^"]*": ')
_KIND = re.compile(r"^(?:SQL compilation error|SQL execution error|Uncaught exception):?\s*", re.IGNORECASE)
_LONGEST = 400


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Map what the driver raises.

    Args:
        name: The connection's name, for the message.
    """
    try:
        yield
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        # A result that breaks off while it is read comes as an OSError.
        raise _translated(name, error) from error


def connect_error(connection: Connection, error: Exception) -> ConnectError | ConnectionConfigError:
    """Say why there is no session."""
    said, code = _sentence(error), _code(error)
    hint = _CONNECT_HINTS.get(code) or next(
        (hint for sign, hint in _HOST_HINTS.items() if sign in said), None
    )
    if isinstance(error, adbc_driver_manager.ProgrammingError):
        # Nobody was asked yet.
        return ConnectionConfigError(f"Connection {connection.name}: {said}.", hint=hint)
    return ConnectError(
        f"{connection.name}: Snowflake at {place_of(connection)} refused the connection: {said}.",
        hint=hint,
        transient=not code,
    )


def _translated(name: str, error: Exception) -> EndpointError:
    said, code, state = _sentence(error), _code(error), str(getattr(error, "sqlstate", None) or "")
    if code == _CANCELED or _is_cancelled(error, said):
        return EndpointError(f"{name}: the statement was broken off.")
    if code in _SESSION_GONE or _REQUEST.match(str(error)):
        return ConnectError(
            f"{name}: the connection to Snowflake broke: {said}.", hint="Run again.", transient=True
        )
    message = f"{name}: Snowflake said: {said}."
    if code in (_LOCK_TIMEOUT, _DEADLOCK):
        return TargetBusyError(message, hint="Another writer was in the way: run again.")
    if state.startswith(_LOSSY) and state not in _NOT_LOSSY:
        return LossyTypeError(
            message, hint="Declare another type under `columns`, or widen the target's column."
        )
    return EndpointError(message, hint=_HINTS.get(code))


def _is_cancelled(error: Exception, said: str) -> bool:
    status = getattr(error, "status_code", None)
    return status == adbc_driver_manager.AdbcStatusCode.CANCELLED or "context canceled" in said


def _code(error: Exception) -> int:
    return int(getattr(error, "vendor_code", None) or 0)


def _sentence(error: Exception) -> str:
    """The server's own words, without the driver's around them."""
    text = str(error).strip() or type(error).__name__
    for before in (_REQUEST, _STATUS, _PRODUCT, _CODE):
        text = before.sub("", text)
    # Where in the statement it was shows values of rows.
    text = _BEHIND.sub("", text.partition("\n\n")[0])
    text = " ".join(_KIND.sub("", text).split())
    return text[:_LONGEST].rstrip(". ")
