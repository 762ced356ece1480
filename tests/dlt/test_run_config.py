"""What a single run may do otherwise, by its config."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
import pytest
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource, DltRunConfig


@dlt.source
def shop() -> list[DltResource]:
    @dlt.resource(primary_key="id")
    def orders() -> Iterator[Any]:
        yield [{"id": 1}, {"id": 2}]

    @dlt.resource
    def letters() -> Iterator[Any]:
        yield {"text": letters_left.pop(0)}

    letters_left = ["first", "second", "third"]
    return [orders, letters]


def config(**given: Any) -> dict[str, Any]:
    return {"run_config": {"ops": {"plain": {"config": given}}}}


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({}, 4),
        ({"write_disposition": "replace"}, 2),
        ({"write_disposition": "merge"}, 2),
        ({"refresh": "drop_data"}, 2),
        ({"refresh": "drop_resources"}, 2),
    ],
    ids=str,
)
def test_a_run_may_write_otherwise_or_begin_anew(project: Project, given: dict[str, Any], rows: int) -> None:
    assets = assets_of(shop(), project.pipeline())
    run(assets, "dlt_shop_orders")

    assert run(assets, "dlt_shop_orders", **config(**given)).success

    assert project.query("select count(*) from raw.orders") == [(rows,)]


def test_what_a_refresh_dropped_is_told(project: Project) -> None:
    assets = assets_of(shop(), project.pipeline())
    run(assets, "dlt_shop_orders")

    ran = run(assets, "dlt_shop_orders", **config(refresh="drop_resources"))

    assert ran.value("dlt_shop_orders", "schema_changes")["dropped_tables"] == ["orders"]


def test_the_next_run_is_as_usual(project: Project) -> None:
    assets = assets_of(shop(), project.pipeline())
    for given in ({}, {"write_disposition": "replace"}, {}):
        run(assets, "dlt_shop_orders", **config(**given))

    assert project.query("select count(*) from raw.orders") == [(4,)]


def test_the_config_goes_before_what_the_code_says(project: Project) -> None:
    def plain(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context, write_disposition="append")

    assets = assets_of(shop(), project.pipeline(), plain)
    run(assets, "dlt_shop_orders")
    run(assets, "dlt_shop_orders", **config(write_disposition="replace"))

    assert project.query("select count(*) from raw.orders") == [(2,)]


def test_a_value_that_dlt_does_not_know_is_refused_before_the_run(project: Project) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="refresh not in enum type Refresh got everything"):
        run(assets_of(shop(), project.pipeline()), **config(refresh="everything"))


class Mine(DltRunConfig):
    greeting: str = "hello"


class Other(dg.Config):
    refresh: bool = True


def test_a_config_of_ones_own_may_derive_from_it(project: Project) -> None:
    def plain(
        context: dg.AssetExecutionContext, config: Mine, dlt: DagsterDltResource
    ) -> Iterator[AssetEvent]:
        context.log.info(config.greeting)
        yield from dlt.run(context=context)

    assets = assets_of(shop(), project.pipeline(), plain)
    run(assets, "dlt_shop_orders")
    run(assets, "dlt_shop_orders", **config(write_disposition="replace", greeting="again"))

    assert project.query("select count(*) from raw.orders") == [(2,)]


def test_a_config_of_ones_own_that_does_not_is_none_of_dlts_business(project: Project) -> None:
    def plain(
        context: dg.AssetExecutionContext, config: Other, dlt: DagsterDltResource
    ) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context)

    assets = assets_of(shop(), project.pipeline(), plain)
    run(assets, "dlt_shop_orders")

    assert run(assets, "dlt_shop_orders", **config(refresh=True)).success
    assert project.query("select count(*) from raw.orders") == [(4,)]


@pytest.mark.parametrize("normalized", [False, True], ids=["extracted", "normalized"])
def test_what_is_pending_is_dropped_where_the_config_says_so(project: Project, normalized: bool) -> None:
    source, pipeline = shop(), project.pipeline()
    run(assets_of(source, pipeline), "dlt_shop_letters")
    pipeline.extract(source.with_resources("letters"))
    if normalized:
        pipeline.normalize()

    ran = run(assets_of(source, pipeline), "dlt_shop_letters", **config(drop_pending=True))

    assert ran.success
    assert project.query("select text from raw.letters order by 1") == [("first",), ("third",)]
    assert "which an earlier run had left pending." in ran.value("dlt_shop_letters", "notes")
    assert not pipeline.has_pending_data


def test_what_is_pending_is_dropped_where_the_code_says_so(project: Project) -> None:
    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context, drop_pending=True)

    source, pipeline = shop(), project.pipeline()
    pipeline.extract(source.with_resources("letters"))

    assert run(assets_of(source, pipeline, body), "dlt_shop_letters").success
    assert project.query("select text from raw.letters") == [("second",)]


def test_a_package_that_is_stuck_can_be_dropped(project: Project) -> None:
    assets = assets_of(shop(), project.pipeline())
    run(assets)
    project.query("create unique index one_of_each on raw.orders (id)")
    run(assets, "dlt_shop_orders")
    assert not run(assets, "dlt_shop_orders").success
    project.query("drop index raw.one_of_each")

    assert run(assets, "dlt_shop_orders", **config(drop_pending=True)).success
    assert project.query("select count(*) from raw.orders") == [(4,)]
