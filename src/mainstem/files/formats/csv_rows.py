"""The rows of a CSV file as columns of text: pyarrow's reader, and what is too short or too long for it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv

from mainstem.errors import EndpointError
from mainstem.files.formats.base import OpenFile, ReadOptions
from mainstem.files.formats.csv_dialect import Dialect, escape_of, find_dialect, records
from mainstem.files.formats.texts import python_encoding

__all__ = ["CsvRows"]

# The stubs know no files but those of `io`.
_pa: Any = pa
_csv: Any = pyarrow.csv

_HEAD = 256 * 1024
# So much is read at once, and a row is no longer: the next size is for files with longer ones. pyarrow reads
# up to 32 of them ahead.
_BLOCKS = (1024 * 1024, 8 * 1024 * 1024, 32 * 1024 * 1024)
_SAMPLE_BLOCK = 256 * 1024
# How pyarrow says that nothing comes behind the header.
_NO_ROWS = ("Empty CSV file", "Could not skip initial")
_TOO_LONG = "straddling"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class _Odd:
    """A row that has not as many fields as there are columns.

    Attributes:
        number: Its place among the rows of the file, from 0.
        text: Itself.
    """

    number: int
    text: str


@dataclass
class CsvRows:
    """The rows of one file.

    Attributes:
        file: The file.
        options: How it is read.
    """

    file: OpenFile
    options: ReadOptions
    _odd: list[_Odd] = field(default_factory=list)

    def __post_init__(self) -> None:
        with closing(self._opened()) as opened:
            head = opened.read(_HEAD)
        whole = len(head) < _HEAD
        try:
            text = head.decode("utf-8") if whole else head[: head.rfind(b"\n") + 1 or None].decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.no_utf8() from error
        try:
            self.dialect: Dialect = find_dialect(text, self.options, whole=whole)
        except EndpointError as error:
            raise EndpointError(f"{self.file.name}: {error.message}", hint=error.hint) from error

    def texts(self, names: Sequence[str] | None = None, *, sample: bool = False) -> Iterator[pa.RecordBatch]:
        """Read columns as text. The text of `null_if` is NULL.

        Args:
            names: Some of the columns, in order; ``None`` for all.
            sample: Only the first rows are wanted.

        Raises:
            EndpointError: The file is broken.
        """
        wanted = list(self.dialect.names if names is None else names)
        if not self.dialect.names:
            return
        told = 0
        for block in (_SAMPLE_BLOCK, *_BLOCKS) if sample else _BLOCKS:
            at = 0
            try:
                for batch in self._texts(wanted, block):
                    new = batch.slice(max(told - at, 0)) if at + batch.num_rows > told else None
                    at += batch.num_rows
                    if new is not None:
                        told = at
                        yield new
                return
            except pa.ArrowInvalid as error:
                # A longer row than fits: what was told already is passed over.
                if _TOO_LONG not in str(error) or block == _BLOCKS[-1]:
                    raise self._broken(error) from error

    def _texts(self, wanted: list[str], block: int) -> Iterator[pa.RecordBatch]:
        positions = [str(self.dialect.names.index(name)) for name in wanted]
        self._odd.clear()
        batch = None
        with closing(self._counted()) as opened:
            try:
                reader = self._reader(opened, positions, block)
                at = 0
                for batch in reader:
                    renamed = pa.RecordBatch.from_arrays(batch.columns, names=wanted)
                    for whole in self._with_odd(renamed, at):
                        at += whole.num_rows
                        yield whole
            except pa.ArrowInvalid as error:
                if not any(said in str(error) for said in _NO_ROWS):
                    raise
            if self._odd:
                yield self._padded(self._odd, wanted)
                self._odd.clear()
            if isinstance(opened, _Counted) and opened.quotes % 2 and _ends_in_lines(batch):
                raise EndpointError(
                    f"{self.file.name}: a quote is never closed, so that a value would be the rest of it.",
                    hint="Check `quote` and `escape`.",
                )

    def line_of(self, row: int) -> int | None:
        """The line on which a row begins, counted from 1; ``None`` where the file cannot be read again."""
        found, line, quotes = -1, 0, 0
        quote, escaped = (self.options.quote or '"').encode(), (self.options.escape or "").encode()
        try:
            with closing(self._opened()) as opened:
                for line, text in enumerate(opened, 1):
                    if line <= self.dialect.lines:
                        continue
                    begins = quotes % 2 == 0
                    if self.options.quote:
                        quotes += text.count(quote) - (text.count(escaped + quote) if escaped else 0)
                    found += begins and (bool(text.strip(b"\r\n")) or self._keeps_blank_lines)
                    if found == row:
                        return line
        except EndpointError:
            return None
        return None

    def no_utf8(self) -> EndpointError:
        """The error for bytes that are no text in the encoding."""
        return EndpointError(
            f"{self.file.name} is not {self.options.encoding or 'UTF-8'}.",
            hint="Say which `encoding` it has, such as latin1, windows1252 or utf16.",
        )

    @property
    def _keeps_blank_lines(self) -> bool:
        # In a file of one column, nothing is a value too.
        return len(self.dialect.names) == 1 and not self.options.skip_blank_lines

    def _opened(self) -> BinaryIO:
        """The file as UTF-8 without a byte order mark."""
        opened = cast("io.BufferedReader", self.file.open())
        encoding = python_encoding(self.options.encoding)
        raw: Any = opened if hasattr(opened, "peek") else io.BufferedReader(cast("Any", opened))
        start = raw.peek(4)[:4]
        if self.options.encoding is None and start[:2] in _UTF16_MARKS:
            encoding = "utf-16"
        if encoding in ("utf-8", "utf-8-sig"):
            if start.startswith(b"\xef\xbb\xbf"):
                raw.read(3)
            return cast("BinaryIO", raw)
        return cast("BinaryIO", io.BufferedReader(_Transcoded(raw, encoding, self), _HEAD))

    def _counted(self) -> BinaryIO:
        """The file, with its quotes counted where each is a quote."""
        if not self.options.quote or escape_of(self.options):
            return self._opened()
        return cast("BinaryIO", _Counted(self._opened(), self.options.quote.encode()))

    def _reader(self, opened: BinaryIO, positions: Sequence[str], block: int) -> Any:
        options, dialect = self.options, self.dialect
        # The file object is closed by whoever opened it.
        return _csv.open_csv(
            _pa.PythonFile(opened, mode="r"),
            read_options=_csv.ReadOptions(
                # One thread: rows that are odd are told with their place.
                use_threads=False,
                block_size=block,
                skip_rows=dialect.lines,
                column_names=[str(index) for index in range(len(dialect.names))],
            ),
            parse_options=_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=options.quote or False,
                double_quote=bool(options.quote),
                escape_char=escape_of(options) or False,
                newlines_in_values=bool(options.quote),
                ignore_empty_lines=not self._keeps_blank_lines,
                invalid_row_handler=self._odd_row,
            ),
            convert_options=_csv.ConvertOptions(
                column_types=dict.fromkeys(positions, pa.string()),
                include_columns=positions,
                null_values=[options.null_if] if options.null_if else [],
                strings_can_be_null=bool(options.null_if),
            ),
        )

    def _odd_row(self, row: Any) -> str:
        self._odd.append(_Odd((row.number or 0) - self.dialect.lines - 1, row.text))
        return "skip"

    def _with_odd(self, batch: pa.RecordBatch, at: int) -> Iterator[pa.RecordBatch]:
        """A batch with the odd rows in their places, of which the first is ``at``."""
        taken = 0
        while self._odd and self._odd[0].number - at <= batch.num_rows:
            odd = self._odd.pop(0)
            before = max(odd.number - at - taken, 0)
            if before:
                yield batch.slice(taken, before)
            taken += before
            at = odd.number + 1 - taken
            yield self._padded([odd], batch.schema.names)
        if taken < batch.num_rows:
            yield batch.slice(taken)

    def _padded(self, odd: Sequence[_Odd], names: Sequence[str]) -> pa.RecordBatch:
        rows = [self._fields(row) for row in odd]
        positions = [self.dialect.names.index(name) for name in names]
        null = self.options.null_if or None
        columns = [[None if row[at] == null else row[at] for row in rows] for at in positions]
        return pa.RecordBatch.from_arrays([pa.array(column, pa.string()) for column in columns], list(names))

    def _fields(self, odd: _Odd) -> list[str | None]:
        expected = len(self.dialect.names)
        try:
            found: list[str | None] = [
                text for record in records(odd.text, self.dialect.delimiter, self.options) for text in record
            ]
        except csv.Error as error:
            raise EndpointError(
                f"{self._where(odd)}: a quote is never closed, or stands where none belongs.",
                hint="Check `quote` and `escape`.",
            ) from error
        if len(found) > expected and not any(found[expected:]):
            return found[:expected]
        if len(found) > expected or self.options.fields_per_rec:
            raise EndpointError(
                f"{self._where(odd)}: the row has {len(found)} fields, but there are {expected} columns.",
                hint="Check `delimiter`, `quote` and `escape`.",
            )
        return found + [None] * (expected - len(found))

    def _where(self, odd: _Odd) -> str:
        line = self.line_of(odd.number)
        return self.file.name if line is None else f"{self.file.name}:{line}"

    def _broken(self, error: pa.ArrowInvalid) -> EndpointError:
        told = str(error).splitlines()[0]
        if "UTF8" in told or "UTF-8" in told:
            return self.no_utf8()
        if _TOO_LONG in told:
            return EndpointError(
                f"{self.file.name}: a row is longer than {_BLOCKS[-1] // 1024 // 1024} MiB.",
                hint="Is a quote never closed? Check `quote` and `escape`.",
            )
        return EndpointError(f"{self.file.name} cannot be read as CSV: {told}", hint="Check its dialect.")


class _Counted(io.RawIOBase):
    """Counts the quotes that are read."""

    def __init__(self, source: BinaryIO, quote: bytes) -> None:
        super().__init__()
        self._source = source
        self._quote = quote
        self.quotes = 0

    def readable(self) -> bool:
        """It is only read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read, and count."""
        data = self._source.read(size)
        self.quotes += data.count(self._quote)
        return data

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        super().close()


def _ends_in_lines(batch: pa.RecordBatch | None) -> bool:
    """Whether a value of the last row has several lines."""
    if batch is None or not batch.num_rows:
        return False
    last: list[Any] = [column[batch.num_rows - 1].as_py() for column in batch.columns]
    return any(value and "\n" in value for value in last)


class _Transcoded(io.RawIOBase):
    """Text of any encoding as UTF-8."""

    def __init__(self, source: BinaryIO, encoding: str, rows: CsvRows) -> None:
        super().__init__()
        self._rows = rows
        try:
            self._text = io.TextIOWrapper(source, encoding, newline="")
        except LookupError as error:
            raise EndpointError(f"{encoding!r} is no encoding.", hint="Such as latin1 or utf16.") from error
        self._rest = b""

    def readable(self) -> bool:
        """It is only read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes."""
        if not self._rest:
            try:
                self._rest = self._text.read(_HEAD).encode("utf-8").removeprefix(b"\xef\xbb\xbf")
            except UnicodeError as error:
                raise self._rows.no_utf8() from error
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        super().close()
