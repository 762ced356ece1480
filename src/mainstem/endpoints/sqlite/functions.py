"""What our connections teach SQLite: to order the numbers that stand as text, and to refuse a loss."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from mainstem.endpoints.sqlite import comparable
from mainstem.endpoints.sqlite.encoding import number_of
from mainstem.errors import LossyTypeError

__all__ = ["BY_NUMBER", "INSTANT", "NUMBER", "Functions"]

# The collation by which texts are ordered as the numbers that they spell.
BY_NUMBER = "mainstem_by_number"
# text → the same moment in UTC, in the one spelling that is ordered as the moments are.
INSTANT = "mainstem_instant"
# text, the column's name → the number that a column of numbers would store.
NUMBER = "mainstem_number"


class Functions:
    """The functions, and why the last one refused: SQLite itself tells only that one did."""

    def __init__(self) -> None:
        self._refusal: LossyTypeError | None = None

    def register(self, connection: sqlite3.Connection) -> None:
        """Teach them to a connection."""
        connection.create_collation(BY_NUMBER, _compared)
        connection.create_function(INSTANT, 1, _instant, deterministic=True)
        connection.create_function(NUMBER, 2, self._number, deterministic=True)
        comparable.register(connection)

    def taken_refusal(self) -> LossyTypeError | None:
        """Why the last function refused; ``None`` if none did since it was asked."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def _number(self, value: Any, column: str) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return number_of(value)
        except ValueError as error:
            self._refusal = LossyTypeError(
                f"The target's column {column} has numeric affinity and cannot hold a value: {error}.",
                hint="Load the table once with full-refresh, which gives the column a type that can.",
            )
            raise self._refusal from error


def _compared(one: str, other: str) -> int:
    left, right = _as_number(one), _as_number(other)
    return (left > right) - (left < right)


def _as_number(text: str) -> tuple[Decimal, str]:
    try:
        return Decimal(text), ""
    except InvalidOperation:
        return Decimal(0), text


def _instant(value: Any) -> Any:
    """The spelling is the one that we write. What is no moment stays as it is, for the reader to refuse."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return value
    if moment.tzinfo is None:
        return value
    utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return f"{utc.isoformat(' ', 'microseconds')}+00:00"
