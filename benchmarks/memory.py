"""Is memory flat? Peak RSS of one full-refresh of a small and of a ten times larger table, both ways.

Each run is a fresh process that only replicates; PostgreSQL is a real server in a temporary folder. The table
has integers, decimals, text, times and a float.

Usage::

    python benchmarks/memory.py                       # 2 and 20 million rows of this checkout
    python benchmarks/memory.py --rows 1000000        # 1 and 10 million
    python benchmarks/memory.py . ../other/checkout   # two revisions in one run

It ends with code 1 where a ratio is above 1.2.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mainstem.testing.postgres import EmbeddedPostgres

TABLE = """
select i as id, (i * 7919) % 100000 as customer, 'status ' || i % 5 as status,
       ((i * 31) % 1000000)::numeric(15,2) / 100 as amount, (i % 10000)::numeric(12,4) / 7 as rate,
       timestamp '2020-01-01' + i * interval '1 second' as placed_at,
       date '2020-01-01' + (i % 2000)::int as day,
       md5(i::text) as note, i / 3.0::float8 as weight
  from generate_series(1, {rows}::bigint) i
"""
COLUMNS = """
id bigint, customer bigint, status text, amount numeric(15,2), rate numeric(12,4),
placed_at timestamp, day date, note text, weight float8
"""
ALLOWED = 1.2
MEGABYTE = 1024 * (1024 if sys.platform == "darwin" else 1)


def main() -> int:
    """Measure each checkout, print a line for each run, and judge."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("checkouts", nargs="*", type=Path, default=[Path(__file__).parent.parent])
    given.add_argument("--rows", type=int, default=2_000_000, help="rows of the small table")
    given.add_argument("--only", choices=["postgres-duckdb", "duckdb-postgres"], help="one direction")
    given.add_argument("--move", nargs=3, metavar=("SOURCE", "TARGET", "TABLE"), help=argparse.SUPPRESS)
    options = given.parse_args()
    if options.move:
        return move(*options.move)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # The server may be another user's.
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder, "postgres")) as server:
            sizes = {"small": options.rows, "large": options.rows * 10}
            for name, rows in sizes.items():
                server.execute(
                    f"create table {name} ({COLUMNS})", f"insert into {name} {TABLE.format(rows=rows)}"
                )
            ratios = [
                ratio
                for checkout in options.checkouts
                for ratio in measure(checkout.resolve(), server, Path(folder), sizes, options.only)
            ]
    return int(any(ratio > ALLOWED for ratio in ratios))


def measure(
    checkout: Path, server: EmbeddedPostgres, folder: Path, sizes: dict[str, int], only: str | None
) -> list[float]:
    """Run both directions of one checkout: what the first one wrote is what the second one reads."""
    ratios = []
    for direction in ("postgres-duckdb", "duckdb-postgres"):
        if only not in {None, direction}:
            continue
        peaks = []
        for name, rows in sizes.items():
            file = f"duckdb://{folder / name}.duckdb"
            ends = (server.url, file) if direction == "postgres-duckdb" else (file, server.url)
            table = f"public.{name}" if direction == "postgres-duckdb" else f"main.{name}"
            done = moved(checkout, *ends, table)
            if done is None:
                break
            peaks.append(done[0])
            measured = "{:,.0f} MB peak RSS, {:.1f} s, {:.1f} s of CPU".format(*done)
            say(f"{checkout.name}: {direction}, {rows:,} rows: {measured}")
        else:
            ratios.append(peaks[1] / peaks[0])
            verdict = "flat" if ratios[-1] <= ALLOWED else f"NOT flat: more than {ALLOWED}"
            say(f"{checkout.name}: {direction}: ratio {ratios[-1]:.2f}, {verdict}")
    return ratios


def moved(checkout: Path, source: str, target: str, table: str) -> tuple[float, ...] | None:
    """Replicate in a fresh process. Returns megabytes, seconds, and seconds of CPU; ``None`` if it failed."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, __file__, "--move", source, target, table]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode:
        say(f"{checkout.name}: failed: {done.stderr.strip().splitlines()[-1]}")
        return None
    return tuple(float(number) for number in done.stdout.split())


def move(source: str, target: str, table: str) -> int:
    """Replicate one table, and print the peak of this process and the time it took."""
    from mainstem import replicate  # noqa: PLC0415 - the parent must stay small: a child inherits its peak

    began = time.monotonic()
    schema = "main" if target.startswith("duckdb") else "public"
    name = "{stream_table}" if schema == "main" else "copied_{stream_table}"
    config = {
        "source": "SOURCE",
        "target": "TARGET",
        "streams": {table: {"object": f"{schema}.{name}", "mode": "full-refresh"}},
    }
    replicate(config, {"SOURCE": source, "TARGET": target})
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds, cpu = time.monotonic() - began, used.ru_utime + used.ru_stime
    say(f"{used.ru_maxrss / MEGABYTE:.0f} {seconds:.1f} {cpu:.1f}")
    return 0


def say(text: str) -> None:
    """Print at once: a run takes minutes."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
