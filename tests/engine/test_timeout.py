"""SLING_TIMEOUT ends a run: what is published stays, and the rest is as it was."""

from __future__ import annotations

import pytest

from mainstem.engine import run
from mainstem.errors import ConfigError, RunTimeoutError
from mainstem.events import StreamFailed, StreamPublished, StreamRetried
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
    assert warehouse.tables() == ["main.quick"]


def test_the_setting_is_in_minutes() -> None:
    assert Settings.from_environment({"SLING_TIMEOUT": "0.5"}).timeout == 30
    for wrong in ("0", "soon", "-1"):
        with pytest.raises(ConfigError, match="SLING_TIMEOUT is"):
            Settings.from_environment({"SLING_TIMEOUT": wrong})
