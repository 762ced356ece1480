"""What a session found, and its way into JSON and back."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.movement.processes import Figures

__all__ = ["CaseResult", "Result", "Session", "Software"]

Software = dict[str, str]


@dataclass
class Result:
    """What one contender took.

    Attributes:
        name: Who.
        runs: The runs that count.
        said: Why there are none, or what is wrong with them.
    """

    name: str
    runs: list[Figures] = field(default_factory=list)
    said: str | None = None

    def median(self, figure: str) -> float | None:
        """The median of a figure of the runs that count; ``None`` where there are none, or they are wrong."""
        if self.said or not self.runs:
            return None
        return float(statistics.median(getattr(run, figure) for run in self.runs))


@dataclass
class CaseResult:
    """What a case took.

    Attributes:
        name: The case.
        rows: How many rows, or other things, one run is about.
        results: The contenders, mainstem first.
    """

    name: str
    rows: int
    results: list[Result]

    def median(self, who: str, figure: str = "wall") -> float | None:
        """A median of the first contender whose name begins so; ``None`` where there is none."""
        found = (each.median(figure) for each in self.results if each.name.startswith(who))
        return next(found, None)


@dataclass
class Session:
    """A whole session.

    Attributes:
        rows: The rows of ``lineitem``.
        small_tables: How many small tables.
        cores: How many cores the machine has.
        software: Versions by name.
        cases: What was measured.
    """

    rows: int
    small_tables: int
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    software: Software = field(default_factory=lambda: {"Python": platform.python_version()})
    cases: list[CaseResult] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write all of it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Session:
        """Read what was written; of several files, cases of later ones take the place of earlier ones."""
        told: list[dict[str, Any]] = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        cases = {case["name"]: case for each in told for case in each["cases"]}
        first = {key: value for key, value in told[0].items() if key != "cases"}
        return cls(**first, cases=[_case(case) for case in cases.values()])


def _case(told: dict[str, Any]) -> CaseResult:
    results = [
        Result(each["name"], [Figures(**run) for run in each["runs"]], each["said"])
        for each in told["results"]
    ]
    return CaseResult(told["name"], told["rows"], results)
