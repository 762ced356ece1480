"""`column_typing`: how types are sized and what they fall back to (spec §4.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mainstem.errors import Position, ReplicationError
from mainstem.plan.model import PlannedColumn

__all__ = ["ColumnTyping"]

_DIGITS = 38
_FITS_64_BITS = 18
_LENGTH = re.compile(r"char\w*\s*\((\d+)\)", re.IGNORECASE)
_CAST_AS: Mapping[str, pa.DataType] = {"float": pa.float64(), "string": pa.string(), "integer": pa.int32()}


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Text(_Rules):
    length_factor: float = Field(default=1, gt=0)
    min_length: int = Field(default=0, ge=0)
    max_length: int | None = Field(default=None, gt=0)
    use_max: bool = False


class _Decimal(_Rules):
    min_precision: int = Field(default=1, ge=1, le=_DIGITS)
    max_precision: int = Field(default=_DIGITS, ge=1, le=_DIGITS)
    min_scale: int = Field(default=0, ge=0, le=_DIGITS)
    max_scale: int = Field(default=_DIGITS, ge=0, le=_DIGITS)
    cast_as: str | None = Field(default=None, pattern="^(float|string)$")


class _Json(_Rules):
    as_text: bool = False


class _Boolean(_Rules):
    cast_as: str | None = Field(default=None, pattern="^(integer|string)$")


class _Typing(_Rules):
    string: _Text | None = None
    decimal: _Decimal | None = None
    json_: _Json | None = Field(default=None, alias="json")
    boolean: _Boolean | None = None


@dataclass(frozen=True)
class ColumnTyping:
    """The rules of one stream."""

    rules: _Typing

    @classmethod
    def parse(cls, given: Mapping[str, Any] | None, position: Position) -> ColumnTyping:
        """Read the option.

        Raises:
            ReplicationError: A rule is unknown, or its value makes no sense.
        """
        try:
            return cls(_Typing.model_validate(given or {}))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ReplicationError(
                f"`column_typing`: {where}: {first['msg']}.",
                position=position,
                hint="There are string (length_factor, min_length, max_length, use_max), decimal"
                " (min_precision, max_precision, min_scale, max_scale, cast_as), json (as_text) and boolean"
                " (cast_as).",
            ) from error

    def applied(self, column: PlannedColumn) -> PlannedColumn:
        """Return a column with the rules for its type."""
        kind, rules = column.arrow_type, self.rules
        if pa.types.is_decimal(kind) and rules.decimal:
            return replace(column, arrow_type=_decimal(kind, rules.decimal))
        if pa.types.is_boolean(kind) and rules.boolean and rules.boolean.cast_as:
            return replace(column, arrow_type=_CAST_AS[rules.boolean.cast_as])
        if isinstance(kind, pa.JsonType) and rules.json_ and rules.json_.as_text:
            return replace(column, arrow_type=pa.string())
        if pa.types.is_string(kind) and rules.string:
            return replace(column, length=_length(column.source.native_type, rules.string))
        return column


def _decimal(kind: Any, rules: _Decimal) -> pa.DataType:
    if rules.cast_as:
        return _CAST_AS[rules.cast_as]
    scale = min(max(kind.scale, rules.min_scale), rules.max_scale)
    whole = kind.precision - kind.scale
    precision = min(max(whole + scale, rules.min_precision), rules.max_precision)
    scale = min(scale, precision)
    return pa.decimal64(precision, scale) if precision <= _FITS_64_BITS else pa.decimal128(precision, scale)


def _length(native: str, rules: _Text) -> int | None:
    """How long a text may be: the source's own length, stretched, within bounds; none without one."""
    found = _LENGTH.search(native)
    if rules.use_max or not found:
        return None
    length = max(int(int(found.group(1)) * rules.length_factor), rules.min_length)
    return min(length, rules.max_length) if rules.max_length else length
