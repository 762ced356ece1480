"""Files that are cut short or lie about themselves are refused, and never end the process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = Path(__file__).with_name("broken.py")
TIMES = int(os.environ.get("MAINSTEM_FUZZ", "1"))


FORMATS = ["parquet", "arrow", "avro", "xlsx", "csv", "json", "xml"]
PACKED = ["csv.zip", "csv.gzip", "csv.zstd", "csv.snappy"]


@pytest.mark.parametrize("name", [*FORMATS, *PACKED])
def test_a_broken_file_is_refused_and_the_process_lives(name: str) -> None:
    seed = os.environ["MAINSTEM_SEED"]
    command = [sys.executable, str(BROKEN), name, seed, str(100 * TIMES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    last = done.stdout.strip().splitlines()[-1:]
    assert done.returncode == 0, f"{name}, {last}, exit code {done.returncode}:\n{done.stderr[-2000:]}"
    counted = re.fullmatch(r"read (\d+), refused (\d+)", last[0])
    assert counted
    assert int(counted.group(2)) > 0
