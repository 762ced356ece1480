"""Files behind SSH, through paramiko."""

from __future__ import annotations

import io
import logging
import secrets
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

import paramiko  # type: ignore[import-untyped]
from paramiko.ssh_exception import NoValidConnectionsError  # type: ignore[import-untyped]
from typing_extensions import override

from mainstem.connections import Connection
from mainstem.errors import ConnectError, ConnectionConfigError, EndpointError, RelationNotFoundError
from mainstem.files.places.base import AtomicWriter, FileInfo, Place
from mainstem.files.places.paths import TEMPORARY
from mainstem.files.places.ranged import RangeReader

__all__ = ["Sftp"]

# What it logs of a connection that broke is in our errors: without a handler Python would print it.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_PORT = 22
_SECONDS = 30
# What a server must be able to send at once.
_REQUEST = 32 * 1024
_READ_AHEAD = 1024 * 1024
# How paramiko says that there is no server at the other end any more.
_GONE = ("onnection dropped", "ocket is closed", "session not active", "SSH protocol banner", "closed")


class Sftp(Place):
    """Files of a server: below the connection's `path`, or anywhere, from the user's own folder."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._host = connection.required("host")
        given = connection.text("path")
        self._root = f"{given.rstrip('/')}/" if given else ""
        self.rooted = bool(given)
        self._ssh: paramiko.SSHClient | None = None
        self._main: paramiko.SFTPClient | None = None
        self._lock = threading.Lock()
        self._asking = threading.RLock()

    def session(self) -> paramiko.SFTPClient:
        """Open a session of its own: one cannot be shared by threads.

        Raises:
            ConnectError: The server cannot be reached, refused the credentials, or is another than it was.
            EndpointError: It opens no more sessions.
        """
        with self._lock:
            if self._ssh is None:
                self._ssh = _connected(self.connection, self._host)
            with self._told(""):
                session = self._ssh.open_sftp()
                session.get_channel().settimeout(_SECONDS)
                return session

    @contextmanager
    def _client(self, path: str) -> Iterator[paramiko.SFTPClient]:
        """The session for what is done at once. One thread has it at a time."""
        with self._asking, self._told(path):
            if self._main is None:
                self._main = self.session()
            yield self._main

    @override
    def without_url(self, path: str) -> str:
        if path.startswith("sftp://"):
            server, _, path = path.removeprefix("sftp://").partition("/")
            if server.rpartition("@")[2].split(":")[0] != self._host:
                raise EndpointError(
                    f"sftp://{server.rpartition('@')[2]}/{path} is not on {self._host}, which connection"
                    f" {self.connection.name} is for."
                )
            path = f"/{path}"
        if not self.rooted or not path.startswith("/"):
            return path
        if f"{path.rstrip('/')}/" == self._root:
            return ""
        if not path.startswith(self._root):
            raise EndpointError(
                f"{path} is outside of {self._root}, which connection {self.connection.name} is for."
            )
        return path[len(self._root) :]

    @override
    def url(self, path: str) -> str:
        whole = self._whole(path)
        return f"sftp://{self._host}{'' if whole.startswith('/') else '/~/'}{whole}"

    @override
    def entries(self, folder: str, *, deep: bool) -> Iterator[FileInfo]:
        with self._client(folder) as client:
            try:
                found = client.listdir_attr(self._whole(folder) or ".")
            except FileNotFoundError:
                return
        for entry in sorted(found, key=lambda entry: entry.filename):
            path = folder + entry.filename
            status = self._followed(entry, path)
            if status is None:
                continue
            if not stat.S_ISDIR(status.st_mode or 0):
                yield _info(path, status)
            elif not deep:
                yield FileInfo(f"{path}/")
            elif not stat.S_ISLNK(entry.st_mode or 0):
                # A link to a folder may lead back up.
                yield from self.entries(f"{path}/", deep=True)

    def _followed(self, entry: paramiko.SFTPAttributes, path: str) -> paramiko.SFTPAttributes | None:
        """What a link leads to; ``None`` where it leads nowhere."""
        if not stat.S_ISLNK(entry.st_mode or 0):
            return entry
        with self._client(path) as client, suppress(OSError):
            return client.stat(self._whole(path))
        return None

    @override
    def info(self, path: str) -> FileInfo | None:
        with self._client(path) as client:
            try:
                status = client.stat(self._whole(path))
            except FileNotFoundError:
                return None
        return None if stat.S_ISDIR(status.st_mode or 0) else _info(path, status)

    @override
    def open_file(self, path: str) -> BinaryIO:
        session = self.session()
        try:
            with self._told(path):
                file = session.open(self._whole(path), "rb")
                # The thread that asks ahead would print what the reader is told of anyway.
                file._prefetch_thread = _quietly(file._prefetch_thread)
                size = file.stat().st_size or 0
        except BaseException:
            session.close()
            raise

        def fetch(start: int, end: int) -> bytes:
            parts = [(at, min(_REQUEST, end - at)) for at in range(start, end, _REQUEST)]
            with self._told(path):
                data = b"".join(file.readv(parts))
            if len(data) != end - start:
                raise EndpointError(
                    f"{self.url(path)} ended {end - start - len(data)} bytes early: it was changed while it"
                    " was read. Nothing was published.",
                    hint="Run the stream again.",
                    transient=True,
                )
            return data

        return _Opened(RangeReader(size, fetch), session)

    @override
    def write_file(self, path: str) -> AtomicWriter:
        return _SftpWriter(self, self._whole(path), path)

    @override
    def delete_file(self, path: str) -> None:
        with self._client(path) as client, suppress(FileNotFoundError):
            client.remove(self._whole(path))

    @override
    def is_folder(self, path: str) -> bool:
        wanted = self.checked(path)
        with self._client(wanted) as client:
            try:
                return stat.S_ISDIR(client.stat(self._whole(wanted) or ".").st_mode or 0)
            except FileNotFoundError:
                return False

    @override
    def delete_folder(self, path: str) -> int:
        wanted = self.checked(path).rstrip("/")
        with self._client(wanted) as client:
            return _removed(client, self._whole(wanted))

    @override
    def close(self) -> None:
        with self._lock:
            ssh, self._ssh, self._main = self._ssh, None, None
        if ssh is not None:
            ssh.close()

    @override
    def cancel(self) -> None:
        ssh = self._ssh
        if ssh is not None:
            ssh.close()

    def told(self, path: str) -> Any:
        """Say in our words what the server refused, within a block."""
        return self._told(path)

    @contextmanager
    def _told(self, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise RelationNotFoundError(f"There is no file {self.url(path)}.") from error
        except PermissionError as error:
            raise EndpointError(f"{self.url(path)}: the server does not permit it.") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise EndpointError(
                f"{self.url(path)}: {str(error) or 'the server broke off'}.",
                hint="Is the server still there? Run the stream again.",
                transient=_may_pass(error),
            ) from error

    def _whole(self, path: str) -> str:
        return self._root + path


class _Opened(io.BufferedReader):
    """A reader that closes its session with it, and with that the server's file."""

    def __init__(self, raw: RangeReader, session: paramiko.SFTPClient) -> None:
        super().__init__(raw, _READ_AHEAD)
        self._session = session

    @override
    def close(self) -> None:
        if not self.closed:
            self._session.close()
        super().close()


