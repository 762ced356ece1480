"""What a file format can do: describe files, read them as record batches, write record batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import pyarrow as pa
from typing_extensions import Self

__all__ = ["FileFormat", "FormatWriter", "OpenFile", "ReadOptions", "WriteOptions", "WrittenType"]


@dataclass(frozen=True)
class OpenFile:
    """A file that can be opened as often as needed, its compression already undone.

    Attributes:
        name: What it is called in messages: its URL, without any secret.
        opener: Opens it from its start. What it returns can be sought where ``seekable()`` says so.
        path: Its path, where it is an uncompressed file of this machine: a reader may map it.
        size: Its length in bytes; ``None`` where that is not known, as behind a compression.
    """

    name: str
    opener: Callable[[], BinaryIO] = field(repr=False)
    path: Path | None = None
    size: int | None = None

    def open(self) -> BinaryIO:
        """Open it from its start. The caller closes it.

        Raises:
            EndpointError: It is gone, or its place cannot be reached.
        """
        return self.opener()


@dataclass(frozen=True)
class _Options:
    """Options with defaults, built from a stream's options."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Take what is said; keys of other things, ``None`` and "automatic" leave the defaults.

        Example:
            >>> ReadOptions.of({"delimiter": ";", "limit": 3, "encoding": None, "fields_per_rec": -1})
            ReadOptions(delimiter=';')
        """
        names = {option.name for option in fields(cls)}
        said = {key: value for key, value in given.items() if key in names and value not in _AUTOMATIC[key]}
        return cls(**said)

    def __repr__(self) -> str:
        default = type(self)()
        said = [
            f"{option.name}={value!r}"
            for option in fields(self)
            if (value := getattr(self, option.name)) != getattr(default, option.name)
        ]
        return f"{type(self).__name__}({', '.join(said)})"


@dataclass(frozen=True, repr=False)
class ReadOptions(_Options):
    """How files are read: `source_options` (spec §4.1). A format uses those that mean something to it.

    Attributes:
        header: The first row has the columns' names; without it they are ``col_001`` and so on.
        delimiter: One character; ``None`` to find out.
        quote: One character; the empty string for none.
        escape: What stands before a quote that is meant; ``None``: the quote itself.
        encoding: One of Sling's names, such as ``utf8``, ``latin1`` or ``windows1252``; ``None``: UTF-8, or
            what a byte order mark says.
        skip_lines: So many lines are passed over before the header.
        skip_blank_lines: Lines without anything are passed over; otherwise they are rows of NULL.
        fields_per_rec: Each row must have so many fields; ``None``: short rows end in NULL.
        null_if: The text that means NULL.
        empty_as_null: An empty text is NULL.
        datetime_format: How dates and times are written, tried before all others.
        max_decimals: Digits behind the point beyond so many are rounded; ``None``: none are.
        flatten: Whether nested fields become columns: ``True`` for all depths, or so many levels.
            ``False``: one column ``data`` of JSON.
        jmespath: The records within a document.
        jq: The same, in another language.
        sheet: A sheet, with or without a range: ``Sheet1!A1:C10``.
        sample_size: So many rows are looked at to find the types.
    """

    header: bool = True
    delimiter: str | None = None
    quote: str = '"'
    escape: str | None = None
    encoding: str | None = None
    skip_lines: int = 0
    skip_blank_lines: bool = False
    fields_per_rec: int | None = None
    null_if: str | None = "NULL"
    empty_as_null: bool = False
    datetime_format: str | None = None
    max_decimals: int | None = None
    flatten: bool | int = False
    jmespath: str | None = None
    jq: str | None = None
    sheet: str | None = None
    sample_size: int = 900


@dataclass(frozen=True, repr=False)
class WriteOptions(_Options):
    """How files are written: `target_options` (spec §4.2). A format uses those that mean something to it.

    Attributes:
        header: The first row has the columns' names.
        delimiter: One character.
        encoding: As in :class:`ReadOptions`.
        datetime_format: How dates and times are written; ``None``: ISO 8601.
        max_decimals: As in :class:`ReadOptions`.
        batch_limit: So many rows are written together, such as a row group of Parquet.
    """

    header: bool = True
    delimiter: str = ","
    encoding: str | None = None
    datetime_format: str | None = None
    max_decimals: int | None = None
    batch_limit: int | None = None


# What leaves the default in place, by key: `None`, and how Sling spells "automatic".
_AUTOMATIC: Mapping[str, tuple[Any, ...]] = {
    **{option.name: (None,) for kind in (ReadOptions, WriteOptions) for option in fields(kind)},
    "delimiter": (None, ""),
    "datetime_format": (None, "", "auto", "AUTO"),
    "encoding": (None, "", "auto"),
    "max_decimals": (None, -1),
    "fields_per_rec": (None, -1, 0),
    "batch_limit": (None, 0),
    "jmespath": (None, ""),
    "jq": (None, ""),
    "sheet": (None, ""),
}


@dataclass(frozen=True)
class WrittenType:
    """What a column is, once it is written and read again by ourselves.

    Attributes:
        type: Its Arrow type then.
        note: What a user should know of it; ``None`` where the values come back as they were.
    """

    type: pa.DataType
    note: str | None = None


class FormatWriter(ABC):
    """Writes one file. Leaving it without :meth:`close` gives the file up."""

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch of the writer's schema.

        Raises:
            LossyTypeError: The format cannot hold a value.
        """

    @abstractmethod
    def close(self) -> None:
        """Write the end of the format. The sink stays open."""


class FileFormat(ABC):
    """A file format.

    Attributes:
        name: What `format` calls it.
        extensions: With their dots, such as ``.csv``.
        compressible: Whether such files are compressed from outside. The others compress within, or not.
        is_text: Whether types are found in texts, so that the user's own can be read of them instead.
    """

    name: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]
    compressible: ClassVar[bool] = True
    is_text: ClassVar[bool] = False

    @abstractmethod
    def describe(self, files: Sequence[OpenFile], options: ReadOptions) -> pa.Schema:
        """Say which columns files have, in order: from a sample, or from what the files say of themselves.

        Columns of several files are put together by name, their types by
        :func:`mainstem.types.common_type`.

        Args:
            files: At least one.
            options: How they are read.

        Raises:
            EndpointError: A file is none of this format, or broken; it is named.
        """

    @abstractmethod
    def read(self, file: OpenFile, schema: pa.Schema, options: ReadOptions) -> Iterator[pa.RecordBatch]:
        """Read a file in constant memory, as batches of exactly the schema; columns it lacks are NULL.

        Args:
            file: The file.
            schema: Some of the columns that :meth:`describe` told, in any order, each with the type it told
                or a wider one, or as text.
            options: The same as at :meth:`describe`.

        Raises:
            ValueBreaksTypeError: A value is none of its column's type.
            EndpointError: The file is broken.
        """

    @abstractmethod
    def writer(self, sink: BinaryIO, schema: pa.Schema, options: WriteOptions) -> FormatWriter:
        """Begin a file.

        Raises:
            LossyTypeError: The format has no way to hold a column.
        """

    def count(self, file: OpenFile) -> int | None:  # noqa: ARG002 - most would have to read it
        """Count a file's rows; ``None`` where it does not say so itself.

        Raises:
            EndpointError: The file is none of this format, or broken; it is named.
        """
        return None

    def written_type(self, field: pa.Field[Any]) -> WrittenType:
        """What a column becomes, once it is written and read again by ourselves.

        Raises:
            LossyTypeError: The format has no way to hold it.
        """
        return WrittenType(field.type)
