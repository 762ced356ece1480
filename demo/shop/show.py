"""What people read: a line per asset while the run goes on, and a table at its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.status import Status
from rich.table import Table

from shop import settings
from shop.run import AssetOutcome, Run
from shop.verify import Comparison

_NONE = "-"
_NUMBERS = {"rows", "seconds", "checks", "equal"}
_console = Console(highlight=False)
_problems = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Say something plain."""
    _console.print(text, markup=False, soft_wrap=True)


def problem(text: str) -> None:
    """Say what went wrong, where errors go."""
    _problems.print(text, style="red", markup=False, soft_wrap=True)


def working(text: str) -> Status:
    """A spinner with what goes on at the moment. Without a terminal it shows nothing."""
    return _console.status(text)


def done(outcome: AssetOutcome) -> None:
    """Say that an asset is done."""
    rows = f"{outcome.rows:>9,} rows" if outcome.rows is not None else ""
    _console.print(f"  [green]✓[/] {outcome.key:<32} {rows:<15} [dim]{_seconds(outcome):>7}[/]")


def assets(outcomes: Iterable[AssetOutcome]) -> None:
    """Print the table of what each asset did."""
    table = _table("What each asset did", "asset", "rows", "seconds", "checks")
    passed = failed = 0
    for outcome in outcomes:
        rows = f"{outcome.rows:,}" if outcome.rows is not None else _NONE
        table.add_row(outcome.key, rows, _seconds(outcome), _checks(outcome))
        passed, failed = passed + outcome.passed, failed + len(outcome.failed)
    _console.print(table)
    _console.print(f"  {passed} checks passed, {failed} failed.\n")


def comparisons(compared: Sequence[Comparison]) -> None:
    """Print whether what arrived is what left."""
    table = _table("What left is what arrived", "source", "table in DuckDB", "for one", "equal")
    for comparison in compared:
        total = len(comparison.measures)
        equal = total - len(comparison.differences)
        table.add_row(
            comparison.source,
            comparison.target,
            f"{comparison.measures[-1].removeprefix('sum(').rstrip(')')} {comparison.arrived[-1]}",
            f"[{'green' if equal == total else 'red'}]{equal}/{total}[/]",
        )
    _console.print(table)


def failed(run: Run) -> None:
    """Say which assets failed, and why."""
    for step, error in run.errors.items():
        problem(f"{step} failed: {error}")
    for outcome in run.assets.values():
        for check in outcome.failed:
            problem(f"{outcome.key}: the check {check} did not pass.")
    missing = [outcome.key for outcome in run.assets.values() if not outcome.materialized]
    if missing:
        problem(f"Not materialized: {', '.join(missing)}.")
    problem(f"The run's log is {settings.RUN_LOG}. `make ui` shows run {run.run_id}.")


def finished(seconds: float) -> None:
    """Say where everything is."""
    _console.print(f"Done in {seconds:.0f} seconds.")
    _console.print(f"  DuckDB     {settings.DUCKDB}", soft_wrap=True)
    _console.print(f"  the chart  {settings.CHART}", soft_wrap=True)
    _console.print(f"  the log    {settings.RUN_LOG}", soft_wrap=True)
    _console.print("  Dagster    make ui")
    _console.print("  again      make refresh, which skips what has not changed")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, no_wrap=True, justify="right" if name in _NUMBERS else "left")
    return table


def _seconds(outcome: AssetOutcome) -> str:
    return f"{outcome.seconds:.2f} s" if outcome.seconds is not None else ""


def _checks(outcome: AssetOutcome) -> str:
    if outcome.failed:
        return f"[red]{len(outcome.failed)} failed[/], {outcome.passed} passed"
    return f"{outcome.passed} passed" if outcome.passed else _NONE
