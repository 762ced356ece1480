"""A network that drops, stalls and delays: what is written is all of it, once, or nothing and an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from mainstem.engine import run
from mainstem.errors import ConnectError, RunTimeoutError
from mainstem.events import Event, StreamFailed, StreamPublished, StreamRetried
from mainstem.settings import Settings
from mainstem.testing.mariadb import EmbeddedMariaDB
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.proxy import Proxy
from mainstem.testing.warehouse import Warehouse

ROWS = 12_000
# In the middle of the rows, whichever way they go.
MIDDLE_BYTES = 3_000_000
TEXT = "repeat(md5({}), 30)"
SOON = Settings(retries=2, retry_delay=0.01)


@dataclass(frozen=True)
class Line:
    """A table of a server that is read, or a table that is written there, by way of a proxy.

    Attributes:
        proxy: What is between.
        reads: Whether the server is the source; otherwise it is the target.
        server: The server, which can be asked without the proxy.
        schema: Where its tables are.
        warehouse: The other end.
    """

    proxy: Proxy
    reads: bool
    server: EmbeddedPostgres | EmbeddedMariaDB
    schema: str
    warehouse: Warehouse

    def events(self, settings: Settings = SOON, **properties: str) -> list[Event]:
        """Replicate the table of one end to the other."""
        server = self.proxy.through(self.server.url)
        if properties:
            server += "?" + "&".join(f"{key}={value}" for key, value in properties.items())
        stream, target = (f"{self.schema}.big", "main.copy")
        if not self.reads:
            stream, target = ("main.big", f"{self.schema}.copy")
        config = {
            "source": "SERVER" if self.reads else "FILE",
            "target": "FILE" if self.reads else "SERVER",
            "streams": {stream: {"object": target}},
        }
        return list(run(config, {"SERVER": server, "FILE": self.warehouse.url}, settings=settings))

    def copied(self) -> tuple[int, int]:
        """How many rows there are at the other end, and how many are different."""
        query = "select count(*), count(distinct {}) from {}.copy"
        if self.reads:
            (found,) = self.warehouse.query(query.format("i", "main"))
        else:
            (found,) = self.server.fetch(query.format("i", self.schema))
        return (int(found[0]), int(found[1]))

    def tables(self) -> list[str]:
        """The tables of the end that is written."""
        if self.reads:
            return self.warehouse.tables()
        sql = f"select table_name from information_schema.tables where table_schema = '{self.schema}'"
        return sorted(str(name) for (name,) in self.server.fetch(sql) if name != "big")

    def trip(self, action: Callable[[], None]) -> None:
        """Have something happen in the middle of the rows."""
        self.proxy.trip("client" if self.reads else "server", MIDDLE_BYTES, action)


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture(params=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> EmbeddedPostgres | EmbeddedMariaDB:
    found: EmbeddedPostgres | EmbeddedMariaDB = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["reading", "writing"])
def line(
    request: pytest.FixtureRequest,
    server: EmbeddedPostgres | EmbeddedMariaDB,
    schema: str,
    warehouse: Warehouse,
) -> Iterator[Line]:
    reads = request.param == "reading"
    is_postgres = isinstance(server, EmbeddedPostgres)
    if not is_postgres:
        server.execute(f"create database {schema}")
    if reads and is_postgres:
        numbers = f"select i, {TEXT.format('i::text')} as v from generate_series(1, {ROWS}) i"
        server.execute(f"create table {schema}.big as {numbers}")
    elif reads:
        numbers = f"select seq as i, {TEXT.format('seq')} as v from seq_1_to_{ROWS}"
        server.execute(f"create table {schema}.big as {numbers}")
    else:
        warehouse.query(
            f"create table big as select i, {TEXT.format('i::text')} as v from range({ROWS}) t(i)"
        )
    with Proxy(server.port) as proxy:
        yield Line(proxy, reads, server, schema, warehouse)
    if not is_postgres:
        server.execute(f"drop database {schema}")


@pytest.mark.parametrize("end", ["cut", "hang_up"])
def test_a_connection_that_ends_in_the_middle_costs_one_retry(line: Line, end: str) -> None:
    line.trip(getattr(line.proxy, end))
    events = line.events()
    (retried,) = of(StreamRetried, events)
    assert isinstance(retried.error.cause, ConnectError)
    assert retried.error.phase == ("read" if line.reads else "stage")
    assert len(of(StreamPublished, events)) == 1
    assert line.copied() == (ROWS, ROWS)
    assert "copy__mainstem_staging" not in line.tables()


def test_a_network_that_is_slow_costs_time_and_nothing_else(line: Line) -> None:
    line.proxy.delay = 0.002
    events = line.events()
    assert (of(StreamRetried, events), of(StreamFailed, events)) == ([], [])
    assert line.copied() == (ROWS, ROWS)


def test_a_network_that_stalls_and_goes_on_is_waited_for(line: Line) -> None:
    def pause() -> None:
        line.proxy.stall()
        threading.Timer(0.3, line.proxy.resume).start()

    line.trip(pause)
    events = line.events()
    assert (of(StreamRetried, events), of(StreamFailed, events)) == ([], [])
    assert line.copied() == (ROWS, ROWS)


def test_a_server_that_says_nothing_more_is_left_when_the_time_is_over(line: Line) -> None:
    """Nor does it answer to a query's end, which drivers would wait for as well."""
    line.trip(line.proxy.stall)
    events = line.events(Settings(timeout=1))
    (failed,) = of(StreamFailed, events)
    assert isinstance(failed.error.cause, RunTimeoutError)
    assert "copy" not in line.tables()

    line.proxy.resume()
    line.proxy.cut()
    assert len(of(StreamPublished, line.events())) == 1
    assert line.copied() == (ROWS, ROWS)
    assert [name for name in line.tables() if "mainstem" in name] == []


def test_a_server_that_says_nothing_when_we_come_is_not_waited_for_for_ever(line: Line) -> None:
    line.proxy.stall()
    settings = Settings(retries=1, retry_delay=0.01)
    (failed,) = of(StreamFailed, line.events(settings, connect_timeout="2"))
    assert isinstance(failed.error.cause, ConnectError)
    assert failed.error.cause.transient
    assert line.proxy.connections == 2
