"""In which form the values of a column are compared, and which cannot be: said by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from mainstem.endpoints import Form, FormKind
from mainstem.plan import PlannedColumn
from mainstem.schema import Column

__all__ = ["common_form", "form_of", "is_ordered"]

_MICRO_DIGITS, _NANO_DIGITS = 6, 9
_ORDERED = frozenset({FormKind.DECIMAL, FormKind.FLOAT, FormKind.DATE, FormKind.TIME, FormKind.TIMESTAMP})


def common_form(planned: PlannedColumn, target: Column) -> Form | str:
    """The form in which both sides can write a column's values; where there is none, why.

    Args:
        planned: The column as the stream moves it.
        target: The column as the target has it.
    """
    if planned.decimals is not None:
        return "its values are rounded on the way (max_decimals)"
    if planned.empty_as_null:
        return "its empty texts become NULL on the way (empty_as_null)"
    source, arrived = planned.source.arrow_type, target.arrow_type
    meet = next((form(source, arrived) for is_so, form in _MEETINGS if is_so(source, arrived)), None)
    if meet is not None:
        return meet
    return f"{planned.source.native_type} and {target.native_type} have no form in common"


def form_of(column: Column) -> Form:
    """The form in which one system alone writes a column's values."""
    kind = column.arrow_type
    return next((form(kind, kind) for is_so, form in _MEETINGS if is_so(kind, kind)), Form(FormKind.OWN))


def is_ordered(form: Form, *columns: Column) -> bool:
    """Whether all these columns have a least and a greatest value, and agree on which that is.

    What travels as text, and is none, has another order there than as text.
    """
    if form.kind is FormKind.TEXT:
        return all(pa.types.is_string(column.arrow_type) and not column.as_text for column in columns)
    return form.kind in _ORDERED


def _exact(kind: Any) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind)


def _text(kind: Any) -> bool:
    return pa.types.is_string(kind) or isinstance(kind, pa.OpaqueType)


def _uuid(kind: Any) -> bool:
    return isinstance(kind, pa.UuidType)


def _listed(one: Any, other: Any) -> bool:
    """Lists of items whose text every system spells alike."""
    if not (pa.types.is_list(one) and pa.types.is_list(other)):
        return False
    items = (one.value_type, other.value_type)
    return any(all(is_so(item) for item in items) for is_so in (pa.types.is_string, pa.types.is_integer))


def _json(kind: Any) -> bool:
    return isinstance(kind, pa.JsonType)


def _moment(kind: Any) -> bool:
    return pa.types.is_timestamp(kind)


def _scale(kind: Any) -> int:
    return kind.scale if pa.types.is_decimal(kind) else 0


def _unit(kind: Any) -> int:
    return _NANO_DIGITS if getattr(kind, "unit", "") == "ns" else _MICRO_DIGITS


def _both(is_so: Callable[[Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda one, other: is_so(one) and is_so(other)


def _one_is(kind: FormKind) -> Callable[[Any, Any], Form]:
    return lambda _, __: Form(kind)


def _counted(kind: FormKind) -> Callable[[Any, Any], Form]:
    return lambda one, other: Form(kind, max(_unit(one), _unit(other)))


# Of the types on both sides the first line that fits says the form.
_MEETINGS: tuple[tuple[Callable[[Any, Any], bool], Callable[[Any, Any], Form]], ...] = (
    (_both(pa.types.is_boolean), _one_is(FormKind.BOOLEAN)),
    (_both(_exact), lambda one, other: Form(FormKind.DECIMAL, max(_scale(one), _scale(other)))),
    (_both(pa.types.is_floating), _one_is(FormKind.FLOAT)),
    (_both(pa.types.is_date), _one_is(FormKind.DATE)),
    (_both(pa.types.is_time), _counted(FormKind.TIME)),
    (_both(_moment), _counted(FormKind.TIMESTAMP)),
    # A day that became its midnight.
    (
        lambda one, other: pa.types.is_date(one) and _moment(other) and other.tz is None,
        _counted(FormKind.TIMESTAMP),
    ),
    (_both(pa.types.is_binary), _one_is(FormKind.BYTES)),
    (_both(pa.types.is_interval), _one_is(FormKind.INTERVAL)),
    (lambda one, other: _uuid(one) and (_uuid(other) or _text(other)), _one_is(FormKind.UUID)),
    (lambda one, other: _text(one) and _uuid(other), _one_is(FormKind.UUID)),
    (lambda one, other: _json(one) and (_json(other) or _text(other)), _one_is(FormKind.JSON)),
    (_listed, _one_is(FormKind.LIST)),
    (_both(_text), _one_is(FormKind.TEXT)),
)
