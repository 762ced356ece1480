"""What goes wrong while files are written leaves those that were there, and no half file."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.engine.conftest import Filing, numbers

from mainstem.api import replicate
from mainstem.errors import EndpointError, MainstemError, ReplicationFailedError
from mainstem.files.places.paths import is_temporary
from mainstem.testing.s3 import EmbeddedS3

# Runs a replication, and dies by SIGKILL as soon as so many batches are staged.
KILLED = """
import json, os, signal, sys
from mainstem import replicate
from mainstem.events import BatchStaged

config, connections, batches = json.loads(sys.argv[1])
seen = []

def die(event):
    seen.append(event) if isinstance(event, BatchStaged) else None
    if len(seen) == batches:
        os.kill(os.getpid(), signal.SIGKILL)

replicate(config, connections, on_event=die)
"""


def killed(filing: Filing, name: str, **stream: Any) -> None:
    """Run a replication in a process that is killed in the middle."""
    import json  # noqa: PLC0415

    given = json.dumps([filing.config(name, **stream), filing.connections, 2])
    done = subprocess.run([sys.executable, "-c", KILLED, given], check=False, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr


@pytest.mark.parametrize("name", ["orders.parquet", "orders/*.parquet", "orders/{part_year}/*.parquet"])
def test_a_killed_run_leaves_the_files_of_before_and_the_next_one_sweeps(filing: Filing, name: str) -> None:
    stream: dict[str, Any] = {"update_key": "at", "target_options": {"batch_limit": 1000}}
    filing.run(name, **stream)
    before = filing.files()
    filing.orders(1, 300_000)
    killed(filing, name, **stream)
    left = filing.files()
    assert [path for path in left if not is_temporary(path) and "mainstem-lock" not in path] == before
    assert any(is_temporary(path) for path in left)
    assert filing.read("**/*.parquet") == numbers(1, 10)

    filing.orders(1, 20)
    filing.run(name, **stream)
    assert filing.read("**/*.parquet") == numbers(1, 20)
    assert not any(is_temporary(path) or "mainstem-lock" in path for path in filing.files())


@pytest.mark.parametrize("name", ["orders.parquet", "orders/*.parquet"])
def test_a_source_that_breaks_off_leaves_the_files_of_before(filing: Filing, name: str) -> None:
    filing.run(name)
    before = filing.files()
    filing.sql(
        "create or replace table orders as select i as id, if(i = 250000, 'x', '1') as bad"
        " from range(300000) numbers(i)"
    )
    filing.refused(name, sql="select id, bad::int as bad from orders")
    assert filing.files() == before
    assert filing.read("**/*.parquet") == numbers(1, 10)


def test_a_folder_that_stands_where_the_file_belongs_is_told(filing: Filing) -> None:
    (filing.folder / "orders.parquet").mkdir(parents=True)
    error = filing.refused("orders.parquet")
    assert isinstance(error, EndpointError)
    assert "orders.parquet" in str(error)
    assert filing.files() == []


def test_runs_of_one_object_at_once_follow_each_other(filing: Filing) -> None:
    filing.orders(1, 1000)
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(filing.run, "orders/*.parquet") for _ in range(3)]
        assert [run.result().rows for run in runs] == [1000] * 3
    assert filing.read("orders/*.parquet") == numbers(1, 1000)


class _Refusing(BaseHTTPRequestHandler):
    """Passes on what reads, and refuses what writes once it is told to."""

    behind = ""
    refuses = threading.Event()

    def do_GET(self) -> None:
        self._pass_on()

    do_HEAD = do_GET  # noqa: N815 - the base's names
    do_DELETE = do_GET  # noqa: N815

    def do_PUT(self) -> None:
        if self.refuses.is_set():
            self._body()
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._pass_on()

    do_POST = do_PUT  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def _pass_on(self) -> None:
        body = self._body()
        kept = (item for item in self.headers.items() if item[0].lower() not in ("host", "transfer-encoding"))
        headers = {"Content-Type": "application/octet-stream", **dict(kept)}
        request = urllib.request.Request(  # noqa: S310 - the loopback
            self.behind + self.path, data=body or None, headers=headers, method=self.command
        )
        try:
            answer = urllib.request.urlopen(request, timeout=30)  # noqa: S310
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def refusing_s3() -> Iterator[tuple[dict[str, Any], threading.Event]]:
    """A connection to an S3 that can be told to take nothing more."""
    with EmbeddedS3() as server:
        refuses = threading.Event()
        handler = type("Handler", (_Refusing,), {"behind": server.endpoint, "refuses": refuses})
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        connection = server.connection(server.bucket())
        yield {**connection, "endpoint": f"http://127.0.0.1:{proxy.server_port}"}, refuses
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def test_a_store_that_refuses_keeps_what_it_had(
    filing: Filing, refusing_s3: tuple[dict[str, Any], threading.Event], tmp_path: Path
) -> None:
    connection, refuses = refusing_s3
    connections = {**filing.connections, "TGT": connection}
    config = filing.config("orders/*.parquet", {"SLING_RETRIES": "0"}, target_options={"file_max_rows": 4})
    replicate(config, connections)
    filing.orders(11, 40)
    refuses.set()
    with pytest.raises(ReplicationFailedError) as failed:
        replicate(config, connections)
    cause: MainstemError = failed.value.failures[0].cause
    assert "s3://" in str(cause)
    assert "test_secret" not in str(failed.value)
    refuses.clear()
    assert stored(connection, tmp_path) == numbers(1, 10)
    replicate(config, connections)
    assert stored(connection, tmp_path) == numbers(11, 40)


def stored(connection: dict[str, Any], folder: Path) -> list[int]:
    """The orders in the bucket, read by pyarrow's own client."""
    from pyarrow.fs import FileSelector, S3FileSystem  # noqa: PLC0415 - it starts threads

    store = S3FileSystem(
        endpoint_override=connection["endpoint"],
        access_key=connection["access_key_id"],
        secret_key=connection["secret_access_key"],
        region=connection["region"],
    )
    paths = [
        info.path
        for info in store.get_file_info(FileSelector(connection["bucket"], recursive=True))
        if info.is_file
    ]
    found: list[int] = []
    for path in paths:
        with store.open_input_file(path) as file:
            column: Any = pq.read_table(file).column("id")
            found += column.to_pylist()
    return sorted(found)


def test_cursors_may_be_kept_in_a_bucket(filing: Filing) -> None:
    with EmbeddedS3() as server:
        connections = {**filing.connections, "BUCKET": server.connection(server.bucket())}
        stream: dict[str, Any] = {"mode": "incremental", "update_key": "id"}
        config = filing.config("orders/*.parquet", {"SLING_STATE": "BUCKET/kept"}, **stream)
        replicate(config, connections)
        filing.orders(1, 12)
        (report,) = replicate(config, connections).streams
    assert (report.rows, report.extra["cursor_before"]) == (2, "10")
    assert filing.read("orders/*.parquet") == numbers(1, 12)
