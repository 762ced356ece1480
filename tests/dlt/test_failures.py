"""A failure names resource, step and cause; what did arrive is materialized; no secret is told."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dlt
import pytest
from dlt.common.destination.exceptions import DestinationTerminalException
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource
from mainstem.dlt.secrets import Secrets

CANARY = "Canary/Pass word+1"


@dlt.source
def crm() -> list[DltResource]:
    @dlt.resource
    def people() -> Iterator[Any]:
        yield {"id": 1, "phones": [{"number": "1"}]}

    @dlt.resource
    def deals() -> Iterator[Any]:
        yield {"id": 7}

    @dlt.resource
    def quiet() -> Iterator[Any]:
        yield from ()

    return [people, deals, quiet]


@dlt.source
def broken() -> list[DltResource]:
    @dlt.resource
    def good() -> Iterator[Any]:
        yield {"id": 1}

    @dlt.resource
    def bad() -> Iterator[Any]:
        yield {"id": 1}
        raise RuntimeError("the API said 503")

    return [good, bad]


def test_a_resource_that_cannot_be_extracted_is_named_with_its_own_error(project: Project) -> None:
    ran = run(assets_of(broken(), project.pipeline()))

    (headline,) = ran.headline
    assert headline.startswith(
        "mainstem.errors.StreamError: Stream bad failed in phase extract: RuntimeError: the API said 503"
    )
    assert "Nothing was loaded" in headline
    assert not ran.materialized
    # The resource's own traceback is at hand, below.
    assert 'raise RuntimeError("the API said 503")' in ran.error


def test_the_others_can_be_loaded_without_the_one_that_fails(project: Project) -> None:
    assets = assets_of(broken(), project.pipeline())
    run(assets)

    assert run(assets, "dlt_broken_good").success
    assert project.query("select count(*) from raw.good") == [(1,)]


def test_a_table_that_is_refused_fails_alone_and_is_named_with_file_and_message(project: Project) -> None:
    assets = assets_of(crm(), project.pipeline())
    run(assets)
    project.query("create unique index one_of_each on raw.people (id)")

    ran = run(assets)

    assert not ran.success
    assert set(ran.materialized) == {"dlt_crm_deals", "dlt_crm_quiet"}
    (headline,) = ran.headline
    assert headline.startswith("mainstem.errors.ReplicationFailedError: 1 of 3 streams failed; 2 published.")
    assert "Stream people failed in phase load: table raw.people, file people." in headline
    assert 'DatabaseTerminalException: Constraint Error: Duplicate key "id: 1"' in headline
    assert "violates unique constraint. The next run loads it first." in headline
    assert "Traceback" not in headline


def test_a_nested_table_that_is_refused_fails_its_resource(project: Project) -> None:
    assets = assets_of(crm(), project.pipeline())
    run(assets)
    project.query("create unique index one_of_each on raw.people__phones (number)")

    ran = run(assets)

    assert "dlt_crm_people" not in ran.materialized
    assert "Stream people failed in phase load: table raw.people__phones, file" in ran.headline[0]


def test_a_failed_job_fails_the_run_even_where_dlt_is_told_to_go_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD__RAISE_ON_FAILED_JOBS", "false")
    assets = assets_of(crm(), project.pipeline())
    run(assets)
    project.query("create unique index one_of_each on raw.people (id)")

    ran = run(assets)

    assert not ran.success
    assert set(ran.materialized) == {"dlt_crm_deals", "dlt_crm_quiet"}
    assert 'Duplicate key "id: 1"' in ran.headline[0]
    assert "dlt was told not to try it again: these rows are not in the table." in ran.headline[0]


def test_a_source_that_can_be_read_only_once_says_so(project: Project) -> None:
    rows = ({"id": number} for number in range(3))

    @dlt.source
    def once() -> DltResource:
        return dlt.resource(rows, name="numbers")

    assets = assets_of(once(), project.pipeline())
    assert run(assets).success

    (headline,) = run(assets).headline
    assert "mainstem.errors.ConfigError: The dlt pipeline shop failed in step extract" in headline
    assert "Make its resources from functions" in headline


def test_an_interruption_stays_one(project: Project) -> None:
    @dlt.source
    def long() -> DltResource:
        @dlt.resource
        def pages() -> Iterator[Any]:
            yield {"id": 1}
            raise KeyboardInterrupt

        return pages

    events: Any = assets_of(long(), project.pipeline())(dg.build_asset_context(), dlt=DagsterDltResource())

    with pytest.raises(KeyboardInterrupt):
        list(events)


def test_a_missing_setting_is_told_with_the_places_where_dlt_looked(project: Project) -> None:
    @dlt.source
    def api() -> DltResource:
        @dlt.resource
        def pages(api_key: str = dlt.secrets.value) -> Iterator[Any]:
            yield {"id": 1}

        return pages

    (headline,) = run(assets_of(api(), project.pipeline())).headline

    assert headline.startswith("mainstem.errors.ConfigError: The dlt pipeline shop failed in step extract")
    assert "SOURCES__PAGES__API_KEY" in headline.upper()


@pytest.mark.parametrize("error", [DestinationTerminalException, RuntimeError], ids=["terminal", "transient"])
def test_nothing_that_a_failed_run_says_tells_the_destinations_password(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
) -> None:
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")

    @dlt.destination(name="vault")
    def vault(items: Any, table: Any, password: str = dlt.secrets.value) -> None:
        raise error(f"login with {password} was refused")

    ran = run(
        assets_of(broken().with_resources("good"), project.pipeline(destination=vault(password=CANARY)))
    )

    assert not ran.success
    assert "login with *** was refused" in ran.headline[0]
    assert CANARY not in ran.events
    assert "login with *** was refused" in caplog.text
    assert CANARY not in caplog.text


def test_no_event_tells_the_password_of_a_configuration_that_is_wrong(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__VAULT__PASSWORD", CANARY)

    @dlt.destination(name="vault")
    def vault(
        items: Any, table: Any, port: int = dlt.config.value, password: str = dlt.secrets.value
    ) -> None:
        raise AssertionError

    ran = run(assets_of(broken().with_resources("good"), project.pipeline(destination=vault)))

    assert not ran.success
    assert "`port`" in ran.headline[0]
    assert CANARY not in ran.events


def test_no_event_of_a_good_run_tells_the_destinations_password(project: Project) -> None:
    received: list[str] = []

    @dlt.destination(name="vault")
    def vault(items: Any, table: Any, password: str = dlt.secrets.value) -> None:
        received.append(password)

    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        yield from dlt.run(context=context).fetch_row_count().fetch_column_metadata()

    source = broken().with_resources("good")
    ran = run(assets_of(source, project.pipeline(destination=vault(password=CANARY)), body))

    assert ran.success
    assert received == [CANARY]
    assert CANARY not in ran.events


def test_an_api_key_in_an_address_is_masked() -> None:
    secrets = Secrets(dlt.pipeline("masked", destination="duckdb"))
    told = "Max retries exceeded with url: /v1/items?page=2&api_key=S3CRETKEY&x=1 (Caused by ...)"
    assert secrets.redact(told) == told.replace("S3CRETKEY", "***")
    assert secrets.told_by(ValueError(told))
    assert not secrets.told_by(ValueError(secrets.redact(told)))
