"""A partition's window of time becomes the initial and the end value of `dlt.sources.incremental`."""

# ruff: noqa: DTZ001 - naive times are part of what is tested

from collections.abc import Callable, Iterator
from datetime import date, datetime, timezone
from typing import Any

import dagster as dg
import dlt
import pytest
from dlt.extract.resource import DltResource
from dlt.extract.source import DltSource
from tests.dlt.conftest import Project, assets_of, run

from mainstem.assets import AssetEvent
from mainstem.dlt import DagsterDltResource

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_date="2026-01-05")
cursor = dlt.sources.incremental
Read = tuple[Any, Any]


def instant(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, tzinfo=timezone.utc)


# One row at each bound of each day, and one in between.
MOMENTS = [instant(day, hour) for day in (1, 2, 3) for hour in (0, 12)]


def feed(cursor_of: Any, rows: list[Any], seen: list[Read]) -> DltSource:
    @dlt.source(name="feed")
    def source() -> DltResource:
        @dlt.resource
        def news(since: Any = cursor_of) -> Iterator[Any]:
            seen.append((since.last_value, since.end_value))
            yield [{"at": row} for row in rows]

        return news

    return source()


def loaded(project: Project, column: str = '"at"') -> list[Any]:
    return [value for (value,) in project.query(f"select {column} as v from raw.news order by 1")]


CURSORS: dict[str, tuple[Any, list[Any], Read]] = {
    "a typed cursor": (cursor[datetime]("at"), MOMENTS, (instant(2), instant(3))),
    "an initial value": (
        cursor("at", initial_value=instant(1)),
        MOMENTS,
        (instant(2), instant(3)),
    ),
    "naive times": (
        cursor("at", initial_value=datetime(2025, 1, 1)),
        [moment.replace(tzinfo=None) for moment in MOMENTS],
        (datetime(2026, 1, 2), datetime(2026, 1, 3)),
    ),
    "days": (
        cursor[date]("at"),
        [moment.date() for moment in MOMENTS],
        (date(2026, 1, 2), date(2026, 1, 3)),
    ),
    "days as text": (
        cursor("at", initial_value="2020-01-01"),
        [moment.date().isoformat() for moment in MOMENTS],
        ("2026-01-02", "2026-01-03"),
    ),
    "times as text": (
        cursor("at", initial_value="2020-01-01T00:00:00.000Z"),
        [f"{moment:%Y-%m-%dT%H:%M:%S}.000Z" for moment in MOMENTS],
        ("2026-01-02T00:00:00.000Z", "2026-01-03T00:00:00.000Z"),
    ),
    "seconds, where the user says that they are": (
        cursor("at", initial_value=0, allow_external_schedulers=True),
        [int(moment.timestamp()) for moment in MOMENTS],
        (int(instant(2).timestamp()), int(instant(3).timestamp())),
    ),
    "an open start": (
        cursor[datetime]("at", range_start="open"),
        MOMENTS,
        (instant(2), instant(3)),
    ),
}


@pytest.mark.parametrize("kind", CURSORS)
def test_a_partition_loads_the_rows_of_its_window_and_no_others(project: Project, kind: str) -> None:
    cursor_of, rows, window = CURSORS[kind]
    seen: list[Read] = []

    ran = run(
        assets_of(feed(cursor_of, rows, seen), project.pipeline(), partitions_def=DAYS),
        partition_key="2026-01-02",
    )

    assert seen == [window]
    assert ran.value("dlt_feed_news", "rows_loaded") == 2
    assert "notes" not in ran.materialized["dlt_feed_news"]


def test_partitions_are_loaded_in_any_order_and_leave_no_state(project: Project) -> None:
    seen: list[Read] = []
    pipeline = project.pipeline()
    assets = assets_of(feed(cursor[datetime]("at"), MOMENTS, seen), pipeline, partitions_def=DAYS)

    for day in (3, 1, 2):
        assert run(assets, partition_key=f"2026-01-0{day}").success

    assert seen == [(instant(day), instant(day + 1)) for day in (3, 1, 2)]
    assert loaded(project, 'epoch("at")::bigint') == [int(moment.timestamp()) for moment in MOMENTS]
    assert "incremental" not in str(pipeline.state.get("sources", {}))


