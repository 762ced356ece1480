"""Values as text: what every system without a type of its own stores, and what a literal is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute

__all__ = ["text_values", "type_name", "uuid_values", "value_text"]

# The stubs know no overloads for arrays and scalars together.
pc: Any = pyarrow.compute

_UUID_PARTS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
_UUID_BYTES = 16


def text_values(values: pa.Array[Any]) -> pa.Array[Any]:
    r"""Render values as text, the same way for every system and every run.

    Timestamps and dates are ISO 8601 with a blank, those with a zone in UTC with ``+00:00``; UUIDs have
    their dashes; decimals have all their digits; bytes are ``\x`` and hexadecimal digits; lists and maps are
    JSON; an interval is ISO 8601.

    Example:
        >>> text_values(pa.array([1.5, None])).to_pylist(), text_values(pa.array([b"\xff"])).to_pylist()
        (['1.5', None], ['\\xff'])
    """
    kind = values.type
    if isinstance(kind, pa.UuidType):
        return _uuid_text(values)
    if isinstance(kind, pa.BaseExtensionType):
        return text_values(values.storage if isinstance(values, pa.ExtensionArray) else values)
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        naive = values.cast(pa.timestamp(kind.unit)).cast(pa.string())
        return _array(pc.binary_join_element_wise(naive, "+00:00", ""))
    if pa.types.is_decimal(kind):
        return _decimal_text(values)
    spelled = next((spell for is_so, spell in _SPELLED if is_so(kind)), None)
    if spelled is None:
        return values.cast(pa.string())
    # One by one: no kernel of Arrow's spells these, and no type that is read by the million is among them.
    texts = [None if value is None else spelled(value) for value in values.to_pylist()]
    return pa.array(texts, pa.string())


def value_text(value: pa.Scalar[Any]) -> str:
    """Render one value as :func:`text_values` does.

    Example:
        >>> from datetime import datetime, timezone
        >>> value_text(pa.scalar(datetime(2024, 1, 2, tzinfo=timezone.utc), pa.timestamp("us", "UTC")))
        '2024-01-02 00:00:00.000000+00:00'
    """
    # Not by way of Python, whose datetime ends at the year 9999.
    alone: Any = pa.repeat
    text: str = text_values(alone(value, 1))[0].as_py()
    return text


def uuid_values(values: pa.Array[Any]) -> pa.Array[Any]:
    """Read text as UUIDs, with or without dashes.

    Raises:
        pyarrow.ArrowInvalid: A text is no UUID.
    """
    plain = pc.replace_substring(values, "-", "")
    wrong = pc.filter(values, pc.invert(pc.match_substring_regex(plain, "^[0-9a-fA-F]{32}$")))
    if len(wrong):
        raise pa.ArrowInvalid(f"{wrong[0].as_py()!r} is no UUID")
    digits: str = "".join(plain.fill_null("0" * 2 * _UUID_BYTES).to_pylist())
    storage = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(_UUID_BYTES), len(values), [None, pa.py_buffer(bytes.fromhex(digits))]
    )
    known = pc.if_else(values.is_valid(), storage, pa.scalar(None, pa.binary(_UUID_BYTES)))
    return pa.ExtensionArray.from_storage(pa.uuid(), known)


def _uuid_text(values: pa.Array[Any]) -> pa.Array[Any]:
    storage = values.storage if isinstance(values, pa.ExtensionArray) else values
    zeros: Any = storage.fill_null(bytes(_UUID_BYTES))
    digits = b"".join(zeros.to_pylist()).hex()
    size = 2 * _UUID_BYTES
    whole = pa.array([digits[start : start + size] for start in range(0, len(digits), size)], pa.string())
    parts = [pc.utf8_slice_codeunits(whole, start, stop) for start, stop in _UUID_PARTS]
    text = pc.binary_join_element_wise(*parts, "-")
    return _array(pc.if_else(storage.is_valid(), text, pa.scalar(None, pa.string())))


def _decimal_text(values: pa.Array[Any]) -> pa.Array[Any]:
    """Decimals with all their digits: Arrow writes small ones as ``1E-18``, and a zero as ``0E-8``."""
    texts: Any = values.cast(pa.string())
    short = pc.match_substring(texts, "E").fill_null(False)
    if not pc.any(short).as_py():
        return _array(texts)
    found = pc.filter(texts, short).dictionary_encode()
    plain = pa.array([format(Decimal(text), "f") for text in found.dictionary.to_pylist()], pa.string())
    return _array(pc.replace_with_mask(texts, short, plain.take(found.indices)))


def _interval(value: Any) -> str:
    """An interval as ISO 8601 has it, with signs where parts differ."""
    months, days, nanoseconds = cast("tuple[int, int, int]", tuple(value))
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    sign = "-" if nanoseconds < 0 else ""
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"P{months}M{days}DT{sign}{seconds}{fraction}S"


_SPELLED: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[Any], str]]] = (
    (pa.types.is_binary, lambda value: f"\\x{value.hex()}"),
    (pa.types.is_large_binary, lambda value: f"\\x{value.hex()}"),
    (pa.types.is_fixed_size_binary, lambda value: f"\\x{value.hex()}"),
    (pa.types.is_interval, _interval),
    (pa.types.is_nested, lambda value: json.dumps(value, default=str, ensure_ascii=False)),
)


def _array(values: Any) -> pa.Array[Any]:
    found: pa.Array[Any] = values
    return found


def type_name(kind: pa.DataType) -> str:
    """What a type is called, for people.

    Example:
        >>> type_name(pa.uuid()), type_name(pa.opaque(pa.string(), "inet", "PostgreSQL"))
        ('uuid', 'string')
        >>> type_name(pa.list_(pa.json_()))
        'list<json>'
    """
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{type_name(kind.value_type)}>"
    if isinstance(kind, pa.OpaqueType):
        return type_name(kind.storage_type)
    if isinstance(kind, pa.UuidType):
        return "uuid"
    return "json" if isinstance(kind, pa.JsonType) else str(kind)
