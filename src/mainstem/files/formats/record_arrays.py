"""Values that were read, as an array of the type that is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from mainstem.files.formats.json_scanner import as_json
from mainstem.files.formats.record_types import NOT_FINITE, digits
from mainstem.files.formats.texts import from_texts
from mainstem.types import fit_values

__all__ = ["as_text", "values_array"]


def as_text(value: Any) -> str | None:
    """A value in a column of texts: a text as it is, anything else as JSON writes it."""
    if value is None or isinstance(value, str):
        return value
    return as_json(value)


def values_array(
    values: Sequence[Any], kind: Any, datetime_format: str | None = None, *, text_only: bool = False
) -> pa.Array[Any]:
    """Values as an array of a type.

    Raises:
        pyarrow.ArrowException: One does not fit.
        ValueError: Likewise.
        TypeError: Likewise.
    """
    if isinstance(kind, pa.JsonType):
        spell = _json_of_text if text_only else as_json
        texts = [None if value is None else spell(value) for value in values]
        return pa.ExtensionArray.from_storage(kind, pa.array(texts, kind.storage_type))
    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {str}:
        strings = pa.array(values, pa.string())
        if pa.types.is_string(kind):
            return strings
        return from_texts(_without_blanks(strings), kind, datetime_format)
    if pa.types.is_string(kind):
        return pa.array([as_text(value) for value in values], pa.string())
    if kinds == {bool} and pa.types.is_boolean(kind):
        return _array(values, kind)
    if bool in kinds or kinds & {dict, list}:
        raise TypeError("no number")
    return _numbers(values, kind, kinds)


def _json_of_text(value: Any) -> str:
    """A text that is JSON already stays what it is."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except (ValueError, RecursionError):
            return as_json(value)
        return value
    return as_json(value)


def _without_blanks(strings: pa.Array[Any]) -> pa.Array[Any]:
    """An empty text is NULL in a column of anything but texts (spec §4.1)."""
    texts = [text or None for text in strings.to_pylist()]
    return pa.array(texts, pa.string())


def _numbers(values: Sequence[Any], kind: Any, kinds: set[type]) -> pa.Array[Any]:
    is_float = pa.types.is_floating(kind)
    if (is_float and str not in kinds) or (kinds == {int} and pa.types.is_integer(kind)):
        return _array(values, kind)
    texts = [None if value is None else NOT_FINITE.get(str(value), digits(value)) for value in values]
    if is_float:
        return _array([None if text is None else float(text) for text in texts], kind)
    if pa.types.is_integer(kind):
        whole = pa.array([None if text is None else Decimal(text) for text in texts])
        return fit_values(whole, kind)
    if pa.types.is_decimal(kind):
        try:
            return _array([None if text is None else Decimal(text) for text in texts], kind)
        except InvalidOperation as error:
            raise ValueError("no number") from error
    raise TypeError("no number")


def _array(values: Sequence[Any], kind: Any) -> pa.Array[Any]:
    array: pa.Array[Any] = pa.array(values, kind)
    return array
