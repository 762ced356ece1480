"""What a row may not cost: a step of Python's own."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from types import FrameType
from typing import Any

import pyarrow as pa

from mainstem.testing.moving import Moving, day
from mainstem.testing.place import Place

__all__ = ["CostConformance"]

_FEW, _MANY = 300, 10_300
# Parts of a few hundred rows may be looked at one by one, rows may not.
_ALLOWED = (_MANY - _FEW) // 10


class CostConformance:
    """What moving rows costs, from any source to any target."""

    def test_no_python_function_is_called_for_each_row(self, source: Place, target: Place) -> None:
        moving = Moving(source, target)
        source.put("few", _rows(_FEW))
        source.put("many", _rows(_MANY))
        keyed: dict[str, Any] = {"mode": "incremental", "primary_key": "id"}
        moving.run(table="few", **keyed)
        with _called() as few:
            assert moving.run(table="few", **keyed).rows == _FEW
        with _called() as many:
            assert moving.run(table="many", **keyed).rows == _MANY
        assert {name for name, times in many.items() if times - few[name] > _ALLOWED} == set()


def _rows(number: int) -> pa.Table:
    ids = range(number)
    columns: dict[str, tuple[Any, pa.DataType]] = {
        "id": (ids, pa.int64()),
        "name": ([f"name {each}" for each in ids], pa.string()),
        "amount": ([Decimal(each) / 4 for each in ids], pa.decimal64(12, 2)),
        "ratio": ([each / 7 for each in ids], pa.float64()),
        "open": ([each % 3 == 0 for each in ids], pa.bool_()),
        "since": ([date(2024, 1, 1 + each % 28) for each in ids], pa.date32()),
        "updated": ([day(1 + each % 28) for each in ids], pa.timestamp("us")),
        "note": ([None if each % 2 else "" for each in ids], pa.string()),
        "data": ([bytes([each % 256]) for each in ids], pa.binary()),
    }
    arrays: list[pa.Array[Any]] = [pa.array(list(values), kind) for values, kind in columns.values()]
    return pa.table(arrays, names=list(columns))


@contextmanager
def _called() -> Iterator[Counter[str]]:
    """How often each function is called meanwhile, in this thread and in those that it starts."""
    times: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            times[f"{frame.f_code.co_filename}:{frame.f_code.co_firstlineno} {frame.f_code.co_name}"] += 1

    threading.setprofile(count)
    sys.setprofile(count)
    try:
        yield times
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
