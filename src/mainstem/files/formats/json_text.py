"""Values as JSON text, a column at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from mainstem.types import cast_values

__all__ = ["json_objects", "json_text"]

# The stubs know no overloads for arrays and scalars together.
pc: Any = pyarrow.compute

_TO_ESCAPE = r'[\x00-\x1f"\\]'
_NOT_FINITE = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}
_quote = json.JSONEncoder(ensure_ascii=False).encode


def json_objects(batch: pa.RecordBatch) -> pa.Array[Any]:
    r"""Each row as a JSON object, NULLs as ``null``.

    Example:
        >>> json_objects(pa.record_batch({"id": [1], "name": ['a "b"'], "x": [None]})).to_pylist()
        ['{"id":1,"name":"a \\"b\\"","x":null}']
    """
    if not batch.num_columns:
        return pa.array(["{}"] * batch.num_rows, pa.string())
    pieces: list[Any] = []
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        pieces += [f"{',' if pieces else '{'}{_quote(name)}:", pc.fill_null(json_text(values), "null")]
    joined: pa.Array[Any] = pc.binary_join_element_wise(*pieces, "}", "")
    return joined


def json_text(values: Any) -> pa.Array[Any]:
    r"""Each value as JSON; NULL stays NULL.

    Numbers are numbers, but decimals are texts, which no reader rounds, as are what JSON has no word for: not
    a number, dates, UUIDs, and bytes as ``\x`` and hexadecimal digits. Lists are arrays, structures objects.
    """
    kind = values.type
    if isinstance(kind, pa.JsonType):
        # Only between its tokens can JSON have a line break, which would end the line of JSON Lines.
        return _found(pc.replace_substring_regex(_storage(values).cast(pa.string()), r"[\r\n]+", " "))
    if isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.UuidType):
        return json_text(_storage(values))
    spell = next((spell for is_so, spell in _SPELLED if is_so(kind)), None)
    return spell(values) if spell else _quoted(cast_values(values, pa.string()))


def _found(values: Any) -> pa.Array[Any]:
    texts: pa.Array[Any] = values
    return texts


def _storage(values: Any) -> Any:
    return values.storage if isinstance(values, pa.ExtensionArray) else values


def _quoted(texts: Any) -> pa.Array[Any]:
    if pc.any(pc.match_substring_regex(texts, _TO_ESCAPE)).as_py():
        return pa.array([None if text is None else _quote(text) for text in texts.to_pylist()], pa.string())
    return _found(pc.binary_join_element_wise('"', texts, '"', ""))


def _floats(values: Any) -> pa.Array[Any]:
    # Halves have no text of their own.
    texts = values.cast(pa.float32() if pa.types.is_float16(values.type) else values.type).cast(pa.string())
    # Without a point it is an integer, which has no sign where it is zero.
    texts = pc.replace_substring_regex(texts, "^-0$", "-0.0")
    if not pc.all(pc.is_finite(values), min_count=0).as_py():
        for told, written in _NOT_FINITE.items():
            texts = pc.if_else(pc.equal(texts, told), written, texts)
    return _found(texts)


def _structures(values: Any) -> pa.Array[Any]:
    fields = [values.type.field(index).name for index in range(values.type.num_fields)]
    batch = pa.RecordBatch.from_arrays(values.flatten(), names=fields) if fields else None
    texts = json_objects(batch) if batch else pa.array(["{}"] * len(values), pa.string())
    return _found(pc.if_else(values.is_valid(), texts, pa.scalar(None, pa.string())))


def _lists(values: Any) -> pa.Array[Any]:
    if not pa.types.is_list(values.type):
        values = values.cast(pa.list_(values.type.value_type))
    return _joined(values, pc.fill_null(json_text(values.flatten()), "null"), "[", "]")


def _maps(values: Any) -> pa.Array[Any]:
    """A map with texts as keys is an object, any other an array of pairs."""
    lists = values.cast(
        pa.list_(pa.struct([("key", values.type.key_type), ("value", values.type.item_type)]))
    )
    pairs = lists.flatten()
    keys, items = json_text(pairs.field(0)), pc.fill_null(json_text(pairs.field(1)), "null")
    if pa.types.is_string(values.type.key_type):
        return _joined(lists, pc.binary_join_element_wise(keys, items, ":"), "{", "}")
    return _joined(lists, pc.binary_join_element_wise("[", keys, ",", items, "]", ""), "[", "]")


def _joined(lists: Any, texts: Any, begin: str, end: str) -> pa.Array[Any]:
    """The texts of each list's items, put together."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    whole = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), ",")
    joined = pc.binary_join_element_wise(begin, pc.fill_null(whole, ""), end, "")
    return _found(pc.if_else(lists.is_valid(), joined, pa.scalar(None, pa.string())))


_SPELLED: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[Any], pa.Array[Any]]]] = (
    (pa.types.is_dictionary, lambda values: json_text(values.cast(values.type.value_type))),
    (pa.types.is_boolean, lambda values: _found(values.cast(pa.string()))),
    (pa.types.is_integer, lambda values: _found(values.cast(pa.string()))),
    (pa.types.is_floating, _floats),
    (pa.types.is_struct, _structures),
    (pa.types.is_map, _maps),
    (pa.types.is_list, _lists),
    (pa.types.is_large_list, _lists),
    (pa.types.is_fixed_size_list, _lists),
    (
        pa.types.is_timestamp,
        lambda values: _quoted(pc.replace_substring(cast_values(values, pa.string()), " ", "T")),
    ),
)
