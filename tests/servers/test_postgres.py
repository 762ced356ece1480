"""A PostgreSQL that restarts, has no room or no time for us, or lets somebody else have the table."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest

from mainstem.endpoints.postgres import holders
from mainstem.endpoints.postgres import target as target_module
from mainstem.engine import run
from mainstem.errors import ConnectError, EndpointError, TargetBusyError
from mainstem.events import BatchStaged, Event, StreamFailed, StreamPublished, StreamRetried
from mainstem.settings import Settings
from mainstem.testing.postgres import EmbeddedPostgres
from mainstem.testing.warehouse import Warehouse

SOON = Settings(retries=2, retry_delay=0.01)
PLACES = 8
ROOM_BYTES = 4 * 1024 * 1024


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def written(server: EmbeddedPostgres | str, warehouse: Warehouse, target: str, **stream: Any) -> Any:
    """Replicate the table of the file to the server."""
    url = server if isinstance(server, str) else server.url
    config = {"source": "FILE", "target": "PG", "streams": {"main.big": {"object": target, **stream}}}
    return run(config, {"FILE": warehouse.url, "PG": url}, settings=SOON)


def read(url: str, warehouse: Warehouse, name: str, **stream: Any) -> Any:
    """Replicate a table of the server to the file."""
    config = {"source": "PG", "target": "FILE", "streams": {name: {"object": "main.copy", **stream}}}
    return run(config, {"FILE": warehouse.url, "PG": url}, settings=SOON)


def rows(warehouse: Warehouse, first: int, last: int) -> None:
    """Have these rows in the file, with a kilobyte each that no server makes smaller."""
    text = "array_to_string([md5((i * k)::text) for k in range(2, 34)], '')"
    warehouse.query(f"create or replace table big as select i, {text} as v from range({first}, {last}) t(i)")


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server with room for few connections, which believes everybody."""
    folder = tmp_path_factory.mktemp("poor") / "data"
    with EmbeddedPostgres(folder) as server:
        server.stop()
        with (folder / "postgresql.conf").open("a") as settings:
            settings.write(f"max_connections = {PLACES}\nmax_wal_senders = 0\n")
        (folder / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
        server.start()
        yield server


class TestRestart:
    """The server goes down while rows are on their way to it."""

    @pytest.mark.parametrize("mode", ["full-refresh", "incremental"])
    def test_rows_that_were_half_way_in_are_written_once(
        self, poor: EmbeddedPostgres, warehouse: Warehouse, mode: str
    ) -> None:
        keys = {"mode": mode, **({"update_key": "i"} if mode == "incremental" else {})}
        name = f"public.{mode.replace('-', '_')}"
        rows(warehouse, 0, 1000)
        list(written(poor, warehouse, name, **keys))
        rows(warehouse, 0, 20_000)
        events: list[Event] = []
        for event in written(poor, warehouse, name, **keys):
            if isinstance(event, BatchStaged) and not of(BatchStaged, events):
                poor.kill()
            if isinstance(event, StreamRetried):
                poor.start()
                assert poor.fetch(f"select count(*), count(distinct i) from {name}") == [(1000, 1000)]
            events.append(event)
        assert len(of(StreamRetried, events)) == 1
        assert poor.fetch(f"select count(*), count(distinct i) from {name}") == [(20_000, 20_000)]
        staged = "select count(*) from pg_class where relname like '%mainstem%'"
        assert poor.fetch(staged) == [(0,)]


def test_a_server_without_a_place_is_asked_again(poor: EmbeddedPostgres, warehouse: Warehouse) -> None:
    rows(warehouse, 0, 10)
    retried: list[StreamRetried] = []
    with ExitStack() as others:
        while True:
            try:
                others.enter_context(psycopg.connect(poor.url))
            except psycopg.OperationalError:
                break
        for event in written(poor, warehouse, "public.crowded"):
            if isinstance(event, StreamRetried):
                retried.append(event)
                others.close()
    assert len(retried) == 1
    assert isinstance(retried[0].error.cause, ConnectError)
    assert "max_connections" in str(retried[0].error)
    assert poor.fetch("select count(*) from crowded") == [(10,)]


@contextmanager
def tablespace(server: EmbeddedPostgres) -> Iterator[None]:
    """A disk of a few megabytes, which is where the user's tables go. It takes root to make one."""
    # Where the server's own user gets to.
    folder = server.directory.parent / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    owner = server.directory.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    admin = server.url.replace(server.user, "postgres", 1)
    with ExitStack() as made:
        made.callback(subprocess.run, ["umount", str(folder)], check=True)
        does = made.enter_context(psycopg.connect(admin, autocommit=True)).execute
        does(f"create tablespace small location '{folder}'".encode())
        made.callback(does, b"drop tablespace small")
        does(f"grant create on tablespace small to {server.user}".encode())
        made.callback(does, f"drop owned by {server.user}".encode())
        does(f"alter role {server.user} set default_tablespace = 'small'".encode())
        made.callback(does, f"alter role {server.user} reset default_tablespace".encode())
        yield


def test_a_disk_that_is_full_is_told_at_once_and_the_table_stays(
    poor: EmbeddedPostgres, warehouse: Warehouse
) -> None:
    with tablespace(poor):
        rows(warehouse, 0, 10)
        list(written(poor, warehouse, "public.kept"))
        rows(warehouse, 0, 20_000)
        events = list(written(poor, warehouse, "public.kept"))
        (failed,) = of(StreamFailed, events)
        assert of(StreamRetried, events) == []
        assert "The server's disk is full: make room and run again." in str(failed.error)
        assert poor.fetch("select count(*) from kept") == [(10,)]
        rows(warehouse, 0, 20)
        assert len(of(StreamPublished, list(written(poor, warehouse, "public.kept")))) == 1
        assert poor.fetch("select count(*) from kept") == [(20,)]


class TestTime:
    """A server that gives a statement only so much time."""

    @pytest.mark.parametrize("rows_before", [0, 20_000])
    def test_a_read_that_takes_too_long_fails_at_once(
        self, postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse, rows_before: int
    ) -> None:
        postgres.execute(
            f"create view {schema}.slow as select repeat('x', 1000) as v"
            f" from generate_series(1, {rows_before}) union all select pg_sleep(600)::text"
        )
        url = f"{postgres.url}?options=-c%20statement_timeout%3D500"
        events = list(read(url, warehouse, f"{schema}.slow"))
        (failed,) = of(StreamFailed, events)
        assert of(StreamRetried, events) == []
        assert "is `statement_timeout` too short?" in str(failed.error)
        assert warehouse.tables() == []

    def test_a_write_that_takes_too_long_fails_at_once(
        self, postgres: EmbeddedPostgres, schema: str, warehouse: Warehouse
    ) -> None:
        rows(warehouse, 0, 10)
        url = f"{postgres.url}?options=-c%20statement_timeout%3D500"
        script = {"post_sql": "select pg_sleep(600)"}
        events = list(written(url, warehouse, f"{schema}.slow", target_options=script))
        (failed,) = of(StreamFailed, events)
        assert of(StreamRetried, events) == []
        assert "is `statement_timeout` too short?" in str(failed.error)


class TestLocks:
    """Somebody else has the table."""

    @pytest.mark.parametrize("custom", [False, True], ids=["table", "sql"])
    def test_a_table_that_is_locked_is_waited_for_and_read_when_it_is_free(
        self,
        postgres: EmbeddedPostgres,
        schema: str,
        warehouse: Warehouse,
        monkeypatch: pytest.MonkeyPatch,
        custom: bool,
    ) -> None:
        monkeypatch.setattr(holders, "LOCK_SECONDS", 0.2)
        postgres.execute(f"create table {schema}.t as select 1 as i")
        stream = {"sql": f"select * from {schema}.t"} if custom else {}
        retried: list[StreamRetried] = []
        with psycopg.connect(postgres.url, application_name="a migration") as other:
            other.execute(f"lock table {schema}.t in access exclusive mode".encode())
            for event in read(postgres.url, warehouse, f"{schema}.t", **stream):
                if isinstance(event, StreamRetried):
                    retried.append(event)
                    other.commit()
            pid = other.info.backend_pid
        (first,) = retried
        assert isinstance(first.error.cause, TargetBusyError)
        assert custom or f"held by server process {pid} (a migration, idle in transaction)" in str(
            first.error
        )
        assert custom or f"pg_terminate_backend({pid})" in str(first.error)
        assert warehouse.query("from copy") == [(1,)]

    def test_a_table_that_somebody_reads_is_replaced_when_it_is_free(
        self,
        postgres: EmbeddedPostgres,
        schema: str,
        warehouse: Warehouse,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(target_module, "LOCK_SECONDS", 0.2)
        postgres.execute(f"create table {schema}.t as select 7 as i")
        rows(warehouse, 0, 10)
        retried: list[StreamRetried] = []
        with psycopg.connect(postgres.url, application_name="a report") as other:
            assert other.execute(f"select i from {schema}.t".encode()).fetchall() == [(7,)]
            for event in written(postgres, warehouse, f"{schema}.t"):
                if isinstance(event, StreamRetried):
                    retried.append(event)
                    assert other.execute(f"select i from {schema}.t".encode()).fetchall() == [(7,)]
                    other.commit()
            pid = other.info.backend_pid
        (first,) = retried
        assert f"held by server process {pid} (a report, idle in transaction)" in str(first.error)
        assert postgres.fetch(f"select count(*) from {schema}.t") == [(10,)]

    def test_a_lock_that_is_never_let_go_ends_the_attempts(
        self,
        postgres: EmbeddedPostgres,
        schema: str,
        warehouse: Warehouse,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(target_module, "LOCK_SECONDS", 0.1)
        postgres.execute(f"create table {schema}.t as select 7 as i")
        rows(warehouse, 0, 10)
        with psycopg.connect(postgres.url) as other:
            other.execute(f"select i from {schema}.t".encode())
            events = list(written(postgres, warehouse, f"{schema}.t"))
        assert len(of(StreamRetried, events)) == SOON.retries
        (failed,) = of(StreamFailed, events)
        assert isinstance(failed.error.cause, EndpointError)
        assert postgres.fetch(f"select i from {schema}.t") == [(7,)]
