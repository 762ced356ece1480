"""One connection to the server: statements, the raw rows of a query, and rows on their way in.

PyMySQL logs in and speaks the protocol's small talk. Rows do not pass through it: a packet for each would
make Python objects of every value. https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NoReturn

import pymysql
from pymysql.constants import CLIENT, COMMAND
from pymysql.protocol import FieldDescriptorPacket, OKPacketWrapper

from mainstem.connections import Connection
from mainstem.endpoints.mysql.failures import connect_error, translated
from mainstem.endpoints.mysql.rows import RowPackets
from mainstem.endpoints.mysql.server import Server
from mainstem.errors import ConnectionConfigError, EndpointError

__all__ = ["Outcome", "Session", "WireField", "place_of"]

_PORT = 3306
_CONNECT_SECONDS = 10
# A definition changes only when nobody reads the table: so long we wait for that, and for a row's lock.
_LOCK_SECONDS = 60
_HOUR = 3600
_SENT_BYTES = 1 << 20
# In seconds. The machine itself would ask an end that is gone without a word after two hours.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}

# What a session of ours is like, whatever the server's defaults are. Nothing is cut or rounded silently, 0 is
# no order for a new number, moments are in UTC, no limit cuts a result, and nobody hangs up on a slow reader.
_SETTINGS = {
    "sql_mode": "'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO'",
    "time_zone": "'+00:00'",
    "sql_select_limit": "18446744073709551615",
    "sql_safe_updates": "0",
    "sql_auto_is_null": "0",
    "wait_timeout": str(24 * _HOUR),
    "net_read_timeout": str(_HOUR),
    "net_write_timeout": str(_HOUR),
    "lock_wait_timeout": str(_LOCK_SECONDS),
    "innodb_lock_wait_timeout": str(_LOCK_SECONDS),
}
_ASKED = ("local_infile", "max_allowed_packet")

# `ssl_mode` as in the mysql client, `tls` as in Go's driver, which Sling has.
_TLS_MODES = {
    "disabled": "disabled",
    "disable": "disabled",
    "false": "disabled",
    "preferred": "preferred",
    "prefer": "preferred",
    "required": "required",
    "require": "required",
    "skip-verify": "required",
    "verify_ca": "verify_ca",
    "verify-ca": "verify_ca",
    "verify_identity": "verify_identity",
    "verify-full": "verify_identity",
    "true": "verify_identity",
}


@dataclass(frozen=True)
class WireField:
    """A column of a result, as the protocol describes it.

    Attributes:
        name: Its name.
        kind: The number of its type.
        length: The most bytes that it prints.
        scale: Digits after the point.
        flags: Its flags.
        is_bytes: Whether its text has no character set.
    """

    name: str
    kind: int
    length: int
    scale: int
    flags: int
    is_bytes: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a statement.

    Attributes:
        affected: Rows that it changed.
        warnings: So many warnings it gave.
    """

    affected: int
    warnings: int


