"""`wire`: a dependency that is physically another asset's table becomes that asset."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
import pytest
from tests.graph.conftest import Project, Replicate

from mainstem import table_dep, table_identity, wire
from mainstem.dlt import DagsterDltResource
from mainstem.errors import ConfigError
from mainstem.graph import explained
from mainstem.sling import SlingConnectionResource, SlingResource, build_sling_source_specs


def sling(tmp_path: Path, **more: Mapping[str, Any]) -> SlingResource:
    """A Postgres and a DuckDB, and whatever else is given."""
    given: dict[str, Mapping[str, Any]] = {
        "PG": {
            "type": "postgres",
            "host": "localhost",
            "database": "app",
            "user": "u",
            "password": "hunter2",
        },
        "DUCK": {"type": "duckdb", "connection_string": f"duckdb://{tmp_path}/w.duckdb"},
        **more,
    }
    return SlingResource(
        connections=[SlingConnectionResource(name=name, **each) for name, each in given.items()]
    )


def warehouse(tmp_path: Path) -> Project:
    """A dbt project over the same DuckDB."""
    return Project(tmp_path / "dbt", "shop", {"type": "duckdb", "path": f"{tmp_path}/w.duckdb"}, "w")


def upstream(defs: dg.Definitions, key: str) -> set[str]:
    node = defs.resolve_asset_graph().get(dg.AssetKey.from_user_string(key))
    return {parent.to_user_string() for parent in node.parent_keys}


def test_a_dbt_source_is_the_asset_of_the_stream_that_writes_it(tmp_path: Path, replicate: Replicate) -> None:
    dbt = warehouse(tmp_path)
    dbt.model("stg_orders", "main", [dbt.source("raw", "data_orders", "main")])
    assets = [replicate("PG", "DUCK", {"data.orders": "data_orders"}), dbt.assets()]
    defs = dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)})

    assert upstream(defs, "stg_orders") == {"raw/data_orders"}
    assert upstream(wire(defs), "stg_orders") == {"target/data_orders"}


def test_a_dbt_source_is_the_asset_of_the_dlt_resource_that_loads_it_and_what_is_nested_in_it(
    tmp_path: Path, load: Replicate
) -> None:
    dbt = warehouse(tmp_path)
    users, tags = dbt.source("app", "users", "loaded"), dbt.source("app", "users__tags", "loaded")
    dbt.model("people", "main", [users])
    dbt.model("labels", "main", [tags])
    assets = [load("app", ["users"], dlt.destinations.duckdb(f"{tmp_path}/w.duckdb"), "loaded"), dbt.assets()]
    defs = wire(dg.Definitions(assets=assets, resources={"dlt": DagsterDltResource()}))

    assert upstream(defs, "people") == {"dlt_app_users"}
    assert upstream(defs, "labels") == {"dlt_app_users"}


def test_a_stream_that_reads_what_dbt_builds_is_downstream_of_the_model(
    tmp_path: Path, replicate: Replicate
) -> None:
    dbt = warehouse(tmp_path)
    dbt.model("customers", "marts", [])
    assets = [dbt.assets(), replicate("DUCK", "PG", {"marts.customers": "crm.customers"})]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)}))
    assert upstream(defs, "target/crm/customers") == {"customers"}


def test_python_assets_say_which_table_they_are_and_which_they_read(tmp_path: Path) -> None:
    @dg.asset(metadata=table_identity("DUCK", "jaffle.raw_customers"))
    def raw_customers() -> None: ...

    duck = f"duckdb://{tmp_path}/w.duckdb"

    @dg.asset(metadata={"dagster/table_name": "raw_orders", "mainstem/connection": duck})
    def raw_orders() -> None: ...

    @dg.asset(deps=[table_dep(duck, "JAFFLE.raw_customers"), table_dep("DUCK", "main.raw_orders")])
    def chart() -> None: ...

    assets = [raw_customers, raw_orders, chart]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)}))
    assert upstream(defs, "chart") == {"raw_customers", "raw_orders"}


def test_two_tools_that_read_one_table_meet_in_the_asset_that_stands_for_it(
    tmp_path: Path, replicate: Replicate
) -> None:
    streams = {"public.orders": "raw.orders"}
    config = {"source": "PG", "target": "DUCK", "streams": {"public.orders": {"object": "raw.orders"}}}
    app = Project(tmp_path / "app", "app", {"type": "postgres", "host": "127.0.0.1", "dbname": "app"}, "app")
    app.model("report", "public", [app.source("erp", "orders", "public")])
    resource = sling(tmp_path)
    sources = build_sling_source_specs(config, connections=resource.connections)
    assets: list[Any] = [*sources, replicate("PG", "DUCK", streams), app.assets()]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": resource}))
    assert upstream(defs, "report") == {"public/orders"}
    assert upstream(defs, "target/raw/orders") == {"public/orders"}


def test_an_explicit_key_wins(tmp_path: Path, replicate: Replicate) -> None:
    dbt = warehouse(tmp_path)
    meta = {"dagster": {"asset_key": ["chosen", "by", "hand"]}}
    dbt.model("stg_orders", "main", [dbt.source("raw", "orders", "raw", meta=meta)])
    streams = {
        "data.orders": "raw.orders",
        "marts.x": {"object": "raw.x", "meta": {"dagster": {"deps": "mine"}}},
    }
    assets = [replicate("PG", "DUCK", streams), dbt.assets()]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)}))
    assert upstream(defs, "stg_orders") == {"chosen/by/hand"}
    assert upstream(defs, "target/raw/x") == {"mine"}


def test_two_assets_that_make_one_table_are_both_named(tmp_path: Path, replicate: Replicate) -> None:
    dbt = warehouse(tmp_path)
    dbt.model("orders", "Raw", [])
    assets = [replicate("PG", "DUCK", {"data.orders": "raw.Orders"}), dbt.assets()]
    defs = dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)})
    with pytest.raises(ConfigError, match=r"raw.orders: target/raw/orders .*stream.* and orders .*dbt model"):
        wire(defs)


def test_a_circle_names_its_assets(tmp_path: Path, replicate: Replicate) -> None:
    dbt = warehouse(tmp_path)
    dbt.model("orders", "marts", [dbt.source("back", "orders", "back")])
    there = replicate("DUCK", "PG", {"marts.orders": "public.orders"}, name="there")
    back = replicate("PG", "DUCK", {"public.orders": "back.orders"}, name="back")
    defs = dg.Definitions(assets=[dbt.assets(), there, back], resources={"sling": sling(tmp_path)})
    with pytest.raises(ConfigError, match=r"circle: .*orders reads .*target/public/orders"):
        wire(defs)


def test_the_check_of_a_source_moves_to_the_asset_that_it_is(tmp_path: Path, replicate: Replicate) -> None:
    dbt = warehouse(tmp_path)
    source = dbt.source("raw", "orders", "raw")
    dbt.model("stg_orders", "main", [source])
    dbt.test("not_null_raw_orders_id", source)
    assets = [replicate("PG", "DUCK", {"data.orders": "raw.orders"}), dbt.assets()]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)}))
    graph = defs.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.asset_check_keys} == {
        "target/raw/orders:not_null_raw_orders_id"
    }
    assert dg.AssetKey(["raw", "orders"]) not in set(graph.get_all_asset_keys())


def test_an_asset_says_what_was_joined_and_why(tmp_path: Path, replicate: Replicate) -> None:
    dbt = warehouse(tmp_path)
    dbt.model("stg_orders", "main", [dbt.source("raw", "orders", "raw")])
    assets = [replicate("PG", "DUCK", {"data.orders": "raw.orders"}), dbt.assets()]
    wired = wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)}))
    [spec] = [spec for spec in wired.resolve_all_asset_specs() if spec.key == dg.AssetKey("stg_orders")]
    said = spec.metadata["mainstem/wired"].value
    assert said == {
        "raw/orders": [
            {
                "asset": "target/raw/orders",
                "because": "dbt source raw.orders and stream data.orders are both "
                f"duckdb {tmp_path}/w.duckdb raw.orders",
            }
        ]
    }
    assert "hunter2" not in repr(explained(wired))
    assert upstream(wire(wired), "stg_orders") == {"target/raw/orders"}


def test_a_connection_that_is_not_known_joins_nothing_and_says_why(
    tmp_path: Path, replicate: Replicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    secret = {"type": "postgres", "host": dg.EnvVar("NOT_SET_ANYWHERE"), "database": "app"}
    resource = sling(tmp_path, PG=secret)
    defs = dg.Definitions(assets=[replicate("PG", "DUCK", {"a.b": "c.d"})], resources={"sling": resource})
    wiring = explained(defs)
    assert wiring.joints == []
    assert "NOT_SET_ANYWHERE" in wiring.unknown[dg.AssetKey(["target", "c", "d"])][0]
    assert upstream(wire(defs), "target/c/d") == {"a/b"}


def test_the_other_connection_of_a_replication_is_known_all_the_same(
    tmp_path: Path, replicate: Replicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    resource = sling(tmp_path, PG={"type": "postgres", "host": dg.EnvVar("NOT_SET_ANYWHERE")})
    dbt = warehouse(tmp_path)
    dbt.model("stg", "main", [dbt.source("raw", "orders", "raw")])
    assets = [replicate("PG", "DUCK", {"data.orders": "raw.orders"}), dbt.assets()]
    defs = dg.Definitions(assets=assets, resources={"sling": resource})
    assert upstream(wire(defs), "stg") == {"target/raw/orders"}
    [told] = explained(defs).unknown[dg.AssetKey(["target", "raw", "orders"])]
    assert told.startswith("The connection PG is not known: ")


def test_environment_variables_are_read_when_wiring(
    tmp_path: Path, replicate: Replicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_FILE", f"duckdb://{tmp_path}/w.duckdb")
    resource = sling(tmp_path, DUCK={"type": "duckdb", "connection_string": dg.EnvVar("WAREHOUSE_FILE")})
    dbt = warehouse(tmp_path)
    dbt.model("stg_orders", "main", [dbt.source("raw", "orders", "raw")])
    assets = [replicate("PG", "DUCK", {"data.orders": "raw.orders"}), dbt.assets()]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": resource}))
    assert upstream(defs, "stg_orders") == {"target/raw/orders"}


def test_a_target_that_is_named_after_the_day_is_no_table_that_others_could_read(
    tmp_path: Path, replicate: Replicate
) -> None:
    dbt = warehouse(tmp_path)
    dbt.model("stg", "main", [dbt.source("raw", "orders_", "raw")])
    assets = [replicate("PG", "DUCK", {"data.orders": "raw.orders_{YYYY}{MM}{DD}"}), dbt.assets()]
    defs = wire(dg.Definitions(assets=assets, resources={"sling": sling(tmp_path)}))
    assert upstream(defs, "stg") == {"raw/orders_"}


def test_schedules_jobs_and_resources_are_still_there(tmp_path: Path, replicate: Replicate) -> None:
    job = dg.define_asset_job("everything", selection="*")
    schedule = dg.ScheduleDefinition(job=job, cron_schedule="0 4 * * *")
    defs = wire(
        dg.Definitions(
            assets=[replicate("PG", "DUCK", {"a.b": "c.d"})],
            jobs=[job],
            schedules=[schedule],
            resources={"sling": sling(tmp_path)},
            executor=dg.in_process_executor,
        )
    )
    repository = defs.get_repository_def()
    assert repository.has_job("everything")
    assert [each.name for each in repository.schedule_defs] == [schedule.name]


Truth = dict[tuple[str, str], str]


class World:
    """A generated graph over four systems, and its truth: of (consumer, dependency), the producer."""

    def __init__(self, seed: int, tmp_path: Path, replicate: Replicate, load: Replicate) -> None:
        self.random = random.Random(seed)  # noqa: S311 - no secret
        self.path, self.replicate, self.load = tmp_path, replicate, load
        self.truth: Truth = {}
        self.assets: list[Any] = []
        self.resource = sling(
            tmp_path,
            MY={"type": "mysql", "host": "db.example", "database": "crm", "user": "u", "password": "p"},
            SNOW={"type": "snowflake", "account": "AB12", "database": "lake", "user": "u", "password": "p"},
            OTHER={"type": "postgres", "host": "localhost", "port": 5433, "database": "app"},
        )
        self.names = [f"t{number}" for number in range(60)]

    def some(self, count: int) -> list[str]:
        return sorted(self.random.sample(self.names, count))

    def cased(self, name: str) -> str:
        return self.random.choice([str.upper, str.lower, str.title])(name)

    def build(self) -> None:
        """Postgres → DuckDB (Sling, dlt, Python) → dbt → MySQL → Snowflake → dbt → a Python asset."""
        replicated, loaded, by_python = self.some(50), self.some(40), self.some(20)
        streams = {f"app.{name}": f"raw.{self.cased(name)}" for name in replicated}
        self.assets.append(self.replicate("PG", "DUCK", streams, name="to_duck"))
        duck = dlt.destinations.duckdb(f"{self.path}/x/../w.duckdb")
        self.assets.append(self.load("api", loaded, duck, "loaded"))
        for name in by_python:
            self.assets.append(
                self._python(f"python_{name}", table_identity("DUCK", f"py.{self.cased(name)}"))
            )
        self._duck_models(replicated, loaded, by_python)
        self._back(self.some(40))

    def _python(self, key: str, metadata: Mapping[str, Any], *deps: dg.AssetDep) -> dg.AssetsDefinition:
        @dg.asset(name=key, metadata=metadata, deps=list(deps))
        def made() -> None: ...

        return made

    def _duck_models(self, *written: list[str]) -> None:
        link = self.path / "linked"
        link.symlink_to(self.path)
        dbt = Project(self.path / "d1", "duck", {"type": "duckdb", "path": "../linked/w.duckdb"}, "w")
        keys = ["target/raw/{}", "dlt_api_{}", "python_{}"]
        for schema, made, key in zip(["raw", "loaded", "py"], written, keys, strict=True):
            for name in self.names:
                source = dbt.source(schema, name, self.cased(schema), identifier=self.cased(name))
                dbt.model(f"{schema}_{name}", "staged", [source])
                # Of the same name, and elsewhere: in a schema that nobody writes.
                dbt.model(f"{schema}_{name}_x", "staged", [dbt.source(f"{schema}2", name, f"{schema}2")])
                if name in made:
                    self.truth[f"{schema}_{name}", f"{schema}/{name}"] = key.format(name)
        for name in self.names:
            dbt.model(f"mart_{name}", "marts", [f"model.duck.raw_{name}"])
        self.assets.append(dbt.assets())

    def _back(self, returned: list[str]) -> None:
        streams = {f"MARTS.mart_{name}": f"crm.c_{name}" for name in returned}
        self.assets.append(self.replicate("DUCK", "MY", streams, name="to_mysql"))
        onward = {f"crm.c_{name}": f"landing.{name}" for name in self.names}
        self.assets.append(self.replicate("MY", "SNOW", onward, name="to_snowflake"))
        same_names = {f"public.o_{name}": f"elsewhere.{name}" for name in self.names}
        self.assets.append(self.replicate("OTHER", "SNOW", same_names, name="others"))
        output = {"type": "snowflake", "account": "ab12", "database": "LAKE", "schema": "x", "user": "u"}
        dbt = Project(self.path / "d2", "snow", output, "lake", quoted=False)
        for name in self.names:
            dbt.model(f"final_{name}", "out", [dbt.source("landing", name, "landing")])
            self.truth[f"final_{name}", f"landing/{name}"] = f"target/landing/{name}"
        for name in returned:
            self.truth[f"target/crm/c_{name}", f"marts/mart_{name}"] = f"mart_{name}"
            self.truth[f"target/landing/{name}", f"crm/c_{name}"] = f"target/crm/c_{name}"
        self.assets.append(dbt.assets())
        snow = {"type": "snowflake", "account": "ab12.snowflakecomputing.com", "database": "lake"}
        for name in self.some(15):
            self.assets.append(self._python(f"chart_{name}", {}, table_dep(snow, f"out.final_{name}")))
            self.truth[f"chart_{name}", f"out/final_{name}"] = f"final_{name}"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_hundreds_of_tables_in_four_systems_every_joint_is_found_and_none_invented(
    seed: int, tmp_path: Path, replicate: Replicate, load: Callable[..., Any]
) -> None:
    world = World(seed, tmp_path, replicate, load)
    world.build()
    wiring = explained(dg.Definitions(assets=world.assets, resources={"sling": world.resource}))
    found = {
        (joint.consumer.to_user_string(), joint.dependency.to_user_string()): joint.producer.to_user_string()
        for joint in wiring.joints
    }
    assert found == world.truth
    assert len(found) > 200
    assert wiring.unknown == {}