def test_a_backfill_in_a_single_run_reads_its_days_at_once(project: Project) -> None:
    seen: list[Read] = []
    assets = assets_of(feed(cursor[datetime]("at"), MOMENTS, seen), project.pipeline(), partitions_def=DAYS)

    tags = {
        "dagster/asset_partition_range_start": "2026-01-01",
        "dagster/asset_partition_range_end": "2026-01-02",
    }
    assert run(assets, tags=tags).success

    assert seen == [(instant(1), instant(3))]
    assert len(loaded(project)) == 4


def test_a_day_of_another_time_zone_is_that_zones_day(project: Project) -> None:
    days = dg.DailyPartitionsDefinition(start_date="2026-01-01", timezone="Asia/Tokyo")
    seen: list[Read] = []
    rows = [date(2026, 1, 1), date(2026, 1, 2)]

    run(
        assets_of(feed(cursor[date]("at"), rows, seen), project.pipeline(), partitions_def=days),
        partition_key="2026-01-02",
    )

    assert seen == [(date(2026, 1, 2), date(2026, 1, 3))]
    assert loaded(project) == [date(2026, 1, 2)]


def resources_with_cursors() -> dict[str, Callable[[list[Read]], Any]]:
    """The ways in which a resource may have its cursor."""

    def annotated(seen: list[Read]) -> Any:
        @dlt.resource(name="news")
        def news(since: dlt.sources.incremental[datetime] = cursor("at")) -> Iterator[Any]:  # noqa: B008 - dlt's way
            seen.append((since.last_value, since.end_value))
            yield [{"at": moment} for moment in MOMENTS]

        return news

    def called(seen: list[Read]) -> Any:
        @dlt.resource(name="news")
        def news(page: int, since: Any = cursor("other")) -> Iterator[Any]:  # noqa: B008 - dlt's way
            seen.append((since.last_value, since.end_value))
            yield [{"at": moment, "page": page} for moment in MOMENTS]

        return news(1, since=cursor("at", initial_value=instant(1)))

    def hinted(seen: list[Read]) -> Any:
        @dlt.resource(name="news", columns={"at": {"data_type": "timestamp"}}, incremental=cursor("at"))
        def news() -> Iterator[Any]:
            interval = dlt.current.interval()
            assert interval
            seen.append((interval.start, interval.end))
            yield [{"at": moment} for moment in MOMENTS]

        return news

    return {"by its annotation": annotated, "in a call": called, "by a hint": hinted}


@pytest.mark.parametrize("way", resources_with_cursors())
def test_a_cursor_is_found_wherever_it_is_declared(project: Project, way: str) -> None:
    seen: list[Read] = []

    @dlt.source(name="feed")
    def source() -> Any:
        return resources_with_cursors()[way](seen)

    assets = assets_of(source(), project.pipeline(), partitions_def=DAYS)
    for day in ("2026-01-03", "2026-01-02"):
        assert run(assets, partition_key=day).value("dlt_feed_news", "rows_loaded") == 2

    assert seen == [(instant(3), instant(4)), (instant(2), instant(3))]


def test_a_transformers_parent_is_limited_for_it(project: Project) -> None:
    @dlt.source
    def chess() -> list[DltResource]:
        @dlt.resource
        def games(since: Any = cursor[datetime]("at")) -> Iterator[Any]:  # noqa: B008 - dlt's way
            yield [{"at": moment} for moment in MOMENTS]

        @dlt.transformer(data_from=games)
        def moves(items: list[Any]) -> Iterator[Any]:
            yield [{"of": item["at"]} for item in items]

        return [games, moves]

    ran = run(
        assets_of(chess(), project.pipeline(), partitions_def=DAYS),
        "dlt_chess_moves",
        partition_key="2026-01-02",
    )

    assert ran.value("dlt_chess_moves", "rows_loaded") == 2
    assert "notes" not in ran.materialized["dlt_chess_moves"]


