"""Run the fuzz tests for as long as one likes: ``python -m tests.fuzz 10`` for ten minutes.

Each round has a seed of its own, which is printed; the first that fails ends it, with what failed.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def main(minutes: float) -> int:
    """Run rounds until the time is over; the exit code of the last one."""
    end = time.monotonic() + minutes * 60
    rounds = 0
    while time.monotonic() < end:
        seed = secrets.randbelow(1_000_000)
        sys.stdout.write(f"round {rounds}: MAINSTEM_FUZZ=3 --hypothesis-seed={seed} MAINSTEM_SEED={seed}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", "pytest", "-q", "-x", f"--hypothesis-seed={seed}", str(HERE)]
        environment = {**os.environ, "MAINSTEM_FUZZ": "3", "MAINSTEM_SEED": str(seed)}
        left = max(1.0, end - time.monotonic())
        try:
            done = subprocess.run(command, env=environment, check=False, timeout=left)
        except subprocess.TimeoutExpired:
            # The time is over in the middle of a round in which nothing failed so far.
            return 0
        if done.returncode:
            return done.returncode
        rounds += 1
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1))
