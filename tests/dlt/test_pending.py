"""What an earlier run extracted and did not load is loaded first, and never thrown away."""

from collections.abc import Iterator
from typing import Any

import dlt
import pytest
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run


@dlt.source
def queue() -> list[DltResource]:
    """A source whose rows can be read only once."""

    @dlt.resource
    def letters() -> Iterator[Any]:
        yield [{"text": letters_left.pop(0)}] if letters_left else []

    @dlt.resource
    def parcels() -> Iterator[Any]:
        yield {"weight": 3}

    letters_left = ["first", "second", "third"]
    return [letters, parcels]


def letters_in(project: Project) -> list[str]:
    return [text for (text,) in project.query("select text from raw.letters order by 1")]


@pytest.mark.parametrize("normalized", [False, True], ids=["extracted", "normalized"])
def test_the_packages_of_a_killed_run_are_loaded_before_this_runs_data(
    project: Project, normalized: bool
) -> None:
    source, pipeline = queue(), project.pipeline()
    # The dataset does not exist yet: dlt's own `run` would wipe the packages away.
    pipeline.extract(source.with_resources("letters"))
    if normalized:
        pipeline.normalize()

    ran = run(assets_of(source, pipeline), "dlt_queue_letters")

    assert letters_in(project) == ["first", "second"]
    assert not pipeline.has_pending_data
    assert ran.value("dlt_queue_letters", "rows_loaded") == 1
    assert "of an earlier run first" in ran.value("dlt_queue_letters", "notes")


def test_a_pending_asset_that_is_not_selected_is_reported_as_well(project: Project) -> None:
    source, pipeline = queue(), project.pipeline()
    pipeline.extract(source.with_resources("letters"))

    ran = run(assets_of(source, pipeline), "dlt_queue_parcels")

    assert ran.success
    assert letters_in(project) == ["first"]
    assert set(ran.materialized) == {"dlt_queue_letters", "dlt_queue_parcels"}
    assert ran.value("dlt_queue_letters", "rows_loaded") == 1


def test_what_failed_is_loaded_by_the_next_run_once_its_cause_is_mended(project: Project) -> None:
    source, pipeline = queue(), project.pipeline()
    assets = assets_of(source, pipeline)
    run(assets)
    project.query("create unique index one_of_each on raw.parcels (weight)")
    failed = run(assets)
    project.query("drop index raw.one_of_each")

    mended = run(assets)

    assert set(failed.materialized) == {"dlt_queue_letters"}
    assert set(mended.materialized) == {"dlt_queue_letters", "dlt_queue_parcels"}
    assert letters_in(project) == ["first", "second", "third"]
    assert project.query("select count(*) from raw.parcels") == [(3,)]


def test_packages_that_still_cannot_be_loaded_stay_and_say_what_to_do(project: Project) -> None:
    source, pipeline = queue(), project.pipeline()
    assets = assets_of(source, pipeline)
    run(assets)
    project.query("create unique index one_of_each on raw.parcels (weight)")
    run(assets)

    (headline,) = run(assets).headline

    assert "The dlt pipeline shop has packages of an earlier run that still cannot be loaded" in headline
    assert "table raw.parcels, file parcels." in headline
    assert 'Duplicate key "weight: 3"' in headline
    assert "Nothing new was extracted. Mend the cause and run again." in headline
    assert "`dlt pipeline shop abort-packages`" in headline
    assert pipeline.has_pending_data
