"""Nothing half-visible, nothing left behind, and two writers that do not meet."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from mainstem.engine import run
from mainstem.errors import EndpointError, RelationNotFoundError
from mainstem.events import BatchStaged
from mainstem.testing.moving import Moving, order
from mainstem.testing.place import Place

__all__ = ["PublishConformance"]

ROUNDS = 50
# Where each run takes its time.
FEW_ROUNDS = 4


class PublishConformance:
    """How a target publishes. The source is any."""

    @pytest.fixture
    def moving(self, source: Place, target: Place) -> Moving:
        """Three orders in the source."""
        moving = Moving(source, target)
        moving.put(order(1), order(2), order(3))
        return moving

    @pytest.mark.parametrize(
        "stream",
        [
            {"mode": "full-refresh"},
            {"mode": "truncate"},
            {
                "mode": "incremental",
                "primary_key": "id",
                "target_options": {"merge_strategy": "delete_insert"},
            },
            {
                "mode": "incremental",
                "primary_key": "id",
                "target_options": {"merge_strategy": "update_insert"},
            },
        ],
        ids=["full-refresh", "truncate", "delete_insert", "update_insert"],
    )
    def test_a_reader_sees_whole_states_only(self, moving: Moving, stream: dict[str, Any]) -> None:
        moving.source.put("a", pa.table({"id": [1, 2, 3], "name": ["a"] * 3}))
        moving.source.put("b", pa.table({"id": [1, 2, 3], "name": ["b"] * 3}))
        moving.run(table="a", **stream)
        seen = Watcher(moving.target)
        with seen:
            for _ in range(FEW_ROUNDS if "speed" in moving.target.lacks else ROUNDS // 2):
                moving.run(table="b", **stream)
                moving.run(table="a", **stream)
        assert seen.looks > 0
        assert seen.states <= {("a", "a", "a"), ("b", "b", "b")}
        assert not seen.errors

    def test_a_run_that_is_broken_off_leaves_the_target_as_it_was(self, moving: Moving) -> None:
        moving.run()
        before = moving.target.tables()
        moving.put(order(9))
        events = run(moving.config(), moving.connections)
        next(event for event in events if isinstance(event, BatchStaged))
        events.close()
        assert moving.moved() == [(1, "first"), (2, "first"), (3, "first")]
        assert moving.target.tables() == before

    @pytest.mark.parametrize("mode", [{"mode": "full-refresh"}, {"mode": "incremental", "primary_key": "id"}])
    def test_a_publish_that_fails_leaves_the_target_as_it_was(
        self, moving: Moving, mode: dict[str, Any]
    ) -> None:
        if "enforced keys" in moving.target.lacks:
            pytest.skip(f"{moving.target.name} does not enforce keys")
        moving.run(**mode)
        before = moving.target.tables()
        moving.put(order(1, "new"), order(1, "twice"))
        options = {"table_keys": {"unique": ["id"]}, "merge_strategy": "insert"}
        if mode["mode"] == "full-refresh":
            assert isinstance(moving.refused(**mode, target_options=options), EndpointError)
            assert moving.moved() == [(1, "first"), (2, "first"), (3, "first")]
        assert moving.target.tables() == before

    def test_what_a_killed_run_left_is_swept(self, moving: Moving) -> None:
        moving.run()
        before = moving.target.tables()
        with moving.target.opened() as endpoint:
            relation = moving.target.relation("moved")
            left = endpoint.stage(relation, pa.schema([pa.field("old", pa.int32())]))
            staging = left.__enter__()
            staging.write(pa.record_batch({"old": pa.array([1], pa.int32())}))
            staging.complete()
            # Closed without leaving the staging place, as by a kill. A temporary one goes by itself.
        moving.put(order(4))
        moving.run()
        assert moving.moved() == [(4, "first")]
        assert moving.target.tables() == before

    def test_a_users_table_is_never_taken_for_a_leftover(self, moving: Moving) -> None:
        with moving.target.opened() as endpoint:
            relation = moving.target.relation("moved")
            with endpoint.stage(relation, pa.schema([pa.field("id", pa.int32())])) as staging:
                name = staging.place.name
        moving.target.put(name, pa.table({"mine": [1]}))
        assert "not ours" in str(moving.refused())
        assert moving.target.rows(name) == [(1,)]

    def test_two_runs_on_one_target_come_one_after_the_other(self, moving: Moving) -> None:
        failures: list[BaseException] = []

        def work(rows: Sequence[int]) -> None:
            try:
                for _ in range(5):
                    moving.run(mode="incremental", primary_key="id", table=f"part{rows[0]}")
            except BaseException as error:
                failures.append(error)

        parts = [[1, 2, 3], [3, 4, 5]]
        for rows in parts:
            moving.source.put(f"part{rows[0]}", pa.table({"id": rows, "name": ["first"] * 3}))
        threads = [threading.Thread(target=work, args=(rows,)) for rows in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert moving.moved() == [(number, "first") for number in range(1, 6)]

    def test_a_schema_that_is_not_there_is_made(self, moving: Moving) -> None:
        elsewhere = f"{moving.target.schema}_new"
        if "schemas" in moving.target.lacks:
            pytest.skip(f"{moving.target.name} has no schemas to make")
        moving.run(object=f'"{elsewhere}"."moved"')
        with moving.target.opened() as endpoint:
            assert [entry.relation.name for entry in endpoint.catalog(elsewhere)] == ["moved"]


class Watcher:
    """Another connection, that reads the target as fast as it can."""

    def __init__(self, target: Place) -> None:
        self._target = target
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.states: set[tuple[str, ...]] = set()
        self.errors: list[str] = []
        self.looks = 0

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        with self._target.opened() as endpoint:
            table = endpoint.qualified(self._target.relation("moved"))
            sql = f"select {endpoint.quoted('name')} from {table} order by 1"
            while not self._stop.is_set():
                self.looks += 1
                try:
                    self.states.add(tuple(row[0] for row in endpoint.rows(sql)))
                except (EndpointError, RelationNotFoundError) as error:
                    self.errors.append(str(error))
                    return
