"""Wildcards become streams when definitions load, from a snapshot of the catalogue: without the database."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml

from mainstem.connections import Connection, ConnectionBook
from mainstem.endpoints import open_source
from mainstem.errors import ConfigError, ConnectError, ReplicationError
from mainstem.replication import Replication, ReplicationWarning, load_replication
from mainstem.sling import SlingConnectionResource, SlingResource, sling_assets
from mainstem.sling.catalog import CatalogSnapshot
from mainstem.sling.expansion import not_in_the_snapshot
from mainstem.sling.prepare import main
from mainstem.sling.snapshot import (
    PREPARE_ON_LOAD,
    expand_for_definitions,
    prepare_replication,
    read_snapshot,
    snapshot_path,
)

SHOP: dict[str, Any] = {
    "source": "SHOP",
    "target": "WAREHOUSE",
    "defaults": {"mode": "full-refresh", "object": "main.{stream_schema}_{stream_table}"},
    "streams": {"data.*": None},
}


@pytest.fixture(autouse=True)
def no_development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_IS_DEV_CLI", raising=False)
    monkeypatch.delenv(PREPARE_ON_LOAD, raising=False)


class Shop:
    """A project with a replication, and the database that it reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "shop.duckdb"
        self.replication = folder / "replication.yaml"
        self.connections = [Connection("SHOP", "duckdb", {"instance": str(self.file)})]
        self.write(SHOP)
        self.run(
            "create schema data",
            "create table data.users (id integer primary key, name varchar)",
            "create table data.orders (id integer)",
            "create view data.recent as select * from data.orders",
        )

    def run(self, *statements: str) -> None:
        with duckdb.connect(str(self.file)) as connection:
            for statement in statements:
                connection.execute(statement)

    def write(self, replication: dict[str, Any]) -> None:
        self.replication.write_text(yaml.safe_dump(replication, sort_keys=False))

    def prepare(self) -> Any:
        return prepare_replication(self.replication, self.connections)

    def expanded(self) -> Replication:
        return expand_for_definitions(load_replication(self.replication), self.connections)

    def names(self) -> Sequence[str]:
        return [stream.name for stream in self.expanded().streams]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_wildcard_is_a_stream_for_each_table_and_view(shop: Shop) -> None:
    shop.prepare()
    assert shop.names() == ["data.orders", "data.recent", "data.users"]


def test_definitions_load_without_the_database(shop: Shop) -> None:
    shop.prepare()
    shop.file.unlink()
    assert len(shop.names()) == 3


def test_without_a_wildcard_nothing_is_needed(shop: Shop) -> None:
    shop.write({**SHOP, "streams": {"data.users": None}})
    replication = load_replication(shop.replication)
    assert expand_for_definitions(replication) is replication
    assert not snapshot_path(replication).exists()


def test_without_a_snapshot_it_is_said_how_to_take_one(shop: Shop) -> None:
    with pytest.raises(ReplicationError, match=r"data\.\*.*mainstem\.sling\.prepare") as raised:
        shop.expanded()
    assert raised.value.position is not None
    assert raised.value.position.line is not None


def test_a_wildcard_that_came_later_asks_for_a_new_snapshot(shop: Shop) -> None:
    shop.prepare()
    shop.write({**SHOP, "streams": {"data.*": None, "more.*": None}})
    with pytest.raises(ReplicationError, match=r"more\.\*"):
        shop.expanded()


def test_a_new_table_is_not_yet_in_the_snapshot(shop: Shop) -> None:
    shop.prepare()
    shop.run("create table data.carts (id integer)")
    replication = shop.expanded()
    assert "data.carts" not in [stream.name for stream in replication.streams]
    with open_source(shop.connections[0]) as source:
        assert not_in_the_snapshot(replication, source) == ["data.carts"]
    prepared = shop.prepare()
    assert (prepared.new, prepared.gone) == (["data.carts"], [])
    assert "data.carts" in shop.names()


def test_a_table_that_vanished_stays_until_the_next_snapshot(shop: Shop) -> None:
    shop.prepare()
    shop.run("drop view data.recent")
    assert "data.recent" in shop.names()
    assert shop.prepare().gone == ["data.recent"]
    assert "data.recent" not in shop.names()


def test_a_table_of_its_own_keeps_its_settings_and_its_place(shop: Shop) -> None:
    shop.write(
        {
            **SHOP,
            "streams": {
                "data.users": {"mode": "truncate"},
                "data.*": None,
                "data.recent": {"disabled": True},
            },
        }
    )
    shop.prepare()
    replication = shop.expanded()
    assert [(stream.name, stream.disabled) for stream in replication.streams] == [
        ("data.users", False),
        ("data.orders", False),
        ("data.recent", True),
    ]
    assert replication.streams[0].mode.value == "truncate"


