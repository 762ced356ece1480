"""What a stream asks for, planned and run: the keys of the reference that shape what is read and written."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mainstem.api import plan, replicate
from mainstem.errors import MainstemError, ReplicationError, ReplicationFailedError
from mainstem.plan import StreamPlan
from mainstem.report import StreamReport
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse


class Planning:
    """A table of five orders, and a target."""

    def __init__(self, postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse) -> None:
        self.schema = schema
        self.warehouse = warehouse
        self.postgres = postgres
        self.connections = {"PG": postgres.url, "DUCK": warehouse.url}
        postgres.execute(
            f'create table {schema}.orders (id int, "Status" text, amount numeric(12,2), at date, note text)',
            f"insert into {schema}.orders select i, case when i % 2 = 0 then 'even' else 'odd' end, i * 1.10,"
            f" date '2024-01-01' + i, null from generate_series(1, 5) i",
        )

    def config(self, env: Mapping[str, str] | None = None, **stream: Any) -> dict[str, Any]:
        own = {"object": "t", **stream}
        streams = {f"{self.schema}.orders": own}
        return {"source": "PG", "target": "DUCK", "streams": streams, **({"env": env} if env else {})}

    def plan(self, **stream: Any) -> StreamPlan:
        (planned,) = plan(self.config(**stream), self.connections).streams
        return planned

    def run(self, env: Mapping[str, str] | None = None, **stream: Any) -> StreamReport:
        (report,) = replicate(self.config(env, **stream), self.connections).streams
        return report

    def refused(self, **stream: Any) -> MainstemError:
        with pytest.raises(ReplicationFailedError) as caught:
            plan(self.config(**stream), self.connections)
        return caught.value.failures[0].cause

    def rows(self, what: str = "*") -> list[tuple[Any, ...]]:
        return self.warehouse.query(f"select {what} from t order by all")


@pytest.fixture
def orders(postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse) -> Planning:
    return Planning(postgres, schema, warehouse)


def test_a_plan_tells_everything_and_changes_nothing(orders: Planning) -> None:
    planned = orders.plan(mode="full-refresh", select=["id", "amount as total"], primary_key="id")
    assert planned.as_data() == {
        "stream": f"{orders.schema}.orders",
        "mode": "full-refresh",
        "source": f"{orders.schema}.orders",
        "where": [],
        "limit": None,
        "offset": 0,
        "parts": 1,
        "target": "main.t",
        "exists": False,
        "columns": [
            {"name": "id", "source": "id", "source_type": "integer", "type": "int32"},
            {"name": "total", "source": "amount", "source_type": "numeric(12,2)", "type": "decimal64(12, 2)"},
        ],
        "metadata_columns": [],
        "primary_key": ["id"],
        "update_key": None,
        "range": None,
        "cursor": None,
        "merge_strategy": None,
        "delete_missing": None,
        "ddl": ['CREATE TABLE "main"."t" ("id" INTEGER, "total" DECIMAL(12, 2))'],
        "ignore_existing": False,
        "estimated_rows": None,
        "notes": [],
    }
    assert not orders.warehouse.path.exists()


def test_select_takes_renames_and_leaves_out(orders: Planning) -> None:
    report = orders.run(select=["Status as state", "*", "-note", "-at"])
    assert [column.name for column in report.columns] == ["id", "state", "amount"]
    assert [column.sources for column in report.columns] == [["id"], ["Status"], ["amount"]]
    assert orders.rows()[0] == (1, "odd", Decimal("1.10"))


def test_an_unknown_column_in_select_is_refused_with_the_nearest(orders: Planning) -> None:
    assert "amount" in str(orders.refused(select=["amuont"]))


def test_where_and_limit_and_offset_bound_what_is_read(orders: Planning) -> None:
    orders.run(where="\"Status\" = 'odd' -- only these", source_options={"limit": 2, "offset": 1})
    assert len(orders.rows()) == 2
    orders.run(where="id > 3")
    assert orders.rows("id") == [(4,), (5,)]


def test_where_holds_variables_and_env(orders: Planning) -> None:
    orders.run(env={"LOWEST": "4"}, where="id >= {LOWEST} and '{stream_table}' = 'orders'")
    assert orders.rows("id") == [(4,), (5,)]


@pytest.mark.parametrize(("bounds", "expected"), [("2,4", [2, 3, 4]), ("5,9", [5])])
def test_a_range_includes_both_ends(orders: Planning, bounds: str, expected: list[int]) -> None:
    planned = orders.run(mode="full-refresh", update_key="id", source_options={"range": bounds})
    assert planned.rows == len(expected)
    assert [row[0] for row in orders.rows("id")] == expected


def test_a_range_over_dates_is_a_range_of_dates_and_never_sql(orders: Planning) -> None:
    orders.run(mode="full-refresh", update_key="at", source_options={"range": "2024-01-03,2024-01-04"})
    assert orders.rows("id") == [(2,), (3,)]
    evil = "2024-01-01' or 1=1 --"
    config = orders.config(
        mode="full-refresh", update_key="at", source_options={"range": f"{evil},2024-01-04"}
    )
    with pytest.raises(ReplicationFailedError, match="invalid input syntax for type date"):
        replicate(config, orders.connections)


def test_a_range_without_an_update_key_and_a_malformed_one_are_refused(orders: Planning) -> None:
    assert "update_key" in str(orders.refused(source_options={"range": "1,2"}))
    refused = orders.refused(mode="full-refresh", update_key="id", source_options={"range": "1"})
    assert isinstance(refused, ReplicationError)


def test_custom_sql_is_read_with_its_types_and_its_placeholders(orders: Planning) -> None:
    report = orders.run(
        sql=f"select id, amount * 2 as double, now() as at from {orders.schema}.orders"
        " where {incremental_where_cond}; ",
        mode="full-refresh",
        update_key="id",
        source_options={"range": "4,5"},
    )
    assert [(column.name, column.type) for column in report.columns] == [
        ("id", "INTEGER"),
        ("double", "VARCHAR"),
        ("at", "TIMESTAMP WITH TIME ZONE"),
    ]
    assert orders.rows("id") == [(4,), (5,)]


def test_select_where_and_limit_hold_for_custom_sql_too(orders: Planning) -> None:
    sql = f"select * from {orders.schema}.orders"
    orders.run(sql=sql, select=["id", "at"], where="id > 2", source_options={"limit": 10})
    assert [row[0] for row in orders.rows("id")] == [3, 4, 5]
    orders.run(
        sql=f"select {{fields}} from {orders.schema}.orders where {{where_cond}}",
        where="id = 1",
        select=["id", "null as nothing", "case when id > 1 then 'x' else 'y' end as z"],
    )
    assert orders.rows() == [(1, None, "y")]


def test_custom_sql_may_stand_in_a_file(orders: Planning, tmp_path: Path) -> None:
    file = tmp_path / "orders.sql"
    file.write_text(f"select id from {orders.schema}.orders where id = 3;\n")
    orders.run(sql=f"file://{file}")
    assert orders.rows() == [(3,)]
    assert "There is no SQL file" in str(orders.refused(sql="file://nowhere.sql"))


def test_sql_that_the_server_refuses_fails_the_stream_with_its_words(orders: Planning) -> None:
    assert 'relation "nowhere" does not exist' in str(orders.refused(sql="select * from nowhere"))


def test_declared_columns_get_their_types_and_a_value_that_does_not_fit_is_refused(orders: Planning) -> None:
    report = orders.run(columns={"id": "decimal(10,2)", "amount": "string", "note": "text"})
    types = {column.name: column.type for column in report.columns}
    assert (types["id"], types["amount"]) == ("DECIMAL(10,2)", "VARCHAR")
    assert orders.rows("id, amount")[0] == (Decimal("1.00"), "1.10")
    with pytest.raises(
        ReplicationFailedError, match=r"phase transform: Column amount \(numeric\(12,2\)\) holds"
    ):
        orders.run(columns={"amount": "integer"})


def test_every_column_can_be_text(orders: Planning) -> None:
    orders.run(columns={"*": "string"})
    assert orders.rows()[0] == ("1", "odd", "1.10", "2024-01-02", None)


def test_a_column_that_cannot_become_its_declared_type_is_refused_by_the_plan(orders: Planning) -> None:
    assert "Column at (date) cannot become bool" in str(orders.refused(columns={"at": "bool"}))


def test_a_declaration_may_ask_for_keys_and_against_null(orders: Planning) -> None:
    report = orders.run(columns={"id": "integer not_null unique", "Status": "string index(by_status)"})
    assert [column.nullable for column in report.columns][:2] == [False, True]
    with pytest.raises(ReplicationFailedError, match="note"):
        orders.run(columns={"note": "string not_null"})


@pytest.mark.parametrize("option", ["use_bulk", "direct_insert"])
def test_rows_are_staged_and_loaded_in_bulk_whatever_is_said(orders: Planning, option: str) -> None:
    for value in (True, False):
        orders.run(target_options={option: value})
        assert len(orders.rows()) == 5


@pytest.mark.parametrize(
    ("casing", "expected"),
    [
        ("normalize", "Status"),
        ("source", "Status"),
        ("target", "status"),
        ("upper", "STATUS"),
        ("snake", "status"),
    ],
)
def test_column_casing(orders: Planning, casing: str, expected: str) -> None:
    planned = orders.plan(target_options={"column_casing": casing}, select=["Status"])
    assert [column.name for column in planned.columns] == [expected]


def test_ignore_existing_leaves_a_table_that_is_there(orders: Planning) -> None:
    orders.run(where="id = 1")
    report = orders.run(target_options={"ignore_existing": True})
    assert (report.rows, report.row_count) == (0, 1)
    assert "`ignore_existing`" in report.notes[0]
    assert orders.rows("id") == [(1,)]


def test_metadata_columns_are_added_behind_the_others(orders: Planning) -> None:
    report = orders.run(
        env={"SLING_LOADED_AT_COLUMN": "true", "SLING_EXEC_ID_COLUMN": "true"}, select=["id"], where="id = 1"
    )
    assert [column.name for column in report.columns] == ["id", "_sling_loaded_at", "_sling_exec_id"]
    ((_, loaded_at, exec_id),) = orders.rows()
    assert loaded_at > 1_700_000_000
    assert exec_id


def test_overrides_win_over_every_stream(orders: Planning) -> None:
    config = orders.config(source_options={"limit": 1}, select=["id"])
    overrides = {"object": "t", "source_options": {"offset": 1, "limit": 3}}
    (planned,) = plan(config, orders.connections, overrides=overrides).streams
    assert (planned.query.limit, planned.query.offset) == (3, 1)


def test_a_wildcard_is_one_stream_for_each_table_and_view_sorted(orders: Planning) -> None:
    schema = orders.schema
    orders.postgres.execute(
        f"create table {schema}.orders_old as select 1 as id",
        f"create view {schema}.orders_view as select 2 as id",
        f"create table {schema}.customers as select 3 as id",
    )
    config = {
        "source": "PG",
        "target": "DUCK",
        "defaults": {"object": "{stream_table}"},
        "streams": {
            f"{schema}.ORD*": None,
            f"{schema}.orders_old": {"disabled": True},
            f"{schema}.orders": {"object": "own", "where": "id = 1"},
        },
    }
    planned = plan(config, orders.connections).streams
    assert [(each.stream, str(each.target)) for each in planned] == [
        (f"{schema}.orders_view", "main.orders_view"),
        (f"{schema}.orders", "main.own"),
    ]
    replicate(config, orders.connections, streams=[f"{schema}.orders_v*"])
    assert orders.warehouse.tables() == ["main.orders_view"]


def test_a_wildcard_into_one_object_is_refused(orders: Planning) -> None:
    config = {"source": "PG", "target": "DUCK", "streams": {f"{orders.schema}.*": {"object": "all_of_them"}}}
    with pytest.raises(ReplicationFailedError, match=r"Put \{stream_table\} into the object"):
        replicate(config, orders.connections)


def test_a_wildcard_that_matches_nothing_does_nothing(orders: Planning) -> None:
    config = {
        "source": "PG",
        "target": "DUCK",
        "streams": {f"{orders.schema}.x*": {"object": "{stream_table}"}},
    }
    assert replicate(config, orders.connections).streams == []


def test_an_update_key_whose_order_the_target_does_not_have_is_refused_without_a_primary_key(
    orders: Planning,
) -> None:
    orders.postgres.execute(f"alter table {orders.schema}.orders add exact numeric default 10")
    orders.run(mode="incremental", update_key="exact")
    assert "greatest value cannot be told" in str(orders.refused(mode="incremental", update_key="exact"))
    assert orders.run(mode="incremental", update_key="exact", primary_key="id").rows == 5


def test_a_column_that_hides_the_ids_of_rows_loses_none(orders: Planning) -> None:
    table = f"{orders.schema}.orders"
    orders.postgres.execute(f"alter table {table} add rowid int default 1")
    stream: dict[str, Any] = {"mode": "incremental", "primary_key": "id"}
    assert orders.run(**stream).rows == 5
    orders.postgres.execute(f"insert into {table} select * from {table} where id = 1")
    config = orders.config(**stream)
    with pytest.raises(ReplicationFailedError, match="a column called rowid"):
        replicate(config, orders.connections)
    assert len(orders.rows()) == 5
    orders.run(**stream, select=["rowid as row_number", "*"])


def test_the_keys_of_missing_rows_are_looked_for_outside_of_the_streams_window(orders: Planning) -> None:
    stream: dict[str, Any] = {
        "mode": "incremental",
        "primary_key": "id",
        "sql": f"select * from {orders.schema}.orders where {{where_cond}}",
        "target_options": {"delete_missing": "hard"},
    }
    orders.run(**stream)
    orders.postgres.execute(f"delete from {orders.schema}.orders where id = 5")
    orders.run(**stream, where="id > 3")
    assert orders.rows("id") == [(1,), (2,), (3,), (4,)]
