"""Files as hooks see them. Local ones; other places come behind the same interface."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

from mainstem.errors import HookError, NotSupportedYetError

__all__ = ["LocalPlaces", "Places"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_LOCAL = ("file", "local")


class Places(Protocol):
    """Files by their location, such as ``file://data/x.csv`` or ``data/x.csv``."""

    def read(self, location: str) -> bytes:
        """A file's contents."""

    def write(self, location: str, content: bytes) -> int:
        """Make a file, with the folders above it; how many bytes."""

    def delete(self, location: str, *, recursive: bool) -> int:
        """Delete a file, or with ``recursive`` a folder; how many files. What is not there is none."""

    def copy(self, origin: str, to: str, *, recursive: bool) -> int:
        """Copy a file, or with ``recursive`` a folder; how many bytes."""

    def listed(self, location: str, *, recursive: bool) -> Sequence[dict[str, Any]]:
        """What is in a folder, or what a pattern matches: name, path, uri, size, is_dir, updated_at."""

    def inspect(self, location: str, *, recursive: bool) -> dict[str, Any]:
        """What is there."""


class LocalPlaces:
    """Files of this machine."""

    def read(self, location: str) -> bytes:
        """See :class:`Places`."""
        with _told(location, "read"):
            return _path(location).read_bytes()

    def write(self, location: str, content: bytes) -> int:
        """See :class:`Places`."""
        path = _path(location)
        with _told(location, "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.write_bytes(content)

    def delete(self, location: str, *, recursive: bool) -> int:
        """See :class:`Places`."""
        path = _path(location)
        if not path.exists():
            return 0
        with _told(location, "deleted"):
            if not path.is_dir():
                path.unlink()
                return 1
            if not recursive:
                raise HookError(f"{location} is a folder.", hint="Say `recursive: true` to delete all of it.")
            if path.resolve() in (Path.cwd(), *Path.cwd().parents, Path.home()):
                raise HookError(f"{location} holds this very process's folder, so it is not deleted.")
            count = sum(1 for each in path.rglob("*") if each.is_file())
            shutil.rmtree(path)
            return count

    def copy(self, origin: str, to: str, *, recursive: bool) -> int:
        """See :class:`Places`."""
        source, target = _path(origin), _path(to)
        with _told(origin, "copied"):
            if source.is_dir():
                if not recursive:
                    raise HookError(f"{origin} is a folder.", hint="Say `recursive: true` to copy all of it.")
                shutil.copytree(source, target, dirs_exist_ok=True)
                return sum(each.stat().st_size for each in source.rglob("*") if each.is_file())
            if to.endswith("/") or target.is_dir():
                target = target / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
            return target.stat().st_size

    def listed(self, location: str, *, recursive: bool) -> Sequence[dict[str, Any]]:
        """See :class:`Places`."""
        with _told(location, "listed"):
            return [_described(each) for each in sorted(_within(_path(location), recursive=recursive))]

    def inspect(self, location: str, *, recursive: bool) -> dict[str, Any]:
        """See :class:`Places`."""
        path = _path(location)
        if not path.exists():
            return {"exists": False, "path": str(path)}
        with _told(location, "inspected"):
            found = {"exists": True, **_described(path)}
            if path.is_dir():
                below = list(_within(path, recursive=recursive))
                files = [each for each in below if each.is_file()]
                found["node_count"] = len(below)
                found["file_count"] = len(files)
                found["folder_count"] = len(below) - len(files)
                found["size"] = sum(each.stat().st_size for each in files)
            return found


class _told:  # noqa: N801 - a context manager, used as a function
    """Say of an error of the system which file it is about."""

    def __init__(self, location: str, done: str) -> None:
        self._location = location
        self._done = done

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise HookError(
                f"{self._location} cannot be {self._done}: {error.strerror or type(error).__name__}.",
                hint="Is the path right?",
            ) from error


def _path(location: str) -> Path:
    """A location as a path.

    Raises:
        NotSupportedYetError: It is on no disk of this machine.
    """
    scheme = _SCHEME.match(location)
    if scheme and scheme.group(1).lower() not in _LOCAL:
        raise NotSupportedYetError(
            f"Hooks reach local files only, and not yet {scheme.group(1)}://.",
            hint="Use a `command` for now.",
        )
    text = location[scheme.end() :] if scheme else location
    head, slash, rest = text.partition("/")
    return Path(rest if slash and head.upper() == "LOCAL" else text).expanduser()


def _within(path: Path, *, recursive: bool) -> Iterator[Path]:
    if path.is_dir():
        yield from path.rglob("*") if recursive else path.iterdir()
    elif any(character in path.name for character in "*?["):
        yield from path.parent.glob(path.name)
    elif path.exists():
        yield path


def _described(path: Path) -> dict[str, Any]:
    facts = path.stat()
    return {
        "name": path.name,
        "path": str(path),
        "uri": f"file://{path.resolve()}",
        "size": 0 if path.is_dir() else facts.st_size,
        "is_dir": path.is_dir(),
        "updated_at": datetime.fromtimestamp(facts.st_mtime, timezone.utc).isoformat(timespec="seconds"),
    }
