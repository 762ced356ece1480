"""Sling's output, line by line: what counts, whose it is, and what becomes of each stream (spec §8)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from mainstem.connections import Connection
from mainstem.errors import SlingRunError
from mainstem.events import (
    BatchStaged,
    Event,
    ReplicationFinished,
    StreamFailed,
    StreamPublished,
    StreamSkipped,
)
from mainstem.report import StreamReport
from mainstem.sling.cli_engine.tracker import Tracker
from mainstem.sling.runner import Said
from mainstem.sling.secrecy import Redactor

USERS_EVENTS = """\
9:04AM INF [2 / 2] running stream public.users_events
9:04AM INF connecting to source database (postgres)
9:04AM INF connecting to target database (duckdb)
9:04AM INF reading from source database
9:04AM INF writing to target database [mode: full-refresh]
9:04AM INF streaming data
9:04AM INF created table "main"."users_events"
9:04AM INF inserted 7 rows into "main"."users_events" in 2 secs [3 r/s] [1.5 kB]
9:04AM INF execution succeeded
"""
USERS_FAIL = """\
9:04AM INF Sling Replication [2 streams] | MY_POSTGRES -> MY_DUCKDB

9:04AM INF [1 / 2] running stream public.users
9:04AM INF connecting to source database (postgres)
9:04AM INF reading from source database
9:04AM INF execution failed

"""
FATAL = """\
9:04AM INF Sling Replication Completed in 3s | MY_POSTGRES -> MY_DUCKDB | 1 Successes | 1 Failures

