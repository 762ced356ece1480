"""Texts to values: what JSON, XML and spreadsheets hold as text, where a column is something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.errors import ConfigError
from mainstem.files.inference import NotOfTypeError, infer, typed
from mainstem.files.layouts import layout_of
from mainstem.types import cast_values, fit_values

__all__ = ["from_texts", "in_layout", "moment_type", "python_encoding", "refuse_encoding"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_LEADING_ZERO = r"^[+-]?0\d"
# The shortest text of a float has at most so many.
_FLOAT_DIGITS = 17

# Sling's names for encodings (spec §4.1) → Python's.
_ENCODINGS = {
    "latin1": "latin-1",
    "latin5": "iso8859-9",
    "latin9": "iso8859-15",
    "utf8": "utf-8-sig",
    "utf8_bom": "utf-8-sig",
    "utf16": "utf-16",
    "windows1250": "cp1250",
    "windows1252": "cp1252",
}


def python_encoding(said: str | None) -> str:
    """What Python calls an encoding of Sling's; UTF-8 where none is said. A byte order mark is no text.

    Example:
        >>> python_encoding(None), python_encoding("windows1252")
        ('utf-8-sig', 'cp1252')
    """
    return _ENCODINGS.get((said or "utf8").lower().replace("-", ""), said or "utf-8-sig")


def from_texts(values: pa.Array[Any], kind: pa.DataType, datetime_format: str | None = None) -> pa.Array[Any]:
    r"""Read texts as values, written in our own way (:mod:`mainstem.types.text`) or as in a CSV file.

    Raises:
        pyarrow.ArrowException: One is no such value.

    Example:
        >>> from_texts(pa.array(["10:11:12.5", None]), pa.time64("us")).to_pylist()
        [datetime.time(10, 11, 12, 500000), None]
        >>> from_texts(pa.array([r"\x00ff"]), pa.binary()).to_pylist()
        [b'\x00\xff']
    """
    if isinstance(kind, pa.BaseExtensionType) and pa.types.is_string(kind.storage_type):
        return pa.ExtensionArray.from_storage(kind, values)
    read = next((read for is_so, read in _READ if is_so(kind)), None)
    if read is not None:
        return read(values, kind)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _moments(values, kind, datetime_format)
    return cast_values(values, kind)


def in_layout(batch: pa.RecordBatch, datetime_format: str | None) -> pa.RecordBatch:
    """Write dates and times in the user's layout (`datetime_format`); without one they stay what they are.

    Example:
        >>> in_layout(pa.record_batch({"d": pa.array([0], pa.date32())}), "DD.MM.YYYY").to_pylist()
        [{'d': '01.01.1970'}]
    """
    if not datetime_format:
        return batch
    layout = layout_of(datetime_format).format
    for at, field in enumerate(batch.schema):
        kind: Any = field.type
        if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            texts = pc.strftime(batch.column(at), layout)
            batch = batch.set_column(at, field.name, texts)
    return batch


def refuse_encoding(what: str, said: str | None) -> None:
    """Refuse to write a format in another encoding than its own.

    Raises:
        ConfigError: Another than UTF-8 is wished.
    """
    if python_encoding(said) != "utf-8-sig":
        raise ConfigError(
            f"{what} is written in UTF-8, and not in {said}.", hint="Leave `encoding` out, or write CSV."
        )


def _times(values: pa.Array[Any], kind: Any) -> pa.Array[Any]:
    on_a_day = pc.binary_join_element_wise("1970-01-01", values, " ")
    moments: pa.Array[Any] = on_a_day.cast(pa.timestamp(kind.unit)).cast(kind)
    return moments


def _moments(values: pa.Array[Any], kind: Any, datetime_format: str | None) -> pa.Array[Any]:
    if not datetime_format:
        try:
            return _iso(values, kind)
        except pa.ArrowException:
            pass
    found = infer(values, datetime_format)
    try:
        return fit_values(typed(values, found), kind)
    except NotOfTypeError as error:
        raise pa.ArrowInvalid(str(error)) from error


def _iso(values: pa.Array[Any], kind: Any) -> pa.Array[Any]:
    if pa.types.is_timestamp(kind) and kind.tz is None:
        # Where no value has another zone, this is none: it says so of what has no zone.
        values = pc.replace_substring_regex(values, "(Z|[+-]00:?00)$", "")
    return cast_values(values, kind)


def _numbers(values: pa.Array[Any], kind: Any) -> pa.Array[Any]:
    """Numbers, unless one would not be written so again."""
    if pc.any(pc.match_substring_regex(values, _LEADING_ZERO)).as_py():
        raise pa.ArrowInvalid("a leading zero, which a number would lose")
    if pa.types.is_floating(kind):
        digits = pc.replace_substring_regex(values, r"[eE].*$|^[+-]?0*\.?0*|[.+-]", "")
        telling = pc.utf8_rtrim(digits, "0")
        if pc.any(pc.greater(pc.binary_length(telling), _FLOAT_DIGITS)).as_py():
            raise pa.ArrowInvalid("more digits than a float has")
    return cast_values(values, kind)


def _bytes(values: pa.Array[Any]) -> pa.Array[Any]:
    texts: Sequence[str | None] = values.to_pylist()
    try:
        found = [None if text is None else _unhexed(text) for text in texts]
    except ValueError as error:
        raise pa.ArrowInvalid(str(error)) from error
    return pa.array(found, pa.binary())


def _unhexed(text: str) -> bytes:
    if not text.startswith("\\x"):
        raise ValueError(f"{text[:20]!r} is no hexadecimal text of bytes")
    return bytes.fromhex(text[2:])


def moment_type(texts: Sequence[str], datetime_format: str | None = None) -> pa.DataType | None:
    """The date or the point in time that texts all are; ``None`` where one is something else.

    Example:
        >>> moment_type(["2024-01-02"]), moment_type(["2024-01-02T03:04:05Z"]), moment_type(["12"])
        (DataType(date32[day]), TimestampType(timestamp[us, tz=UTC]), None)
    """
    found = infer(pa.array(texts, pa.string()), datetime_format).type
    return found if pa.types.is_temporal(found) else None


_READ: Sequence[tuple[Callable[[Any], bool], Callable[[pa.Array[Any], Any], pa.Array[Any]]]] = (
    (pa.types.is_time, _times),
    (pa.types.is_binary, lambda values, _: _bytes(values)),
    (pa.types.is_integer, _numbers),
    (pa.types.is_decimal, _numbers),
    (pa.types.is_floating, _numbers),
)
