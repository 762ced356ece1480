"""Compressed files and archives: whole or an error, and never more than a machine can take."""

from __future__ import annotations

import collections
import gzip
import io
import os
import stat
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard

from mainstem.errors import ConfigError, EndpointError
from mainstem.files.compression import COMPRESSIONS, compressing, uncompressed
from mainstem.files.formats import OpenFile

every_compression = pytest.mark.parametrize("compression", COMPRESSIONS)
ROWS = os.urandom(150_000) + b"id,name\n" * 40_000


def a_file(data: bytes, name: str = "rows.csv") -> OpenFile:
    return OpenFile(name, lambda: io.BytesIO(data), size=len(data))


def packed(data: bytes, compression: str) -> bytes:
    sink = io.BytesIO()
    with compressing(sink, compression, "rows.csv") as stream:
        for start in range(0, len(data), 10_000):
            stream.write(data[start : start + 10_000])
    return sink.getvalue()


def unpacked(data: bytes, compression: str | None = None, name: str = "rows.csv") -> list[bytes]:
    found = []
    for file in uncompressed(a_file(data, name), compression):
        with file.open() as stream:
            found.append(stream.read())
    return found


def an_archive(*members: str, data: bytes = b"id\n1\n") -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members:
            archive.writestr(member, data)
    return sink.getvalue()


@every_compression
def test_bytes_come_back_as_they_were(compression: str) -> None:
    assert unpacked(packed(ROWS, compression), compression) == [ROWS]


@every_compression
def test_nothing_comes_back_as_nothing(compression: str) -> None:
    assert unpacked(packed(b"", compression), compression) == [b""]


@every_compression
def test_a_file_can_be_opened_as_often_as_needed(compression: str) -> None:
    (file,) = uncompressed(a_file(packed(ROWS, compression)), compression)
    for _ in range(2):
        with file.open() as stream:
            assert stream.read(7) == ROWS[:7]


@every_compression
def test_the_same_rows_make_the_same_file(compression: str) -> None:
    assert packed(ROWS, compression) == packed(ROWS, compression)


def test_the_extension_tells_the_compression() -> None:
    assert unpacked(packed(ROWS, "zstd"), None, "rows.csv.ZST") == [ROWS]
    assert unpacked(packed(ROWS, "gzip"), "auto", "rows.csv.gz") == [ROWS]


def test_a_compression_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="'rar' is no compression"):
        uncompressed(a_file(b""), "rar")


@pytest.mark.parametrize("compression", ["gzip", "zstd", "snappy", "zip"])
@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_a_file_cut_short_is_an_error_that_names_it(compression: str, kept: float) -> None:
    whole = packed(ROWS, compression)
    with pytest.raises(EndpointError, match=r"rows\.csv"):
        unpacked(whole[: int(len(whole) * kept)], compression)


@pytest.mark.parametrize("compression", ["gzip", "zstd", "snappy", "zip"])
def test_what_is_packed_otherwise_is_an_error_that_names_it(compression: str) -> None:
    with pytest.raises(EndpointError, match=r"rows\.csv"):
        unpacked(b"id,name\n1,a\n" * 100, compression)


def test_a_bit_that_changed_in_a_snappy_file_is_found_by_its_checksum() -> None:
    whole = bytearray(packed(os.urandom(200_000), "snappy"))
    whole[100_000] ^= 1
    with pytest.raises(EndpointError, match="checksum is wrong"):
        unpacked(bytes(whole), "snappy")


@every_compression
def test_what_is_given_up_has_no_end(compression: str) -> None:
    sink = io.BytesIO()
    with pytest.raises(KeyError), compressing(sink, compression, "rows.csv") as stream:  # noqa: PT012
        stream.write(ROWS)
        begun = len(sink.getvalue())
        raise KeyError
    assert len(sink.getvalue()) == begun
    assert not sink.closed


@pytest.mark.parametrize(
    ("compression", "pack"),
    [
        ("gzip", gzip.compress),
        ("zstd", lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data)),
    ],
)
def test_files_of_other_programs_are_read(compression: str, pack: Callable[[bytes], bytes]) -> None:
    # As `cat one.gz two.gz` makes them.
    assert unpacked(pack(ROWS) + pack(b"more"), compression) == [ROWS + b"more"]


