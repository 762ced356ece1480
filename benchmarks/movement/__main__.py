"""Move tables by mainstem, Sling and dlt in turn, and print what each took.

A server with generated tables is started in a temporary folder; nothing is downloaded. Sling takes part where
``SLING_BINARY`` names its program. Each run is a whole process, and the rows that arrived are counted.

Usage::

    python -m benchmarks.movement                          # all cases, 600,000 rows
    python -m benchmarks.movement --rows 6000000 --only lineitem
    python -m benchmarks.movement --compare HEAD~5         # this tree beside another revision of itself

Times on a shared machine drift: only ratios within one run count. ``--json FILE`` keeps every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.movement.cases import CASES, Case, Place, arrived
from benchmarks.movement.processes import Figures, measured
from benchmarks.movement.tables import create
from mainstem.testing.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent.parent
NOWHERE = (
    "import sys, psycopg; pg = psycopg.connect(sys.argv[1]).pgconn;"
    " pg.exec_(f'copy {sys.argv[2]} to stdout (format binary)'.encode());\n"
    "while pg.get_copy_data(0)[0] > 0: pass"
)


def main() -> int:
    """Run the cases and print a table."""
    options = _options()
    console = Console()
    results: dict[str, dict[str, list[Figures]]] = {}
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        # The server may be another user's.
        folder.chmod(0o755)
        server = opened.enter_context(EmbeddedPostgres(folder / "postgres"))
        create(server, options.rows, options.small_tables)
        place = Place(folder, server, options.rows, options.small_tables)
        trees = {"mainstem": ROOT}
        if options.compare:
            trees[options.compare] = opened.enter_context(_revision(options.compare, folder))
        for case in CASES:
            if options.only and not any(word in case.name for word in options.only):
                continue
            results[case.name] = _run(case, place, trees, options.times, console, peers=not options.compare)
            console.print(_table(case, results[case.name], case.rows(place)))
    if options.json:
        figures = {
            name: {tool: [each.as_dict() for each in runs] for tool, runs in tools.items()}
            for name, tools in results.items()
        }
        options.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False), encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--rows", type=int, default=600_000, help="rows of lineitem; others follow")
    given.add_argument("--small-tables", type=int, default=200)
    given.add_argument("--times", type=int, default=3, help="runs of each, after one that is not counted")
    given.add_argument("--only", nargs="*", help="words of the cases' names")
    given.add_argument(
        "--compare", metavar="REV", help="a revision to run beside this tree, instead of peers"
    )
    given.add_argument("--json", type=Path, help="where every figure goes")
    return given.parse_args()


def _run(
    case: Case,
    place: Place,
    trees: Mapping[str, Path],
    times: int,
    console: Console,
    *,
    peers: bool,
) -> dict[str, list[Figures]]:
    """Run all that take part, in turn, so that what the machine does meanwhile meets them alike."""
    commands = {name: _mainstem(case, place, tree) for name, tree in trees.items()}
    if peers:
        commands |= _peers(case, place)
    found: dict[str, list[Figures]] = {name: [] for name in commands}
    failed: dict[str, str] = {}
    for turn in range(times + 1):
        for name, (command, environment) in commands.items():
            if case.ready:
                case.ready(place)
            if name in failed:
                continue
            try:
                figures = measured(command, environment, place.server.directory, place.folder / "log")
            except RuntimeError as error:
                if name in trees:
                    raise
                # A peer that cannot do it, or lacks something, is left out with its own words.
                failed[name] = str(error)
                console.print(f"{case.name}: {name} failed and is left out.\n{error}", style="yellow")
                continue
            count = case.rows(place) if name == "nowhere" else arrived(case, place)
            if count != case.rows(place):
                raise RuntimeError(f"{case.name}: {name} moved {count} rows of {case.rows(place)}.")
            if turn:
                found[name].append(figures)
    return {name: runs for name, runs in found.items() if runs}


def _mainstem(case: Case, place: Place, tree: Path) -> tuple[Sequence[str], Mapping[str, str]]:
    document = place.folder / "mainstem.yaml"
    document.write_text(case.document(place, case.source(place), case.target(place)))
    command = [sys.executable, "-c", "from mainstem.cli import main; main()", "run", str(document)]
    return command, {**os.environ, "PYTHONPATH": str(tree / "src")}


def _peers(case: Case, place: Place) -> dict[str, tuple[Sequence[str], Mapping[str, str]]]:
    found: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {}
    sling = os.environ.get("SLING_BINARY")
    if sling and case.sling:
        document = place.folder / "sling.yaml"
        document.write_text(case.document(place, "BENCH_SOURCE", "BENCH_TARGET"))
        connections = {"BENCH_SOURCE": case.source(place), "BENCH_TARGET": case.target(place)}
        found["sling"] = ([sling, "run", "-r", str(document)], {**os.environ, **connections})
    if case.dlt:
        target = case.target(place)
        destination = str(place.lake) if target.startswith("duckdb") else target
        script = str(Path(__file__).parent / "dlt_run.py")
        command = [sys.executable, script, case.source(place), destination, *case.dlt(place)]
        found["dlt"] = (
            command,
            {**os.environ, "DLT_TELEMETRY": "false", "RUNTIME__DLTHUB_TELEMETRY": "false"},
        )
    if case.nowhere:
        found["nowhere"] = ([sys.executable, "-c", NOWHERE, place.server.url, case.nowhere], os.environ)
    return found


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


def _table(case: Case, tools: Mapping[str, Sequence[Figures]], rows: int) -> Table:
    """The medians, and each tool's time in mainstem's."""
    table = Table(title=f"{case.name} ({rows:,} rows)", title_justify="left")
    for heading in ("", "wall s", "of ours", "rows/s", "client cpu s", "server cpu s", "peak MB"):
        table.add_column(heading, justify="right" if heading else "left")
    ours = statistics.median(each.wall for each in tools["mainstem"])
    for name, runs in tools.items():
        wall, cpu, server, peak = (
            statistics.median(getattr(each, figure) for each in runs)
            for figure in ("wall", "cpu", "server", "peak")
        )
        table.add_row(
            name,
            f"{wall:.2f}",
            f"{wall / ours:.2f}",
            f"{rows / wall:,.0f}",
            f"{cpu:.2f}",
            f"{server:.2f}",
            f"{peak:.0f}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
