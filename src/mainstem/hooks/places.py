"""Files as hooks see them: a path of this machine, a URL, or ``CONNECTION/path``."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mainstem.breaking import Breaker
from mainstem.connections import Connection
from mainstem.errors import EndpointError, HookError
from mainstem.files.places import PLACES, FileInfo, Place, is_pattern, open_place

__all__ = ["Places", "split_location"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_LOCAL = ("file", "local")
_CHUNK = 1024 * 1024
_PATH = "path"


def split_location(location: str) -> tuple[str, str]:
    """The connection that a location names, and what is behind it; no connection for a plain path.

    Example:
        >>> split_location("MY_S3/in/a.csv"), split_location("s3://lake/a.csv"), split_location("/tmp/a")
        (('MY_S3', 'in/a.csv'), ('', 's3://lake/a.csv'), ('', '/tmp/a'))
    """
    name, slash, rest = location.partition("/")
    if not slash or not name or ":" in name or name in (".", "..", "~"):
        return "", location
    return name, rest


@dataclass(frozen=True)
class Places:
    """Files by their location.

    Attributes:
        named: Finds a connection by its name; ``None`` where there is none.
        of_url: Finds the connection that a URL is.
        known: Connections of the run: where a URL is of one of them, it has the credentials.
        breaker: Breaks off what is done.
    """

    named: Callable[[str], Connection | None]
    of_url: Callable[[str], Connection]
    known: Sequence[Connection] = ()
    breaker: Breaker = field(default_factory=Breaker)

    def read(self, location: str) -> bytes:
        """A file's contents."""
        with self._at(location) as (place, path), place.open(path) as file:
            return file.read()

    def write(self, location: str, content: bytes) -> int:
        """Make a file, with the folders above it; how many bytes. Nobody sees it before it is whole."""
        with self._at(location) as (place, path), place.write(path) as file:
            return file.write(content)

    def delete(self, location: str, *, recursive: bool) -> int:
        """Delete a file, what a pattern matches, or with ``recursive`` a folder; how many files.

        What is not there is none.

        Raises:
            HookError: It is a folder, or all of a connection, or where this process is.
        """
        with self._at(location) as (place, path):
            found = _files(place, path)
            if found is not None:
                for file in found:
                    place.delete(file.path)
                return len(found)
            if not place.is_folder(path):
                return 0
            if not recursive:
                raise _is_a_folder(place, path, "delete")
            _refuse_all(place, path)
            return place.delete_folder(path)

    def copy(self, origin: str, to: str, *, recursive: bool, single: bool = False) -> int:
        """Copy a file, what a pattern matches, or with ``recursive`` a folder; how many bytes.

        Args:
            origin: What is copied.
            to: A file's name; or a folder, which ends in ``/`` or is there.
            recursive: A folder is copied with all below it.
            single: It is one file, and ``to`` is its name.

        Raises:
            HookError: It is a folder, or not there.
        """
        with self._at(origin) as (source, path), self._at(to) as (target, into):
            found = _files(source, path)
            if single and (found is None or len(found) != 1):
                raise HookError(f"{source.url(path)} is not one file, and `single_file` wants one.")
            if found is None:
                if not source.is_folder(path):
                    raise HookError(f"There is no file {source.url(path)}.", hint="Is the path right?")
                if not recursive:
                    raise _is_a_folder(source, path, "copy")
                folder = _folder(path)
                names = [file.path[len(folder) :] for file in source.entries(folder, deep=True)]
                return sum(_copied(source, folder + name, target, _below(into, name)) for name in names)
            inside = not single and (
                is_pattern(path) or into == "" or into.endswith("/") or target.is_folder(into)
            )
            return sum(
                _copied(source, file.path, target, _below(into, _name(file)) if inside else into)
                for file in found
            )

    def listed(self, location: str, *, recursive: bool) -> Sequence[dict[str, Any]]:
        """What is in a folder, or what a pattern matches: name, path, uri, size, is_dir, updated_at."""
        with self._at(location) as (place, path):
            found: Sequence[FileInfo] | None = (
                place.matches(path) if is_pattern(path) else _files(place, path)
            )
            if found is None:
                found = _within(place, path, recursive=recursive)
            return [_described(place, each) for each in sorted(found, key=lambda each: each.path)]

    def inspect(self, location: str, *, recursive: bool) -> dict[str, Any]:
        """What is there: whether it ``exists``, and of a folder the count and the size of what is in it."""
        with self._at(location) as (place, path):
            found = _files(place, path)
            if found:
                return {"exists": True, **_described(place, found[0])}
            if found is not None or not place.is_folder(path):
                return {"exists": False, "path": path, "uri": place.url(path)}
            below = _within(place, path, recursive=recursive)
            files = [each for each in below if not each.is_folder]
            return {
                "exists": True,
                **_described(place, FileInfo(_folder(path))),
                "is_dir": True,
                "node_count": len(below),
                "file_count": len(files),
                "folder_count": len(below) - len(files),
                "size": sum(each.size or 0 for each in files),
            }

    @contextmanager
    def _at(self, location: str) -> Iterator[tuple[Place, str]]:
        """The place of a location, open, and the path in it."""
        connection, path = self._found(location)
        if connection.type not in PLACES:
            raise HookError(
                f"{connection.name} ({connection.type}) is no place for files.",
                hint=f"Those are {', '.join(PLACES)}.",
            )
        with open_place(connection) as place, self.breaker.watching(place.cancel):
            yield place, place.checked(path)

    def _found(self, location: str) -> tuple[Connection, str]:
        scheme = _SCHEME.match(location)
        if scheme is None or scheme.group(1).lower() in _LOCAL:
            return self._named(location[scheme.end() :] if scheme else location, plain=scheme is not None)
        found = self.of_url(location)
        for connection in self.known:
            if connection.type == found.type and found.type in PLACES:
                with open_place(connection) as place, suppress(EndpointError):
                    return connection, place.checked(location)
        # The URL's own path is looked up, not made the root.
        others = {key: value for key, value in found.properties.items() if key != _PATH}
        return replace(found, properties=others), found.text(_PATH) or ""

    def _named(self, text: str, *, plain: bool) -> tuple[Connection, str]:
        name, rest = ("", text) if plain else split_location(text)
        local = name.upper() == "LOCAL"
        connection = self.named(name) if name and not local else None
        return (
            (connection, rest)
            if connection
            else (Connection("LOCAL", "file"), _absolute(rest if local else text))
        )


