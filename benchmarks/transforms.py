"""What ten transforms cost, beside the read of the rows that they change.

One table of PostgreSQL goes into DuckDB, as it is and with ten of its columns transformed, in turn. In
seconds of the processor, since reader, transforms and writer run side by side; of each the median counts:

- server, read: the engine's own reader, whose batches nobody keeps, and what PostgreSQL took for it;
- plain: the stream without transforms;
- transformed: the same stream with ten.

What the transforms cost is the difference of the last two, with the writing of what they made. The target: it
is less than the read, on both sides of it.

Usage::

    python benchmarks/transforms.py
    python benchmarks/transforms.py --rows 6000000

It ends with code 1 where the target is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from mainstem import replicate
from mainstem.connections import connection_of
from mainstem.endpoints import Query, open_source
from mainstem.schema import Relation
from mainstem.testing.postgres import EmbeddedPostgres

TABLE = """
create table lineitem as
select (i / 4 + 1)::bigint as orderkey, (i * 7919) % 200000 + 1 as partkey, (i % 7 + 1)::int as linenumber,
       ((i * 17) % 50 + 1)::numeric(15,2) as quantity,
       (((i * 7919) % 10000000) / 100.0)::numeric(15,2) as price,
       ((i % 11) / 100.0)::numeric(15,2) as discount, ((i % 9) / 100.0)::numeric(15,2) as tax,
       (array['A','N','R'])[(i % 3 + 1)::int]::char(1) as returnflag,
       (array['O','F'])[(i % 2 + 1)::int]::char(1) as linestatus,
       date '1992-01-02' + (i % 2526)::int as shipdate, date '1992-01-31' + (i % 2466)::int as commitdate,
       date '1992-01-04' + (i % 2555)::int as receiptdate,
       (array['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'])[(i % 4 + 1)::int]::char(25)
         as shipinstruct,
       (array['AIR','FOB','MAIL','RAIL','REG AIR','SHIP','TRUCK'])[(i % 7 + 1)::int]::char(10) as shipmode,
       substr(md5(i::text) || ' ' || md5((i * 3)::text), 1, (10 + i % 34)::int)::varchar(44) as comment
  from generate_series(1::bigint, {rows}) i
"""
TRANSFORMS = {
    "comment": "upper(trim_space(value))",
    "shipmode": "trim_space(value)",
    "shipinstruct": "lower(trim_space(value))",
    "returnflag": "empty_as_null(value)",
    "linestatus": 'value == "O" ? "open" : "filled"',
    "quantity": "value * 2",
    "price": "value * (1 - record.discount)",
    "shipdate": "date_add(value, 1)",
    "partkey": "value % 1000",
    "linenumber": "coalesce(value, 0)",
}


def main() -> int:
    """Make the table, measure, print, and judge."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--rows", type=int, default=1_000_000)
    given.add_argument("--turns", type=int, default=3)
    options = given.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        # The server may be another user's.
        Path(name).chmod(0o755)
        with EmbeddedPostgres(Path(name) / "postgres") as server:
            server.execute(TABLE.format(rows=options.rows), "analyze")
            took = take_turns(server, Path(name), options.turns)
    for way, seconds in took.items():
        rate = options.rows / seconds
        sys.stdout.write(f"{way:12} {seconds:7.2f} s   {rate:12,.0f} rows a second\n")
    cost = took["transformed"] - took["plain"]
    ratio = cost / (took["read"] + took["server"])
    sys.stdout.write(
        f"ten transforms: {cost:.2f} s, {cost / took['read']:.2f} times the reader's own time and"
        f" {ratio:.2f} times reader and server together (less than 1 is promised)\n"
    )
    return int(ratio >= 1)


def take_turns(server: EmbeddedPostgres, folder: Path, turns: int) -> Mapping[str, float]:
    """Seconds of the processor of each way, after a turn that is not counted."""
    ways: Mapping[str, Callable[[], None]] = {
        "read": lambda: read(server),
        "plain": lambda: move(server, folder, {}),
        "transformed": lambda: move(server, folder, {"transforms": [TRANSFORMS]}),
    }
    found: dict[str, list[float]] = {"server": [], **{way: [] for way in ways}}
    for turn in range(turns + 1):
        for way, run in ways.items():
            before, servers = time.process_time(), server_seconds(server)
            run()
            if turn:
                found[way].append(time.process_time() - before)
                if way == "read":
                    found["server"].append(server_seconds(server) - servers)
    return {way: statistics.median(seconds) for way, seconds in found.items()}


def read(server: EmbeddedPostgres) -> None:
    """Read all batches, and keep none."""
    with open_source(connection_of("SRC", server.url)) as source:
        table = source.describe(Relation("public", "lineitem"))
        with source.read(Query(table.columns, table.relation)) as batches:
            for _ in batches:
                pass


def move(server: EmbeddedPostgres, folder: Path, keys: Mapping[str, object]) -> None:
    """Replicate the table."""
    connections = {"SRC": server.url, "TGT": f"duckdb:///{folder / 'target.duckdb'}"}
    stream = {"object": "main.lineitem", "mode": "full-refresh", **keys}
    replicate({"source": "SRC", "target": "TGT", "streams": {"public.lineitem": stream}}, connections)


def server_seconds(server: EmbeddedPostgres) -> float:
    """What the server has used so far: the postmaster, and those of its processes that have ended."""
    pid = int((server.directory / "postmaster.pid").read_text().splitlines()[0])
    took = psutil.Process(pid).cpu_times()
    return took.user + took.system + took.children_user + took.children_system


if __name__ == "__main__":
    sys.exit(main())
