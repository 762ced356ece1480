"""A source that changes between the plan and the reading: the run sees it, or says so; nothing in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import pytest
from tests.conformance.conftest import SYSTEMS

from mainstem.api import replicate
from mainstem.errors import ReplicationFailedError
from mainstem.events import Event, StreamStarted
from mainstem.testing.moving import Moving
from mainstem.testing.place import Place

BEFORE = pa.table({"id": [0], "name": ["before"]})
ROWS = pa.table({"id": [1, 2], "name": ["7", "8"], "more": ["x", "y"]})

# What is done to the table; and what arrives then, where anything does.
CHANGES: dict[str, tuple[str, set[tuple[object, ...]] | None]] = {
    "a column more": ("alter table {t} add column other integer", {(1, "7", "x"), (2, "8", "y")}),
    "a column less": ("alter table {t} drop column more", None),
    "a column of another name": ("alter table {t} rename column more to fewer", None),
    "no table": ("drop table {t}", None),
    "a table of another name": ("alter table {t} rename to elsewhere", None),
}
RETYPED = {
    "postgres": "alter table {t} alter column name type bigint using name::bigint",
    "mysql": "alter table {t} modify column name bigint",
    "duckdb": "alter table {t} alter column name type bigint using name::bigint",
}


@pytest.fixture(params=["postgres", "mysql", "duckdb", "sqlite"])
def moving(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Moving]:
    """Two rows in a source, and a target that has others."""
    opening: AbstractContextManager[Place] = SYSTEMS[request.param](request, tmp_path)
    with opening as source:
        target = Place("duckdb", f"duckdb://{tmp_path / 'target'}.db", "main")
        source.put("orders", ROWS)
        target.put("moved", BEFORE)
        yield Moving(source, target)


def once_planned(act: Callable[[], None]) -> Callable[[Event], None]:
    """Do something when a stream is planned, and not yet read."""
    done: list[bool] = []

    def on_event(event: Event) -> None:
        if isinstance(event, StreamStarted) and not done:
            done.append(True)
            act()

    return on_event


def change(moving: Moving, statement: str) -> None:
    with moving.source.opened() as endpoint:
        table = endpoint.qualified(moving.source.relation("orders"))
    moving.source.run(statement.format(t=table))


def run(moving: Moving, statement: str) -> str | None:
    """Run with a change in between; what the run said of it."""
    env = {"SLING_RETRIES": "0"}
    try:
        replicate(
            moving.config(env=env),
            moving.connections,
            on_event=once_planned(lambda: change(moving, statement)),
        )
    except ReplicationFailedError as error:
        return str(error)
    return None


@pytest.mark.parametrize("what", CHANGES)
def test_a_table_that_changes_arrives_as_planned_or_not_at_all(moving: Moving, what: str) -> None:
    statement, expected = CHANGES[what]
    said = run(moving, statement)
    found = moving.target.get("moved")
    if expected is not None:
        assert said is None
        assert {tuple(row.values()) for row in found.to_pylist()} == expected
        return
    assert said is not None
    assert "failed in phase read" in said
    assert "Nobody expected" not in said
    assert found.to_pylist() == BEFORE.to_pylist()
    assert moving.target.tables() == ["moved"]


def test_a_column_of_another_type_keeps_its_values(moving: Moving) -> None:
    statement = RETYPED.get(moving.source.name)
    if statement is None:
        pytest.skip("SQLite changes no column's type.")
    said = run(moving, statement)
    found = moving.target.get("moved").to_pylist()
    if said is None:
        assert [row["name"] for row in found] == ["7", "8"]
    else:
        assert "Nobody expected" not in said
        assert found == BEFORE.to_pylist()
    # The next run finds the table as it is.
    moving.run()
    assert [row["name"] for row in moving.target.get("moved").to_pylist()] == [7, 8]