class _SftpWriter(AtomicWriter):
    """A file beside the final one, renamed at the end."""

    def __init__(self, place: Sftp, final: str, path: str) -> None:
        super().__init__()
        self._place = place
        self._final = final
        self._path = path
        folder = final[: final.rfind("/") + 1]
        self._beside = f"{folder}.{secrets.token_hex(8)}{TEMPORARY}"
        self._session = place.session()
        try:
            with place.told(path):
                _make_folders(self._session, folder)
                self._file = self._session.open(self._beside, "wbx")
                self._file.set_pipelined(True)
        except BaseException:
            self._session.close()
            raise

    @override
    def put(self, data: bytes) -> None:
        with self._place.told(self._path):
            self._file.write(data)

    @override
    def finish(self) -> None:
        if self._file.closed:
            return
        with self._place.told(self._path):
            self._file.close()
            found = self._session.stat(self._beside).st_size
        if found != self.tell():
            raise EndpointError(
                f"{self._place.url(self._path)}: {self.tell()} bytes were sent, but {found} arrived."
                " Nothing was published.",
                hint="Is the server's disk full?",
            )

    @override
    def show(self) -> None:
        with self._place.told(self._path):
            self._session.posix_rename(self._beside, self._final)
        self._session.close()

    @override
    def drop(self) -> None:
        # Where the server is gone, the next run sweeps.
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._file.close()
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._session.remove(self._beside)
        self._session.close()


