"""A partition's window of time as a range of an update key: in the words of the column's type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pyarrow as pa

from mainstem.errors import ConfigError
from mainstem.schema import Column
from mainstem.sling.partition_slices import Slice

__all__ = ["range_of", "window_range"]

Bounds = tuple[str, str]

_MICROSECOND = timedelta(microseconds=1)
_MIDNIGHT = (0, 0, 0, 0)


def range_of(part: Slice, columns: Mapping[str, Column]) -> tuple[str, str]:
    """The first and the last value of the time column within a slice that has one.

    Raises:
        ConfigError: The column's type has no such values.
    """
    if part.window is None or part.time is None:
        raise AssertionError("A slice without a window of time has no range.")
    return window_range(part.window, columns.get(part.time.name.lower()), part.time.pattern)


def window_range(window: dg.TimeWindow, column: Column | None, pattern: str | None = None) -> Bounds:
    """The first and the last value of a column within a window, whose own end belongs to the next one.

    A timestamp without a zone is taken to be in UTC; a day is one of the partitions' own time zone.

    Args:
        window: The window.
        column: The column, as the source has it; ``None`` where its type is not known.
        pattern: How the column spells a time that is no time to the database, for ``strftime``.

    Raises:
        ConfigError: The column's type has no such values, or the window is a part of a day.
    """
    start, last = window.start, _last_moment(window)
    if pattern:
        return _patterned(start, pattern), _patterned(last, pattern)
    if column is None:
        return f"{_utc(start)}+00:00", f"{_utc(last)}+00:00"
    spell = next((spell for is_so, spell in _SPELLINGS if is_so(column.arrow_type)), None)
    if spell is None:
        raise ConfigError(
            f"The column {column.name} ({column.native_type}) is no date or time, so that a partition"
            " of time has none of its values.",
            hint="Say how it spells a time: `meta: {dagster: {partition: {column: …, format: '%Y%m%d'}}}`.",
        )
    return spell(window, column)


def _last_moment(window: dg.TimeWindow) -> datetime:
    """The window's last microsecond: by the clock of the world, whose hours are never two."""
    last = window.end.astimezone(timezone.utc) - _MICROSECOND
    return last.astimezone(window.end.tzinfo)


def _patterned(moment: datetime, pattern: str) -> str:
    spelled = moment.strftime(pattern)
    if "," in spelled:
        raise ConfigError(f"The format {pattern!r} has a comma, which parts the two ends of a range.")
    return spelled


def _days(window: dg.TimeWindow, column: Column) -> Bounds:
    for moment in (window.start, window.end):
        if (moment.hour, moment.minute, moment.second, moment.microsecond) != _MIDNIGHT:
            raise ConfigError(
                f"The column {column.name} ({column.native_type}) has whole days, and the partition is a part"
                " of one.",
                hint="Use partitions of days, or a column with a time.",
            )
    return window.start.date().isoformat(), _last_moment(window).date().isoformat()


def _moments(window: dg.TimeWindow, column: Column) -> Bounds:
    kind: Any = column.arrow_type
    zone = "" if kind.tz is None else "+00:00"
    rest = "999" if kind.unit == "ns" else ""
    return f"{_utc(window.start)}{zone}", f"{_utc(_last_moment(window))}{rest}{zone}"


def _utc(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")


_SPELLINGS: Sequence[tuple[Callable[[pa.DataType], bool], Callable[[dg.TimeWindow, Column], Bounds]]] = (
    (pa.types.is_date, _days),
    (pa.types.is_timestamp, _moments),
)
