"""What is measured, as data."""

from __future__ import annotations

from functools import partial

from benchmarks.movement.contenders import Case
from benchmarks.movement.definitions import DbtDefinitions, SlingDefinitions
from benchmarks.movement.limits import (
    copied_in,
    copied_through,
    copy_to_nowhere,
    imports,
    loop,
    read_to_nowhere,
    scanned,
)
from benchmarks.movement.moves import Loaded, Move
from benchmarks.movement.tables import ledger, lineitem, long, orders, small, wide
from benchmarks.movement.tools import dlt, dlt_by_defaults, sling

__all__ = ["CASES"]

_CHANGED = partial(ledger, changed=True)
_EARLIER = Loaded(
    "before", lambda sizes: (ledger(sizes, changed=False),), changed=lambda sizes: sizes.changed
)
_THE_SAME = Loaded("public", lambda sizes: (_CHANGED(sizes),), changed=lambda _: 0)

CASES: tuple[Case, ...] = (
    Move(
        "postgres → duckdb: lineitem",
        "postgres",
        "duckdb",
        lambda sizes: (lineitem(sizes),),
        (sling, dlt, dlt_by_defaults, copy_to_nowhere),
    ),
    Move(
        "postgres → postgres: orders",
        "postgres",
        "postgres",
        lambda sizes: (orders(sizes),),
        (sling, dlt, dlt_by_defaults, copied_through, copy_to_nowhere),
    ),
    Move(
        "duckdb → postgres: orders",
        "duckdb",
        "postgres",
        lambda sizes: (orders(sizes),),
        (sling, dlt, copied_in),
    ),
    Move("csv → duckdb: lineitem", "csv", "duckdb", lambda sizes: (lineitem(sizes),), (sling, dlt, scanned)),
    Move(
        "csv → postgres: orders", "csv", "postgres", lambda sizes: (orders(sizes),), (sling, dlt, copied_in)
    ),
    Move(
        "parquet → postgres: orders",
        "parquet",
        "postgres",
        lambda sizes: (orders(sizes),),
        (sling, dlt, copied_in),
    ),
    Move(
        "postgres → parquet: lineitem",
        "postgres",
        "parquet",
        lambda sizes: (lineitem(sizes),),
        (sling, dlt, copy_to_nowhere),
    ),
    Move(
        "mysql → duckdb: orders",
        "mysql",
        "duckdb",
        lambda sizes: (orders(sizes),),
        (sling, dlt, read_to_nowhere),
    ),
    Move(
        "sqlite → duckdb: orders",
        "sqlite",
        "duckdb",
        lambda sizes: (orders(sizes),),
        (sling, dlt, read_to_nowhere),
    ),
    Move(
        "postgres → duckdb: many tables of 100 rows",
        "postgres",
        "duckdb",
        small,
        (sling, dlt, dlt_by_defaults, loop),
    ),
    Move(
        "postgres → duckdb: one table of 100 rows",
        "postgres",
        "duckdb",
        lambda sizes: small(sizes)[:1],
        (sling, dlt, loop, imports),
    ),
    Move(
        "postgres → duckdb: merge of a sixtieth",
        "postgres",
        "duckdb",
        lambda sizes: (_CHANGED(sizes),),
        (sling, dlt, imports),
        _EARLIER,
    ),
    Move(
        "postgres → duckdb: incremental, nothing new",
        "postgres",
        "duckdb",
        lambda sizes: (_CHANGED(sizes),),
        (sling, dlt, imports),
        _THE_SAME,
    ),
    Move(
        "postgres → duckdb: 500 columns",
        "postgres",
        "duckdb",
        lambda sizes: (wide(sizes),),
        (sling, dlt, copy_to_nowhere),
    ),
    Move(
        "postgres → duckdb: long text and JSON",
        "postgres",
        "duckdb",
        lambda sizes: (long(sizes),),
        (sling, dlt, copy_to_nowhere),
    ),
    SlingDefinitions("definitions: 200 streams"),
    DbtDefinitions("definitions: dbt models"),
)
