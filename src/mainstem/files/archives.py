"""Zip archives: their members as files, with those refused that would lead out of it or fill a machine."""

from __future__ import annotations

import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO, cast

from mainstem.errors import EndpointError
from mainstem.files.formats.base import OpenFile
from mainstem.files.spooling import open_seekable

__all__ = ["members", "writing"]

_MOST_MEMBERS = 10_000
_MOST_RATIO = 1000
_HARMLESS_BYTES = 256 * 1024 * 1024
_ENCRYPTED = 0x1
# What file managers put beside the files.
_ASIDE = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$)")
# What a table of contents that lies makes of Python's own reader.
_BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, OSError, EOFError,
    struct.error, IndexError, OverflowError,
)  # fmt: skip
_DRIVE = re.compile(r"[A-Za-z]:")


def members(archive: OpenFile) -> Sequence[OpenFile]:
    """The files in an archive, sorted by name. None is written anywhere.

    Raises:
        EndpointError: It is no archive, is locked by a password, is made to fill a machine, or has a member
            whose name leads out of it.
    """
    with _opened(archive) as opened:
        found = [member for member in opened.infolist() if not member.filename.endswith("/")]
        length = _length(opened)
    _check_size(archive, found, length)
    for member in found:
        _check_member(archive, member)
    wanted = sorted({member.filename for member in found if not _ASIDE.search(member.filename)})
    if len(wanted) < len([member for member in found if not _ASIDE.search(member.filename)]):
        raise EndpointError(f"{archive.name} has two members of the same name.")
    if not wanted:
        raise EndpointError(f"{archive.name} is an archive without any file in it.")
    sizes = {member.filename: member.file_size for member in found}
    return [
        OpenFile(f"{archive.name}/{name}", partial(_member, archive, name), size=sizes[name])
        for name in wanted
    ]


@contextmanager
def writing(sink: BinaryIO, member: str) -> Iterator[BinaryIO]:
    """Write an archive of one member. Its end is written on any exit."""
    with zipfile.ZipFile(sink, "w") as archive:
        # Always the same date, so that the same rows make the same file.
        information = zipfile.ZipInfo(member)
        information.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(information, "w", force_zip64=True) as packed:
            yield cast("BinaryIO", packed)


@contextmanager
def _opened(archive: OpenFile) -> Iterator[zipfile.ZipFile]:
    with open_seekable(archive) as source:
        try:
            opened = zipfile.ZipFile(source)
        except _BROKEN as error:
            raise EndpointError(
                f"{archive.name} is no zip archive, or is cut short: {error}.",
                hint="`compression` says how a file is packed.",
            ) from error
        with opened:
            yield opened


def _length(opened: zipfile.ZipFile) -> int:
    assert opened.fp is not None  # noqa: S101 - it is open
    return opened.fp.seek(0, 2)


def _check_size(archive: OpenFile, found: Sequence[zipfile.ZipInfo], length: int) -> None:
    packed = sum(member.compress_size for member in found)
    whole = sum(member.file_size for member in found)
    swells = whole > _HARMLESS_BYTES and whole > length * _MOST_RATIO
    # Members that share their bytes are longer together than the archive is.
    if len(found) > _MOST_MEMBERS or swells or packed > length:
        raise EndpointError(
            f"{archive.name} has {len(found)} members of {whole} bytes in {length}:"
            " it seems to be made to fill a machine.",
            hint="If it is what you want to load, unpack it first.",
        )


def _check_member(archive: OpenFile, member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    parts = name.replace("\\", "/").split("/")
    if not name:
        raise EndpointError(f"{archive.name} has a member without a name: it is broken.")
    outside = name.startswith(("/", "\\")) or ".." in parts or "\\" in name or "\0" in name
    if outside or _DRIVE.match(name) or stat.S_ISLNK(member.external_attr >> 16):
        raise EndpointError(
            f"{archive.name} has a member {name!r}, whose name leads out of the archive: it is refused."
        )
    if member.flag_bits & _ENCRYPTED:
        raise EndpointError(
            f"{archive.name} is locked by a password, which cannot be given.", hint="Unpack it first."
        )


def _member(archive: OpenFile, name: str) -> BinaryIO:
    """Open one member; with it goes the archive."""
    source = open_seekable(archive)
    try:
        opened = zipfile.ZipFile(source)
        return cast("BinaryIO", _Member(opened.open(name), opened, source))
    except NotImplementedError as error:
        source.close()
        raise EndpointError(
            f"{archive.name}/{name} is packed in a way that cannot be undone: {error}.",
            hint="Pack it with deflate, as programs do that are not told otherwise.",
        ) from error
    except _BROKEN as error:
        source.close()
        raise EndpointError(
            f"{archive.name}/{name} cannot be unpacked: {error}.", hint="The archive may be broken."
        ) from error


class _Member:
    """A member's bytes, whose archive is closed with it."""

    def __init__(self, member: object, *behind: object) -> None:
        self.read = member.read  # type: ignore[attr-defined]
        self._open = (member, *behind)

    def close(self) -> None:
        for opened in self._open:
            opened.close()  # type: ignore[attr-defined]
