"""What a run tells of a resource besides its rows: bytes, what changed in the schema, how far it is."""

from collections.abc import Iterator
from typing import Any

import dlt
from dlt.extract.resource import DltResource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.dlt.collector import listening
from mainstem.dlt.progress import RowProgress


@dlt.source
def crm(rows: list[dict[str, Any]]) -> list[DltResource]:
    @dlt.resource
    def people() -> Iterator[Any]:
        yield list(rows)

    @dlt.resource
    def deals() -> Iterator[Any]:
        yield {"id": 1}

    return [people, deals]


def test_bytes_and_load_id_are_those_of_the_resources_own_files(project: Project) -> None:
    ran = run(assets_of(crm([{"id": number, "name": "x" * 90} for number in range(500)]), project.pipeline()))

    assert ran.value("dlt_crm_people", "bytes") > ran.value("dlt_crm_deals", "bytes") > 0
    (load_id,) = ran.value("dlt_crm_people", "load_ids")
    assert project.query("select distinct _dlt_load_id from raw.people") == [(load_id,)]


def test_what_a_run_added_to_the_schema_is_told_and_nothing_else(project: Project) -> None:
    rows: list[dict[str, Any]] = [{"id": 1}]
    assets = assets_of(crm(rows), project.pipeline())

    first = run(assets)
    same = run(assets)
    rows.append({"id": 2, "email": "z@example.com", "tags": [{"tag": "new"}]})
    more = run(assets)

    assert first.value("dlt_crm_people", "schema_changes") == {"new_tables": ["people"]}
    assert "schema_changes" not in same.materialized["dlt_crm_people"]
    assert more.value("dlt_crm_people", "schema_changes") == {
        "new_tables": ["people__tags"],
        "new_columns": {"people": {"email": "text"}},
    }
    assert "schema_changes" not in more.materialized["dlt_crm_deals"]


def test_a_value_of_another_type_is_a_new_column(project: Project) -> None:
    rows: list[dict[str, Any]] = [{"id": 1}]
    assets = assets_of(crm(rows), project.pipeline())
    run(assets)
    rows.append({"id": "two"})

    ran = run(assets)

    assert ran.value("dlt_crm_people", "schema_changes") == {
        "new_columns": {"people": {"id__v_text": "text"}}
    }


def test_rows_are_counted_aloud_while_they_are_extracted(project: Project) -> None:
    said: list[str] = []
    pipeline = project.pipeline()

    with listening(pipeline, RowProgress("Extracted", said.append, every=0)):
        pipeline.extract(crm([{"id": number} for number in range(5000)]))

    assert said[-1].startswith("Extracted so far, in rows: ")
    assert "people 5,000" in said[-1]
    assert not any(counter in said[-1] for counter in ("Resources", "Items"))
