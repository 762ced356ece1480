"""Which file knows which format. It is imported when a file of its kind is opened, not before."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from mainstem.errors import ConfigError
from mainstem.files.formats.base import FileFormat

__all__ = ["FORMATS", "FormatEntry", "format_named", "format_of"]


@dataclass(frozen=True)
class FormatEntry:
    """Where a format is.

    Attributes:
        module: The module, beside this one.
        class_name: The class in it.
        extensions: The extensions of its files, with their dots.
    """

    module: str
    class_name: str
    extensions: tuple[str, ...]


# What `format` says → where it is.
FORMATS: Mapping[str, FormatEntry] = {
    "csv": FormatEntry("csv", "Csv", (".csv", ".tsv", ".txt", ".psv")),
    "json": FormatEntry("json", "Json", (".json",)),
    "jsonlines": FormatEntry("jsonlines", "JsonLines", (".jsonl", ".ndjson", ".jsonlines")),
    "parquet": FormatEntry("parquet", "Parquet", (".parquet", ".pq")),
    "arrow": FormatEntry("arrow", "Arrow", (".arrow", ".arrows", ".feather", ".ipc")),
    "xlsx": FormatEntry("excel", "Excel", (".xlsx", ".xls", ".xlsb", ".ods")),
    "xml": FormatEntry("xml", "Xml", (".xml",)),
    "avro": FormatEntry("avro", "Avro", (".avro",)),
}

_BY_EXTENSION = {extension: name for name, entry in FORMATS.items() for extension in entry.extensions}


def format_named(name: str) -> FileFormat:
    """Make the format that `format` names.

    Raises:
        ConfigError: There is no such format, or its library is not installed.
    """
    entry = FORMATS.get(name.lower())
    if entry is None:
        near = difflib.get_close_matches(name.lower(), FORMATS, n=1)
        raise ConfigError(
            f"{name!r} is no file format that can be read or written yet.",
            hint=f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(FORMATS)}.",
        )
    try:
        module = importlib.import_module(f"mainstem.files.formats.{entry.module}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"What reads {name} files is not installed (no module {error.name}).",
            hint="pip install 'mainstem[files]'",
        ) from error
    found: type[FileFormat] = getattr(module, entry.class_name)
    return found()


def format_of(path: str) -> str | None:
    """The format that a path's extension tells, a compression's behind it not counted.

    Example:
        >>> format_of("a/b.csv"), format_of("b.PARQUET"), format_of("notes")
        ('csv', 'parquet', None)
    """
    return _BY_EXTENSION.get(PurePosixPath(path).suffix.lower())
