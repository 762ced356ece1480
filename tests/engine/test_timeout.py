"""SLING_TIMEOUT ends a run: what is published stays, and the rest is as it was."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from mainstem.engine import run
from mainstem.errors import ConfigError, ReplicationError, RunTimeoutError
from mainstem.events import HookFinished, StreamFailed, StreamPublished, StreamRetried
from mainstem.replication import load_replication
from mainstem.settings import Settings
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stream_that_takes_too_long_is_broken_off_and_not_tried_again(
    postgres: EmbeddedPostgres, warehouse: Warehouse, threads: int
) -> None:
    config = {
        "source": "PG",
        "target": "DUCK",
        "hooks": {"end": [{"log": "{execution.status.error} of {execution.status.count}"}]},
        "streams": {
            "quick": {"sql": "select 1 as one", "object": "main.quick"},
            "slow": {"sql": "select pg_sleep(600)::text as v", "object": "main.slow"},
            "later": {"sql": "select pg_sleep(600)::text as v", "object": "main.later"},
        },
    }
    settings = Settings(timeout=3, threads=threads)
    events = list(run(config, {"PG": postgres.url, "DUCK": warehouse.url}, settings=settings))
    assert [event.report.stream for event in events if isinstance(event, StreamPublished)] == ["quick"]
    failed = [event.error for event in events if isinstance(event, StreamFailed)]
    assert sorted(error.stream for error in failed) == ["later", "slow"]
    for error in failed:
        assert isinstance(error.cause, RunTimeoutError)
        assert "SLING_TIMEOUT = 0.05 mins reached" in str(error)
    assert [event for event in events if isinstance(event, StreamRetried)] == []
    # Somebody may want to tell it.
    assert [event.said for event in events if isinstance(event, HookFinished)] == ["2 of 3"]
    assert warehouse.tables() == ["main.quick"]


def test_the_setting_is_in_minutes() -> None:
    assert Settings.from_environment({"SLING_TIMEOUT": "0.5"}).timeout == 30
    for wrong in ("0", "soon", "-1"):
        with pytest.raises(ConfigError, match="SLING_TIMEOUT is"):
            Settings.from_environment({"SLING_TIMEOUT": wrong})


def config(**stream: Any) -> dict[str, Any]:
    """A stream that never ends, unless it is given SQL that does."""
    slow = {"sql": "select pg_sleep(600)::text as v", "object": "main.slow", **stream}
    return {
        "source": "PG",
        "target": "DUCK",
        "streams": {"slow": slow, "after": {"sql": "select 1 as one", "object": "main.after"}},
    }


@pytest.mark.parametrize("threads", [1, 2])
def test_a_streams_own_timeout_ends_it_alone(
    postgres: EmbeddedPostgres, warehouse: Warehouse, threads: int
) -> None:
    hooks = {"post": [{"log": "{run.status}"}]}
    events = list(
        run(
            config(timeout="1s", hooks=hooks),
            {"PG": postgres.url, "DUCK": warehouse.url},
            settings=Settings(threads=threads),
        )
    )
    assert [event.report.stream for event in events if isinstance(event, StreamPublished)] == ["after"]
    (failed,) = [event.error for event in events if isinstance(event, StreamFailed)]
    assert isinstance(failed.cause, RunTimeoutError)
    assert "The stream's `timeout`, 1 s, is over." in str(failed)
    assert [event.said for event in events if isinstance(event, HookFinished)] == ["error"]
    assert warehouse.tables() == ["main.after"]


SLEEPS: dict[str, dict[str, Any]] = {
    "query": {"type": "query", "connection": "PG", "query": "select pg_sleep(600)"},
    "command": {"type": "command", "command": "sleep 600"},
    "http": {"type": "http", "url": "http://127.0.0.1:{env.PORT}/"},
    "replication": {"type": "replication", "replication": {**config(), "hooks": {}}},
    "group": {"type": "group", "loop": [1, 2], "concurrency": 2, "steps": [{"command": "sleep 600"}]},
    "retry": {"type": "check", "check": "1 > 2", "on_failure": "retry"},
}


@pytest.mark.parametrize("kind", SLEEPS)
def test_hooks_at_the_start_are_broken_off(
    postgres: EmbeddedPostgres, warehouse: Warehouse, kind: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        given = {
            **config(),
            "env": {"PORT": silent.getsockname()[1]},
            "hooks": {"start": [{**SLEEPS[kind], "id": "slow"}]},
        }
        # It begins, and takes too long: the streams are not even tried.
        settings = Settings(timeout=1.5, allow_commands=True, hook_retry_delay=600)
        events = list(run(given, {"PG": postgres.url, "DUCK": warehouse.url}, settings=settings))
    (failed,) = [event.error for event in events if isinstance(event, StreamFailed)]
    assert failed.phase == "start"
    assert "It was broken off: SLING_TIMEOUT = 0.025 mins reached" in str(failed)
    assert warehouse.tables() == []


@pytest.mark.parametrize("stage", ["pre", "post_merge"])
def test_hooks_of_a_stream_are_broken_off_with_it(
    postgres: EmbeddedPostgres, warehouse: Warehouse, stage: str
) -> None:
    stream = {"sql": "select 1 as v", "timeout": "1s", "hooks": {stage: [{"command": "sleep 600"}]}}
    settings = Settings(allow_commands=True)
    events = list(run(config(**stream), {"PG": postgres.url, "DUCK": warehouse.url}, settings=settings))
    (failed,) = [event.error for event in events if isinstance(event, StreamFailed)]
    assert isinstance(failed.cause, RunTimeoutError)
    assert warehouse.tables() == ["main.after"]


@pytest.mark.parametrize(
    "wrong", [{"timeout": "soon"}, {"timeout": 0}, {"retries": -1}, {"retry_delay": True}]
)
def test_a_streams_setting_that_makes_no_sense_is_told_with_its_place(wrong: dict[str, Any]) -> None:
    with pytest.raises(ReplicationError, match="must be"):
        load_replication(config(**wrong))


def test_a_number_of_a_streams_timeout_is_in_minutes_as_the_settings() -> None:
    first, second = load_replication(
        {**config(timeout=2), "defaults": {"timeout": "90s", "retries": 5, "retry_delay": "500ms"}}
    ).streams
    assert (first.timeout, second.timeout) == (120, 90)
    assert (second.retries, second.retry_delay) == (5, 0.5)