def test_two_wildcards_share_no_table(shop: Shop) -> None:
    shop.write({**SHOP, "streams": {"data.o*": {"mode": "truncate"}, "data.*": None}})
    shop.prepare()
    replication = shop.expanded()
    assert [(stream.name, stream.mode.value) for stream in replication.streams] == [
        ("data.orders", "truncate"),
        ("data.recent", "full-refresh"),
        ("data.users", "full-refresh"),
    ]


def test_a_wildcards_text_is_each_tables_own(shop: Shop) -> None:
    own = {"object": "main.{stream_table}", "meta": {"dagster": {"asset_key": "raw/{stream.table}"}}}
    shop.write({**SHOP, "streams": {"data.*": own}})
    shop.prepare()
    document = shop.expanded().document
    assert document.values["streams"]["data.users"] == {
        "object": "main.users",
        "meta": {"dagster": {"asset_key": "raw/users"}},
    }
    assert document.written["streams"]["data.users"] == own
    assert document.position("streams", "data.users").line == document.position("streams", "data.orders").line


def test_a_wildcard_that_matches_nothing_is_told(shop: Shop) -> None:
    shop.write({**SHOP, "streams": {"data.x*": None, "data.users": None}})
    shop.prepare()
    with pytest.warns(ReplicationWarning, match=r"data\.x\* matches no table"):
        assert shop.names() == ["data.users"]


def test_a_wildcard_with_one_object_for_all_is_refused(shop: Shop) -> None:
    shop.write({**SHOP, "streams": {"data.*": {"object": "main.all"}}})
    with pytest.raises(ReplicationError, match=r"main\.all"):
        shop.prepare()


def test_a_disabled_wildcard_is_no_stream_and_needs_no_snapshot(shop: Shop) -> None:
    shop.write({**SHOP, "streams": {"data.*": {"disabled": True, "object": "main.all"}, "data.users": None}})
    shop.prepare()
    assert [stream.name for stream in shop.expanded().streams if not stream.disabled] == ["data.users"]


# Where it is kept.


def test_it_is_kept_beside_the_replication_with_columns_and_keys(shop: Shop) -> None:
    prepared = shop.prepare()
    assert prepared.path == shop.folder / ".mainstem" / "replication.catalog.json"
    snapshot = CatalogSnapshot.read(prepared.path)
    assert snapshot is not None
    users = next(table for table in snapshot.tables if table.name == "users")
    assert [(column.name, column.type, column.nullable) for column in users.columns] == [
        ("id", "INTEGER", False),
        ("name", "VARCHAR", True),
    ]
    assert (list(users.primary_key), users.is_view) == (["id"], False)
    assert {table.name: table.is_view for table in snapshot.tables}["recent"]


def test_a_replication_without_a_file_is_kept_in_the_folder_that_is_given(shop: Shop, tmp_path: Path) -> None:
    prepared = prepare_replication(SHOP, shop.connections, tmp_path / "project")
    assert prepared.path.parent == tmp_path / "project" / ".mainstem"
    found = expand_for_definitions(load_replication(SHOP), None, tmp_path / "project")
    assert len(found.streams) == 3


def test_no_secret_gets_into_it(shop: Shop, tmp_path: Path) -> None:
    source = f"duckdb://{shop.file}?password=hunter2"
    prepared = prepare_replication({**SHOP, "source": source}, (), tmp_path)
    assert "hunter2" not in prepared.path.name + prepared.path.read_text()


def test_a_snapshot_that_says_the_same_is_left_as_it_is(shop: Shop) -> None:
    before = shop.prepare().path.read_text()
    inode = shop.prepare().path.stat().st_ino
    assert shop.prepare().path.stat().st_ino == inode
    assert shop.prepare().path.read_text() == before


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"version": 99}', "not json"])
def test_a_damaged_snapshot_is_told_and_can_be_taken_again(shop: Shop, text: str) -> None:
    path = shop.prepare().path
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"replication\.catalog\.json"):
        shop.expanded()
    shop.prepare()
    assert len(shop.names()) == 3


def test_the_snapshot_of_plain_streams_is_there_for_who_asks(shop: Shop) -> None:
    shop.write({**SHOP, "streams": {"data.users": None, "data.missing": None}})
    assert read_snapshot(load_replication(shop.replication)) is None
    shop.prepare()
    found = read_snapshot(load_replication(shop.replication))
    assert found is not None
    assert [table.name for table in found.tables] == ["users"]


# When it is taken.