def _absolute(text: str) -> str:
    """A path of this machine without ``~`` and ``..``; its end still says whether it is a folder."""
    path = os.path.abspath(Path(text).expanduser())  # noqa: PTH100 - links are not followed
    return f"{path}/" if text.endswith("/") else path


def _files(place: Place, path: str) -> list[FileInfo] | None:
    """The files that a path or a pattern means; ``None`` where it may be a folder, or is nothing."""
    if is_pattern(path) and place.listable:
        return [each for each in place.matches(path) if not each.is_folder]
    found = None if path == "" or path.endswith("/") else place.info(path)
    return [found] if found else None


def _within(place: Place, path: str, *, recursive: bool) -> list[FileInfo]:
    """What is in a folder; with ``recursive`` also below it, with the folders in which something is."""
    folder = _folder(path)
    found = list(place.entries(folder, deep=recursive))
    above: set[str] = set()
    for each in found if recursive else ():
        *parents, _ = each.path[len(folder) :].split("/")
        above |= {folder + "/".join(parents[: depth + 1]) + "/" for depth in range(len(parents))}
    return [*found, *(FileInfo(each) for each in above)]


def _folder(path: str) -> str:
    return path if path == "" or path.endswith("/") else f"{path}/"


def _below(folder: str, name: str) -> str:
    return f"{_folder(folder)}{name}"


def _name(file: FileInfo) -> str:
    return file.path.rstrip("/").rpartition("/")[2]


def _copied(source: Place, path: str, target: Place, into: str) -> int:
    with source.open(path) as reading, target.write(into) as writing:
        shutil.copyfileobj(reading, writing, _CHUNK)
        return writing.tell()


def _described(place: Place, entry: FileInfo) -> dict[str, Any]:
    return {
        "name": _name(entry),
        "path": entry.path.rstrip("/"),
        "uri": place.url(entry.path),
        "size": entry.size or 0,
        "is_dir": entry.is_folder,
        "updated_at": entry.modified.isoformat(timespec="seconds") if entry.modified else None,
    }


def _is_a_folder(place: Place, path: str, done: str) -> HookError:
    return HookError(f"{place.url(path)} is a folder.", hint=f"Say `recursive: true` to {done} all of it.")


def _refuse_all(place: Place, path: str) -> None:
    """Refuse to delete what nobody means to."""
    if not path.strip("/"):
        raise HookError(f"{place.url(path)} is all of {place.connection.name}, so it is not deleted.")
    here = place.local_path(path)
    if here is not None and here.resolve() in (Path.cwd(), *Path.cwd().parents, Path.home()):
        raise HookError(f"{here} holds this very process's folder, so it is not deleted.")
