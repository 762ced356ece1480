"""A stream in parts (spec §1.9): which queries together read its rows, each row once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import pyarrow as pa

from mainstem.endpoints import Query, Source
from mainstem.errors import ReplicationError
from mainstem.plan.facts import Place
from mainstem.replication.ranges import ChunkSize, ChunkUnit, parse_chunk_size
from mainstem.schema import Column
from mainstem.types import value_text

__all__ = ["planned_parts"]

_OPTIONS = ("chunk_count", "chunk_expr", "chunk_size")
_MOST = 1000
_COUNT = "{chunk_count}"
_MONTHS_OF = {ChunkUnit.MONTHS: 1, ChunkUnit.YEARS: 12}
_HOURS_OF = {ChunkUnit.HOURS: 1, ChunkUnit.DAYS: 24, ChunkUnit.WEEKS: 168}
_YEAR = 12
_DAY_OF_HOURS = 24
_HOUR_OF_MICROSECONDS = 3_600_000_000
_EPOCH = date(1970, 1, 1).toordinal()


def planned_parts(place: Place, source: Source, query: Query, key: Column | None) -> Sequence[Query]:
    """Cut what a stream reads into parts. They have no bounds but those between them: no row falls out.

    Args:
        place: The stream.
        source: The source. It is asked for the least and the greatest value of the key.
        query: What is read.
        key: The update key, as the source has it.

    Returns:
        The parts; none where nothing is said of it, or there is nothing to cut.

    Raises:
        ReplicationError: What is said makes no sense, or makes too many parts.
    """
    options = place.stream.source_options
    given = [name for name in _OPTIONS if getattr(options, name) is not None]
    if not given:
        return []
    refuse = _Refusing(place, given[0])
    if query.limit is not None or query.offset:
        raise refuse("cannot be had together with `limit` or `offset`.", "Leave one of them out.")
    if len(given) > 1 and options.chunk_size is not None:
        raise refuse("and `chunk_size` say the same thing twice.", "Leave one of them out.")
    count = options.chunk_count
    if count is not None and not 1 <= count <= _MOST:
        raise refuse(f"is from 1 to {_MOST}, not {count}.", "A few for each thread are enough.")
    if options.chunk_expr is not None:
        expression = options.chunk_expr
        if count is None or _COUNT not in expression:
            why = f"needs `chunk_count`, and {_COUNT} in it."
            raise refuse(why, f"For example: mod(abs(id), {_COUNT}).", "chunk_expr")
        return _with(query, _by_number(f"(\n{expression.replace(_COUNT, str(count))}\n)", count))
    if key is None or not _has_places(key.arrow_type):
        raise refuse(
            "needs an `update_key` that is a whole number, a date or a time: by it the rows are cut.",
            "Or give `chunk_expr` and `chunk_count`.",
        )
    ends = _ends(source, query, key)
    if ends is None:
        return []
    if count is not None:
        cuts = _even(*ends, count)
    else:
        size = parse_chunk_size(options.chunk_size or 0, place.at("source_options", "chunk_size"))
        cuts = _steps(*ends, key.arrow_type, size, refuse)
    literals = [source.literal(_text(cut, key.arrow_type), key) for cut in cuts]
    return _with(query, _between(source.ordered(key), source.quoted(key.name), literals))


class _Refusing:
    """Makes the error that tells which option is wrong, and where."""

    def __init__(self, place: Place, option: str) -> None:
        self._place = place
        self._option = option

    def __call__(self, why: str, hint: str, option: str | None = None) -> ReplicationError:
        name = option or self._option
        return ReplicationError(f"`{name}` {why}", position=self._place.at("source_options", name), hint=hint)


def _with(query: Query, conditions: Sequence[str]) -> Sequence[Query]:
    return [replace(query, where=[*query.where, condition]) for condition in conditions]


def _by_number(expression: str, count: int) -> Sequence[str]:
    """By an expression's value. The first part has what is none of the others'."""
    others = [f"{expression} = {number}" for number in range(1, count)]
    if not others:
        return []
    listed = ", ".join(str(number) for number in range(1, count))
    return [f"{expression} not in ({listed}) or {expression} is null", *others]


def _between(value: str, name: str, cuts: Sequence[str]) -> Sequence[str]:
    """Below the first cut, or without a value; from one cut to the next; from the last one on."""
    if not cuts:
        return []
    middle = [f"{value} >= {low} and {value} < {high}" for low, high in pairwise(cuts)]
    return [f"{value} < {cuts[0]} or {name} is null", *middle, f"{value} >= {cuts[-1]}"]


def _ends(source: Source, query: Query, key: Column) -> tuple[int, int] | None:
    """The least and the greatest value, as whole numbers; ``None`` where there is none."""
    name, value = source.quoted(key.name), source.ordered(key)
    rows = source.qualified(query.relation) if query.relation else f"(\n{query.sql}\n) as query"
    where = " and ".join(f"(\n{condition}\n)" for condition in query.where)
    rows = f"{rows} where {where}" if where else rows
    asked = " union all ".join(f"select {least}({value}) as {name} from {rows}" for least in ("min", "max"))
    with source.read(Query(columns=[key], sql=asked)) as batches:
        found = [_whole(each) for batch in batches for each in batch.column(0) if each.is_valid]
    return (min(found), max(found)) if found else None


# A key's values stand on a line of whole numbers: as themselves, as days, or as microseconds.


def _has_places(kind: pa.DataType) -> bool:
    is_micro = pa.types.is_timestamp(kind) and kind.unit == "us"
    return pa.types.is_integer(kind) or pa.types.is_date32(kind) or is_micro


def _whole(value: Any) -> int:
    found: int = value.cast(_line(value.type)).as_py()
    return found


def _text(place: int, kind: pa.DataType) -> str:
    whole: Any = pa.scalar(place, _line(kind))
    return value_text(whole.cast(kind))


def _line(kind: pa.DataType) -> pa.DataType:
    return pa.int32() if pa.types.is_date32(kind) else pa.int64()


def _even(least: int, greatest: int, count: int) -> Sequence[int]:
    """So many parts of the same length."""
    length = greatest - least + 1
    cuts = {least + length * number // count for number in range(1, count)}
    return sorted(cuts - {least})


def _steps(least: int, greatest: int, kind: pa.DataType, size: ChunkSize, refuse: _Refusing) -> Sequence[int]:
    """Parts of the same size, from the least value on; of months and years, from the first of each."""
    is_time = not pa.types.is_integer(kind)
    if is_time is (size.unit is None):
        wanted = "a time, such as 7d" if is_time else "a whole number, such as 100000"
        raise refuse(f"is {size}, but by its update_key a part's size is {wanted}.", "Mend it.")
    day = 1 if pa.types.is_date32(kind) else _DAY_OF_HOURS * _HOUR_OF_MICROSECONDS
    if size.unit in _MONTHS_OF:
        months = size.amount * _MONTHS_OF[size.unit]
        return [cut * day for cut in _months(least // day, greatest // day, months, refuse)]
    hours = _HOURS_OF.get(size.unit) if size.unit else None
    step = size.amount if hours is None else max(1, size.amount * hours * day // _DAY_OF_HOURS)
    if (greatest - least) // step >= _MOST:
        raise refuse(f"{size} would make {(greatest - least) // step + 1} parts.", f"Make {_MOST} at most.")
    return range(least + step, greatest + 1, step)


def _months(least: int, greatest: int, months: int, refuse: _Refusing) -> Sequence[int]:
    """The first days of every so many months, of days since 1970."""
    try:
        first, last = (date.fromordinal(_EPOCH + day) for day in (least, greatest))
    except (ValueError, OverflowError) as error:
        raise refuse("in months ends at the year 9999.", "Use `chunk_count`.") from error
    begin, end = (day.year * _YEAR + day.month - 1 for day in (first, last))
    if (end - begin) // months >= _MOST:
        raise refuse(f"would make {(end - begin) // months + 1} parts.", f"Make {_MOST} at most.")
    starts = (divmod(month, _YEAR) for month in range(begin + months, end + 1, months))
    return [date(year, month + 1, 1).toordinal() - _EPOCH for year, month in starts]
