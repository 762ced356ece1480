"""COPY to COPY: rows from one server into another in PostgreSQL's own binary format, decoded by nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import accumulate, takewhile
from operator import itemgetter

import psycopg
import pyarrow as pa
from psycopg.pq import ExecStatus

from mainstem.endpoints.postgres.carriage import carriage_as_text
from mainstem.endpoints.postgres.connecting import Session
from mainstem.endpoints.postgres.names import quoted
from mainstem.endpoints.postgres.types import OPAQUE, TYPES, base_name, cast_name, native_type
from mainstem.endpoints.raw import RawForm, RawRows
from mainstem.schema import Column

__all__ = ["copied", "items_of", "natives_of", "raw_form"]

_FORMAT = "PostgreSQL COPY binary"
_PIECE_BYTES = 2 * 1024 * 1024
_END = (-1, b"")

# Texts are their bytes, whatever kind they are.
_TEXTS = frozenset({"text", "character varying", "character", "bpchar", "name"})
# A cast cuts the blanks at their ends off.
_PADDED = frozenset({"character", "bpchar"})
# How many digits of money are cents, each server has its own opinion of.
_LOCAL = frozenset({"money"})
# From this version on an interval may be infinite; older ones take that for a number.
_INFINITE_INTERVALS = 170_000
_WITH_INFINITY = " with infinity"


def raw_form(natives: Sequence[str], version: int) -> RawForm:
    """How a server of a version writes and reads columns of these types."""
    added = _WITH_INFINITY if version >= _INFINITE_INTERVALS else ""
    forms = (native + (added if base_name(native).startswith("interval") else "") for native in natives)
    return RawForm(_FORMAT, tuple(forms))


def natives_of(form: RawForm) -> Sequence[str] | None:
    """The types of a form's columns; ``None`` where it is no form of PostgreSQL's."""
    if form.format != _FORMAT:
        return None
    return [column.removesuffix(_WITH_INFINITY) for column in form.columns]


def items_of(columns: Sequence[Column], natives: Sequence[str]) -> Sequence[str] | None:
    """What is selected, so that each column comes as a native type would be written.

    Args:
        columns: The columns of the source.
        natives: The types as which they are read.

    Returns:
        The expressions; ``None`` where a column does not come so, or may lose something.
    """
    items = [_item(column, native) for column, native in zip(columns, natives, strict=True)]
    known = [item for item in items if item is not None]
    return known if len(known) == len(items) else None


def _item(column: Column, native: str) -> str | None:
    name, own = quoted(column.name), column.native_type
    base, is_array = base_name(own), own.endswith("[]")
    is_text = base_name(native) in _TEXTS and not native.endswith("[]")
    if column.as_text or (pa.types.is_string(column.arrow_type) and base not in TYPES):
        return carriage_as_text(own).select(name) if is_text else None
    if base in _LOCAL or (base not in TYPES and base not in OPAQUE):
        return None
    if base in _TEXTS and not is_array:
        return name if is_text else None
    if native_type(pa.field(column.name, column.arrow_type)).sql != native:
        return None
    if own == native or (not is_array and cast_name(own) == native):
        # As an array of its own base: an array says what it is of.
        return f"{name}::{native}" if is_array else name
    is_whole = base == "json" or (is_array and base not in _PADDED)
    return f"{name}::{native}" if is_whole else None


def copied(session: Session, sql: str) -> Iterator[RawRows]:
    """Run a COPY to the client, and give what it sends.

    Raises:
        psycopg.Error: The server refused it, or broke off.
    """
    server = session.pgconn
    begun = server.exec_(sql.encode())
    if begun.status != ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(begun)
    # A row is a message. All that is done for each is done without a step of Python's own.
    messages = map(itemgetter(1), iter(partial(server.get_copy_data, 0), _END))
    told, is_over = 0, False
    while not is_over:
        piece = BytesIO()
        lengths = list(takewhile(_PIECE_BYTES.__gt__, accumulate(map(piece.write, messages))))
        is_over = piece.tell() < _PIECE_BYTES
        rows = _finished(session) - told if is_over else len(lengths) + 1
        told += rows
        yield RawRows(piece.getbuffer(), rows)


def _finished(session: Session) -> int:
    """The rows that the server says it has sent."""
    rows = 0
    while result := session.pgconn.get_result():
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
        rows = result.command_tuples or 0
    return rows
