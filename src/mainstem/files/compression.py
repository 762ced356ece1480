"""How a file's bytes are packed, told by `compression` or by the extension: undone and done as a stream."""

from __future__ import annotations

import dataclasses
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

import pyarrow as pa
from typing_extensions import override

from mainstem.errors import ConfigError, EndpointError
from mainstem.files import archives
from mainstem.files.formats.base import OpenFile
from mainstem.files.sinks import KeptOpen

__all__ = [
    "COMPRESSIONS",
    "compressing",
    "compression_of",
    "extension_of",
    "uncompressed",
    "without_extension",
]

# A packed file of so many times its length, once it has given so many bytes, is there to fill a machine.
_MOST_RATIO = 1000
_HARMLESS_BYTES = 256 * 1024 * 1024
_BUFFER = 256 * 1024

# The stubs know no files but those of `io`.
_pa: Any = pa


@dataclass(frozen=True)
class Compression:
    """A way to pack bytes.

    Attributes:
        extensions: With their dots, such as ``.gz``; empty for none.
        reader: Unpacks a stream.
        writer: Packs into a stream, which stays open when it is closed.
    """

    extensions: tuple[str, ...]
    reader: Callable[[BinaryIO], Any]
    writer: Callable[[BinaryIO], Any]


def _arrow(codec: str) -> Compression:
    def reader(source: BinaryIO) -> Any:
        return _pa.CompressedInputStream(_pa.PythonFile(source, mode="r"), codec)

    def writer(sink: BinaryIO) -> Any:
        return _pa.CompressedOutputStream(_pa.PythonFile(sink, mode="w"), codec)

    return Compression(_EXTENSIONS[codec], reader, writer)


def _snappy_reader(source: BinaryIO) -> Any:
    # Its checksums need numpy, which nothing else here does.
    from mainstem.files.snappy import SnappyReader  # noqa: PLC0415

    return SnappyReader(source)


def _snappy_writer(sink: BinaryIO) -> Any:
    from mainstem.files.snappy import SnappyWriter  # noqa: PLC0415

    return SnappyWriter(sink)


_EXTENSIONS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "gzip": (".gz", ".gzip"),
    "zstd": (".zst", ".zstd"),
    "snappy": (".snappy", ".sz"),
    "zip": (".zip",),
}

_STREAMS: Mapping[str, Compression] = {
    "gzip": _arrow("gzip"),
    "zstd": _arrow("zstd"),
    "snappy": Compression(_EXTENSIONS["snappy"], _snappy_reader, _snappy_writer),
}

# What `compression` may say, besides `auto`.
COMPRESSIONS: Sequence[str] = tuple(_EXTENSIONS)


def compression_of(path: str, said: str | None = None) -> str:
    """Which compression a file has: as the user says, else as its extension tells.

    Raises:
        ConfigError: There is no such compression.

    Example:
        >>> compression_of("a/b.csv.gz"), compression_of("b.csv"), compression_of("b.csv", "ZSTD")
        ('gzip', 'none', 'zstd')
    """
    if said is None or said.lower() in ("", "auto"):
        suffix = PurePosixPath(path).suffix.lower()
        return next((name for name, known in _EXTENSIONS.items() if suffix in known), "none")
    if said.lower() not in _EXTENSIONS:
        raise ConfigError(
            f"{said!r} is no compression that can be read or written.",
            hint=f"There are auto, {', '.join(_EXTENSIONS)}.",
        )
    return said.lower()


def extension_of(compression: str) -> str:
    """The extension that files of a compression get; empty for none.

    Example:
        >>> extension_of("gzip"), extension_of("none")
        ('.gz', '')
    """
    return next(iter(_EXTENSIONS[compression]), "")


def without_extension(path: str) -> str:
    """A path without the extension of a compression, so that its format shows.

    Example:
        >>> without_extension("a/b.csv.GZ"), without_extension("b.csv")
        ('a/b.csv', 'b.csv')
    """
    suffix = PurePosixPath(path).suffix
    known = any(suffix.lower() in extensions for extensions in _EXTENSIONS.values())
    return path[: -len(suffix)] if suffix and known else path


def uncompressed(file: OpenFile, said: str | None = None) -> Sequence[OpenFile]:
    """Undo a file's compression: one file, or the members of an archive.

    Args:
        file: The file as it lies in its place.
        said: What `compression` says; ``None`` or ``auto`` goes by the file's name.

    Raises:
        ConfigError: There is no such compression.
        EndpointError: An archive is broken, is locked by a password, is made to fill a machine, or has
            a member whose name leads out of it.
    """
    name = compression_of(file.name, said)
    if name == "none":
        return [file]
    if name == "zip":
        return [
            OpenFile(member.name, _guarded_opener(member.name, member.opener), size=member.size)
            for member in archives.members(file)
        ]

    def unpack() -> BinaryIO:
        source = _Counted(file.open())
        return _guarded(file.name, source, _STREAMS[name].reader(cast("BinaryIO", source)))

    return [dataclasses.replace(file, opener=unpack, path=None, size=None)]


@contextmanager
def compressing(sink: BinaryIO, name: str, member: str = "data") -> Iterator[BinaryIO]:
    r"""Pack what is written. Its end is written on a clean exit only; the sink stays open.

    Args:
        sink: Takes the packed bytes.
        name: One of :data:`COMPRESSIONS`.
        member: What the file is called within an archive.

    Example:
        >>> sink = io.BytesIO()
        >>> with compressing(sink, "gzip") as packed:
        ...     _ = packed.write(b"hello")
        >>> sink.getvalue()[:2]
        b'\x1f\x8b'
    """
    if name == "none":
        yield sink
        return
    kept: Any = KeptOpen(sink)
    try:
        with (
            archives.writing(kept, member)
            if name == "zip"
            else closing(_STREAMS[name].writer(kept)) as packed
        ):
            try:
                yield cast("BinaryIO", packed)
            except BaseException:
                kept.abandoned = True
                raise
    finally:
        kept.close()


class _Counted(io.RawIOBase):
    """A source that counts what is read of it."""

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self.read_bytes = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.read_bytes += len(data)
        return data

    @override
    def close(self) -> None:
        self._source.close()
        super().close()


def _guarded_opener(name: str, opener: Callable[[], BinaryIO]) -> Callable[[], BinaryIO]:
    return lambda: _guarded(name, None, opener())


def _guarded(name: str, source: _Counted | None, unpacked: Any) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Guarded(name, source, unpacked), _BUFFER))


class _Guarded(io.RawIOBase):
    """Unpacked bytes, with errors that name the file, and an end to what it may swell to."""

    def __init__(self, name: str, source: _Counted | None, unpacked: Any) -> None:
        super().__init__()
        self._name = name
        self._source = source
        self._unpacked = unpacked
        self._given = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer).cast("B")
        try:
            data = self._unpacked.read(len(wanted))
        except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, pa.ArrowException) as error:
            raise EndpointError(
                f"{self._name} cannot be unpacked: {error}.",
                hint="It may be cut short, or packed in another way: `compression` says how.",
            ) from error
        self._given += len(data)
        self._check_ratio()
        wanted[: len(data)] = data
        return len(data)

    def _check_ratio(self) -> None:
        if self._source is None or self._given < _HARMLESS_BYTES:
            return
        if self._given > self._source.read_bytes * _MOST_RATIO:
            raise EndpointError(
                f"{self._name} has become more than {_MOST_RATIO} times as long as it is packed:"
                " it seems to be made to fill a machine.",
                hint="If it is what you want to load, unpack it first.",
            )

    @override
    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            if self._source is not None:
                self._source.close()
        super().close()
