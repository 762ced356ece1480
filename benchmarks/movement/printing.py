"""A session as tables: on the terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.movement.results import CaseResult, Result, Session
from benchmarks.movement.targets import judged

__all__ = ["markdown", "show_case", "show_targets"]

_HEADINGS = ("", "wall s", "times ours", "rows/s", "client CPU s", "server CPU s", "peak MB")
_SHORT = ("case", "rows", "mainstem, s", "Sling, times that", "dlt, times that", "the least, times that")
_TOOLS = ("mainstem", "sling", "dlt", "dagster-dbt")
_TARGETS = ("promised", "measured", "bound", "")


def show_case(console: Console, case: CaseResult) -> None:
    """Print a case, and below it what there is to say of those without figures."""
    table = Table(title=f"{case.name} ({case.rows:,})", title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right" if heading else "left")
    for result in case.results:
        table.add_row(*_row(case, result))
    console.print(table)
    for result in case.results:
        if result.said:
            console.print(f"{result.name}: {result.said}", style="yellow", markup=False, highlight=False)


def show_targets(console: Console, session: Session) -> None:
    """Print how the session stands to what is promised."""
    table = Table(title="Targets", title_justify="left")
    for heading in _TARGETS:
        table.add_column(heading, justify="left" if heading in {"promised", ""} else "right")
    for row in _targets(session):
        table.add_row(*row)
    if table.row_count:
        console.print(table)


def markdown(session: Session) -> str:
    """All of it in Markdown."""
    software = ", ".join(f"{name} {version}" for name, version in session.software.items())
    lines = [f"{session.rows:,} rows of lineitem, {session.cores} cores; {software}.", ""]
    lines += [*_lines(_SHORT), *(_line(_in_short(case)) for case in session.cases), ""]
    for case in session.cases:
        lines += [f"### {case.name}", "", *_lines((f"{case.rows:,}", *_HEADINGS[1:]))]
        lines += [_line(_row(case, result)) for result in case.results]
        said = [f"{each.name}: {each.said.splitlines()[0]}" for each in case.results if each.said]
        lines += ["", *said, *([""] if said else [])]
    lines += ["### Targets", "", *_lines(_TARGETS), *map(_line, _targets(session))]
    return "\n".join(lines)


def _in_short(case: CaseResult) -> Sequence[str]:
    """A case in a line: seconds, and the others as multiples of them."""
    ours = case.median("mainstem")
    limit = next((each for each in case.results if not each.name.startswith(_TOOLS)), None)

    def times(wall: float | None) -> str:
        return f"{wall / ours:.2f}" if wall and ours else ""

    least = f"{times(limit.median('wall'))} {limit.name}" if limit else ""
    seconds = f"{ours:.2f}" if ours else "failed"
    return (
        case.name,
        f"{case.rows:,}",
        seconds,
        times(case.median("sling")),
        times(case.median("dlt")),
        least,
    )


def _row(case: CaseResult, result: Result) -> Sequence[str]:
    wall, cpu, server, peak = (result.median(figure) for figure in ("wall", "cpu", "server", "peak"))
    if wall is None or cpu is None or server is None or peak is None:
        return (result.name, (result.said or "no run").partition(":")[0], "", "", "", "", "")
    ours = case.results[0].median("wall")
    times = f"{wall / ours:.2f}" if ours else ""
    rate = f"{case.rows / wall:,.0f}" if case.rows else ""
    return (result.name, f"{wall:.2f}", times, rate, f"{cpu:.2f}", f"{server:.2f}", f"{peak:.0f}")


def _targets(session: Session) -> Iterator[Sequence[str]]:
    for target, number in judged(session):
        bound = f"{'at most' if target.most else 'at least'} {target.bound:g}"
        if number is None:
            yield (target.what, "", bound, "not measured")
        else:
            yield (target.what, f"{number:.2f}", bound, "stands" if target.met(number) else "SHORT")


def _lines(headings: Sequence[str]) -> list[str]:
    return [_line(headings), "|" + "|".join("---" if n == 0 else "---:" for n in range(len(headings))) + "|"]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
