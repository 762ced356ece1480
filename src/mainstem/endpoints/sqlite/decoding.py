"""From SQLite's values to Arrow: each exactly, or not at all.

A column of SQLite may hold anything in any row. What its declared type does not say is not guessed: it is
refused, by its place among the values.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.endpoints.sqlite.types import affinity
from mainstem.schema import Column
from mainstem.types import cast_values

__all__ = ["NEGATIVE_ZERO", "NOT_A_NUMBER", "Decoder", "MisfitError", "decoder_of"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute

Values = Sequence[Any]
Kinds = frozenset[type]

# SQLite stores a NaN as NULL, and takes the sign off a zero in a column of numbers. So these two stand there
# as text. The no-break space keeps SQLite from seeing a number; Python's `float` and SQL's `cast` still do.
NOT_A_NUMBER = "NaN"
NEGATIVE_ZERO = "-0.0\u00a0"
_SPELLED_FLOATS = {NOT_A_NUMBER: math.nan, NEGATIVE_ZERO: -0.0}
_IN_JSON = {**_SPELLED_FLOATS, "Infinity": math.inf, "-Infinity": -math.inf}

_NONE = type(None)
_WORDS: dict[type, str] = {int: "an integer", float: "a real number", str: "a text", bytes: "a blob"}

_TIME = r"^\d\d:\d\d(:\d\d(\.\d{1,6})?)?$"
_DURATION = re.compile(r"^P(-?\d+)M(-?\d+)DT(-?)(\d+)(?:\.(\d{1,9}))?S$")


class MisfitError(Exception):
    """A value does not fit its column's type.

    Attributes:
        what: The value, in words: ``a text``.
        at: Its place among the values.
    """

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.what = what
        self.at = at


@dataclass(frozen=True)
class Decoder:
    """How the values of one column become Arrow's.

    Attributes:
        arrow_type: Their Arrow type.
        kinds: The kinds of values that may be.
        decode: From values of these kinds, told which there are, to the array.
    """

    arrow_type: pa.DataType
    kinds: Kinds
    decode: Callable[[Values, Kinds], pa.Array[Any]]

    def __call__(self, values: Values) -> pa.Array[Any]:
        """Decode values.

        Raises:
            MisfitError: One of them does not fit.
        """
        kinds = frozenset(map(type, values)) - {_NONE}
        if kinds <= self.kinds:
            try:
                return self.decode(values, kinds)
            except (pa.ArrowException, OverflowError, ValueError, TypeError):
                # Which one it was, Arrow does not say.
                pass
        for at, value in enumerate(values):
            if not self._fits(value):
                raise MisfitError(_WORDS.get(type(value), "a value"), at)
        raise AssertionError(f"Values fit {self.arrow_type} one by one, and not together.")

    def _fits(self, value: Any) -> bool:
        if value is None:
            return True
        try:
            self.decode((value,), frozenset((type(value),)))
        except (pa.ArrowException, OverflowError, ValueError, TypeError):
            return False
        return type(value) in self.kinds


def decoder_of(column: Column) -> Decoder:
    """How a column's values become Arrow's, by its declared type."""
    if column.as_text:
        # Blobs are spelled by the query.
        return Decoder(pa.string(), frozenset({int, float, str}), _strings)
    return _decoder(column.arrow_type, affinity(column.native_type))


def _decoder(kind: pa.DataType, stored: str) -> Decoder:  # noqa: PLR0911 - one for each family of types
    if pa.types.is_floating(kind):
        return Decoder(kind, frozenset({int, float, str}), _floats(kind))
    if pa.types.is_decimal(kind):
        return Decoder(kind, frozenset({int, float, str}), _decimals(kind))
    if pa.types.is_string(kind) and stored != "TEXT":
        return Decoder(kind, frozenset({int, float, str}), _strings)
    if isinstance(kind, (pa.OpaqueType, pa.JsonType)):
        return Decoder(kind, frozenset({int, float, str}), _wrapped(kind))
    if isinstance(kind, pa.UuidType):
        return Decoder(kind, frozenset({str, bytes}), _uuids)
    if pa.types.is_list(kind):
        return Decoder(kind, frozenset({str}), _lists(kind))
    plain = next((made for is_so, made in _PLAIN if is_so(kind)), None)
    if plain is None:
        raise AssertionError(f"No declared type is {kind}.")
    return Decoder(kind, *plain(kind))


def _integers(kind: pa.DataType) -> tuple[Kinds, Callable[[Values, Kinds], pa.Array[Any]]]:
    if kind == pa.uint64():
        return frozenset({str, int}), lambda values, _: pa.array(_texts(values), pa.string()).cast(kind)
    return frozenset({int}), lambda values, _: pa.array(values, kind)


def _as_is(kind: pa.DataType) -> tuple[Kinds, Callable[[Values, Kinds], pa.Array[Any]]]:
    own: type = str if pa.types.is_string(kind) else bytes
    return frozenset({own}), lambda values, _: pa.array(values, kind)


def _spelled(kind: pa.DataType) -> tuple[Kinds, Callable[[Values, Kinds], pa.Array[Any]]]:
    return frozenset({str}), lambda values, _: pa.array(values, pa.string()).cast(kind)


def _booleans(kind: pa.DataType) -> tuple[Kinds, Callable[[Values, Kinds], pa.Array[Any]]]:
    def decode(values: Values, _: Kinds) -> pa.Array[Any]:
        numbers = pa.array(values, pa.uint8())
        if (pc.max(numbers).as_py() or 0) > 1:
            raise ValueError
        return numbers.cast(kind)

    return frozenset({int}), decode


def _times(kind: pa.DataType) -> tuple[Kinds, Callable[[Values, Kinds], pa.Array[Any]]]:
    def decode(values: Values, _: Kinds) -> pa.Array[Any]:
        texts = pa.array(values, pa.string())
        if not pc.all(pc.match_substring_regex(texts, _TIME), min_count=0).as_py():
            raise ValueError
        moments = pc.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp("us"))
        found: pa.Array[Any] = moments.cast(pa.int64()).cast(kind)
        return found

    return frozenset({str}), decode


def _durations(kind: pa.DataType) -> tuple[Kinds, Callable[[Values, Kinds], pa.Array[Any]]]:
    return frozenset({str}), lambda values, _: pa.array([_duration(value) for value in values], kind)


def _duration(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = _DURATION.match(text)
    if parts is None:
        raise ValueError
    months, days, sign, seconds, fraction = parts.groups()
    nanoseconds = int(seconds) * 1_000_000_000 + int((fraction or "").ljust(9, "0"))
    return int(months), int(days), -nanoseconds if sign else nanoseconds


_PLAIN: Sequence[
    tuple[
        Callable[[pa.DataType], bool],
        Callable[[pa.DataType], tuple[Kinds, Callable[[Values, Kinds], pa.Array[Any]]]],
    ]
] = (
    (pa.types.is_boolean, _booleans),
    (pa.types.is_integer, _integers),
    (pa.types.is_string, _as_is),
    (pa.types.is_binary, _as_is),
    (pa.types.is_date, _spelled),
    (pa.types.is_timestamp, _spelled),
    (pa.types.is_time, _times),
    (pa.types.is_interval, _durations),
)


def _floats(kind: pa.DataType) -> Callable[[Values, Kinds], pa.Array[Any]]:
    def decode(values: Values, kinds: Kinds) -> pa.Array[Any]:
        if str in kinds:
            values = [_SPELLED_FLOATS[value] if isinstance(value, str) else value for value in values]
        wide = pa.array(values, pa.float64())
        if kind == pa.float64():
            return wide
        narrow = wide.cast(kind)
        same = pc.or_(pc.equal(narrow.cast(pa.float64()), wide), pc.is_nan(wide))
        if not pc.all(same, min_count=0).as_py():
            raise ValueError
        return narrow

    def strict(values: Values, kinds: Kinds) -> pa.Array[Any]:
        try:
            return decode(values, kinds)
        except KeyError:
            raise ValueError from None

    return strict


def _decimals(kind: pa.DataType) -> Callable[[Values, Kinds], pa.Array[Any]]:
    def decode(values: Values, kinds: Kinds) -> pa.Array[Any]:
        return _shortest(values, kinds).cast(kind)

    return decode


def _wrapped(kind: Any) -> Callable[[Values, Kinds], pa.Array[Any]]:
    def decode(values: Values, kinds: Kinds) -> pa.Array[Any]:
        return pa.ExtensionArray.from_storage(kind, _strings(values, kinds))

    return decode


def _strings(values: Values, kinds: Kinds) -> pa.Array[Any]:
    return pa.array(values if kinds <= {str} else _texts(values), pa.string())


def _shortest(values: Values, kinds: Kinds) -> pa.Array[Any]:
    """Numbers in their shortest text form, by Arrow's own kernel where they can go through a float."""
    if kinds <= {int, float}:
        try:
            return pa.array(values, pa.float64()).cast(pa.string())
        except pa.ArrowInvalid:
            # An integer beyond the 53 bits of a float.
            pass
    return _strings(values, kinds)


