"""Written values for people."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa

from mainstem.endpoints import Form, FormKind
from mainstem.types import value_text

__all__ = ["readable"]

_NANO_DIGITS = 9


def readable(value: str | None, form: Form | str | None) -> str | None:
    """A written value as people read it.

    Example:
        >>> readable("19723", Form(FormKind.DATE)), readable("3:abc", Form(FormKind.TEXT))
        ('2024-01-01', 'abc')
    """
    if value is None or not isinstance(form, Form):
        return value
    if form.kind is FormKind.TEXT:
        return value.partition(":")[2]
    if form.kind is FormKind.FLOAT:
        return value if value == "nan" else repr(struct.unpack(">d", bytes.fromhex(value))[0])
    unit: Any = "ns" if form.digits == _NANO_DIGITS else "us"
    kinds: dict[FormKind, Any] = {
        FormKind.DATE: pa.date32(),
        FormKind.TIME: pa.time64(unit),
        FormKind.TIMESTAMP: pa.timestamp(unit),
    }
    kind = kinds.get(form.kind)
    if kind is None:
        return value
    storage: Any = pa.int32() if pa.types.is_date(kind) else pa.int64()
    try:
        return value_text(pa.scalar(int(value), storage).cast(kind))
    except (ValueError, pa.ArrowInvalid):
        # What is no value of the type, in a system that lets every value be anywhere.
        return value
