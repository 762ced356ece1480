"""docs/cli.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

from mainstem.cli.assertions import ASSERTED, REFUSED
from mainstem.cli.json_events import event_as_data
from mainstem.cli.options import Flags
from mainstem.errors import EndpointError, StreamError
from mainstem.events import (
    BatchStaged,
    Event,
    ReplicationFinished,
    ReplicationStarted,
    StreamFailed,
    StreamPublished,
    StreamSkipped,
    StreamStarted,
)
from mainstem.report import StreamReport

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
ERROR = StreamError(stream="s", phase="read", cause=EndpointError("no"))
EVENTS: list[Event] = [
    ReplicationStarted([], "A", "B"),
    StreamStarted("s", "t", None),
    BatchStaged("s", 1, 1),
    StreamPublished(StreamReport("s", "sling")),
    StreamFailed(ERROR),
    StreamSkipped("s", ERROR),
    ReplicationFinished([], [], [], 1.0),
]


def test_every_event_stands_in_the_table_with_exactly_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+_\w+)` \| (.*) \|$", DOCUMENT, re.MULTILINE)
    table = {event: re.findall(r"`(\w+)`", fields) for event, fields in rows}
    for event in EVENTS:
        name, *fields = event_as_data(event).items()
        assert table[name[1]] == [field for field, _ in fields]


def test_every_flag_is_described() -> None:
    for name in vars(Flags()):
        assert name in {"file", "replication"} or f"`--{name.replace('_', '-')}`" in DOCUMENT, name


def test_every_variable_is_described() -> None:
    for variable in (*ASSERTED, *REFUSED):
        assert f"`{variable}`" in DOCUMENT
