"""Promise 1: whatever befalls a run at whatever boundary, nothing is lost, doubled or half-visible."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.faults.conftest import FILED, VICTIMS, WIRED

from mainstem.api import plan, replicate
from mainstem.endpoints.registry import TYPES
from mainstem.errors import ConnectError, MainstemError, ReplicationFailedError
from mainstem.faults import Point, watching
from mainstem.files.places import PLACES
from mainstem.plan.requirements import MERGE_STRATEGIES
from mainstem.strategies import STRATEGIES
from mainstem.testing.fault_targets import State, Victim
from mainstem.testing.fault_trial import Trial, Witness
from mainstem.testing.faults import Action, Fault
from mainstem.testing.place import Place

_KEYED = {"mode": "incremental", "primary_key": "id", "update_key": "k"}
_APPENDED = {"mode": "incremental", "update_key": "k"}
_BOUNDS = {"range": "1,1000"}

# Every mode, with every way of merging, and every place for a cursor.
MODES: Mapping[str, Mapping[str, Any]] = {
    "full-refresh": {"mode": "full-refresh"},
    "truncate": {"mode": "truncate"},
    "snapshot": {"mode": "snapshot"},
    "definition-only": {"mode": "definition-only"},
    "backfill": {**_KEYED, "mode": "backfill", "source_options": _BOUNDS},
    "append": _APPENDED,
    "merge": _KEYED,
    "merge by key": {"mode": "incremental", "primary_key": "id"},
    **{
        strategy: {**_KEYED, "target_options": {"merge_strategy": strategy}}
        for strategy in ("insert", "update", "update_insert", "delete_insert")
    },
    "append, cursor in a folder": {**_APPENDED, "state": "LOCAL/{folder}"},
    "merge, cursor in a folder": {**_KEYED, "state": "LOCAL/{folder}"},
    "append, cursor in the target": {**_APPENDED, "state": "TGT/{schema}"},
    "merge, cursor in the target": {**_KEYED, "state": "TGT/{schema}"},
}
STARTS = ("first load", "next load")

# The source before, at and after the run that the fault befalls. `k` grows with each change.
_BEFORE = [(1, "first", 1), (2, "first", 2), (3, "first", 3)]
_DURING = [(1, "first", 1), (2, "second", 4), (3, "first", 3), (4, "first", 5), (5, "first", 6)]
_AFTER = [*_DURING, (6, "first", 7)]


@dataclass(frozen=True)
class Told:
    """What becomes of a target when nothing befalls it."""

    before: State
    after: State
    last: State
    cursor: str | None
    points: Sequence[Point]


class Case:
    """One target, one mode, one start; a table for each trial."""

    def __init__(self, victim: Victim, mode: str, start: str, folder: Path) -> None:
        self.victim = victim
        self.mode = mode
        self.start = start
        self.folder = folder
        self.scratch = folder / "scratch"
        self._source = Place("source", f"sqlite://{folder / 'source.db'}", "main")
        self._connections = {"SRC": self._source.url, "TGT": victim.url}
        self._numbers = count()

    def put(self, rows: Sequence[tuple[int, str, int]]) -> None:
        """Have the source be so."""
        columns = list(zip(*rows, strict=True))
        self._source.put("orders", pa.table({"id": columns[0], "name": columns[1], "k": columns[2]}))

    def table(self) -> str:
        """A name that no trial has had."""
        return f"t{next(self._numbers)}"

    def config(self, table: str) -> dict[str, Any]:
        own = dict(MODES[self.mode])
        state = own.pop("state", "").format(
            folder=self.folder / "state", schema=getattr(self.victim, "schema", "")
        )
        # Several batches, and several files.
        options = {"batch_limit": 2, **own.pop("target_options", {})}
        if self.victim.shows_parts:
            options["file_max_rows"] = 2
        stream = {"object": self.victim.object(table), **own, "target_options": options}
        env = {"SLING_RETRY_DELAY": "1ms", **({"SLING_STATE": state} if state else {})}
        return {"source": "SRC", "target": "TGT", "streams": {"main.orders": stream}, "env": env}

    def run(self, table: str) -> None:
        replicate(self.config(table), self._connections)

    def run_twice(self, table: str) -> None:
        for _ in range(2):
            self.run(table)

    def trial(self, table: str, fault: Fault | None = None) -> Witness:
        return Trial(self.config(table), self._connections, self.victim, table, str(self.scratch)).run(fault)

    def cursor(self, table: str) -> str | None:
        """Where the next run would go on."""
        (planned,) = plan(self.config(table), self._connections).streams
        return planned.cursor.value if planned.cursor else None

    def started(self, table: str) -> None:
        if self.start == "next load":
            self.put(_BEFORE)
            self.run(table)
        self.put(_DURING)

    def undisturbed(self) -> Told:
        table = self.table()
        self.started(table)
        before = self.victim.look(table)
        witness = self.trial(table)
        assert witness.error is None
        after, cursor = self.victim.look(table), self.cursor(table)
        self.check_reader(witness, {before, after})
        self.put(_AFTER)
        self.run(table)
        return Told(before, after, self.victim.look(table), cursor, witness.points)

    def check_reader(self, witness: Witness, whole: set[State]) -> None:
        """A concurrent reader saw whole states, and was refused nothing."""
        assert not witness.troubles
        if not self.victim.shows_parts:
            assert witness.states <= whole

    def disturbed(self, fault: Fault, told: Told) -> Witness:
        """A run that a fault befalls, and then others that are left in peace."""
        table = self.table()
        self.started(table)
        known = self.left()
        witness = self.trial(table, fault)
        assert fault.point in witness.points
        assert witness.killed is (fault.action is Action.KILL)
        here = self.victim.look(table)
        if not self.victim.shows_parts:
            assert here in (told.before, told.after)
        self.check_reader(witness, {told.before, told.after})
        self.run(table)
        # A snapshot that was published is one more, as by any two runs.
        twice = self.mode == "snapshot" and here == told.after
        assert self.victim.look(table) == (_more(told.after, _DURING) if twice else told.after)
        assert self.cursor(table) == told.cursor
        assert self.left() - known <= {table}
        self.put(_AFTER)
        self.run(table)
        assert self.victim.look(table) == (_more(told.last, _DURING) if twice else told.last)
        return witness

    def left(self) -> set[str]:
        """What is there besides the rows of tables."""
        tables = {name.partition("/")[0].removesuffix(".parquet") for name in self.victim.tables()}
        temporary = {str(path) for path in self.scratch.iterdir()}
        below = self.victim.folder
        hidden = {str(path) for path in below.rglob(".*")} if below else set()
        return tables | temporary | hidden


def _more(state: State, rows: Sequence[tuple[Any, ...]]) -> State:
    return tuple(sorted((*(state or ()), *rows), key=str))


def faults(case: Case, told: Told) -> Iterator[Fault]:
    """Every boundary that the run comes by, each time, with everything that can befall it there."""
    for point, times in Counter(told.points).items():
        # Of many portions of rows, the first one and the last.
        for at in {1, times} if point is Point.MID_BATCH else range(1, times + 1):
            for action in Action:
                if action in case.victim.actions:
                    yield Fault(point, action, at)


def sampled(found: Sequence[Fault], case: Case) -> Sequence[Fault]:
    if os.environ.get("MAINSTEM_ALL") == "1":
        return found
    seed = f"{os.environ['MAINSTEM_SEED']} {case.victim.name} {case.mode} {case.start}"
    return random.Random(seed).sample(found, 2)  # noqa: S311 - a sample, no secret


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("mode", MODES)
def test_a_target_is_whole_whatever_befalls_the_run(
    victim: Victim, mode: str, start: str, tmp_path: Path
) -> None:
    case = Case(victim, mode, start, tmp_path)
    case.put(_BEFORE)
    if mode in victim.refuses:
        # One file can be made in any mode, and rows be added to it in none.
        with pytest.raises(ReplicationFailedError):
            case.run_twice("t")
        return
    told = case.undisturbed()
    missed = []
    for fault in sampled(list(faults(case, told)), case):
        try:
            case.disturbed(fault, told)
        except (AssertionError, MainstemError) as error:
            missed.append(f"{fault}: {error}")
    assert not missed, "\n\n".join(missed)


# What the matrix found once, and what a sample may pass over.
FOUND = [
    ("sqlite", "append, cursor in a folder", "next load", Fault(Point.AFTER_PUBLISH, Action.KILL)),
    ("folder", "snapshot", "next load", Fault(Point.MID_PUBLISH, Action.KILL)),
    ("postgres", "snapshot", "next load", Fault(Point.AFTER_PUBLISH, Action.CUT)),
    ("file", "full-refresh", "next load", Fault(Point.MID_PUBLISH, Action.RAISE)),
    ("file", "full-refresh", "first load", Fault(Point.STAGED, Action.FULL)),
    ("mysql", "append, cursor in the target", "first load", Fault(Point.MID_PUBLISH, Action.KILL, 3)),
    ("mysql", "snapshot", "first load", Fault(Point.MID_PUBLISH, Action.CUT, 2)),
    ("delta", "full-refresh", "next load", Fault(Point.STAGED, Action.KILL)),
    ("delta", "definition-only", "first load", Fault(Point.MID_PUBLISH, Action.FULL, 4)),
]


@pytest.mark.parametrize(("victim", "mode", "start", "fault"), FOUND, indirect=["victim"], ids=str)
def test_what_befell_a_target_once_does_not_again(
    victim: Victim, mode: str, start: str, fault: Fault, tmp_path: Path
) -> None:
    case = Case(victim, mode, start, tmp_path)
    assert fault.point in case.disturbed(fault, case.undisturbed()).points


def test_an_error_behind_the_publish_says_that_the_rows_are_there(tmp_path: Path) -> None:
    """And is not retried, whatever may pass."""
    connections = {"SRC": f"sqlite://{tmp_path / 'a.db'}", "TGT": f"sqlite://{tmp_path / 'b.db'}"}
    Place("source", connections["SRC"], "main").put("orders", pa.table({"id": [1]}))
    config = {"source": "SRC", "target": "TGT", "streams": {"main.orders": {"object": "main.moved"}}}

    def watch(point: Point) -> None:
        if point is Point.AFTER_PUBLISH:
            raise ConnectError("The wire broke.", transient=True)

    with watching(watch), pytest.raises(ReplicationFailedError) as failed:
        replicate(config, connections)
    assert "Its rows are published" in str(failed.value)
    assert Place("target", connections["TGT"], "main").rows("moved") == [(1,)]


class TestTheMatrixHasNoHole:
    """What there is to be tripped is tripped: whoever adds to it finds it here."""

    def test_every_system_that_can_be_written_is_a_victim(self) -> None:
        # MariaDB is the server of `mysql`; files are written alike wherever they live.
        assert TYPES - set(PLACES) - {"mariadb"} == set(VICTIMS) - {"file", "folder"}

    def test_every_mode_and_every_way_of_merging_is_in_it(self) -> None:
        modes = {str(stream["mode"]) for stream in MODES.values()}
        assert modes == {mode.value for mode in STRATEGIES}
        ways = {stream.get("target_options", {}).get("merge_strategy") for stream in MODES.values()}
        assert ways - {None} == set(MERGE_STRATEGIES)

    def test_what_a_plan_refuses_is_a_mode_of_it(self, victim: Victim) -> None:
        assert victim.refuses < set(MODES)

    def test_a_run_comes_by_every_boundary(self, tmp_path: Path) -> None:
        connections = {"SRC": f"sqlite://{tmp_path / 'a.db'}", "TGT": f"sqlite://{tmp_path / 'b.db'}"}
        Place("source", connections["SRC"], "main").put("orders", pa.table({"id": [1], "k": [1]}))
        stream = {"object": "main.moved", "mode": "incremental", "update_key": "k"}
        config = {"source": "SRC", "target": "TGT", "streams": {"main.orders": stream}}
        seen: list[Point] = []
        with watching(seen.append):
            replicate(config, connections)
        assert list(dict.fromkeys(seen)) == list(Point)

    def test_everything_that_can_befall_a_run_befalls_each_target_or_has_no_meaning_there(self) -> None:
        assert set(Action) == WIRED | FILED
        assert {Action.CUT, Action.FULL} == WIRED ^ FILED