def test_other_programs_read_what_is_written() -> None:
    assert gzip.decompress(packed(ROWS, "gzip")) == ROWS
    assert zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed(ROWS, "zstd"))).read() == ROWS
    with zipfile.ZipFile(io.BytesIO(packed(ROWS, "zip"))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["rows.csv"]
        assert archive.read("rows.csv") == ROWS


# Archives.


def test_an_archives_members_are_files_in_the_order_of_their_names() -> None:
    archive = an_archive("b.csv", "folder/", "folder/a.csv", "__MACOSX/b.csv", "a.csv")
    files = uncompressed(a_file(archive, "all.zip"))
    assert [file.name for file in files] == ["all.zip/a.csv", "all.zip/b.csv", "all.zip/folder/a.csv"]


@pytest.mark.parametrize(
    "member", ["../etc/passwd", "a/../../b.csv", "/etc/passwd", "..\\b.csv", "C:/b.csv", "\\\\host\\b.csv"]
)
def test_a_member_whose_name_leads_out_of_the_archive_is_refused(member: str) -> None:
    with pytest.raises(EndpointError, match="leads out of the archive"):
        uncompressed(a_file(an_archive("a.csv", member), "all.zip"))


def test_a_member_that_is_a_link_is_refused() -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        link = zipfile.ZipInfo("link.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(EndpointError, match="leads out of the archive"):
        uncompressed(a_file(sink.getvalue(), "all.zip"))


def test_an_archive_that_swells_beyond_measure_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as member:
        for _ in range(300):
            member.write(bytes(1024 * 1024))
    with pytest.raises(EndpointError, match="made to fill a machine"):
        uncompressed(OpenFile("bomb.zip", lambda: path.open("rb"), path))


def test_an_archive_of_too_many_members_is_refused() -> None:
    with pytest.raises(EndpointError, match="10001 members"):
        uncompressed(a_file(an_archive(*(f"{number}.csv" for number in range(10_001)), data=b""), "all.zip"))


def test_a_stream_that_swells_beyond_measure_is_broken_off() -> None:
    bomb = io.BytesIO()
    packer = zstandard.ZstdCompressor().stream_writer(bomb, closefd=False)
    for _ in range(300):
        packer.write(bytes(1024 * 1024))
    packer.close()  # type: ignore[no-untyped-call]
    (file,) = uncompressed(a_file(bomb.getvalue(), "bomb.csv.zst"))
    with file.open() as stream, pytest.raises(EndpointError, match="made to fill a machine"):
        collections.deque(iter(partial(stream.read, 1024 * 1024), b""), maxlen=0)


def test_an_archive_that_is_locked_by_a_password_is_refused() -> None:
    locked = bytearray(an_archive("a.csv"))
    central = locked.index(b"PK\x01\x02")
    locked[6] |= 1
    locked[central + 8] |= 1
    with pytest.raises(EndpointError, match="locked by a password"):
        uncompressed(a_file(bytes(locked), "all.zip"))


def test_an_archive_without_files_is_an_error() -> None:
    with pytest.raises(EndpointError, match="without any file"):
        uncompressed(a_file(an_archive("folder/"), "all.zip"))


def contents(archive: bytes) -> list[bytes]:
    """What is in an archive."""
    return [file.open().read() for file in uncompressed(a_file(archive, "all.zip"))]


def test_a_member_without_a_name_or_with_a_lie_about_its_place_is_an_error() -> None:
    whole = an_archive("a.csv")
    central = whole.index(b"PK\x01\x02")
    nameless = bytearray(whole)
    nameless[central + 28 : central + 30] = b"\0\0"
    far = bytearray(whole)
    far[central + 42 : central + 46] = b"\xff\xff\xff\x7f"
    for broken in (nameless, far):
        with pytest.raises(EndpointError, match=r"all\.zip"):
            contents(bytes(broken))


def test_a_version_of_zip_that_is_not_known_is_an_error() -> None:
    strange = bytearray(an_archive("a.csv"))
    strange[strange.index(b"PK\x01\x02") + 6] = 200
    with pytest.raises(EndpointError, match="no zip archive"):
        uncompressed(a_file(bytes(strange), "all.zip"))
