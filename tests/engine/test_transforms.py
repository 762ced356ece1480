"""Transforms on the way: what is computed, what the plan shows of it, and where a column comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mainstem import replicate
from mainstem.errors import LossyTypeError, ReplicationError, ReplicationFailedError
from mainstem.testing.moving import Moving
from mainstem.testing.place import Place
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse


@pytest.fixture
def moving(tmp_path: Path) -> Moving:
    """From DuckDB to DuckDB, with a table of people."""

    def place(name: str) -> Place:
        return Place("duckdb", f"duckdb://{tmp_path / name}.db", "main")

    moving = Moving(place("source"), place("target"))
    people: dict[str, pa.Array[Any]] = {
        "id": pa.array([1, 2, 3], pa.int64()),
        "name": pa.array([" Ann ", None, "Zoë"]),
        "mail": pa.array(["A@X", "", "z@x"]),
        "amount": pa.array([1, 2, None], pa.decimal64(10, 2)),
    }
    moving.source.put("orders", pa.table(people))
    return moving


def table(moving: Moving, *columns: str, **stream: Any) -> list[tuple[Any, ...]]:
    moving.run(**stream)
    return moving.moved(columns)


def test_functions_for_all_columns_change_the_texts_and_nothing_else(moving: Moving) -> None:
    rows = table(moving, "id", "name", "mail", "amount", transforms=["trim_space", "upper"])
    assert [row[:3] for row in rows] == [(1, "ANN", "A@X"), (2, None, ""), (3, "ZOË", "Z@X")]
    before = moving.source.get("orders", ["id", "amount"])
    assert moving.target.get("moved", ["id", "amount"]).equals(before)


def test_functions_for_single_columns_run_one_after_another(moving: Moving) -> None:
    transforms = {"NAME": ["trim_space", "lower"], "mail": "empty_as_null", "id": ["hash_md5"]}
    rows = table(moving, "name", "mail", "id", transforms=transforms)
    assert ("ann", "A@X", "c4ca4238a0b923820dcc509a6f75849b") in rows
    assert {row[1] for row in rows} == {"A@X", None, "z@x"}


def test_stages_make_new_columns_of_what_came_before(moving: Moving) -> None:
    stages = [
        {"name": "trim_space(value)"},
        {
            "label": 'coalesce(record.name, "?") + " <" + record.mail + ">"',
            "big": "record.amount > 1 ? 'yes' : 'no'",
            "who": "env.WHO",
        },
    ]
    moving.run(env={"WHO": "me"}, transforms=stages)
    assert moving.moved(("id", "label", "big", "who")) == [
        (1, "Ann <A@X>", "no", "me"),
        (2, "? <>", "yes", "me"),
        (3, "Zoë <z@x>", "no", "me"),
    ]


def test_a_transform_that_changes_a_type_changes_the_planned_column(moving: Moving) -> None:
    stages = [{"id": "cast(value, 'string')", "half": "value_of", "amount": "value * 2"}]
    stages[0]["half"] = "record.amount / 2"
    planned = moving.plan(transforms=stages)
    kinds = {column.name: column.arrow_type for column in planned.columns}
    assert kinds["id"] == pa.string()
    assert kinds["half"] == pa.float64()
    assert kinds["amount"] == pa.decimal128(18, 2)
    assert moving.plan(transforms=stages, columns={"half": "decimal(9, 3)"}).columns[-1].arrow_type == (
        pa.decimal64(9, 3)
    )
    shown = {column["name"]: column for column in planned.as_data()["columns"]}
    assert shown["half"]["transform"] == "record.amount / 2"
    assert shown["half"]["sources"] == ["amount"]
    assert "transform" not in shown["name"]


def test_the_report_says_of_which_columns_a_column_is_made(moving: Moving) -> None:
    report = moving.run(
        select=["id", "name as n", "mail"], transforms=[{"both": "record.n + record.mail", "one": "1"}]
    )
    sources = {column.name: column.sources for column in report.columns}
    assert sources == {"id": ["id"], "n": ["name"], "mail": ["mail"], "both": ["name", "mail"], "one": []}


def test_a_hash_is_longer_than_its_column_was_and_arrives(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse
) -> None:
    postgres.execute(f"create table {schema}.t (id int, v varchar(5))")
    postgres.execute(f"insert into {schema}.t values (1, 'abcde')")
    for target, url in (("PG", postgres.url), ("DUCK", warehouse.url)):
        config = {
            "source": "PG",
            "target": target,
            "streams": {f"{schema}.t": {"object": f"{schema}.copied", "transforms": {"v": ["hash_sha256"]}}},
        }
        (report,) = replicate(config, {"PG": postgres.url, target: url}).streams
        assert report.rows == 1
    assert warehouse.query(f"select length(v) from {schema}.copied") == [(64,)]


def test_a_column_that_becomes_text_beside_a_transform_is_written_by_its_source(moving: Moving) -> None:
    moving.run(columns={"amount": "string"}, transforms={"name": ["upper"]})
    assert [row[1] for row in moving.moved(("id", "amount"))] == ["1.00", "2.00", None]


def test_a_new_column_is_added_to_a_table_that_is_there(moving: Moving) -> None:
    keys: dict[str, Any] = {"mode": "incremental", "primary_key": "id"}
    moving.run(**keys)
    moving.run(**keys, transforms=[{"twice": "record.id * 2"}])
    assert moving.moved(("id", "twice")) == [(1, 2), (2, 4), (3, 6)]


def test_what_is_left_out_of_a_table_does_not_disturb_what_is_read(moving: Moving) -> None:
    keys: dict[str, Any] = {"mode": "incremental", "primary_key": "id"}
    moving.run(**keys, select=["id", "amount"])
    stages = [{"amount": "value + length(record.mail)"}]
    moving.run(**keys, transforms=stages, target_options={"add_new_columns": False})
    assert [float(row[1]) for row in moving.moved(("id", "amount")) if row[1] is not None] == [4.0, 2.0]


def test_a_value_that_cannot_be_computed_fails_the_stream_and_publishes_nothing(moving: Moving) -> None:
    error = moving.refused(transforms=[{"mail": "int_parse(value)"}])
    assert isinstance(error, LossyTypeError)
    assert "Column mail: `int_parse(value)` cannot take a value" in str(error)
    assert moving.target.tables() == []


@pytest.mark.parametrize(
    ("transforms", "problem"),
    [
        (["uper"], "There is no transform `uper`. Did you mean `upper`"),
        (["replace"], "The function `replace` takes more than the value"),
        (["hash_sha512"], "The transform `hash_sha512` is not supported yet"),
        ({"nmae": ["upper"]}, "There is no column `nmae` to transform. Did you mean `name`"),
        ([{"name": "uper(value)"}], "there is no function `uper`"),
        ([{"name": "value +"}], "here a value is missing"),
        ([3], "An item of `transforms` is the name of a function"),
    ],
)
def test_what_is_wrong_is_refused_before_a_row_is_read(moving: Moving, transforms: Any, problem: str) -> None:
    with pytest.raises(ReplicationFailedError) as caught:
        moving.plan(transforms=transforms)
    assert isinstance(caught.value.failures[0].cause, ReplicationError)
    assert problem in str(caught.value)


def test_an_error_has_the_line_of_the_file(tmp_path: Path, moving: Moving) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "source: SRC\ntarget: TGT\nstreams:\n  main.orders:\n    object: main.t\n"
        "    transforms:\n      - name: upper(value)\n      - name: uper(value)\n"
    )
    with pytest.raises(ReplicationFailedError, match=r"r\.yaml:8:9: Transform of `name`"):
        replicate(str(path), moving.connections)


def test_keys_that_are_compared_with_the_source_are_not_transformed(moving: Moving) -> None:
    error = moving.refused(mode="incremental", update_key="id", transforms={"id": ["hash_md5"]})
    assert "The update_key id is transformed, so the cursor" in str(error)
    keys: dict[str, Any] = {"mode": "incremental", "primary_key": "id"}
    error = moving.refused(**keys, transforms={"id": ["hash_md5"]}, target_options={"delete_missing": "hard"})
    assert "the keys that `delete_missing` reads" in str(error)
    moving.run(**keys, transforms=[{"id": "value + 10"}])
    assert [row[0] for row in moving.moved(("id",))] == [11, 12, 13]


def test_a_function_that_does_nothing_to_a_type_is_told(moving: Moving) -> None:
    assert "Column id: `upper` does nothing to BIGINT." in moving.run(transforms={"id": ["upper"]}).notes
