"""A run of the whole graph skips what has not changed, and says so: by data versions of observed sources."""

# No postponed annotations: Dagster reads those of an asset's function, which are local.

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from mainstem import table_dep, table_identity, wire
from mainstem.automation import when_data_changed
from mainstem.errors import MainstemError
from mainstem.graph.refresh import refresh
from mainstem.sling import (
    SlingConnectionResource,
    SlingResource,
    build_sling_source_observations,
    sling_assets,
)

CONFIG = {
    "source": "APP",
    "target": "WAREHOUSE",
    "defaults": {"mode": "full-refresh"},
    "streams": {"main.orders": {"object": "raw.orders"}, "main.users": {"object": "raw.users"}},
}
ALL = {"target/raw/orders", "target/raw/users", "revenue", "people", "board"}


class Shop:
    """Two tables of a real source, replicated, and what is made of each and of both."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.app, self.warehouse, self.instance = folder / "app.duckdb", folder / "w.duckdb", instance
        self.broken = False
        self._cursor: Any = None
        self.change("create table orders as select 1 as id, 10 as amount")
        self.change("create table users as select 1 as id, 'Ann' as name")

    def change(self, statement: str) -> None:
        with duckdb.connect(str(self.app)) as connection:
            connection.execute(statement)

    def definitions(self) -> dg.Definitions:
        due = when_data_changed()
        sources = build_sling_source_observations(CONFIG)

        @sling_assets(replication_config=CONFIG)
        def replicated(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
            yield from sling.replicate(context=context)

        def mart(name: str, *reads: str) -> dg.AssetsDefinition:
            @dg.asset(
                name=name,
                code_version="1",
                metadata=table_identity("WAREHOUSE", f"marts.{name}"),
                deps=[table_dep("WAREHOUSE", each) for each in reads],
            )
            def made() -> None:
                if self.broken:
                    raise ValueError("the mart is broken")

            return made

        marts = [mart("revenue", "raw.orders"), mart("people", "raw.users")]
        marts.append(mart("board", "marts.revenue", "marts.people"))
        automated = dg.map_asset_specs(
            lambda spec: spec.replace_attributes(automation_condition=due), [replicated, *marts]
        )
        connections = [
            SlingConnectionResource(name="APP", type="duckdb", instance=str(self.app)),
            SlingConnectionResource(name="WAREHOUSE", type="duckdb", instance=str(self.warehouse)),
        ]
        resources = {"sling": SlingResource(connections=connections)}
        return wire(dg.Definitions(assets=[sources, *automated], resources=resources))

    def refresh(self) -> Mapping[str, str]:
        """What became of each asset; it is what the instance has of it."""
        before = {name: self.times_made(name) for name in ALL}
        told = {each.status.name: each.outcome for each in refresh(self.definitions(), self.instance)}
        made = {name for name in ALL if self.times_made(name) > before[name]}
        assert made == {name for name, outcome in told.items() if outcome == "made"}
        return told

    def times_made(self, name: str) -> int:
        key = dg.AssetKey.from_user_string(name)
        return len(self.instance.fetch_materializations(key, limit=100).records)

    def tick(self) -> set[str]:
        """What the automation conditions ask for now, and is then made."""
        defs = self.definitions()
        selection = dg.AssetSelection.all()
        result = dg.evaluate_automation_conditions(
            defs=defs, instance=self.instance, cursor=self._cursor, asset_selection=selection
        )
        self._cursor = result.cursor
        keys = [spec.key for spec in defs.resolve_all_asset_specs() if result.get_num_requested(spec.key)]
        self.run(*keys)
        return {key.to_user_string() for key in keys}

    def run(self, *keys: dg.AssetKey) -> None:
        if keys:
            job = dg.define_asset_job("some", selection=dg.AssetSelection.assets(*keys))
            defs = dg.Definitions.merge(self.definitions(), dg.Definitions(jobs=[job]))
            assert (
                defs.get_repository_def().get_job("some").execute_in_process(instance=self.instance).success
            )

    def look(self) -> None:
        self.run(dg.AssetKey(["main", "orders"]), dg.AssetKey(["main", "users"]))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(tmp_path, instance)


def test_exactly_what_depends_on_a_changed_row_is_made_and_all_else_is_skipped(shop: Shop) -> None:
    assert shop.refresh() == dict.fromkeys(ALL, "made")
    assert shop.refresh() == dict.fromkeys(ALL, "skipped")
    shop.change("update orders set amount = 11")
    changed = {"target/raw/orders", "revenue", "board"}
    assert shop.refresh() == {**dict.fromkeys(ALL, "skipped"), **dict.fromkeys(changed, "made")}
    with duckdb.connect(str(shop.warehouse)) as connection:
        assert connection.execute("select amount from raw.orders").fetchall() == [(11,)]
    assert shop.refresh() == dict.fromkeys(ALL, "skipped")


def test_it_says_why_each_was_made_or_skipped(shop: Shop) -> None:
    shop.refresh()
    shop.change("insert into users values (2, 'Bob')")
    told = {each.status.name: each.why for each in refresh(shop.definitions(), shop.instance)}
    assert told["target/raw/users"] == "main/users is new"
    assert told["people"] == "target/raw/users is stale"
    assert told["revenue"].startswith("nothing that it is made of has changed since 20")


def test_what_failed_says_what_went_wrong_and_is_tried_again(shop: Shop) -> None:
    shop.broken = True
    failed = {each.status.name: each for each in refresh(shop.definitions(), shop.instance)}
    assert (failed["revenue"].outcome, failed["revenue"].why) == ("failed", "ValueError: the mart is broken")
    assert (failed["board"].outcome, failed["board"].why) == ("failed", "What it is made of was not made.")
    assert failed["target/raw/orders"].outcome == "made"
    shop.broken = False
    marts = {"revenue": "made", "people": "made", "board": "made"}
    assert shop.refresh() == {**dict.fromkeys(ALL, "skipped"), **marts}


def test_a_source_that_cannot_be_looked_at_is_not_taken_for_unchanged(shop: Shop) -> None:
    shop.refresh()
    shop.change("drop table orders")
    with pytest.raises(
        MainstemError, match=r"could not be observed\. 1 of 2 .*\n +main\.orders: There is no table"
    ):
        shop.refresh()


def test_the_automation_conditions_ask_for_the_same(shop: Shop) -> None:
    """Dagster's daemon asks for what a change reaches, all in one run, and else for nothing."""
    shop.look()
    assert shop.tick() == ALL
    shop.look()
    assert shop.tick() == set()
    shop.change("update orders set amount = 12")
    shop.look()
    made = [tick for tick in (shop.tick() for _ in range(6)) if tick]
    assert [sorted(tick) for tick in made] == [["target/raw/orders"], ["revenue"], ["board"]]
    shop.look()
    assert shop.tick() == set()
