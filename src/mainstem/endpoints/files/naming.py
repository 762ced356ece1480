"""The variables that a file gives its stream (spec §2), and the columns that its path gives its rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import unquote

from mainstem.files.compression import without_extension

__all__ = ["file_variables", "partitions"]

# How Hive and those who write like it say NULL.
_NULL = "__HIVE_DEFAULT_PARTITION__"


def file_variables(path: str) -> Mapping[str, str]:
    """The variables of a file, a folder or a pattern.

    A compressed file keeps its whole name, with an underscore in its extension, as in the reference.

    Example:
        >>> list(file_variables("/in/2024/one.csv").values())
        ['in/2024/one.csv', 'in/2024', 'one', 'csv']
        >>> list(file_variables("three.csv.gz").values())
        ['three.csv.gz', '', 'three.csv.gz', 'csv_gz']
    """
    plain = PurePosixPath(path.strip("/"))
    inner = PurePosixPath(without_extension(plain.name))
    packed = inner.name != plain.name and bool(inner.suffix)
    name = plain.name if packed else plain.stem
    extension = f"{inner.suffix}_{plain.suffix[1:]}" if packed else plain.suffix
    folder = str(plain.parent)
    return {
        "stream_file_path": str(plain),
        "stream_file_folder": "" if folder == "." else folder,
        "stream_file_name": name,
        "stream_file_ext": extension.removeprefix("."),
    }


def partitions(path: str) -> Mapping[str, str | None]:
    """The columns that the folders of a path give: ``key=value``, as Hive writes it.

    Example:
        >>> partitions("t/day=2024-01-01/who=a%20b/part=1.csv")
        {'day': '2024-01-01', 'who': 'a b'}
    """
    pairs = (folder.partition("=") for folder in path.split("/")[:-1])
    return {
        unquote(key): None if value == _NULL else unquote(value)
        for key, equals, value in pairs
        if equals and key
    }
