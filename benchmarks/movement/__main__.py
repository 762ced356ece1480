"""Move tables by mainstem, Sling and dlt in turn, beside what bare programs take, and print what each took.

Servers with generated tables are started in a folder; nothing is downloaded. Sling takes part where
``SLING_BINARY`` names its program, and with DuckDB where ``DUCKDB_PATH`` names DuckDB's own program. Each run
is a whole process, and what it left is compared with what was sent, by sums of every column. No time is ever
asserted: the exit code is 1 where a run of mainstem failed or left something wrong.

Usage::

    python -m benchmarks.movement                          # all cases, 600,000 rows
    python -m benchmarks.movement lineitem 'csv → '        # cases whose names have one of these words
    python -m benchmarks.movement --rows 6000000 --json full.json
    python -m benchmarks.movement --from full.json --markdown
    python -m benchmarks.movement --compare HEAD~5         # this tree beside another revision of itself

Times on a shared machine drift: only ratios within one session count.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from benchmarks.movement.cases import CASES
from benchmarks.movement.contenders import Setup
from benchmarks.movement.place import Place
from benchmarks.movement.printing import markdown, show_case, show_targets
from benchmarks.movement.results import CaseResult, Session
from benchmarks.movement.tables import Sizes
from benchmarks.movement.turns import take_turns

# Of tables that go into a file.
_WIDTH = 110
ROOT = Path(__file__).parent.parent.parent


def main() -> int:
    """Run the cases and print tables."""
    options = _options()
    # Whoever ends this ends the servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    if options.read:
        session = Session.read(options.read)
        for case in [] if options.markdown else session.cases:
            show_case(console, case)
    else:
        session = _measure(options, console)
    if options.json:
        session.write(options.json)
    if options.markdown:
        sys.stdout.write(markdown(session) + "\n")
    elif not options.compare:
        show_targets(console, session)
    return int(any(each.said for case in session.cases for each in case.results[: 1 + bool(options.compare)]))


def _options() -> argparse.Namespace:
    given = argparse.ArgumentParser(
        prog="python -m benchmarks.movement",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    given.add_argument("words", nargs="*", help="words of the cases' names; all cases without any")
    given.add_argument("--only", nargs="+", default=[], help="the same")
    given.add_argument("--rows", type=int, default=600_000, help="rows of lineitem; others follow")
    given.add_argument("--small-tables", type=int, default=200)
    given.add_argument("--times", type=int, default=3, help="runs of each, after one that does not count")
    given.add_argument(
        "--compare", metavar="REV", help="a revision to run beside this tree, instead of peers"
    )
    given.add_argument("--tools", nargs="+", help="only those whose names begin so: mainstem, sling, dlt, …")
    given.add_argument("--folder", type=Path, help="where the data are kept for a later session")
    given.add_argument("--packages", help="a folder with packages for dlt, such as connectorx")
    given.add_argument("--json", type=Path, help="where every figure goes")
    given.add_argument("--from", type=Path, nargs="+", dest="read", help="print these JSON files instead")
    given.add_argument("--markdown", action="store_true", help="print Markdown at the end")
    given.add_argument("--list", action="store_true", help="print the names of the cases")
    options = given.parse_args()
    if options.list:
        sys.stdout.writelines(f"{case.name}\n" for case in CASES)
        given.exit()
    return options


def _measure(options: argparse.Namespace, console: Console) -> Session:
    sizes = Sizes(options.rows, options.small_tables)
    session = Session(sizes.rows, sizes.small_tables, software=_software())
    words = [*options.words, *options.only]
    with ExitStack() as opened:
        temporary = opened.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        place = Place(options.folder or Path(temporary), sizes, opened)
        trees = {"mainstem": ROOT}
        if options.compare:
            trees[options.compare] = opened.enter_context(_revision(options.compare, Path(temporary)))
        setup = Setup(
            trees,
            peers=not options.compare,
            tools=tuple(options.tools or ("",)),
            sling=os.environ.get("SLING_BINARY"),
            packages=options.packages,
        )
        for case in CASES:
            if words and not any(word in case.name for word in words):
                continue
            began = time.monotonic()
            found = take_turns(
                case, place, setup, options.times, lambda text: console.print(text, style="dim")
            )
            if isinstance(found, CaseResult):
                session.cases.append(found)
                show_case(console, found)
            else:
                console.print(f"{case.name}: not measured: {found}")
            console.print(f"{case.name}: {time.monotonic() - began:.0f} s in all.", style="dim")
            if options.json:
                # A long session that is stopped has what it found so far.
                session.write(options.json)
    return session


@contextmanager
def _revision(name: str, folder: Path) -> Iterator[Path]:
    """Another revision of this repository, in a folder of its own."""
    tree = folder / "other"
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", str(tree), name], check=True)
    try:
        yield tree
    finally:
        subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def _software() -> dict[str, str]:
    found = {"Python": sys.version.split()[0]}
    for name in ("duckdb", "pyarrow", "adbc-driver-postgresql", "dlt", "dagster"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    sling = os.environ.get("SLING_BINARY")
    if sling:
        done = subprocess.run([sling, "--version"], capture_output=True, text=True, check=False)
        found["sling"] = (done.stdout + done.stderr).split()[-1]
    return found


if __name__ == "__main__":
    sys.exit(main())
