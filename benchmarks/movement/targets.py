"""What is promised of speed, as data: ratios within one session on two cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.movement.results import CaseResult, Session

__all__ = ["Target", "judged"]

_MANY, _ONE = "postgres → duckdb: many tables of 100 rows", "postgres → duckdb: one table of 100 rows"


@dataclass(frozen=True)
class Target:
    """A promise.

    Attributes:
        what: The promise in words.
        case: The case that it is about.
        number: How a session stands to it; ``None`` where that was not measured.
        bound: What it is held against.
        most: Whether the bound is the most that may be; otherwise it is the least.
    """

    what: str
    case: str
    number: Callable[[CaseResult, Session], float | None]
    bound: float
    most: bool = False

    def met(self, number: float) -> bool:
        """Whether a number keeps it."""
        return number <= self.bound if self.most else number >= self.bound


def _slower(peer: str) -> Callable[[CaseResult, Session], float | None]:
    """How many times as long the peer takes."""
    return lambda case, _: _ratio(case.median(peer), case.median("mainstem"))


def _of(limit: str) -> Callable[[CaseResult, Session], float | None]:
    """How many times as long as the limit this takes."""
    return lambda case, _: _ratio(case.median("mainstem"), case.median(limit))


def _peak(case: CaseResult, _: Session) -> float | None:
    return case.median("mainstem", "peak")


def _each_further(many: CaseResult, session: Session) -> float | None:
    """A further small table, as a multiple of a bare select and insert of it."""
    one = next((case for case in session.cases if case.name == _ONE), None)
    if one is None:
        return None
    ours, first = many.median("mainstem"), one.median("mainstem")
    bare, bare_first = many.median("bare loop"), one.median("bare loop")
    if ours is None or first is None or bare is None or bare_first is None:
        return None
    return _ratio(ours - first, bare - bare_first)


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over is not None and under else None


_LINEITEM, _ORDERS = "postgres → duckdb: lineitem", "postgres → postgres: orders"
_CSV, _PARQUET = "csv → postgres: orders", "parquet → postgres: orders"
_NAMED = (
    Target("PostgreSQL → DuckDB: faster than Sling", _LINEITEM, _slower("sling"), 6),
    Target("PostgreSQL → DuckDB: faster than dlt", _LINEITEM, _slower("dlt"), 2),
    Target("PostgreSQL → DuckDB: of COPY to nowhere", _LINEITEM, _of("COPY to nowhere"), 1.9, most=True),
    Target("PostgreSQL → DuckDB: peak MB", _LINEITEM, _peak, 500, most=True),
    Target("PostgreSQL → PostgreSQL: faster than Sling", _ORDERS, _slower("sling"), 5),
    Target("PostgreSQL → PostgreSQL: of a bare pipe", _ORDERS, _of("bare pipe"), 1.5, most=True),
    Target("CSV → PostgreSQL: faster than Sling", _CSV, _slower("sling"), 4),
    Target("Parquet → PostgreSQL: faster than Sling", _PARQUET, _slower("sling"), 4),
    Target("many small tables: faster than Sling", _MANY, _slower("sling"), 30),
    Target("many small tables: faster than dlt", _MANY, _slower("dlt"), 2.5),
    Target("each further small table: of a bare select and insert", _MANY, _each_further, 3, most=True),
    Target("one small table: of the bare imports", _ONE, _of("bare imports"), 2, most=True),
)


def judged(session: Session) -> Iterator[tuple[Target, float | None]]:
    """The promises about the cases of a session, and how it stands to each."""
    for case in session.cases:
        named = [target for target in _NAMED if target.case == case.name]
        for target in (*named, *_others(case, named)):
            yield target, target.number(case, session)


def _others(case: CaseResult, named: Sequence[Target]) -> Iterator[Target]:
    """Every other case is faster than its peers."""
    for peer, called in (("sling", "Sling"), ("dlt", "dlt"), ("dagster-dbt", "dagster-dbt")):
        told = any(target.what.endswith(f"faster than {called}") for target in named)
        if not told and any(each.name.startswith(peer) for each in case.results):
            yield Target(f"{case.name}: faster than {called}", case.name, _slower(peer), 1)
