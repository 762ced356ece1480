"""A few rows of a table, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

__all__ = ["preview_table"]

# A preview is looked at in a narrow column, and kept for every materialization.
_LONGEST = 200


def preview_table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Make Dagster's table of rows. What Dagster has no type for becomes text; long text is cut.

    Args:
        rows: At least one row; all have the same columns.
    """
    records = [dg.TableRecord({name: _shown(value) for name, value in row.items()}) for row in rows]
    columns = [dg.TableColumn(name, _type([record.data[name] for record in records])) for name in rows[0]]
    return dg.MetadataValue.table(records, dg.TableSchema(columns))


def _shown(value: Any) -> str | int | float | bool | None:
    r"""A value as Dagster's tables can have it.

    Example:
        >>> _shown(b"\x01"), _shown([1, None]), _shown(2**63), _shown("a" * 300)[-3:]
        ('01', '[1, null]', '9223372036854775808', 'aa…')
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):  # noqa: PLR0124 - not NaN
        return value
    if isinstance(value, bytes):
        text = value.hex()
    elif isinstance(value, list | dict | tuple):
        text = json.dumps(value, default=str, ensure_ascii=False)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    names = {bool: "bool", int: "int", float: "float"}
    return names.get(kinds.pop(), "string") if len(kinds) == 1 else "string"
