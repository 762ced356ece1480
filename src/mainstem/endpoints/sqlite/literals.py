"""Literals that compare exactly with what a column stores."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

import pyarrow as pa
from sqlglot import exp

from mainstem.endpoints.sqlite.encoding import encoded, plain_decimal
from mainstem.errors import EndpointError
from mainstem.schema import Column
from mainstem.types import cast_values

__all__ = ["literal_of", "text_literal"]


def literal_of(text: str, column: Column) -> str:
    """A text as a literal of a column's type.

    Raises:
        EndpointError: The text is no value of that type.
    """
    kind = column.arrow_type
    render = next((render for is_so, render in _RENDERED if is_so(kind)), None)
    try:
        return render(text.strip(), kind) if render else text_literal(text)
    except (pa.ArrowException, InvalidOperation, ValueError) as error:
        raise EndpointError(
            f"{text!r} is no value for the column {column.name} ({column.native_type or 'no type'}).",
            hint=f"Write a value of the type {kind}.",
        ) from error


def text_literal(text: str) -> str:
    r"""A text as a literal.

    Example:
        >>> text_literal("it's"), text_literal("a\0b")
        ("'it''s'", "CAST(x'610062' AS TEXT)")
    """
    if "\0" in text:
        # A statement ends at a zero byte.
        return f"CAST(x'{text.encode().hex()}' AS TEXT)"
    return exp.Literal.string(text).sql("sqlite")


def _number(text: str, kind: pa.DataType) -> str:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError
    if pa.types.is_decimal(kind) or kind == pa.uint64():
        (value,) = encoded("", cast_values(pa.array([plain_decimal(text)]), kind))
        return text_literal(value) if isinstance(value, str) else repr(value)
    return plain_decimal(text)


def _float(text: str, _: pa.DataType) -> str:
    number = float(text)
    if math.isnan(number):
        return text_literal("NaN")
    if math.isinf(number):
        # https://www.sqlite.org/faq.html has none, and 9e999 is how its own shell writes it.
        return "9e999" if number > 0 else "-9e999"
    return repr(number)


def _boolean(text: str, _: pa.DataType) -> str:
    truths = {"true": "1", "1": "1", "false": "0", "0": "0"}
    if text.lower() not in truths:
        raise ValueError
    return truths[text.lower()]


def _spelled(text: str, kind: pa.DataType) -> str:
    (value,) = encoded("", cast_values(pa.array([text]), kind))
    return text_literal(value)


def _bytes(text: str, _: pa.DataType) -> str:
    if text.startswith("\\x"):
        return f"x'{bytes.fromhex(text[2:]).hex()}'"
    return f"x'{text.encode().hex()}'"


_RENDERED: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[str, pa.DataType], str]]] = (
    (pa.types.is_boolean, _boolean),
    (pa.types.is_floating, _float),
    (pa.types.is_integer, _number),
    (pa.types.is_decimal, _number),
    (pa.types.is_date, _spelled),
    (pa.types.is_timestamp, _spelled),
    (pa.types.is_binary, _bytes),
    (lambda kind: isinstance(kind, pa.UuidType), _spelled),
)
