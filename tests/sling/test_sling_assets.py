"""Sling's replications as Dagster assets: the public names, and what the official adapter gets wrong."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.errors import ConfigError, ConnectionConfigError, ReplicationError
from mainstem.sling import (
    DagsterSlingTranslator,
    SlingConnectionResource,
    SlingMode,
    SlingResource,
    sling_assets,
)
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

DEFAULTS = {"mode": "full-refresh", "object": "{stream_schema}_{stream_table}"}


@pytest.fixture
def sling(postgres: EmbeddedPostgres, warehouse: Warehouse) -> SlingResource:
    return SlingResource(
        connections=[
            SlingConnectionResource(
                name="MY_POSTGRES",
                type="postgres",
                host="localhost",
                port=postgres.port,
                database=postgres.database,
                user=postgres.user,
                password=postgres.password,
            ),
            SlingConnectionResource(
                name="MY_DUCKDB", type="duckdb", connection_string=f"duckdb://{warehouse.path}"
            ),
        ]
    )


def replication(*streams: str, **configured: Any) -> dict[str, Any]:
    return {
        "source": "MY_POSTGRES",
        "target": "MY_DUCKDB",
        "defaults": DEFAULTS,
        "streams": {**dict.fromkeys(streams), **configured},
    }


def assets_of(config: Any, translator: DagsterSlingTranslator | None = None) -> dg.AssetsDefinition:
    @sling_assets(replication_config=config, dagster_sling_translator=translator)
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context).fetch_column_metadata().fetch_row_count()

    return my_assets


def materialize(
    assets: dg.AssetsDefinition, sling: SlingResource, selection: Any = None
) -> dg.ExecuteInProcessResult:
    return dg.materialize([assets], resources={"sling": sling}, selection=selection, raise_on_error=False)


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Mapping[str, Any]]:
    return {
        event.asset_key.to_user_string(): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


def keys(specs: Any) -> set[str]:
    return {spec.key.to_user_string() for spec in specs}


def test_each_stream_is_an_asset_that_depends_on_its_source() -> None:
    assets = assets_of(replication("data.customers", "data.products", "data.orders"))
    graph = dg.Definitions(assets=[assets], resources={"sling": SlingResource()}).resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {
        *("data/customers", "data/products", "data/orders"),
        *("target/data/customers", "target/data/products", "target/data/orders"),
    }
    target = dg.AssetKey(["target", "data", "orders"])
    assert graph.get(target).parent_keys == {dg.AssetKey(["data", "orders"])}
    assert {spec.kinds == {"sling"} for spec in assets.specs} == {True}


def test_a_streams_own_object_names_its_asset() -> None:
    assets = assets_of(
        replication("public.users", **{"public.finance_departments": {"object": "departments"}})
    )
    assert keys(assets.specs) == {"target/public/users", "target/departments"}


@pytest.mark.parametrize(
    ("meta", "attribute", "expected"),
    [
        ({"asset_key": "mydb_users"}, "key", dg.AssetKey(["mydb_users"])),
        ({"asset_key": "mydb.users"}, "key", dg.AssetKey(["mydb", "users"])),
        ({"asset_key": "mydb/users"}, "key", dg.AssetKey(["mydb", "users"])),
        ({"asset_key": ["mydb", "users"]}, "key", dg.AssetKey(["mydb", "users"])),
        ({"group": "sales"}, "group_name", "sales"),
        ({"description": "All users"}, "description", "All users"),
        ({"kinds": ["postgres", "duckdb"]}, "kinds", {"postgres", "duckdb"}),
        ({"owners": ["team:data"]}, "owners", ["team:data"]),
        (
            {"auto_materialize_policy": True},
            "automation_condition",
            dg.AutomationCondition.eager(),
        ),
    ],
)
@pytest.mark.parametrize("place", ["stream", "defaults"])
def test_meta_of_a_stream_and_of_the_defaults_is_honoured(
    meta: dict[str, Any], attribute: str, expected: object, place: str
) -> None:
    config = replication("public.users")
    if place == "stream":
        config["streams"]["public.users"] = {"meta": {"dagster": meta}}
    else:
        config["defaults"] = {**DEFAULTS, "meta": {"dagster": meta}}
    (spec,) = assets_of(config).specs
    assert getattr(spec, attribute) == expected


@pytest.mark.parametrize(
    ("deps", "expected"),
    [
        ("sourcedb_users", {"sourcedb_users"}),
        (["a.b", "c"], {"a/b", "c"}),
        (["a/b"], {"a/b"}),
        ([["a", "b"]], {"a/b"}),
    ],
)
def test_meta_deps_may_have_keys_of_several_parts(deps: Any, expected: set[str]) -> None:
    """Official fault 13: there, a key of several parts raises."""
    config = replication(**{"public.users": {"meta": {"dagster": {"deps": deps}}}})
    (spec,) = assets_of(config).specs
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == expected


def test_a_key_with_odd_characters_is_refused_with_its_stream() -> None:
    config = replication(**{"public.users": {"meta": {"dagster": {"asset_key": "My Users"}}}})
    with pytest.raises(ConfigError, match=r"'My Users' of stream public\.users"):
        assets_of(config)


def test_a_translator_may_build_on_the_default_spec() -> None:
    class Renamed(DagsterSlingTranslator):
        def get_asset_spec(self, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
            spec = super().get_asset_spec(stream_definition)
            return spec.replace_attributes(
                deps=[dg.AssetKey("common")], tags={"from": stream_definition["name"]}
            )

        def get_group_name(self, stream_definition: Mapping[str, Any]) -> str | None:
            return f"group_of_{stream_definition['name'].partition('.')[0]}"

    (spec,) = assets_of(replication("public.users"), Renamed(target_prefix="warehouse")).specs
    assert spec.key == dg.AssetKey(["warehouse", "public", "users"])
    assert [dep.asset_key for dep in spec.deps] == [dg.AssetKey("common")]
    assert (spec.tags["from"], spec.group_name) == ("public.users", "group_of_public")


def test_a_wrong_replication_fails_when_definitions_load_and_points_at_the_line(tmp_path: Path) -> None:
    path = tmp_path / "replication.yaml"
    path.write_text("source: A\ntarget: B\nstreams:\n  a.b:\n    mode: fullrefresh\n    object: x\n")
    with pytest.raises(ReplicationError, match=r"replication\.yaml:5:5: must specify valid mode"):
        assets_of(path)


def test_editing_one_stream_changes_the_code_version_of_that_stream_alone() -> None:
    def versions(config: dict[str, Any]) -> dict[str, str | None]:
        return {spec.key.path[-1]: spec.code_version for spec in assets_of(config).specs}

    before = versions(replication("public.a", "public.b"))
    after = versions(replication("public.a", **{"public.b": {"object": "b", "description": "new"}}))
    assert before["a"] == after["a"]
    assert before["b"] != after["b"]


def test_a_run_tells_of_each_stream_what_the_engine_knows(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse, sling: SlingResource
) -> None:
    postgres.execute(
        f'create table {schema}.orders (id int not null, amount numeric(12,2), "AT" timestamptz)',
        f"comment on column {schema}.orders.amount is 'in euros'",
        f"insert into {schema}.orders values (1, 1.10, '2024-01-01Z'), (2, 2.20, null)",
    )
    result = materialize(assets_of(replication(f"{schema}.orders")), sling)
    assert result.success
    metadata = metadata_of(result)[f"target/{schema}/orders"]
    assert metadata["rows"] == metadata["dagster/row_count"] == 2
    assert metadata["dagster/table_name"] == f"main.{schema}_orders"
    assert metadata["stream_name"] == f"{schema}.orders"
    assert metadata["mode"] == "full-refresh"
    assert metadata["elapsed_time"] > 0
    columns = {
        column.name: (column.type, column.description) for column in metadata["dagster/column_schema"].columns
    }
    assert columns == {
        "id": ("INTEGER", None),
        "amount": ("DECIMAL(12,2)", "in euros"),
        "at": ("TIMESTAMP WITH TIME ZONE", None),
    }
    lineage = metadata["dagster/column_lineage"].deps_by_column
    assert lineage["at"] == [dg.TableColumnDep(dg.AssetKey([schema, "orders"]), "AT")]
    assert warehouse.query(f"select sum(amount)::varchar from {schema}_orders") == [("3.30",)]


def test_only_the_selected_streams_run(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse, sling: SlingResource
) -> None:
    """Official fault 12 among them: config on the op must not widen the selection."""
    postgres.execute(
        *(f"create table {schema}.{name} as select 1 as id" for name in ("users", "users_events"))
    )

    class Config(dg.Config):
        debug: bool = False

    @sling_assets(replication_config=replication(f"{schema}.users", f"{schema}.users_events"))
    def configured(context: dg.AssetExecutionContext, sling: SlingResource, config: Config) -> Iterator[Any]:
        yield from sling.replicate(context=context, debug=config.debug)

    result = dg.materialize(
        [configured],
        resources={"sling": sling},
        selection=[dg.AssetKey(["target", schema, "users"])],
        run_config={"ops": {"configured": {"config": {"debug": True}}}},
    )
    assert list(metadata_of(result)) == [f"target/{schema}/users"]
    assert warehouse.tables() == [f"main.{schema}_users"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_stream_leaves_the_others_materialized_each_with_its_own_report(
    postgres: EmbeddedPostgres, schema: str, sling: SlingResource, stream: bool
) -> None:
    """Official faults 1, 2 and 5: the failed asset is not materialized, nor given its neighbour's numbers."""
    postgres.execute(f"create table {schema}.users_events as select generate_series(1, 7) as id")

    @sling_assets(replication_config=replication(f"{schema}.users", f"{schema}.users_events"))
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context, stream=stream)

    result = materialize(my_assets, sling)
    assert not result.success
    metadata = metadata_of(result)
    assert list(metadata) == [f"target/{schema}/users_events"]
    assert metadata[f"target/{schema}/users_events"]["rows"] == 7
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data is not None
    description = failure.step_failure_data.user_failure_data.description or ""
    assert description.startswith("1 of 2 streams failed; 1 published.")
    assert (
        f"There is no table users in schema {schema} of MY_POSTGRES. There is: users_events." in description
    )


