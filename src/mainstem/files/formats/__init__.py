"""The file formats: one file each, behind `FileFormat`."""

from mainstem.files.formats.base import (
    FileFormat,
    FormatWriter,
    OpenFile,
    ReadOptions,
    WriteOptions,
    WrittenType,
)
from mainstem.files.formats.registry import FORMATS, format_named, format_of

__all__ = [
    "FORMATS",
    "FileFormat",
    "FormatWriter",
    "OpenFile",
    "ReadOptions",
    "WriteOptions",
    "WrittenType",
    "format_named",
    "format_of",
]
