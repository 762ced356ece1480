"""Is memory flat? Peak RSS of loading a small and a five times larger CSV file into DuckDB.

Each run is a fresh process that only replicates. The files have integers, decimals, text with quotes, times,
days and booleans.

Usage::

    python benchmarks/csv_memory.py                   # 1 and 5 GB
    python benchmarks/csv_memory.py --megabytes 100   # 100 and 500 MB

It ends with code 1 where the ratio is above 1.2.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALLOWED = 1.2
TIMES = 5
MEGABYTE = 1024 * (1024 if sys.platform == "darwin" else 1)
ROWS = 20_000


def main() -> int:
    """Measure both sizes, print a line for each, and judge."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--megabytes", type=int, default=1000, help="size of the small file")
    given.add_argument("--folder", type=Path, help="where the files are made; a temporary folder otherwise")
    given.add_argument("--load", nargs=2, metavar=("FILE", "TARGET"), help=argparse.SUPPRESS)
    options = given.parse_args()
    if options.load:
        return load(*options.load)
    peaks = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for megabytes in (options.megabytes, options.megabytes * TIMES):
            rows = generate(folder / "big.csv", megabytes * 1_000_000)
            command = [
                sys.executable,
                __file__,
                "--load",
                str(folder / "big.csv"),
                str(folder / f"{megabytes}.duckdb"),
            ]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                say(f"failed: {done.stderr.strip().splitlines()[-1]}")
                return 1
            peak, seconds, cpu, loaded = (float(number) for number in done.stdout.split())
            if loaded != rows:
                say(f"{rows:,} rows were written and {loaded:,.0f} loaded")
                return 1
            peaks.append(peak)
            took = f"{seconds:.1f} s ({megabytes / seconds:.0f} MB/s), {cpu:.1f} s of CPU"
            say(f"{megabytes:,} MB, {rows:,} rows: {peak:,.0f} MB peak RSS, {took}")
    ratio = peaks[1] / peaks[0]
    say(f"ratio {ratio:.2f}, {'flat' if ratio <= ALLOWED else f'NOT flat: more than {ALLOWED}'}")
    return int(ratio > ALLOWED)


def generate(path: Path, size: int) -> int:
    """Write a CSV file of about so many bytes, and return its number of rows."""
    written = rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        written += file.write("id,customer,amount,rate,placed_at,day,paid,note\n")
        while written < size:
            written += file.write("".join(line(number) for number in range(rows, rows + ROWS)))
            rows += ROWS
    return rows


def line(number: int) -> str:
    """One row."""
    minute, day = number % 60, number % 28 + 1
    note = (
        f'"order {number * 7919 % 1_000_003}, ""as is"""' if number % 3 else f"plain {number * 31 % 99_991}"
    )
    return (
        f"{number},{number * 7919 % 100_000},{number * 31 % 1_000_000 / 100:.2f},0.{number % 9973:04},"
        f"2024-01-{day:02} 10:{minute:02}:00,2023-02-{day:02},{'true' if number % 2 else 'false'},{note}\n"
    )


def load(file: str, target: str) -> int:
    """Replicate one file, and print the peak of this process, the time it took, and the rows."""
    from mainstem import replicate  # noqa: PLC0415 - the parent must stay small: a child inherits its peak

    began = time.monotonic()
    config = {"source": "LOCAL", "target": "TARGET", "streams": {f"file://{file}": {"object": "main.big"}}}
    report = replicate(config, {"TARGET": f"duckdb://{target}"})
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds, cpu = time.monotonic() - began, used.ru_utime + used.ru_stime
    say(f"{used.ru_maxrss / MEGABYTE:.0f} {seconds:.1f} {cpu:.1f} {report.rows}")
    return 0


def say(text: str) -> None:
    """Print at once: a run takes minutes."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