@pytest.mark.parametrize("variable", ["DAGSTER_IS_DEV_CLI", PREPARE_ON_LOAD])
def test_in_development_and_where_asked_a_load_takes_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    assert len(shop.names()) == 3
    shop.run("create table data.carts (id integer)")
    assert len(shop.names()) == 4


def test_in_development_an_old_snapshot_is_better_than_none(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.prepare()
    shop.file.unlink()
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    with pytest.warns(ReplicationWarning, match="cannot be taken again"):
        assert len(shop.names()) == 3
    monkeypatch.setenv(PREPARE_ON_LOAD, "1")
    with pytest.raises(ConfigError, match=r"(?s)shop\.duckdb.*connections=sling\.connections") as raised:
        shop.expanded()
    assert isinstance(raised.value.__cause__, ConnectError)


def _names_in_another_process(folder: str, queue: Any) -> None:
    project = Path(folder)
    connections = [Connection("SHOP", "duckdb", {"instance": str(project / "shop.duckdb")})]
    found = expand_for_definitions(load_replication(project / "replication.yaml"), connections)
    queue.put([stream.name for stream in found.streams])


def test_a_runs_own_process_takes_the_snapshot_that_is_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.prepare()
    shop.run("drop view data.recent")
    monkeypatch.setenv("DAGSTER_IS_DEV_CLI", "1")
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_names_in_another_process, args=(str(shop.folder), queue))
    process.start()
    names = queue.get(timeout=60)
    process.join()
    assert names == ["data.orders", "data.recent", "data.users"]


def test_the_connections_of_a_resource_are_taken(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_FILE", str(shop.file))
    resource = SlingConnectionResource(name="SHOP", type="duckdb", instance=dg.EnvVar("SHOP_FILE"))
    assert len(prepare_replication(shop.replication, [resource]).snapshot.tables) == 3
    book = ConnectionBook([resource.connection()])
    assert len(prepare_replication(shop.replication, book).snapshot.tables) == 3


def test_the_command_takes_it_and_tells_what_is_new(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOP", f"duckdb://{shop.file}")
    assert main([str(shop.replication)]) == 0
    shop.run("create table data.carts (id integer)", "drop view data.recent")
    assert main([str(shop.replication)]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["  + data.carts", "  - data.recent"]


def test_the_command_fails_where_the_source_is_not_reached(shop: Shop) -> None:
    shop.file.unlink()
    environment = {**os.environ, "SHOP": f"duckdb://{shop.file}"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mainstem.sling.prepare", str(shop.replication)],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "shop.duckdb" in done.stderr
    assert "Traceback" not in done.stderr


# As assets.


def loaded(shop: Shop) -> dg.ExecuteInProcessResult:
    """Materialize the wildcard's assets, as definitions that have just been loaded."""

    @sling_assets(replication_config=str(shop.replication))
    def tables(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    sling = SlingResource(
        connections=[
            SlingConnectionResource(name="SHOP", type="duckdb", instance=str(shop.file)),
            SlingConnectionResource(name="WAREHOUSE", type="duckdb", instance=str(shop.folder / "wh.duckdb")),
        ]
    )
    return dg.materialize([tables], resources={"sling": sling}, raise_on_error=False)


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        event.asset_key.path[-1] for event in result.get_asset_materialization_events() if event.asset_key
    }


def test_each_table_of_a_wildcard_is_an_asset(shop: Shop) -> None:
    shop.prepare()
    result = loaded(shop)
    assert result.success
    assert materialized(result) == {"orders", "recent", "users"}


def test_a_new_table_is_told_in_the_log_and_fails_nothing(
    shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    shop.prepare()
    shop.run("create table data.carts (id integer)")
    result = loaded(shop)
    assert result.success
    assert materialized(result) == {"orders", "recent", "users"}
    assert "data.carts is not yet in the snapshot" in capfd.readouterr().err


def test_a_table_that_vanished_fails_by_name_and_alone(shop: Shop) -> None:
    shop.prepare()
    shop.run("drop view data.recent")
    result = loaded(shop)
    assert materialized(result) == {"orders", "users"}
    (failed,) = result.filter_events(lambda event: event.is_step_failure)
    assert "Stream data.recent failed" in str(failed.step_failure_data.user_failure_data)


def test_editing_one_table_changes_the_code_version_of_its_asset_alone(shop: Shop) -> None:
    def versions() -> dict[str, str | None]:
        @sling_assets(replication_config=str(shop.replication))
        def tables(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
            yield from sling.replicate(context=context)

        return {spec.key.path[-1]: spec.code_version for spec in tables.specs}

    shop.prepare()
    before = versions()
    shop.write({**SHOP, "streams": {"data.users": {"where": "id > 0"}, "data.*": None}})
    after = versions()
    assert {name for name, version in after.items() if version != before[name]} == {"users"}
