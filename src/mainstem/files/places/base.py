"""A place where files live: list, open, write whole, delete."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, ClassVar

from typing_extensions import Self, override

from mainstem.connections import Connection
from mainstem.errors import RelationNotFoundError
from mainstem.files.places.paths import checked, fixed_folder, glob, is_hidden, is_pattern, is_temporary

__all__ = ["AtomicWriter", "FileInfo", "Place"]

# No run writes a file for so long.
_SURELY_LEFT = timedelta(days=1)


@dataclass(frozen=True)
class FileInfo:
    """A file, as its place lists it.

    Attributes:
        path: From the place's root; a folder's ends in ``/``.
        size: Its length in bytes; ``None`` where the place does not say.
        modified: When it was last changed, in UTC; ``None`` where the place does not say.
    """

    path: str
    size: int | None = None
    modified: datetime | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.endswith("/")


class AtomicWriter(io.BufferedIOBase):
    """Writes a file that nobody sees until it is whole.

    As a context manager it commits at the end, or gives everything up where an error leaves it. Nothing is
    under the final name before :meth:`commit`, and a file that was there stays until then.
    """

    def __init__(self) -> None:
        self._size = 0
        self._over = False

    @abstractmethod
    def put(self, data: bytes) -> None:
        """Take bytes on their way."""

    @abstractmethod
    def finish(self) -> None:
        """Bring all bytes to the place, still under no final name. Doing so twice is allowed."""

    @abstractmethod
    def show(self) -> None:
        """Put the finished file under its final name, in the place of what was there."""

    @abstractmethod
    def drop(self) -> None:
        """Give up, and leave nothing."""

    @override
    def writable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._size

    @override
    def write(self, data: Any) -> int:
        if self._over:
            raise ValueError("The file is written already.")
        taken = bytes(data)
        self.put(taken)
        self._size += len(taken)
        return len(taken)

    def commit(self) -> None:
        """Finish the file and put it under its final name.

        Raises:
            EndpointError: The place refused it. The final name has what it had before.
        """
        if self._over:
            return
        try:
            self.finish()
            self.show()
        except BaseException:
            self.abort()
            raise
        self._over = True

    def abort(self) -> None:
        """Give up what is not committed. Doing so twice is allowed."""
        if not self._over:
            self._over = True
            self.drop()

    @override
    def close(self) -> None:
        self.abort()
        super().close()

    def __enter__(self) -> Self:
        return self

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        self.close()


class Place(ABC):
    """Where files live. Use it as a context manager.

    Attributes:
        writable: Whether files can be written.
        listable: Whether it can say which files there are; otherwise each is named.
        rooted: Whether a leading ``/`` of a path means the place's own root.
        versioned: What is opened is read as it was then, also where the file is changed meanwhile.

    Args:
        connection: Where it is, and how to get in. It is reached at the first use.
    """

    writable: ClassVar[bool] = True
    listable: ClassVar[bool] = True
    versioned: ClassVar[bool] = False
    rooted: bool = True

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    # What a place gives.

    @abstractmethod
    def entries(self, folder: str, *, deep: bool) -> Iterator[FileInfo]:
        """The files and folders in a folder, or all files below it; nothing where it is not there.

        Args:
            folder: Ends in ``/``, or is empty for the root.
            deep: All files below, and no folders.

        Raises:
            EndpointError: The place cannot be reached, or refused it.
        """

    @abstractmethod
    def info(self, path: str) -> FileInfo | None:
        """Look one file up; ``None`` where there is none."""

    @abstractmethod
    def open_file(self, path: str) -> BinaryIO:
        """Open a file that :meth:`checked` let through."""

    @abstractmethod
    def write_file(self, path: str) -> AtomicWriter:
        """Begin a file that :meth:`checked` let through."""

    @abstractmethod
    def delete_file(self, path: str) -> None:
        """Remove a file that :meth:`checked` let through, where it is there."""

    @abstractmethod
    def url(self, path: str) -> str:
        """What a file is called, for people and for ``_sling_stream_url``. It holds no secret."""

    def local_path(self, path: str) -> Path | None:  # noqa: ARG002 - most have none
        """The path of a file that is on this machine."""
        return None

    def close(self) -> None:  # noqa: B027 - most keep nothing open
        """Let go. Closing twice is allowed."""

    def cancel(self) -> None:  # noqa: B027 - most end by themselves
        """Break off what runs; any thread may call it."""

    # What users ask.

    def checked(self, path: str) -> str:
        """Return a path or a URL of this place as it wants it, or refuse it.

        Raises:
            EndpointError: It leads out of the root, is of another place, or is no path at all.
        """
        return checked(self.without_url(path), rooted=self.rooted)

    def without_url(self, path: str) -> str:
        """Take the URL of this place off a path.

        Raises:
            EndpointError: It is a URL of another place.
        """
        return path

    def list(self, pattern: str) -> Sequence[FileInfo]:
        """The files that a path, a pattern or a folder means, sorted by path.

        Args:
            pattern: A file; a pattern with ``*``, ``?`` and ``**``; or a folder, for all files below it but
                those that are no data, such as ``_SUCCESS``.

        Raises:
            EndpointError: The pattern is refused, or the place cannot be reached.
        """
        path = self.checked(pattern)
        if is_pattern(path) and self.listable:
            return [found for found in self.matches(path) if not found.is_folder]
        if path and not path.endswith("/"):
            found = self.info(path)
            if found is not None or not self.listable:
                return [found] if found else []
            path += "/"
        below = (found for found in self.entries(path, deep=True) if not is_hidden(found.path[len(path) :]))
        return sorted(below, key=lambda found: found.path)

    def matches(self, pattern: str) -> Sequence[FileInfo]:
        """The files and folders that a pattern matches, sorted by path.

        Raises:
            EndpointError: The pattern is refused, or the place cannot be reached.
        """
        pattern = self.checked(pattern)
        folder, wanted = fixed_folder(pattern), glob(pattern.rstrip("/"))
        deep = "**" in pattern
        found = (
            self.entries(folder, deep=True) if deep else self._level(folder, pattern.rstrip("/").count("/"))
        )
        folders_only = pattern.endswith("/")
        kept = (
            entry
            for entry in found
            if wanted.fullmatch(entry.path.rstrip("/"))
            and not is_temporary(entry.path)
            and (entry.is_folder or not folders_only)
        )
        return sorted(kept, key=lambda entry: entry.path)

    def _level(self, folder: str, slashes: int) -> Iterator[FileInfo]:
        """What is in a folder, or so many folders below it."""
        for entry in self.entries(folder, deep=False):
            if entry.path.rstrip("/").count("/") >= slashes:
                yield entry
            elif entry.is_folder:
                yield from self._level(entry.path, slashes)

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, seekable where the place can.

        Raises:
            RelationNotFoundError: It is not there.
            EndpointError: The path is refused, or the place cannot be reached.
        """
        return self.open_file(self.checked(path))

    def write(self, path: str) -> AtomicWriter:
        """Begin to write a file.

        Raises:
            EndpointError: The path is refused, or the place cannot be reached or written.
        """
        return self.write_file(self._file(path))

    def delete(self, path: str) -> None:
        """Remove a file; nothing where it is not there.

        Raises:
            EndpointError: The path is refused, or the place.
        """
        self.delete_file(self._file(path))

    def exists(self, path: str) -> bool:
        """Whether there is a file, or a folder with a file in it."""
        wanted = self.checked(path)
        if wanted and not wanted.endswith("/") and self.info(wanted) is not None:
            return True
        folder = wanted if wanted.endswith("/") or not wanted else f"{wanted}/"
        return any(not is_temporary(found.path) for found in self.entries(folder, deep=True))

    def is_folder(self, path: str) -> bool:
        """Whether a path is a folder's; where folders are but parts of names, with a file in it."""
        folder = self.checked(path).rstrip("/")
        return (
            self.listable
            and next(iter(self.entries(f"{folder}/" if folder else "", deep=False)), None) is not None
        )

    def delete_folder(self, path: str) -> int:
        """Remove a folder with all that is in it; how many files that were.

        Raises:
            EndpointError: The path is refused, or the place.
        """
        below = list(self.entries(f"{self.checked(path).rstrip('/')}/", deep=True))
        for entry in below:
            self.delete_file(entry.path)
        return len(below)

    def sweep(self, folder: str) -> None:
        """Remove what killed runs left in a folder: files that were never committed.

        Raises:
            EndpointError: The folder is refused, or the place.
        """
        before = datetime.now(timezone.utc) - _SURELY_LEFT
        for entry in self.entries(self.checked(folder), deep=False):
            if is_temporary(entry.path) and entry.modified is not None and entry.modified < before:
                self.delete_file(entry.path)

    def _file(self, path: str) -> str:
        wanted = self.checked(path)
        if not wanted or wanted.endswith("/") or is_pattern(wanted):
            raise RelationNotFoundError(f"{path!r} names no single file.")
        return wanted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