def test_an_op_may_replicate_too(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse, sling: SlingResource
) -> None:
    postgres.execute(f"create table {schema}.t as select 1 as id")

    @dg.op(out={})
    def replicate_op(context: dg.OpExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context, replication_config=replication(f"{schema}.t"))

    @dg.job(resource_defs={"sling": sling})
    def job() -> None:
        replicate_op()

    result = job.execute_in_process()
    events = [event for event in result.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    assert [event.asset_key for event in events] == [dg.AssetKey(["target", schema, "t"])]
    assert warehouse.query(f"select id from {schema}_t") == [(1,)]


def test_an_op_without_a_replication_is_told_what_to_pass(sling: SlingResource) -> None:
    @dg.op(out={})
    def nothing(context: dg.OpExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    @dg.job(resource_defs={"sling": sling})
    def job() -> None:
        nothing()

    with pytest.raises(ConfigError, match="Pass replication_config"):
        job.execute_in_process()


def test_secrets_reach_neither_events_nor_environment_nor_temporary_files(
    postgres: EmbeddedPostgres,
    schema: str,
    sling: SlingResource,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Official fault 6."""
    canary = "c4n4ry-hunter2"
    monkeypatch.setenv("CANARY", canary)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    postgres.execute(f"create table {schema}.t as select 1 as id")
    connection = SlingConnectionResource(
        name="MY_POSTGRES",
        type="postgres",
        host="localhost",
        port=postgres.port,
        database=postgres.database,
        user=postgres.user,
        password=dg.EnvVar("CANARY"),
    )
    canaries = SlingResource(connections=[connection, sling.connections[1]])
    before = dict(os.environ)
    result = materialize(assets_of(replication(f"{schema}.t")), canaries)
    assert not result.success
    assert "password authentication failed" in str(result.all_events)
    assert canary not in str(result.all_events) + repr(canaries)
    assert dict(os.environ) == before
    left = [path for path in tmp_path.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()]
    assert left == []


def test_connections_may_be_given_by_environment_variables(
    postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_URL", postgres.url)
    monkeypatch.setenv("DUCK_URL", warehouse.url)
    postgres.execute(f"create table {schema}.t as select 1 as id")
    sling = SlingResource(
        connections=[
            SlingConnectionResource(
                name="MY_POSTGRES", type="postgres", connection_string=dg.EnvVar("PG_URL")
            ),
            SlingConnectionResource(name="MY_DUCKDB", type="duckdb", connection_string=dg.EnvVar("DUCK_URL")),
        ]
    )
    assert materialize(assets_of(replication(f"{schema}.t")), sling).success
    assert warehouse.query(f"select id from {schema}_t") == [(1,)]


def test_an_environment_variable_that_is_not_set_is_named(schema: str) -> None:
    connection = SlingConnectionResource(name="PG", type="postgres", password=dg.EnvVar("NO_SUCH_VARIABLE"))
    with pytest.raises(
        ConnectionConfigError, match="PG: 'password' is the environment variable NO_SUCH_VARIABLE"
    ):
        connection.connection()


def test_columns_keep_their_origin_where_a_translator_adds_a_dependency(
    postgres: EmbeddedPostgres, schema: str, sling: SlingResource
) -> None:
    class Billed(DagsterSlingTranslator):
        def get_asset_spec(self, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
            spec = super().get_asset_spec(stream_definition)
            return spec.replace_attributes(deps=[*spec.deps, dg.AssetDep("invoices")])

    postgres.execute(f"create table {schema}.t as select 1 as id")
    result = materialize(assets_of(replication(f"{schema}.t"), Billed()), sling)
    lineage = metadata_of(result)[f"target/{schema}/t"]["dagster/column_lineage"].deps_by_column
    assert lineage == {"id": [dg.TableColumnDep(dg.AssetKey([schema, "t"]), "id")]}


def test_what_comes_through_env_is_not_shown_in_the_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", "c4n4ry-hunter2")
    config = {
        **replication(**{"public.{NAME}": {"sql": "select * from f('{TOKEN}')", "object": "{NAME}_x"}}),
        "env": {"TOKEN": "$TOKEN_OF_TEST", "NAME": "users"},
    }
    (spec,) = assets_of(config).specs
    assert spec.key == dg.AssetKey(["target", "users_x"])
    assert spec.description == "select * from f('{TOKEN}')"
    assert "c4n4ry" not in str(spec)


@pytest.mark.filterwarnings("ignore:.*AutoMaterializePolicy.* is deprecated")
def test_a_policy_of_an_older_project_is_honoured() -> None:
    class Eager(DagsterSlingTranslator):
        def get_auto_materialize_policy(
            self, stream_definition: Mapping[str, Any]
        ) -> dg.AutoMaterializePolicy | None:
            eager = stream_definition["name"] == "public.users"
            return dg.AutoMaterializePolicy.eager() if eager else None

    specs = {
        spec.key.path[-1]: spec for spec in assets_of(replication("public.users", "public.t"), Eager()).specs
    }
    assert specs["users"].automation_condition is not None
    assert specs["t"].automation_condition is None


def test_the_modes_have_slings_names() -> None:
    assert [mode.value for mode in SlingMode] == [
        "incremental",
        "truncate",
        "full-refresh",
        "snapshot",
        "backfill",
    ]
