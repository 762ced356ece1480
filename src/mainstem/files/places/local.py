"""This machine's files."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from typing_extensions import override

from mainstem.connections import Connection
from mainstem.errors import EndpointError, RelationNotFoundError
from mainstem.files.places.base import AtomicWriter, FileInfo, Place
from mainstem.files.places.paths import TEMPORARY, is_temporary

if sys.platform != "win32":
    import fcntl

__all__ = ["Local"]

_SCHEMES = ("file://", "local://")
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class Local(Place):
    """Files of this machine: below the connection's `path`, or anywhere, from the working directory."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        given = connection.text("path")
        self._root = Path(given).expanduser().absolute() if given else None
        self.rooted = self._root is not None

    @override
    def without_url(self, path: str) -> str:
        for scheme in _SCHEMES:
            path = path.removeprefix(scheme)
        if self._root is None or not path.startswith("/"):
            return path
        root = f"{self._root}".rstrip("/") + "/"
        if f"{path.rstrip('/')}/" == root:
            return ""
        if not path.startswith(root):
            raise EndpointError(
                f"{path} is outside of {self._root}, which connection {self.connection.name} is for.",
                hint="Use the connection LOCAL for files anywhere.",
            )
        return path[len(root) :]

    @override
    def url(self, path: str) -> str:
        return f"file://{path if self._root is None else self._root / path}"

    @override
    def local_path(self, path: str) -> Path | None:
        return self._path(self.checked(path))

    @override
    def entries(self, folder: str, *, deep: bool) -> Iterator[FileInfo]:
        yield from self._below(folder, deep, ())

    def _below(self, folder: str, deep: bool, above: tuple[tuple[int, int], ...]) -> Iterator[FileInfo]:
        with _told(self._path(folder)):
            try:
                found = sorted(os.scandir(self._path(folder)), key=lambda entry: entry.name)
            except (FileNotFoundError, NotADirectoryError):
                return
            here = self._path(folder).stat()
        if (here.st_dev, here.st_ino) in above:
            # A link that leads back up.
            return
        for entry in found:
            try:
                status = entry.stat()
            except OSError:
                # Gone meanwhile, or a link to nowhere.
                continue
            if not stat.S_ISDIR(status.st_mode):
                yield _info(folder + entry.name, status)
            elif not deep:
                yield FileInfo(f"{folder}{entry.name}/")
            else:
                yield from self._below(f"{folder}{entry.name}/", deep, (*above, (here.st_dev, here.st_ino)))

    @override
    def info(self, path: str) -> FileInfo | None:
        with _told(self._path(path)):
            try:
                status = self._path(path).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return None if stat.S_ISDIR(status.st_mode) else _info(path, status)

    @override
    def open_file(self, path: str) -> BinaryIO:
        with _told(self._path(path)):
            return self._path(path).open("rb")

    @override
    def write_file(self, path: str) -> AtomicWriter:
        with _told(self._path(path)):
            return _LocalWriter(Path(os.path.realpath(self._path(path))))

    @override
    def delete_file(self, path: str) -> None:
        with _told(self._path(path)):
            self._path(path).unlink(missing_ok=True)

    @override
    def is_folder(self, path: str) -> bool:
        return self._path(self.checked(path)).is_dir()

    @override
    def delete_folder(self, path: str) -> int:
        folder = self._path(self.checked(path))
        with _told(folder):
            count = sum(len(files) for _, _, files in os.walk(folder))
            # A link in it goes, and what it leads to stays.
            shutil.rmtree(folder)
        return count

    @override
    def sweep(self, folder: str) -> None:
        for entry in self.entries(self.checked(folder), deep=False):
            if is_temporary(entry.path):
                _unlink_if_left(self._path(entry.path))

    def _path(self, path: str) -> Path:
        return Path(path or ".") if self._root is None else self._root / path


class _LocalWriter(AtomicWriter):
    """A file beside the final one, renamed at the end."""

    def __init__(self, final: Path) -> None:
        super().__init__()
        final.parent.mkdir(parents=True, exist_ok=True)
        self._final = final
        self._beside, file = _made_beside(final)
        self._file: BinaryIO | None = file

    @override
    def put(self, data: bytes) -> None:
        if self._file is not None:
            with _told(self._final):
                self._file.write(data)

    @override
    def finish(self) -> None:
        if self._file is not None:
            with _told(self._final):
                self._file.flush()
                os.fsync(self._file.fileno())

    @override
    def show(self) -> None:
        with _told(self._final):
            with suppress(FileNotFoundError):
                self._beside.chmod(stat.S_IMODE(self._final.stat().st_mode))
            self._beside.replace(self._final)
            self._closed()
            _sync_folder(self._final.parent)

    @override
    def drop(self) -> None:
        self._beside.unlink(missing_ok=True)
        # What could not be written before cannot now, and nobody wants it any more.
        with suppress(OSError):
            self._closed()

    def _closed(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def _made_beside(final: Path) -> tuple[Path, BinaryIO]:
    """A file beside another one, locked so that nobody takes it for what a killed run left."""
    while True:
        beside = final.parent / f".{secrets.token_hex(8)}{TEMPORARY}"
        file = beside.open("xb")
        if sys.platform == "win32":
            return beside, file
        fcntl.flock(file, fcntl.LOCK_EX)
        # Between its making and its lock, whoever sweeps the folder may have taken it away.
        if os.fstat(file.fileno()).st_nlink:
            return beside, file
        file.close()


def _sync_folder(folder: Path) -> None:
    """Have the name itself survive a power cut."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unlink_if_left(path: Path) -> None:
    """Remove a temporary file whose writer is dead: nobody holds its lock."""
    with suppress(OSError), path.open("rb") as file:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()


def _info(path: str, status: os.stat_result) -> FileInfo:
    return FileInfo(path, status.st_size, datetime.fromtimestamp(status.st_mtime, timezone.utc))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what the system refused."""
    try:
        yield
    except FileNotFoundError as error:
        raise RelationNotFoundError(f"There is no file {path}.") from error
    except OSError as error:
        hint = (
            "Make room on the disk, or in the user's quota, and run again." if error.errno in _FULL else None
        )
        raise EndpointError(f"{path}: {error.strerror or type(error).__name__}.", hint=hint) from error
