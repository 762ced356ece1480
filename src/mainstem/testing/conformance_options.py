"""The options of source and target (spec §3.5 to §3.7, §4): what each does."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem.errors import ReplicationError
from mainstem.testing.moving import Moving, day, order
from mainstem.testing.place import Place

__all__ = ["OptionConformance"]

BY_KEY: dict[str, Any] = {"mode": "incremental", "primary_key": "id"}


class OptionConformance:
    """Every option of databases, from any source to any target."""

    @pytest.fixture
    def moving(self, source: Place, target: Place) -> Moving:
        """Three orders in the source."""
        moving = Moving(source, target)
        moving.put(order(1), order(2), order(3))
        return moving

    def test_where_limit_and_offset_bound_what_is_read(self, moving: Moving) -> None:
        moving.run(
            where="id > 1", source_options={"limit": 1, "offset": 1}, update_key="id", mode="full-refresh"
        )
        assert moving.moved() == [(3, "first")]

    def test_select_takes_renames_and_leaves_out(self, moving: Moving) -> None:
        moving.run(select=["-updated", "*", "amount as total"])
        assert set(moving.target.get("moved").column_names) == {"id", "name", "total"}

    def test_a_view_is_read_as_a_table_is(self, moving: Moving) -> None:
        with moving.source.opened() as endpoint:
            view, table = (endpoint.qualified(moving.source.relation(name)) for name in ("late", "orders"))
        moving.source.run(f"create view {view} as select id, name from {table} where id > 1")
        moving.run(table="late")
        assert moving.moved() == [(2, "first"), (3, "first")]

    def test_a_view_is_never_written(self, moving: Moving) -> None:
        with moving.target.opened() as endpoint:
            view = endpoint.qualified(moving.target.relation("moved"))
        moving.target.put("other", pa.table({"id": [1]}))
        moving.target.run(f"create view {view} as select 1 as id")
        assert "view" in str(moving.refused())

    def test_a_stream_leaves_its_target_alone_where_it_exists(self, moving: Moving) -> None:
        moving.target.put("moved", pa.table({"id": [9], "name": ["mine"]}))
        assert moving.run(target_options={"ignore_existing": True}).rows == 0
        assert moving.moved() == [(9, "mine")]

    def test_statements_run_before_and_after_the_publish(self, moving: Moving) -> None:
        moving.target.put("log", pa.table({"said": ["nothing"]}))
        with moving.target.opened() as endpoint:
            log = endpoint.qualified(moving.target.relation("log"))
        options = {
            "pre_sql": f"insert into {log} values ('before; {{object_table}}');"
            f" insert into {log} values ('again')",
            "post_sql": f"insert into {log} select name from {{object_full_name}} where id = 1",
        }
        moving.run(target_options=options)
        said = sorted(row[0] for row in moving.target.rows("log"))
        assert said == ["again", "before; moved", "first", "nothing"]

    def test_a_statement_that_fails_keeps_the_rows_back(self, moving: Moving) -> None:
        error = moving.refused(target_options={"pre_sql": "select no_such_thing from nowhere"})
        assert "nowhere" in str(error).lower()
        assert "moved" not in moving.target.tables()

    def test_a_table_of_the_users_own_definition(self, moving: Moving) -> None:
        ddl = "create table {object_full_name} ({col_types})"
        moving.run(target_options={"table_ddl": ddl})
        moving.run(target_options={"table_ddl": ddl})
        assert len(moving.moved()) == 3

    def test_a_definition_that_names_another_table_is_refused(self, moving: Moving) -> None:
        error = moving.refused(target_options={"table_ddl": "create table elsewhere ({col_types})"})
        assert isinstance(error, ReplicationError)
        assert "object_full_name" in str(error)

    def test_rows_are_staged_where_the_user_says(self, moving: Moving) -> None:
        place = moving.target.stream("my_staging")
        assert moving.run(target_options={"table_tmp": place}).rows == 3
        assert "my_staging" not in moving.target.tables()
        moving.target.put("my_staging", pa.table({"id": [1]}))
        assert "not ours" in str(moving.refused(target_options={"table_tmp": place}))
        assert moving.target.rows("my_staging") == [(1,)]

    def test_a_table_has_the_keys_that_were_asked_for(self, moving: Moving) -> None:
        if "enforced keys" in moving.target.lacks:
            pytest.skip(f"{moving.target.name} does not enforce keys")
        options = {"table_keys": {"unique": ["id"], "index": ["updated"]}}
        for _ in range(2):
            moving.run(target_options=options)
            with moving.target.opened() as endpoint:
                table = endpoint.qualified(moving.target.relation("moved"))
            with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
                moving.target.run(f"insert into {table} (id) values (1)")

    def test_a_table_with_keys_is_merged_into(self, moving: Moving) -> None:
        options = {"table_keys": {"primary": ["id"]}}
        moving.run(**BY_KEY, target_options=options)
        for strategy in ("update_insert", "delete_insert"):
            moving.put(order(2, strategy), order(3, strategy))
            moving.run(**BY_KEY, target_options={**options, "merge_strategy": strategy})
            assert moving.moved() == [(1, "first"), (2, strategy), (3, strategy)]

    def test_batches_have_at_most_so_many_rows(self, moving: Moving) -> None:
        assert moving.run(target_options={"batch_limit": 1}).rows == 3
        assert len(moving.moved()) == 3

    def test_decimals_are_rounded_where_that_is_asked_for(self, moving: Moving) -> None:
        moving.run(source_options={"max_decimals": 1})
        assert moving.moved(("amount",))[0] == (Decimal("1.3"),)

    def test_an_empty_text_becomes_null_where_that_is_asked_for(self, moving: Moving) -> None:
        moving.put(order(1, ""), order(2, " "))
        moving.run()
        assert moving.moved() == [(1, ""), (2, " ")]
        moving.run(source_options={"empty_as_null": True})
        assert moving.moved() == [(1, None), (2, " ")]

    def test_types_are_sized_by_their_rules(self, moving: Moving) -> None:
        moving.run(target_options={"column_typing": {"decimal": {"cast_as": "string"}}})
        assert moving.moved(("amount",))[0] == ("1.25",)

    def test_missing_rows_are_deleted(self, moving: Moving) -> None:
        moving.run(**BY_KEY)
        moving.put(order(2), order(4))
        moving.run(**BY_KEY, target_options={"delete_missing": "hard"})
        assert moving.moved() == [(2, "first"), (4, "first")]

    def test_missing_rows_are_deleted_where_nothing_else_is_new(self, moving: Moving) -> None:
        stream = {**BY_KEY, "update_key": "updated", "target_options": {"delete_missing": "hard"}}
        moving.run(**stream)
        moving.put(order(1), order(2))
        moving.run(**stream)
        assert moving.moved() == [(1, "first"), (2, "first")]

    def test_missing_rows_are_marked_until_they_come_back(self, moving: Moving) -> None:
        stream = {**BY_KEY, "target_options": {"delete_missing": "soft"}}
        moving.run(**stream)
        moving.put(order(2))
        moving.run(**stream)
        marked = dict(moving.moved(("id", "_sling_deleted_at")))
        assert marked[2] is None
        assert marked[1] is not None
        moving.run(**stream)
        assert dict(moving.moved(("id", "_sling_deleted_at"))) == marked
        moving.put(order(1), order(2))
        moving.run(**stream)
        assert dict(moving.moved(("id", "_sling_deleted_at")))[1] is None

    def test_only_some_rows_are_looked_for(self, moving: Moving) -> None:
        moving.run(**BY_KEY)
        moving.put(order(1))
        moving.run(**BY_KEY, target_options={"delete_missing": {"type": "hard", "where": "id < 3"}})
        assert moving.moved() == [(1, "first"), (3, "first")]

    def test_an_empty_source_deletes_nothing_unless_that_is_said(self, moving: Moving) -> None:
        stream = {**BY_KEY, "target_options": {"delete_missing": "hard"}}
        moving.run(**stream)
        moving.put()
        moving.run(**stream)
        assert len(moving.moved()) == 3
        moving.run(env={"SLING_ALLOW_EMPTY": "true"}, **stream)
        assert moving.moved() == []

    def test_the_runs_own_columns_are_added_in_order(self, moving: Moving) -> None:
        env = {
            "SLING_LOADED_AT_COLUMN": "timestamp",
            "SLING_SYNCED_AT_COLUMN": "true",
            "SLING_ROW_ID_COLUMN": "true",
            "SLING_EXEC_ID_COLUMN": "true",
        }
        moving.run(env=env)
        assert moving.target.get("moved").column_names[4:] == [
            "_sling_loaded_at",
            "_sling_synced_at",
            "_sling_synced_op",
            "_sling_row_id",
            "_sling_exec_id",
        ]
        assert len(set(moving.moved(("_sling_row_id",)))) == 3

    @pytest.mark.parametrize("strategy", ["update_insert", "delete_insert"])
    def test_what_was_done_to_a_row_is_told(self, moving: Moving, strategy: str) -> None:
        env = {"SLING_SYNCED_AT_COLUMN": "true"}
        options = {"merge_strategy": strategy, "delete_missing": "soft"}
        moving.put(order(1), order(2))
        moving.run(env=env, **BY_KEY, target_options=options)
        moving.put(order(2), order(3))
        moving.run(env=env, **BY_KEY, target_options=options)
        assert moving.moved(("id", "_sling_synced_op")) == [(1, "D"), (2, "U"), (3, "I")]

    def test_the_cursor_may_be_kept_in_a_table(self, moving: Moving) -> None:
        self._keeps(moving, f"TGT/{moving.target.schema}")
        assert "_sling_state" in moving.target.tables()

    def test_the_cursor_may_be_kept_at_the_source(self, moving: Moving) -> None:
        self._keeps(moving, f"SRC/{moving.source.schema}")
        assert "_sling_state" in moving.source.tables()

    def test_the_cursor_may_be_kept_in_a_folder(self, moving: Moving, tmp_path: Path) -> None:
        self._keeps(moving, f"LOCAL/{tmp_path}/state")
        assert len(list((tmp_path / "state").iterdir())) == 1

    def _keeps(self, moving: Moving, state: str) -> None:
        """The cursor outlives the rows of the target: what was deleted there does not come again."""
        stream: dict[str, Any] = {
            "mode": "incremental",
            "update_key": "updated",
            "env": {"SLING_STATE": state},
        }
        assert moving.run(**stream).rows == 3
        with moving.target.opened() as endpoint:
            table = endpoint.qualified(moving.target.relation("moved"))
        moving.target.run(f"delete from {table} where id > 1")
        assert moving.run(**stream).rows == 0
        moving.put(order(1), order(2), order(3), order(4))
        assert moving.run(**stream).rows == 1
        assert moving.moved() == [(1, "first"), (4, "first")]

    def test_a_plan_tells_the_cursor_and_changes_nothing(self, moving: Moving) -> None:
        stream: dict[str, Any] = {"mode": "incremental", "update_key": "updated", "primary_key": "id"}
        moving.target.put("other", pa.table({"id": [1]}))
        assert moving.plan(**stream).cursor is None
        assert "moved" not in moving.target.tables()
        moving.run(**stream)
        planned = moving.plan(**stream).as_data()
        assert planned["cursor"].startswith(f"{date(2024, 1, 3)} 12:30:15.123456")
        assert planned["exists"] is True
        assert str(day(3).year) in planned["where"][0]
