"""Every type, compared between every two systems: what was moved agrees, and another value is noticed."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.reconcile.moves import compared, told

from mainstem.testing.conformance_types import VALUES
from mainstem.testing.moving import Moving, day
from mainstem.testing.place import Place

# What cannot be compared between some systems, because one of them does not keep it as it was written.
REWRITTEN = {"json", "list", "list_of_text", "interval"}


def everything(source: Place, target: Place, changed: bool = False) -> pa.Table:
    """A row of NULLs, and a row for each value, of all types that both systems hold.

    Args:
        source: Where it will be.
        target: Where it will go.
        changed: Each column's first value is its last one instead.
    """
    length = 1 + max(len(values) for _, values in VALUES.values())
    columns: dict[str, pa.Array[Any]] = {"id": pa.array(range(length))}
    for name, (kind, values) in VALUES.items():
        if name not in source.lacks | target.lacks:
            first = values[-1] if changed else values[0]
            padded = [first, *values[1:], *[None] * (length - len(values))]
            columns[name.replace(" ", "_")] = pa.array(padded, kind)
    return pa.table(columns)


def test_what_was_moved_agrees(source: Place, target: Place) -> None:
    moving = Moving(source, target)
    source.put("orders", everything(source, target))
    moving.run()
    found = compared(moving)
    assert found.agrees, found.differences
    assert set(found.left_out) <= REWRITTEN
    assert len(found.compared) > 15


def test_another_value_is_noticed_in_its_column(source: Place, target: Place) -> None:
    moving = Moving(source, target)
    source.put("orders", everything(source, target))
    moving.run()
    source.put("orders", everything(source, target, changed=True))
    found = compared(moving)
    alone = {name.replace(" ", "_") for name, (_, values) in VALUES.items() if len(values) == 1}
    noticed = {column for what, column in told(found) if what == "checksum"}
    assert noticed == set(found.compared) - {"id"} - alone


@settings(
    max_examples=2,
    phases=[Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_values_nobody_thinks_of_agree(source: Place, target: Place, data: st.DataObject) -> None:
    special = "float64 special" not in source.lacks | target.lacks
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    drawn: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
        "f": (pa.float64(), st.floats(allow_nan=special, allow_infinity=special)),
        "g": (pa.float32(), st.floats(allow_nan=special, allow_infinity=special, width=32)),
        "t": (pa.string(), text),
        "b": (pa.binary(), st.binary()),
        "d": (pa.decimal128(30, 12), st.decimals(-(10**17), 10**17, places=12)),
        "n": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
        "m": (pa.timestamp("us"), st.datetimes(day(1).replace(year=1000))),
    }
    length = 20
    columns = {
        name: pa.array(data.draw(st.lists(values | st.none(), min_size=length, max_size=length)), kind)
        for name, (kind, values) in drawn.items()
    }
    moving = Moving(source, target)
    source.put("orders", pa.table(columns))
    moving.run()
    found = compared(moving)
    assert found.agrees, [str(difference) for difference in found.differences]
    assert set(found.compared) == set(columns)


def test_a_table_of_many_columns_is_compared(source: Place, target: Place) -> None:
    moving = Moving(source, target)
    wide = pa.table({f"column_{number}": [number, None] for number in range(200)})
    source.put("orders", wide)
    moving.run()
    assert compared(moving).agrees


def test_texts_that_some_collations_take_for_the_same_differ(source: Place, target: Place) -> None:
    moving = Moving(source, target)
    spelled = {"blank": ("ab ", "ab"), "accent": ("é", "e\u0301"), "case": ("A", "a"), "digits": ("1", "01")}
    source.put("orders", pa.table({name: [one] for name, (one, _) in spelled.items()}))
    moving.run()
    source.put("orders", pa.table({name: [other] for name, (_, other) in spelled.items()}))
    assert {column for what, column in told(compared(moving)) if what == "checksum"} == set(spelled)
