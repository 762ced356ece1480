"""What a replication's text makes of its assets: code versions, freshness, automation, and the op's own."""

# No `from __future__ import annotations`: Dagster reads the annotations of the functions below.
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mainstem.errors import ConfigError, ReplicationError
from mainstem.sling import DagsterSlingTranslator, SlingConnectionResource, SlingResource, sling_assets


def assets_of(config: Any, **options: Any) -> dg.AssetsDefinition:
    @sling_assets(replication_config=config, **options)
    def my_assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    return my_assets


def replication(streams: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    defaults = {"mode": "full-refresh", "object": "{stream_table}"}
    return {"source": "SRC", "target": "TGT", "defaults": defaults, "streams": dict(streams), **more}


def versions(config: Mapping[str, Any]) -> dict[str, str | None]:
    return {spec.key.path[-1]: spec.code_version for spec in assets_of(config).specs}


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    old, new = versions(before), versions(after)
    return {name for name in old if old[name] != new[name]}


# Code versions.


def test_editing_one_stream_makes_one_asset_stale(tmp_path: Path) -> None:
    """Official fault 3: there, all of the file's assets look stale."""
    with closing(sqlite3.connect(tmp_path / "shop.db")) as shop, shop:
        for name in ("a", "b"):
            shop.execute(f"create table {name} as select 1 as id")
    path = tmp_path / "replication.yaml"
    text = 'source: SRC\ntarget: TGT\ndefaults: {object: "{stream_table}"}\nstreams:\n  main.a:\n  main.b:\n'
    path.write_text(text)
    sling = SlingResource(
        connections=[
            SlingConnectionResource(name="SRC", type="sqlite", instance=str(tmp_path / "shop.db")),
            SlingConnectionResource(name="TGT", type="duckdb", instance=str(tmp_path / "lake.duckdb")),
        ]
    )
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([assets_of(path)], resources={"sling": sling}, instance=instance)
        path.write_text(text.replace("main.b:", "main.b: {where: id > 0}"))
        now = {spec.key: spec.code_version for spec in assets_of(path).specs}
        then = instance.get_latest_materialization_code_versions(list(now))
    assert {key.path[-1] for key in now if now[key] != then[key]} == {"b"}


def test_a_default_makes_those_stale_that_take_it() -> None:
    streams = {"s.a": {"mode": "truncate"}, "s.b": None}
    other = {"mode": "snapshot", "object": "{stream_table}"}
    assert changed(replication(streams), replication(streams, defaults=other)) == {"b"}


def test_a_variable_makes_those_stale_that_use_it() -> None:
    streams = {"s.a": {"where": "id > {LEAST}"}, "s.b": None}

    def with_env(**env: Any) -> dict[str, Any]:
        return replication(streams, env=env)

    assert changed(with_env(LEAST="1", OTHER="1"), with_env(LEAST="2", OTHER="2")) == {"a"}
    settings = {"LEAST": "1", "SLING_ALLOW_EMPTY": "true"}
    assert changed(with_env(LEAST="1"), with_env(**settings)) == {"a", "b"}


def test_a_file_of_sql_makes_its_stream_stale(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1 as id")
    config = replication({"s.a": {"sql": f"file://{tmp_path}/a.sql"}, "s.b": None})
    before = versions(config)
    (tmp_path / "a.sql").write_text("select 2 as id")
    after = versions(config)
    assert (before["a"] == after["a"], before["b"] == after["b"]) == (False, True)


def test_what_is_only_shown_makes_nothing_stale() -> None:
    before = replication({"s.a": {"tags": ["x"], "meta": {"dagster": {"group": "one"}}}})
    after = replication({"s.a": {"tags": ["y"], "meta": {"dagster": {"group": "two"}}}})
    assert changed(before, after) == set()


def test_a_value_of_the_environment_is_not_in_a_code_version(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replication({"s.a": {"where": "token = '{TOKEN}'"}}, env={"TOKEN": "$TOKEN_OF_TEST"})
    monkeypatch.setenv("TOKEN_OF_TEST", "one")
    before = versions(config)
    monkeypatch.setenv("TOKEN_OF_TEST", "two")
    assert versions(config) == before


# What stands under meta.dagster.

DAY = timedelta(days=1)
FRESHNESS = [
    ({"freshness": {"fail_window": "24h"}}, dg.FreshnessPolicy.time_window(DAY)),
    (
        {"freshness": {"fail_window": 86400, "warn_window": "30m"}},
        dg.FreshnessPolicy.time_window(DAY, timedelta(minutes=30)),
    ),
    (
        {
            "freshness": {
                "deadline_cron": "0 9 * * *",
                "lower_bound_delta": "1d",
                "timezone": "Europe/Berlin",
            }
        },
        dg.FreshnessPolicy.cron("0 9 * * *", DAY, "Europe/Berlin"),
    ),
    ({"freshness_policy": {"maximum_lag_minutes": 1440}}, dg.FreshnessPolicy.time_window(DAY)),
    (
        {"freshness_policy": {"maximum_lag_minutes": 1440, "cron_schedule": "0 9 * * *"}},
        dg.FreshnessPolicy.cron("0 9 * * *", DAY),
    ),
]
AUTOMATION = [
    ("eager", dg.AutomationCondition.eager),
    ("on_missing", dg.AutomationCondition.on_missing),
    ({"cron": "0 6 * * *"}, lambda: dg.AutomationCondition.on_cron("0 6 * * *")),
    (
        {"cron": "0 6 * * *", "timezone": "Europe/Berlin"},
        lambda: dg.AutomationCondition.on_cron("0 6 * * *", "Europe/Berlin"),
    ),
]


def spec_with(meta: Mapping[str, Any], *, in_defaults: bool) -> dg.AssetSpec:
    config = replication({"s.a": None if in_defaults else {"meta": {"dagster": dict(meta)}}})
    if in_defaults:
        config["defaults"] = {**config["defaults"], "meta": {"dagster": dict(meta)}}
    (spec,) = assets_of(config).specs
    return spec


@pytest.mark.parametrize("in_defaults", [False, True])
@pytest.mark.parametrize(("meta", "policy"), FRESHNESS)
def test_freshness_may_be_said_in_the_yaml(
    meta: Mapping[str, Any], policy: dg.FreshnessPolicy, in_defaults: bool
) -> None:
    assert spec_with(meta, in_defaults=in_defaults).freshness_policy == policy


@pytest.mark.parametrize("in_defaults", [False, True])
@pytest.mark.parametrize(("automation", "condition"), AUTOMATION)
def test_automation_may_be_said_in_the_yaml(
    automation: Any, condition: Callable[[], dg.AutomationCondition[Any]], in_defaults: bool
) -> None:
    assert spec_with({"automation": automation}, in_defaults=in_defaults).automation_condition == condition()


@pytest.mark.parametrize(
    ("meta", "hint"),
    [
        ({"freshness": {"fail_window": "a while"}}, "It is {fail_window: 24h"),
        ({"freshness": {"lag": 5}}, "It is {fail_window: 24h"),
        ({"freshness": {"deadline_cron": "never", "lower_bound_delta": "1h"}}, "It is {fail_window: 24h"),
        ({"freshness": "24h"}, "It is {fail_window: 24h"),
        ({"automation": "sometimes"}, "It is eager, on_missing, or"),
        ({"automation": {"schedule": "0 6 * * *"}}, "It is eager, on_missing, or"),
        ({"automation": {"cron": "0 6 * * *", "zone": "UTC"}}, "It is eager, on_missing, or"),
        ({"automation": {"cron": "often"}}, "It is eager, on_missing, or"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_can(meta: Mapping[str, Any], hint: str) -> None:
    with pytest.raises(ConfigError, match=r"of stream s\.a is .*" + hint):
        spec_with(meta, in_defaults=False)


# The translator.


def test_a_translator_may_say_nothing_of_an_asset() -> None:
    class Silent(DagsterSlingTranslator):
        get_metadata = get_tags = get_kinds = get_description = lambda _self, _stream_definition: None  # type: ignore[assignment]

    specs = list(assets_of(replication({"s.a": None}), dagster_sling_translator=Silent()).specs)
    (usual,) = assets_of(replication({"s.a": None})).specs
    assert [(spec.key, spec.code_version, spec.skippable) for spec in specs] == [
        (usual.key, usual.code_version, True)
    ]


def test_a_translators_own_code_version_stays() -> None:
    class Versioned(DagsterSlingTranslator):
        def get_asset_spec(self, stream_definition: Mapping[str, Any]) -> dg.AssetSpec:
            return super().get_asset_spec(stream_definition).replace_attributes(code_version="mine")

    (spec,) = assets_of(replication({"s.a": None}), dagster_sling_translator=Versioned()).specs
    assert spec.code_version == "mine"


# The decorator.


def test_the_decorators_arguments_are_the_ops() -> None:
    partitions = dg.DailyPartitionsDefinition("2026-01-01")
    assets = assets_of(
        replication({"s.a": None}),
        name="nightly",
        op_tags={"team": "data"},
        pool="postgres",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description="Every night",
    )
    assert (assets.op.name, assets.op.tags["team"], assets.op.pool) == ("nightly", "data", "postgres")
    assert assets.op.description == "Every night"
    assert assets.partitions_def == partitions
    assert assets.backfill_policy == dg.BackfillPolicy.single_run()


def test_two_streams_that_are_one_asset_are_refused_by_name() -> None:
    config = replication({"s.a": {"object": "t"}, "s.b": {"object": "T"}})
    with pytest.raises(ReplicationError, match=r"streams s\.a and s\.b are one asset, target/t\..*asset_key"):
        assets_of(config)
