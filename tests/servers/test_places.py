"""Places of files behind a network that breaks: read and written whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainstem.engine import run
from mainstem.errors import EndpointError, RunTimeoutError
from mainstem.events import Event, StreamFailed, StreamPublished, StreamRetried
from mainstem.settings import Settings
from mainstem.testing.http import EmbeddedHttp, Served
from mainstem.testing.proxy import Proxy
from mainstem.testing.s3 import EmbeddedS3
from mainstem.testing.sftp import EmbeddedSftp
from mainstem.testing.warehouse import Warehouse

ROWS = 30_000
TEXT = b"i,v\n" + b"".join(b"%d,%s\n" % (number, b"abcdefghij" * 5) for number in range(ROWS))
MIDDLE_BYTES = 500_000
SOON = Settings(retries=2, retry_delay=0.01)


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def moved(
    place: dict[str, Any], warehouse: Warehouse, source: str, target: str, settings: Settings = SOON
) -> list[Event]:
    """Replicate from one to the other; what is a file is in the place."""
    reads = source.endswith("csv")
    config = {
        "source": "PLACE" if reads else "FILE",
        "target": "FILE" if reads else "PLACE",
        "streams": {source: {"object": target}},
    }
    connections: dict[str, Any] = {"PLACE": place, "FILE": warehouse.url}
    return list(run(config, connections, settings=settings))


@pytest.fixture(params=["sftp", "http", "s3"])
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Proxy, dict[str, Any], str]]:
    """A place behind a proxy, and the name of a file in it."""
    if request.param == "sftp":
        with EmbeddedSftp(tmp_path / "root") as sftp, Proxy(sftp.port) as proxy:
            (tmp_path / "root" / "big.csv").write_bytes(TEXT)
            yield proxy, {**sftp.connection("/"), "port": proxy.port}, "big.csv"
    elif request.param == "http":
        with EmbeddedHttp() as web, Proxy(int(web.url.rpartition(":")[2])) as proxy:
            web.files["/big.csv"] = Served(TEXT, ranges=False)
            url = f"http://127.0.0.1:{proxy.port}/"
            yield proxy, {"type": "http", "url": url}, f"{url}big.csv"
    else:
        with EmbeddedS3() as s3, Proxy(int(s3.endpoint.rpartition(":")[2])) as proxy:
            bucket = s3.bucket()
            s3.request("PUT", f"{bucket}/big.csv", TEXT)
            place = {**s3.connection(bucket), "endpoint": f"http://127.0.0.1:{proxy.port}"}
            yield proxy, place, f"s3://{bucket}/big.csv"


def test_a_file_whose_server_hangs_up_is_read_again_from_its_start(
    broken: tuple[Proxy, dict[str, Any], str], warehouse: Warehouse
) -> None:
    proxy, place, name = broken
    proxy.trip("client", MIDDLE_BYTES, proxy.hang_up)
    events = moved(place, warehouse, name, "main.big")
    assert of(StreamFailed, events) == []
    assert warehouse.query("select count(*), count(distinct i), min(length(v)) from big") == [
        (ROWS, ROWS, 50)
    ]


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[tuple[EmbeddedSftp, Proxy, dict[str, Any]]]:
    with EmbeddedSftp(tmp_path / "root") as server, Proxy(server.port) as proxy:
        yield server, proxy, {**server.connection("/"), "port": proxy.port}


def test_a_file_whose_server_hangs_up_is_not_seen_before_it_is_whole(
    sftp: tuple[EmbeddedSftp, Proxy, dict[str, Any]], warehouse: Warehouse
) -> None:
    server, proxy, place = sftp
    (server.root / "out.csv").write_text("i\n7\n")
    warehouse.query(f"create table big as select i, md5(i::text) as v from range({ROWS}) t(i)")
    seen: list[str] = []

    def hang_up() -> None:
        seen.append((server.root / "out.csv").read_text())
        proxy.hang_up()

    proxy.trip("server", MIDDLE_BYTES, hang_up)
    events = moved(place, warehouse, "main.big", "out.csv")
    assert len(of(StreamRetried, events)) == 1
    assert len(of(StreamPublished, events)) == 1
    assert seen == ["i\n7\n"]
    assert len((server.root / "out.csv").read_text().splitlines()) == ROWS + 1


def test_a_place_that_says_nothing_more_is_left_when_the_time_is_over(
    sftp: tuple[EmbeddedSftp, Proxy, dict[str, Any]], warehouse: Warehouse
) -> None:
    server, proxy, place = sftp
    (server.root / "big.csv").write_bytes(TEXT)
    proxy.trip("client", MIDDLE_BYTES, proxy.stall)
    (failed,) = of(
        StreamFailed, moved(place, warehouse, "big.csv", "main.big", Settings(timeout=1, retries=0))
    )
    assert isinstance(failed.error.cause, RunTimeoutError)


def test_what_the_server_refuses_is_tried_once(
    sftp: tuple[EmbeddedSftp, Proxy, dict[str, Any]], warehouse: Warehouse
) -> None:
    _, proxy, place = sftp
    events = moved({**place, "password": "wrong"}, warehouse, "big.csv", "main.big")
    (failed,) = of(StreamFailed, events)
    assert of(StreamRetried, events) == []
    assert isinstance(failed.error.cause, EndpointError)
    assert proxy.connections == 1