def _texts(values: Values) -> list[str | None]:
    return [value if value is None or isinstance(value, str) else str(value) for value in values]


def _uuids(values: Values, kinds: Kinds) -> pa.Array[Any]:
    if bytes in kinds:
        values = [value.hex() if isinstance(value, bytes) else value for value in values]
    return cast_values(pa.array(values, pa.string()), pa.uuid())


def _lists(kind: Any) -> Callable[[Values, Kinds], pa.Array[Any]]:
    item = _decoder(kind.value_type, "TEXT")

    def decode(values: Values, _: Kinds) -> pa.Array[Any]:
        lists = [None if value is None else json.loads(value) for value in values]
        if not all(found is None or isinstance(found, list) for found in lists):
            raise ValueError
        flat = [_from_json(each, kind.value_type) for found in lists for each in found or ()]
        try:
            items = item(flat)
        except MisfitError:
            raise ValueError from None
        ends = itertools.accumulate((len(found or ()) for found in lists), initial=0)
        mask: Any = pa.array([found is None for found in lists])
        made: pa.Array[Any] = pa.ListArray.from_arrays(
            pa.array(list(ends), pa.int32()), items, type=kind, mask=mask
        )
        return made

    return decode


def _from_json(value: Any, kind: pa.DataType) -> Any:
    """An item as it would stand in a column of its own."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, str) and pa.types.is_binary(kind):
        return bytes.fromhex(value)
    if isinstance(value, str) and pa.types.is_floating(kind):
        return _IN_JSON.get(value, value)
    return value
