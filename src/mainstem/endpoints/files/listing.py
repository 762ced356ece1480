"""Which files a stream reads, of what format they are, and what is known of each before it is opened."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa

from mainstem.endpoints.files.naming import partitions
from mainstem.errors import ConfigError, EndpointError, RelationNotFoundError
from mainstem.files.compression import uncompressed, without_extension
from mainstem.files.formats.base import FileFormat, OpenFile
from mainstem.files.formats.registry import format_named, format_of
from mainstem.files.inference import Inferred, infer, typed
from mainstem.files.places.base import FileInfo, Place

__all__ = ["LOADED_AT", "Listing", "list_files"]

# When a file was last changed, in seconds since 1970: the cursor of streams that go by it (spec §3.4).
LOADED_AT = "_sling_loaded_at"
_BY_TIME = (".", LOADED_AT)


@dataclass(frozen=True)
class Listing:
    """The files of one stream.

    Attributes:
        place: Where they are.
        files: They, sorted by path; at least one.
        format: Their format.
        columns: What their paths and times say of all rows of a file: a value for each file.
        compression: What `compression` says.
    """

    place: Place
    files: Sequence[FileInfo]
    format: FileFormat
    columns: Mapping[str, pa.Array[Any]] = field(default_factory=dict)
    compression: str | None = None

    def opened(self) -> Iterator[tuple[int, OpenFile]]:
        """Each file, and each member of an archive, with its number in the list."""
        for index, info in enumerate(self.files):
            for file in self.open_files(info):
                yield index, file

    def open_files(self, info: FileInfo) -> Sequence[OpenFile]:
        """What a file holds, its compression undone: itself, or an archive's members.

        Raises:
            ConfigError: The compression is unknown.
            EndpointError: An archive is broken or refused.
        """
        packed = OpenFile(
            self.place.url(info.path),
            partial(self.place.open, info.path),
            self.place.local_path(info.path),
            info.size,
        )
        return uncompressed(packed, self.compression if self.format.compressible else "none")

    def refuse_changed(self, info: FileInfo) -> None:
        """Refuse a file that is not the one any more that was listed, and by which the stream was planned.

        Raises:
            EndpointError: It changed, or is gone. Another attempt begins with what is there then.
        """
        if info.size is None and info.modified is None:
            return
        now = self.place.info(info.path)
        if now is None or now.size != info.size or not _is_same_time(now.modified, info.modified):
            raise EndpointError(
                f"{self.place.url(info.path)} was changed while the stream was read.",
                hint="Have files written beside, and renamed when they are whole.",
                transient=True,
            )


def _is_same_time(one: datetime | None, other: datetime | None) -> bool:
    """Whether two times are the same, as far as their place tells: some say it to the second only."""
    if one is None or other is None or not (one.microsecond and other.microsecond):
        return (one and int(one.timestamp())) == (other and int(other.timestamp()))
    return one == other


def list_files(place: Place, path: str, options: Mapping[str, Any]) -> Listing:
    """List what a stream reads.

    Args:
        place: Where it is.
        path: A file, a pattern or a folder.
        options: What the stream says: `format`, `compression`, ``files``, ``update_key``.

    Raises:
        RelationNotFoundError: There is no such file.
        ConfigError: The files are of several formats.
        EndpointError: The place cannot be reached.
    """
    by_time = options.get("update_key") in _BY_TIME
    files = _settled(place, path) if by_time else place.list(path)
    chosen = _chosen(files, options.get("files") or (), path, place)
    if not chosen:
        raise RelationNotFoundError(f"There is no file {place.url(path)}.", hint="Is the path right?")
    kind = _format(chosen, options.get("format"))
    columns = {**_partitions(chosen), **({LOADED_AT: _times(place, chosen)} if by_time else {})}
    return Listing(place, chosen, kind, columns, options.get("compression"))


def _settled(place: Place, path: str) -> Sequence[FileInfo]:
    """List files at a moment after which none can get the time of the newest one.

    Times are compared by the second. A file that came later in the same second would be passed over.
    """
    while True:
        files = place.list(path)
        newest = max((file.modified.timestamp() for file in files if file.modified), default=0)
        now = time.time()
        if int(newest) != int(now):
            return files
        time.sleep(int(now) + 1 - now)


def _chosen(files: Sequence[FileInfo], names: Sequence[str], path: str, place: Place) -> Sequence[FileInfo]:
    """Those that the stream's ``files`` names: from the stream's folder, or with their whole path."""
    if not names:
        return files
    folder = path if path.endswith("/") else path[: path.rfind("/") + 1]
    known = {file.path: file for file in files}
    chosen = []
    for name in names:
        found = known.get(place.checked(name)) or known.get(folder + name)
        if found is None:
            near = difflib.get_close_matches(name, [each.removeprefix(folder) for each in known], n=1)
            raise RelationNotFoundError(
                f"`files`: {name} is none of the files of {place.url(path)}.",
                hint=f"Did you mean {near[0]!r}?" if near else None,
            )
        chosen.append(found)
    return chosen


def _format(files: Sequence[FileInfo], said: str | None) -> FileFormat:
    if said:
        return format_named(said)
    found = {format_of(without_extension(file.path)): file.path for file in files}
    if len(found) > 1:
        shown = ", ".join(f"{path} ({kind or 'unknown'})" for kind, path in found.items())
        raise ConfigError(
            f"The files of the stream are of several formats: {shown}.",
            hint="Say `format`, or match fewer files: in/*.csv.",
        )
    return format_named(next(iter(found)) or "csv")


def _partitions(files: Sequence[FileInfo]) -> Mapping[str, pa.Array[Any]]:
    found = [partitions(file.path) for file in files]
    names = dict.fromkeys(name for each in found for name in each)
    columns = {name: pa.array([each.get(name) for each in found], pa.string()) for name in names}
    return {name: _typed(texts) for name, texts in columns.items()}


def _typed(texts: pa.Array[Any]) -> pa.Array[Any]:
    inferred = infer(texts)
    simple = pa.types.is_integer(inferred.type) or pa.types.is_date(inferred.type)
    return typed(texts, inferred if simple else Inferred(pa.string()))


def _times(place: Place, files: Sequence[FileInfo]) -> pa.Array[Any]:
    for file in files:
        if file.modified is None:
            raise EndpointError(
                f"When {place.url(file.path)} was changed is not known, so a stream cannot go by it.",
                hint="Leave `update_key` out.",
            )
    return pa.array([int(file.modified.timestamp()) for file in files if file.modified], pa.int64())
