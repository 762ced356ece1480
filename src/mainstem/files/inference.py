"""Which type a column of text is, and its values: by columns, never value by value (spec §7.4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.files.layouts import ISO, LAYOUTS, Layout, layout_of
from mainstem.types import cast_values, common_type

__all__ = ["Inferred", "NotOfTypeError", "infer", "typed", "wider_type"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

_WHOLE = r"^[+-]?(?:0|[1-9]\d*)$"
_DECIMAL = r"^[+-]?(?:0|[1-9]\d*)?\.?\d+$"
_FLOAT = r"^[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$|^(?i:[+-]?inf(?:inity)?|nan)$"
_LEADING_ZERO = r"^[+-]?0\d"
_DATE = r"^\d{4}-\d\d-\d\d$"
_STAMP = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?$"
_INSTANT = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)? ?(?:Z|[+-]\d\d(?::?\d\d)?)$"
_NANOSECONDS = r"\.\d{7,9}"
_JSON = r"^\s*[\[{]"
_TRUE, _FALSE = ("true", "t"), ("false", "f")

# Decimals have room for what the sample did not show, as in the reference (spec §7.3).
_LEAST_PRECISION, _LEAST_SCALE, _DIGITS = 24, 6, 38
# So many digits survive the way into a float and back.
_FLOAT_DIGITS = 15


@dataclass(frozen=True)
class Inferred:
    """What a column of text is.

    Attributes:
        type: Its Arrow type.
        layout: How its dates or times are written: ``iso``, or a format for ``strptime``.
    """

    type: pa.DataType
    layout: str = ISO


class NotOfTypeError(Exception):
    """A text is none of the type that its column seemed to have.

    Attributes:
        index: Its place among the values.
        value: The text.
        wider: A type that holds all of the values.
    """

    def __init__(self, index: int, value: str, wider: pa.DataType) -> None:
        self.index = index
        self.value = value
        self.wider = wider
        super().__init__(f"{value!r} at {index}")


def infer(values: pa.Array[Any], datetime_format: str | None = None) -> Inferred:
    """Find the narrowest type that holds all of some texts. NULL and empty texts say nothing: ``null``.

    Args:
        values: Texts.
        datetime_format: The user's own layout for dates and times, tried first.

    Example:
        >>> [infer(pa.array(texts)).type for texts in (["1", "20"], ["1.5", ""], ["007"], ["2024-01-31"])]
        [DataType(int64), Decimal128Type(decimal128(24, 6)), DataType(string), DataType(date32[day])]
    """
    known = pc.drop_null(values)
    known = pc.filter(known, pc.not_equal(known, ""))
    if len(known) == 0:
        return Inferred(pa.null())
    for found in (*_moments(known, datetime_format), *_numbers(known), *_others(known)):
        if _fits(known, found):
            return found
    return Inferred(pa.string())


def typed(values: pa.Array[Any], found: Inferred) -> pa.Array[Any]:
    """Make values of texts. Empty texts are NULL, but in text columns.

    Raises:
        NotOfTypeError: A text is none of the type.

    Example:
        >>> typed(pa.array(["1", "", None]), Inferred(pa.int64())).to_pylist()
        [1, None, None]
    """
    if pa.types.is_string(found.type):
        return values
    blank = pc.equal(values, "")
    if pc.any(blank).as_py():
        values = pc.if_else(blank, pa.scalar(None, pa.string()), values)
    try:
        return _converted(values, found)
    except pa.ArrowException:
        place = _first_wrong(values, found)
        wider = wider_type(found.type, infer(values).type)
        raise NotOfTypeError(place, values[place].as_py(), wider) from None


def wider_type(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """A type for texts of both.

    Example:
        >>> wider_type(pa.int64(), pa.decimal128(24, 6)), wider_type(pa.date32(), pa.bool_())
        (Decimal128Type(decimal128(38, 6)), DataType(string))
    """
    if one == other:
        # The other's layout of a date, or what the first never was.
        return pa.string()
    zones = [pa.types.is_timestamp(kind) and kind.tz is not None for kind in (one, other)]
    if any(zones) and all(pa.types.is_timestamp(kind) for kind in (one, other)):
        fine: Any = "ns" if any("ns" in str(kind) for kind in (one, other)) else "us"
        return pa.timestamp(fine, "UTC")
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        return _decimal(
            max(one.precision - one.scale, other.precision - other.scale), max(one.scale, other.scale)
        )
    for kind, another in ((one, other), (other, one)):
        if pa.types.is_integer(kind) and pa.types.is_decimal(another):
            return _decimal(_DIGITS - another.scale, another.scale)
    found = common_type(one, other)
    return pa.string() if found is None or isinstance(found, pa.BaseExtensionType) else found


def _moments(known: pa.Array[Any], datetime_format: str | None) -> Iterator[Inferred]:
    if datetime_format:
        layout = layout_of(datetime_format)
        yield Inferred(layout.type, layout.format)
    unit: Any = "ns" if pc.any(pc.match_substring_regex(known, _NANOSECONDS)).as_py() else "us"
    if _all(known, _DATE):
        yield Inferred(pa.date32())
    elif _all(known, f"{_DATE}|{_STAMP}"):
        yield Inferred(pa.timestamp(unit))
    elif _all(known, f"{_DATE}|{_STAMP}|{_INSTANT}"):
        yield Inferred(pa.timestamp(unit, "UTC"))
    else:
        yield from (Inferred(layout.type, layout.format) for layout in LAYOUTS if _all_written(known, layout))


def _all_written(known: pa.Array[Any], layout: Layout) -> bool:
    return _all(known, f"^{layout.pattern}$")


def _numbers(known: pa.Array[Any]) -> Iterator[Inferred]:
    if not _all(known, _FLOAT):
        return
    if _all(known, _WHOLE):
        yield Inferred(pa.int64())
        yield Inferred(pa.decimal128(_DIGITS, 0))
    elif _all(known, _DECIMAL):
        yield Inferred(_decimal_for(known))
    elif _survives_float(known):
        yield Inferred(pa.float64())


def _survives_float(known: pa.Array[Any]) -> bool:
    """Whether no text has more digits than a float keeps."""
    mantissa = pc.replace_substring_regex(known, r"[eE].*$|^[+-]?0*\.?0*|[.+-]", "")
    return bool(pc.less_equal(pc.max(pc.binary_length(mantissa)), _FLOAT_DIGITS).as_py())


def _decimal_for(known: pa.Array[Any]) -> pa.DataType:
    whole = pc.binary_length(pc.replace_substring_regex(known, r"^[+-]|\..*$", ""))
    fraction = pc.binary_length(pc.replace_substring_regex(known, r"^[^.]*\.?", ""))
    return _decimal(pc.max(whole).as_py(), pc.max(fraction).as_py())


def _decimal(whole: int, scale: int) -> pa.DataType:
    """A decimal for so many digits before and behind the point; text where there is none."""
    if whole + scale > _DIGITS:
        return pa.string()
    scale = max(scale, min(_LEAST_SCALE, _DIGITS - whole))
    return pa.decimal128(max(whole + scale, _LEAST_PRECISION), scale)


def _others(known: pa.Array[Any]) -> Iterator[Inferred]:
    if pc.all(pc.is_in(pc.utf8_lower(known), pa.array([*_TRUE, *_FALSE]))).as_py():
        yield Inferred(pa.bool_())
    if _all(known, _JSON):
        yield Inferred(pa.json_())


def _all(known: pa.Array[Any], pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(known, pattern)).as_py())


def _fits(values: pa.Array[Any], found: Inferred) -> bool:
    try:
        _converted(values, found)
    except pa.ArrowException:
        return False
    return True


def _converted(values: pa.Array[Any], found: Inferred) -> pa.Array[Any]:
    """Convert texts, of which none is empty.

    Raises:
        pyarrow.ArrowException: One is none of the type.
    """
    kind = found.type
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return _numeric(values, kind)
    if pa.types.is_boolean(kind):
        return _booleans(values)
    if isinstance(kind, pa.JsonType):
        return _jsons(values, kind)
    if found.layout != ISO:
        return _by_layout(values, found)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        # Arrow knows neither a blank before the offset nor days that have a zone.
        values = pc.replace_substring_regex(values, r" ([+-]\d\d(?::?\d\d)?)$", r"\1")
        days = pc.match_substring_regex(values, _DATE)
        if pc.any(days).as_py():
            values = pc.if_else(days, pc.binary_join_element_wise(values, " 00:00:00", ""), values)
    return cast_values(values, kind)


def _numeric(values: pa.Array[Any], kind: pa.DataType) -> pa.Array[Any]:
    starts = pc.or_(pc.starts_with(values, "0"), pc.match_substring_regex(values, r"^[+-]"))
    if pc.any(starts).as_py():
        if pc.any(pc.match_substring_regex(values, _LEADING_ZERO)).as_py():
            raise pa.ArrowInvalid("a leading zero, which a number would lose")
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            values = pc.replace_substring_regex(values, r"^\+", "")
    if pa.types.is_floating(kind) and not _survives_float(values):
        raise pa.ArrowInvalid("more digits than a float keeps")
    return values.cast(kind)


def _booleans(values: pa.Array[Any]) -> pa.Array[Any]:
    lower = pc.utf8_lower(values)
    true, false = (pc.is_in(lower, pa.array(words)) for words in (_TRUE, _FALSE))
    known = pc.or_(pc.or_(true, false), pc.is_null(values))
    if not pc.all(known, min_count=0).as_py():
        raise pa.ArrowInvalid("no boolean")
    booleans: pa.Array[Any] = pc.if_else(values.is_valid(), true, pa.scalar(None, pa.bool_()))
    return booleans


def _jsons(values: pa.Array[Any], kind: pa.JsonType) -> pa.Array[Any]:
    for text in values.to_pylist():
        if text is not None:
            try:
                json.loads(text)
            except (ValueError, RecursionError) as error:
                raise pa.ArrowInvalid("no JSON") from error
    return pa.ExtensionArray.from_storage(kind, values.cast(kind.storage_type))


def _by_layout(values: pa.Array[Any], found: Inferred) -> pa.Array[Any]:
    parsed = pc.strptime(values, found.layout, "us", error_is_null=True)
    if not pc.all(pc.equal(parsed.is_null(), values.is_null()), min_count=0).as_py():
        raise pa.ArrowInvalid("another layout")
    if pa.types.is_timestamp(found.type) and found.type.tz is not None and parsed.type.tz is None:
        parsed = parsed.cast(pa.timestamp("us")).cast(found.type)
    converted: pa.Array[Any] = parsed.cast(found.type)
    return converted


def _first_wrong(values: pa.Array[Any], found: Inferred) -> int:
    """The place of the first text that is none of the type, found by halves."""
    start, stop = 0, len(values)
    while stop - start > 1:
        middle = (start + stop) // 2
        start, stop = (middle, stop) if _fits(values.slice(start, middle - start), found) else (start, middle)
    return start