def test_a_transformer_of_a_parent_without_a_cursor_says_so(project: Project) -> None:
    @dlt.source
    def chess() -> list[DltResource]:
        @dlt.resource
        def players() -> Iterator[Any]:
            yield {"name": "Judit"}

        @dlt.transformer(data_from=players)
        def games(player: dict[str, Any]) -> Iterator[Any]:
            yield {"of": player["name"]}

        return [players, games]

    ran = run(
        assets_of(chess(), project.pipeline(), partitions_def=DAYS),
        "dlt_chess_games",
        partition_key="2026-01-02",
    )

    assert "The whole of games was loaded" in ran.value("dlt_chess_games", "notes")


@pytest.mark.parametrize(
    ("cursor_of", "reason"),
    [
        (None, "it has no dlt.sources.incremental"),
        (cursor("at", initial_value=0), "its cursor at is not known to be a time"),
        (cursor("at", last_value_func=min), "its cursor at does not go forwards"),
    ],
    ids=["none", "a number", "backwards"],
)
def test_what_is_no_cursor_of_time_is_loaded_whole_and_says_so(
    project: Project, cursor_of: Any, reason: str
) -> None:
    @dlt.source(name="feed")
    def source() -> DltResource:
        news = dlt.resource([{"at": 1}, {"at": 2}], name="news")
        return news.apply_hints(incremental=cursor_of) if cursor_of else news

    ran = run(assets_of(source(), project.pipeline(), partitions_def=DAYS), partition_key="2026-01-02")

    assert ran.value("dlt_feed_news", "rows_loaded") == 2
    assert f"The whole of news was loaded, not this partition of it: {reason}" in ran.value(
        "dlt_feed_news", "notes"
    )


def test_an_hour_of_a_cursor_of_days_is_loaded_whole_and_says_so(project: Project) -> None:
    hours = dg.HourlyPartitionsDefinition(start_date="2026-01-01-00:00")
    ran = run(
        assets_of(feed(cursor[date]("at"), [date(2026, 1, 1)], []), project.pipeline(), partitions_def=hours),
        partition_key="2026-01-01-05:00",
    )

    assert "its cursor at has whole days" in ran.value("dlt_feed_news", "notes")


def test_a_cursor_that_is_closed_to_schedulers_goes_on_by_itself(project: Project) -> None:
    seen: list[Read] = []
    closed = cursor("at", initial_value=instant(1), allow_external_schedulers=False)
    assets = assets_of(feed(closed, MOMENTS, seen), project.pipeline(), partitions_def=DAYS)

    ran = run(assets, partition_key="2026-01-02")

    assert seen == [(instant(1), None)]
    assert "notes" not in ran.materialized["dlt_feed_news"]


def test_a_source_that_the_users_code_made_for_the_run_is_left_as_it_is(project: Project) -> None:
    seen: list[Read] = []

    def body(context: dg.AssetExecutionContext, dlt: DagsterDltResource) -> Iterator[AssetEvent]:
        source = feed(cursor("at", initial_value=instant(1), end_value=instant(2)), MOMENTS, seen)
        yield from dlt.run(context=context, dlt_source=source)

    decorated = feed(cursor[datetime]("at"), MOMENTS, seen)
    run(assets_of(decorated, project.pipeline(), body, partitions_def=DAYS), partition_key="2026-01-03")

    assert seen == [(instant(1), instant(2))]


def test_partitions_that_are_no_times_change_nothing(project: Project) -> None:
    seen: list[Read] = []
    regions = dg.StaticPartitionsDefinition(["north", "south"])

    ran = run(
        assets_of(feed(cursor[datetime]("at"), MOMENTS, seen), project.pipeline(), partitions_def=regions),
        partition_key="north",
    )

    assert seen == [(None, None)]
    assert "notes" not in ran.materialized["dlt_feed_news"]
