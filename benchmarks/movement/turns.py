"""Contenders take turns: what the machine does meanwhile meets them alike."""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmarks.movement.contenders import Case, Contender, Missing, Setup
from benchmarks.movement.place import Place
from benchmarks.movement.processes import Figures, RunFailedError, measured
from benchmarks.movement.results import CaseResult, Result

__all__ = ["take_turns"]

# One whose first run takes longer has only that one.
_PATIENCE = 60.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def take_turns(
    case: Case, place: Place, setup: Setup, times: int, say: Callable[[str], None]
) -> CaseResult | str:
    """Run all contenders of a case, one after the other, so many times and once more.

    The first turn does not count: it finds the files of programs not yet in memory.

    Args:
        case: The case.
        place: Where.
        setup: Who takes part.
        times: How many turns count.
        say: Told what happens.

    Returns:
        What it took, or why the case cannot be.
    """
    if because := case.prepare(place):
        return because
    results: list[Result] = []
    running: list[tuple[Contender, Result]] = []
    for each in case.contenders(place, setup):
        if not each.name.startswith(setup.tools):
            continue
        result = Result(each.name, said=f"not measured: {each.why}" if isinstance(each, Missing) else None)
        results.append(result)
        if not isinstance(each, Missing):
            running.append((each, result))
    for turn in range(times + 1):
        for contender, result in list(running):
            figures = _run(contender, result, place, say)
            if figures is None:
                running.remove((contender, result))
                say(f"{case.name}: {contender.name} {result.said}")
                continue
            say(f"{case.name}: {contender.name} {figures.wall:.2f} s, {figures.cpu:.2f} s of the processor")
            last = contender.once or figures.wall > _PATIENCE
            if turn or last or not times:
                result.runs.append(figures)
            if last:
                running.remove((contender, result))
    return CaseResult(case.name, case.rows(place), results)


def _run(contender: Contender, result: Result, place: Place, say: Callable[[str], None]) -> Figures | None:
    """Run one once, and look at what it left; ``None`` where that is nothing to count."""
    for left in reversed(range(contender.tries)):
        try:
            contender.ready()
            figures = measured(contender.command, contender.environment, place.servers, place.folder / "log")
            break
        except RunFailedError as error:
            result.said = f"failed: {_COLOURS.sub('', str(error))}"
            if not left:
                return None
            say(f"{contender.name} is tried again; it {result.said}")
            result.said = None
    if wrong := contender.wrong():
        result.said = f"WRONG: {wrong}"
        return None
    return figures