def _removed(client: paramiko.SFTPClient, folder: str) -> int:
    """Remove a folder; how many files were in it. A link goes, and what it leads to stays."""
    count = 0
    for entry in client.listdir_attr(folder):
        path = f"{folder}/{entry.filename}"
        if stat.S_ISDIR(entry.st_mode or 0):
            count += _removed(client, path)
        else:
            client.remove(path)
            count += 1
    client.rmdir(folder)
    return count


def _make_folders(client: paramiko.SFTPClient, folder: str) -> None:
    made = "/" if folder.startswith("/") else ""
    for part in folder.strip("/").split("/"):
        made += f"{part}/"
        if part and not _is_there(client, made):
            # Another run may make it at the same time.
            with suppress(OSError):
                client.mkdir(made)


def _is_there(client: paramiko.SFTPClient, path: str) -> bool:
    try:
        client.stat(path)
    except FileNotFoundError:
        return False
    return True


def _connected(connection: Connection, host: str) -> paramiko.SSHClient:
    ssh = paramiko.SSHClient()
    with suppress(OSError):
        ssh.load_system_host_keys(connection.text("known_hosts"))
    strict = (connection.text("strict_host_key_checking") or "").lower() in ("true", "yes")
    # A server that is known under another key is refused either way.
    ssh.set_missing_host_key_policy(paramiko.RejectPolicy() if strict else paramiko.AutoAddPolicy())
    key = _private_key(connection)
    try:
        ssh.connect(
            host,
            int(connection.text("port") or _PORT),
            connection.text("user"),
            connection.text("password"),
            pkey=key,
            timeout=_SECONDS,
            banner_timeout=_SECONDS,
            auth_timeout=_SECONDS,
            allow_agent=key is None and connection.text("password") is None,
            look_for_keys=key is None and connection.text("password") is None,
        )
    except paramiko.BadHostKeyException as error:
        ssh.close()
        raise ConnectError(
            f"{host} has another host key than the one that is known of it.",
            hint="Somebody may be in between. If it was set up anew, remove its line from known_hosts.",
        ) from error
    except paramiko.AuthenticationException as error:
        ssh.close()
        raise ConnectError(
            f"{host} refused the credentials of connection {connection.name}.",
            hint="Check `user`, and `password` or `private_key` with `passphrase`.",
        ) from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        ssh.close()
        raise ConnectError(
            f"{host} cannot be reached by SSH: {str(error) or type(error).__name__}.",
            hint="Check `host` and `port`; with `strict_host_key_checking` also `known_hosts`.",
            transient=_may_pass(error),
        ) from error
    return ssh


def _quietly(work: Callable[..., None]) -> Callable[..., None]:
    def done(*arguments: Any) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            work(*arguments)

    return done


def _may_pass(error: Exception) -> bool:
    """Whether a server went away, or was not there yet; otherwise it said no."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_AGAIN
    gone = (EOFError, ConnectionError, TimeoutError, socket.timeout, NoValidConnectionsError)
    return isinstance(error, gone) or any(sign in str(error) for sign in _GONE)


def _private_key(connection: Connection) -> paramiko.PKey | None:
    given = connection.text("private_key") or connection.text("ssh_private_key")
    if not given:
        return None
    phrase = connection.text("passphrase") or connection.text("ssh_passphrase")
    text = given if "-----BEGIN" in given else _key_file(connection, given)
    kinds: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
    for kind in kinds:
        # The next kind may be the right one.
        with suppress(paramiko.SSHException, ValueError, IndexError):
            return kind.from_private_key(io.StringIO(text), phrase)
    raise ConnectionConfigError(
        f"Connection {connection.name}: 'private_key' cannot be read.",
        hint="It is a file's path or the key itself (Ed25519, ECDSA or RSA). Is `passphrase` right?",
    )


def _key_file(connection: Connection, path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        # Not the path: it may be a key that lost its first line.
        raise ConnectionConfigError(
            f"Connection {connection.name}: the file of 'private_key' cannot be read: {type(error).__name__}."
        ) from None


def _info(path: str, status: paramiko.SFTPAttributes) -> FileInfo:
    modified = None if status.st_mtime is None else datetime.fromtimestamp(status.st_mtime, timezone.utc)
    return FileInfo(path, status.st_size, modified)