fatal:
~ failure running replication (see docs @ https://docs.slingdata.io/sling-cli)

--------------------------- public.users ---------------------------
~ could not get columns
relation "public.users" does not exist
"""
BOTH = ["public.users", "public.users_events"]


def as_json(text: str) -> str:
    """The same run under SLING_LOGGING=JSON, whose block of errors is still plain."""
    lines = []
    for line in text.splitlines():
        time, _, rest = line.partition(" ")
        level, _, message = rest.partition(" ")
        said = {"lvl": level.lower(), "time": time, "msg": message}
        lines.append(json.dumps(said) if level in ("INF", "WRN", "ERR", "DBG") else line)
    return "\n".join(lines)


def coloured(text: str) -> str:
    return text.replace("INF", "\x1b[32mINF\x1b[0m").replace("9:04AM", "\x1b[90m9:04AM\x1b[0m")


def detailed(text: str) -> str:
    return text.replace("9:04AM", "2024-03-12 09:04:01")


FORMS: Sequence[Callable[[str], str]] = (str, as_json, coloured, detailed)


def read(
    output: str,
    streams: Sequence[str],
    exit_code: int = 0,
    redact: Callable[[str], str] = str,
) -> list[Event | Said]:
    tracker = Tracker(dict.fromkeys(streams, ""), "duckdb", redact)
    events = [event for line in output.splitlines(keepends=True) for event in tracker.take(line)]
    return [*events, *tracker.finish(exit_code)]


def reports(events: Sequence[Event | Said]) -> dict[str, StreamReport]:
    return {event.report.stream: event.report for event in events if isinstance(event, StreamPublished)}


def failures(events: Sequence[Event | Said]) -> dict[str, str]:
    return {event.error.stream: str(event.error) for event in events if isinstance(event, StreamFailed)}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_failed_stream_is_not_given_its_neighbours_success_nor_its_rows(form: Callable[[str], str]) -> None:
    """Official faults 1 and 2: `public.users` fails, and `public.users_events` holds its name."""
    events = read(form(USERS_FAIL + USERS_EVENTS + FATAL), BOTH, exit_code=1)
    (report,) = reports(events).values()
    assert (report.stream, report.rows, report.bytes) == ("public.users_events", 7, 1500)
    assert (report.target, report.storage, report.extra) == (
        "main.users_events",
        "duckdb",
        {"mode": "full-refresh"},
    )
    assert failures(events) == {
        "public.users": "Stream public.users failed in phase read: Sling gave the stream up.\n"
        "  could not get columns\n"
        '  relation "public.users" does not exist'
    }
    finished = events[-1]
    assert isinstance(finished, ReplicationFinished)
    assert [each.stream for each in finished.reports] == ["public.users_events"]


def test_a_stream_is_published_at_its_own_line_not_at_the_end() -> None:
    tracker = Tracker(dict.fromkeys(BOTH, ""))
    published_at = [
        (number, event.report.stream)
        for number, line in enumerate((USERS_EVENTS + USERS_EVENTS.replace("_events", "")).splitlines(), 1)
        for event in tracker.take(line)
        if isinstance(event, StreamPublished)
    ]
    assert published_at == [(9, "public.users_events"), (18, "public.users")]


def test_each_stream_has_its_own_time() -> None:
    """Official fault 5: there, every stream carries the whole run's."""
    now = 0.0
    tracker = Tracker(dict.fromkeys(BOTH, ""), clock=lambda: now)
    seconds = {}
    for line in (USERS_EVENTS + USERS_EVENTS.replace("_events", "")).splitlines():
        now += 1
        for event in tracker.take(line):
            if isinstance(event, StreamPublished):
                seconds[event.report.stream] = event.report.seconds
    assert seconds == {"public.users_events": 8, "public.users": 8}


def test_the_banner_of_a_single_stream_begins_it() -> None:
    output = USERS_EVENTS.replace(
        "[2 / 2] running stream public.users_events",
        "\x1b[1mSling Replication | MY_POSTGRES -> MY_DUCKDB | public.users_events\x1b[0m",
    )
    assert reports(read(output, ["public.users_events"]))["public.users_events"].rows == 7


def test_a_name_is_recognised_in_the_quotes_that_sling_puts_around_it() -> None:
    output = USERS_EVENTS.replace("public.users_events", '"public"."Users_Events"')
    assert list(reports(read(output, ["public.users_events"]))) == ["public.users_events"]


def test_rows_into_a_file_are_counted() -> None:
    output = (
        "1:04PM INF Sling Replication | PG -> LOCAL | public.t\n"
        "1:04PM INF writing to target file system (file)\n"
        "1:04PM INF wrote 1,234 rows [617 r/s] to file:///tmp/t.csv\n"
        "1:04PM INF execution succeeded\n"
    )
    report = reports(read(output, ["public.t"]))["public.t"]
    assert (report.rows, report.target) == (1234, "file:///tmp/t.csv")


def test_a_stream_without_rows_is_published_with_a_note() -> None:
    output = USERS_EVENTS.replace(
        'INF inserted 7 rows into "main"."users_events" in 2 secs [3 r/s] [1.5 kB]',
        "WRN no data or records found in stream. Nothing to do.",
    ).replace("execution succeeded", "execution succeeded (with warnings)")
    report = reports(read(output, ["public.users_events"]))["public.users_events"]
    assert (report.rows, report.notes) == (0, ["no data or records found in stream. Nothing to do."])


def test_the_counter_of_rows_is_progress_and_no_line_of_the_log() -> None:
    counter = "1s 37,377 ? p/s  2s 86,468 49,090 r/s 12 MB\n"
    glued = "3s 90,000 49090 r/s  9:04AM INF inserted"
    output = USERS_EVENTS.replace("9:04AM INF inserted", f"{counter}{glued}")
    events = read(output, ["public.users_events"])
    assert [event for event in events if isinstance(event, BatchStaged)] == [
        BatchStaged("public.users_events", 86468, 12_000_000)
    ]
    assert not any(isinstance(event, Said) and "r/s 12 MB" in event.text for event in events)
    assert reports(events)["public.users_events"].rows == 7


def test_lines_keep_their_level_and_lose_their_time() -> None:
    output = USERS_EVENTS.replace("INF streaming data", "DBG streaming data").replace(
        "INF created table", "WRN created table"
    )
    said = [event for event in read(output, ["public.users_events"]) if isinstance(event, Said)]
    assert said[0] == Said("info", "[2 / 2] running stream public.users_events")
    assert [event.level for event in said] == [*["info"] * 5, "debug", "warning", "info", "info"]


def test_the_parts_of_a_stream_are_that_stream() -> None:
    def part(number: int, result: str = "succeeded") -> str:
        begin = USERS_EVENTS.replace("users_events\n", f"users_events (part-00{number})\n", 1)
        return begin.replace("succeeded", result)

    whole = reports(read(part(1) + part(2) + part(3), ["public.users_events"]))
    assert whole["public.users_events"].rows == 21
    broken = read(part(1) + part(2, "failed") + part(3), ["public.users_events"], exit_code=1)
    assert reports(broken) == {}
    assert list(failures(broken)) == ["public.users_events"]


def test_a_stream_that_is_tried_again_may_succeed() -> None:
    again = USERS_EVENTS.replace("succeeded", "failed") + USERS_EVENTS
    events = read(again, ["public.users_events"])
    assert list(reports(events)) == ["public.users_events"]
    assert failures(events) == {}


@pytest.mark.parametrize("exit_code", [0, 1, 111])
def test_a_stream_that_does_not_say_how_it_ended_has_failed(exit_code: int) -> None:
    cut = USERS_EVENTS.partition("9:04AM INF execution")[0]
    events = read(cut, ["public.users_events"], exit_code)
    assert reports(events) == {}
    assert failures(events) == {
        "public.users_events": "Stream public.users_events failed in phase publish:"
        f" Sling ended with exit code {exit_code}, and did not say why."
    }


def test_a_stream_that_sling_never_mentions_has_failed_too() -> None:
    events = read(USERS_EVENTS, BOTH)
    assert list(failures(events)) == ["public.users"]
    assert "Sling said nothing of the stream." in failures(events)["public.users"]


def test_what_was_not_tried_after_a_failure_is_skipped() -> None:
    events = read(USERS_FAIL + FATAL, BOTH, exit_code=1)
    assert list(failures(events)) == ["public.users"]
    (skipped,) = [event for event in events if isinstance(event, StreamSkipped)]
    assert (skipped.stream, skipped.because.stream) == ("public.users_events", "public.users")


def test_the_error_of_a_single_stream_has_no_heading() -> None:
    output = USERS_FAIL + "fatal:\n~ could not connect\n~ connection refused\n"
    events = read(output, ["public.users"], exit_code=1)
    assert failures(events)["public.users"].endswith(
        "gave the stream up.\n  could not connect\n  connection refused"
    )


def test_a_run_that_cannot_begin_says_so_in_slings_words() -> None:
    output = "fatal:\n~ Error compiling replication config\ndid not find 'source' key\n"
    with pytest.raises(SlingRunError, match="exit code 1 before any stream began") as raised:
        read(output, ["public.users"], exit_code=1)
    assert "did not find 'source' key" in str(raised.value)


def test_a_hook_that_fails_after_the_last_stream_is_not_passed_over() -> None:
    with pytest.raises(SlingRunError, match=r"though every stream succeeded\.\n  hook failed"):
        read(USERS_EVENTS + "fatal:\n~ hook failed\n", ["public.users_events"], exit_code=1)


def test_a_line_that_is_no_utf8_or_no_json_is_only_a_line() -> None:
    output = USERS_EVENTS.replace("9:04AM INF streaming", '{"lvl": "info"\n\ufffd\n{}\n9:04AM INF streaming')
    assert list(reports(read(output, ["public.users_events"]))) == ["public.users_events"]


def test_secrets_are_masked_in_every_event() -> None:
    secret = "p@ss/wörd"
    redact = Redactor([Connection("PG", "postgres", {"password": secret})], {"API_TOKEN": "tok-4711"})
    output = USERS_FAIL.replace("execution failed", f"execution failed: {secret} and tok-4711")
    output += f"9:04AM ERR {secret}\nfatal:\n~ dial postgres://me:p%40ss%2Fw%C3%B6rd@db/x: {secret}\n"
    told = str(read(output, BOTH, exit_code=1, redact=redact))
    assert "***" in told
    assert not [form for form in (secret, "p%40ss", "tok-4711") if form in told]