class Session:
    """One connection.

    Args:
        connection: Where the server is, and how to get in.
        patience: Seconds that each answer may take; ``None``: as long as it takes, once we are in.

    Raises:
        ConnectError: It cannot be reached, or refused the credentials.
    """

    def __init__(self, connection: Connection, *, patience: float | None = None) -> None:
        self._name = connection.name
        self._driver = _connected(connection, patience)
        self.id = int(self._driver.thread_id())
        try:
            settings = ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
            self.run(f"SET {settings}")
            self.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        except BaseException:
            self.hang_up()
            raise
        self._driver.wait_for(patience)

    @cached_property
    def server(self) -> Server:
        """What it can do."""
        names = ", ".join(f"'{name}'" for name in _ASKED)
        found = self.rows(f"SHOW VARIABLES WHERE Variable_name IN ({names})")
        return Server(str(self._driver.get_server_info()), {str(name): str(value) for name, value in found})

    def run(self, sql: str | bytes) -> Outcome:
        """Run a statement, and pass over what it returns."""
        with translated(self._name), self._no_files():
            affected = self._driver.query(sql)
            result = self._driver._result
            while result.has_next:
                self._driver.next_result()
                result = self._driver._result
            return Outcome(int(affected), int(result.warning_count or 0))

    def rows(self, sql: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        """Run a query of few rows."""
        with translated(self._name), self._no_files(), self._driver.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    def warning(self, codes: Collection[int] = ()) -> str | None:
        """The first warning of the statement before, in the server's words; ``None`` for none.

        Args:
            codes: Only of these.
        """
        found = self.rows("SHOW WARNINGS")
        return next((str(said) for _, code, said in found if not codes or code in codes), None)

    def prepared(self, sql: str) -> Sequence[WireField]:
        """Have the server describe a query's result, without running it."""
        driver = self._driver
        with translated(self._name):
            driver._execute_command(COMMAND.COM_STMT_PREPARE, sql)
            answer = driver._read_packet().get_all_data()
            statement, columns, parameters = struct.unpack_from("<IHH", answer, 1)
            if parameters:
                for _ in range(parameters + 1):
                    driver._read_packet()
            fields = self._fields(columns) if columns else []
            driver._execute_command(COMMAND.COM_STMT_CLOSE, struct.pack("<I", statement))
        return fields

    def query(self, sql: str) -> tuple[Sequence[WireField], RowPackets | None]:
        """Run a query and return its columns and its rows as they come; ``None`` where it is none.

        The rows must be read to their end, or the session be closed, before anything else.
        """
        with translated(self._name):
            self._driver._execute_command(COMMAND.COM_QUERY, sql)
            answer = self._driver._read_packet()
            if answer.is_ok_packet():
                return [], None
            if answer.is_load_local_packet():
                self._refuse_file()
            fields = self._fields(answer.read_length_encoded_integer())
        return fields, RowPackets(self._driver._rfile, self._name)

    def load(self, sql: str, parts: Iterable[Any]) -> Outcome:
        """Run a `LOAD DATA LOCAL`, whose file is made of these bytes, whichever file the server asks for."""
        driver = self._driver
        with translated(self._name):
            driver._execute_command(COMMAND.COM_QUERY, sql)
            answer = driver._read_packet()
            if not answer.is_load_local_packet():
                raise EndpointError(f"{self._name}: MySQL does not take rows by LOAD DATA LOCAL.")
            try:
                for part in parts:
                    whole = memoryview(part)
                    for start in range(0, len(whole), _SENT_BYTES):
                        driver.write_packet(bytes(whole[start : start + _SENT_BYTES]))
                driver.write_packet(b"")
            except BaseException:
                # Whatever is sent next would be taken for rows.
                self.hang_up()
                raise
            done = OKPacketWrapper(driver._read_packet())
            return Outcome(int(done.affected_rows), int(done.warning_count))

    @property
    def is_open(self) -> bool:
        """Whether it can be used, as far as is known."""
        return bool(self._driver.open)

    def close(self) -> None:
        """Say goodbye, and hang up. Doing so twice is allowed."""
        with suppress(pymysql.err.Error, OSError):
            self._driver.close()

    def hang_up(self) -> None:
        """Hang up, whatever is still on its way."""
        self._driver._force_close()

    def cut(self) -> None:
        """Cut the wire under another thread that waits for the server, which then learns of it."""
        with suppress(OSError, AttributeError):
            self._driver._sock.shutdown(socket.SHUT_RDWR)

    def _fields(self, count: int) -> list[WireField]:
        described = [self._driver._read_packet(FieldDescriptorPacket) for _ in range(count)]
        self._driver._read_packet()
        return [
            WireField(
                name=field.name,
                kind=field.type_code,
                length=field.length,
                scale=field.scale,
                flags=field.flags,
                is_bytes=field.charsetnr == _NO_CHARACTERS,
            )
            for field in described
        ]

    @contextmanager
    def _no_files(self) -> Iterator[None]:
        """The driver says no before anything is sent, and leaves the server waiting."""
        try:
            yield
        except RuntimeError as error:
            if "LOAD_LOCAL" not in str(error):
                raise
            self._refuse_file()

    def _refuse_file(self) -> NoReturn:
        """The server asked for a file of this machine, which it has no business with."""
        self._driver.write_packet(b"")
        self._driver._read_packet()
        raise EndpointError(
            f"{self._name}: LOAD DATA LOCAL is refused: a server must not read files of this machine.",
            hint="Load the file with a stream of its own.",
        )


# The character set of what is bytes, or no text at all.
_NO_CHARACTERS = 63


def place_of(connection: Connection) -> str:
    """Where the server is, for people."""
    path = connection.text("socket") or connection.text("unix_socket")
    return path or f"{connection.text('host') or 'localhost'}:{connection.text('port') or _PORT}"


def _connected(connection: Connection, patience: float | None) -> Any:
    password = connection.text("password") or ""
    seconds = patience or _seconds(connection)
    try:
        return _Driver(
            host=connection.text("host") or "localhost",
            port=_port(connection),
            unix_socket=connection.text("socket") or connection.text("unix_socket"),
            user=connection.text("user"),
            # Not as text, which the driver would take for Latin-1.
            password=password.encode(),
            database=connection.text("database") or None,
            charset="utf8mb4",
            autocommit=True,
            # Asked for by hand, so that the driver itself never sends a file.
            client_flag=CLIENT.LOCAL_FILES,
            connect_timeout=seconds,
            # Who lets us in says so soon, or is none.
            read_timeout=seconds,
            write_timeout=seconds,
            program_name="mainstem",
            **_tls(connection),
        )
    except (pymysql.err.MySQLError, OSError, RuntimeError, ssl.SSLError) as error:
        raise connect_error(connection, place_of(connection), error) from error


class _Driver(pymysql.connections.Connection):
    """PyMySQL's connection, which reads all certificates of the machine only to check none of them."""

    def _create_ssl_ctx(self, sslp: Any) -> Any:
        made: Any = super()
        return made._create_ssl_ctx(sslp) if sslp else _unverified()

    def wait_for(self, seconds: float | None) -> None:
        """Wait for each answer so long, and notice an end that is gone without a word."""
        wire: socket.socket = vars(self)["_sock"]
        self._read_timeout = self._write_timeout = self._current_timeout = seconds
        wire.settimeout(seconds)
        if wire.family != getattr(socket, "AF_UNIX", None):
            for name, value in _KEEPALIVE.items():
                if hasattr(socket, name):
                    wire.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


@cache
def _unverified() -> ssl.SSLContext:
    """What keeps a wire private of whose other end nothing was said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _port(connection: Connection) -> int:
    given = connection.text("port") or str(_PORT)
    if not given.isdigit():
        raise ConnectionConfigError(f"Connection {connection.name}: {given!r} is no port.")
    return int(given)


def _seconds(connection: Connection) -> int:
    given = (connection.text("connect_timeout") or connection.text("timeout") or "").removesuffix("s")
    return int(given) if given.isdigit() and int(given) else _CONNECT_SECONDS


def _tls(connection: Connection) -> dict[str, Any]:
    """How the wire is kept private. Without a word on it: by TLS where the server has it, unverified."""
    given = connection.text("ssl_mode") or connection.text("ssl-mode") or connection.text("tls") or ""
    files = {
        key: connection.text(name)
        for key, name in (("ca", "ssl_ca"), ("cert", "ssl_cert"), ("key", "ssl_key"))
    }
    mode = _TLS_MODES.get(given.lower().replace("verify-identity", "verify_identity"))
    if given and mode is None:
        known = ", ".join(dict.fromkeys(_TLS_MODES.values()))
        raise ConnectionConfigError(
            f"Connection {connection.name}: {given!r} is no ssl_mode.", hint=f"There are {known}."
        )
    if mode == "disabled":
        return {"ssl_disabled": True}
    if not any(files.values()) and mode in (None, "preferred"):
        return {}
    context = ssl.create_default_context(cafile=files["ca"])
    # Certificates that MySQL makes for itself do not pass the strict checks of Python 3.13.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = mode == "verify_identity"
    verified = mode in ("verify_ca", "verify_identity") or bool(files["ca"])
    context.verify_mode = ssl.CERT_REQUIRED if verified else ssl.CERT_NONE
    if files["cert"]:
        context.load_cert_chain(files["cert"], files["key"])
    return {"ssl": context}
