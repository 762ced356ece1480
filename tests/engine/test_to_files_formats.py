"""From every system to every format, with every compression, in every place: read back by other programs.

The table is made of the registries: a new format, compression or place is in it as soon as it is there.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import zstandard
from tests.conformance.conftest import SYSTEMS

from mainstem.api import replicate
from mainstem.connections import connection_of
from mainstem.files.compression import COMPRESSIONS, extension_of, uncompressed
from mainstem.files.formats import FORMATS, OpenFile, format_named
from mainstem.files.places.registry import PLACES, open_place
from mainstem.testing.place import Place
from mainstem.testing.s3 import EmbeddedS3
from mainstem.testing.sftp import EmbeddedSftp
from mainstem.testing.warehouse import Warehouse

# Read only, without any server of their kind that runs here, or no place that keeps anything.
NOT_HERE = {"http", "gcs", "azure", "stdin", "stdout"}

CASES = [
    (source, name, compression, place)
    for source in SYSTEMS
    for name in FORMATS
    for compression in (COMPRESSIONS if format_named(name).compressible else ["none"])
    for place in PLACES
    if place not in NOT_HERE
]

NAMES = [
    "plain",
    "größe 日本 🐘",
    'quote " and, comma; and | bar',
    "two\nlines",
    "windows\r\nline",
    "  spaces  ",
]
WIDE = Decimal("12345678901234567890.123456789012345678")
ROWS = pa.table(
    {
        "id": pa.array(range(1, len(NAMES) + 2), pa.int64()),
        "name": pa.array([*NAMES, None], pa.string()),
        "amount": pa.array(
            [WIDE, -WIDE, Decimal("0.000000000000000001"), None, *[Decimal(0)] * 3], pa.decimal128(38, 18)
        ),
    }
)


def _sampled() -> list[tuple[str, str, str, str]]:
    """Each format with each compression once, from some system to some place."""
    if os.environ.get("MAINSTEM_ALL") == "1":
        return CASES
    found: dict[tuple[str, str], list[tuple[str, str, str, str]]] = {}
    for case in CASES:
        found.setdefault(case[1:3], []).append(case)
    chance = random.Random(os.environ["MAINSTEM_SEED"])  # noqa: S311 - a sample, no secret
    return [chance.choice(cases) for cases in found.values()]


@pytest.fixture(scope="session")
def s3() -> Iterator[EmbeddedS3]:
    with EmbeddedS3() as server:
        yield server


@pytest.fixture(scope="session")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSftp]:
    with EmbeddedSftp(tmp_path_factory.mktemp("sftp")) as server:
        yield server


def _connection(request: pytest.FixtureRequest, place: str, folder: Path) -> Mapping[str, Any]:
    makers: Mapping[str, Callable[[], Mapping[str, Any]]] = {
        "file": lambda: {"type": "file", "path": str(folder / "out")},
        "s3": lambda: _in_bucket(request.getfixturevalue("s3")),
        "sftp": lambda: request.getfixturevalue("sftp").connection(f"/{uuid4().hex}"),
    }
    assert set(makers) | NOT_HERE == set(PLACES)
    return makers[place]()


def _in_bucket(server: EmbeddedS3) -> Mapping[str, Any]:
    return server.connection(server.bucket())


# How other programs undo a compression, and what they find in a format: `(id, name)` as text.
UNPACKED: Mapping[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().stream_reader(data).read(),
    "zip": lambda data: (archive := zipfile.ZipFile(io.BytesIO(data))).read(archive.namelist()[0]),
    # No other program here knows its frames.
    "snappy": lambda data: uncompressed(OpenFile("x.snappy", lambda: io.BytesIO(data)))[0].open().read(),
}


def _of_table(table: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(table.column("id").to_pylist(), table.column("name").to_pylist(), strict=True))


def _of_records(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(int(record["id"]), record["name"]) for record in records]


def _of_excel(data: bytes) -> list[tuple[Any, ...]]:
    sheet: Any = openpyxl.load_workbook(io.BytesIO(data)).active
    header, *rows = sheet.iter_rows(values_only=True)
    records = [dict(zip(header, row, strict=True)) for row in rows]
    # Excel itself shows what is written so as the character that it stands for; this reader does not.
    return [(number, name and name.replace("_x000D_", "\r")) for number, name in _of_records(records)]


def _of_csv(data: bytes) -> list[tuple[Any, ...]]:
    records = csv.DictReader(io.StringIO(data.decode(), newline=""))
    return [(int(record["id"]), record["name"] or None) for record in records]


def _of_xml(data: bytes) -> list[tuple[Any, ...]]:
    rows = [{child.tag: child.text for child in row} for row in ET.fromstring(data)]  # noqa: S314
    return [(int(str(row["id"])), row.get("name")) for row in rows]


READ: Mapping[str, Callable[[bytes], list[tuple[Any, ...]]]] = {
    "csv": _of_csv,
    "json": lambda data: _of_records(json.loads(data)),
    "jsonlines": lambda data: _of_records([json.loads(line) for line in data.decode().split("\n") if line]),
    "parquet": lambda data: _of_table(pq.read_table(io.BytesIO(data))),
    "arrow": lambda data: _of_table(pyarrow.feather.read_table(io.BytesIO(data))),
    "xlsx": _of_excel,
    "xml": _of_xml,
    "avro": lambda data: _of_records(list(fastavro.reader(io.BytesIO(data)))),  # type: ignore[arg-type]
}


def test_every_format_and_compression_has_another_program_that_reads_it() -> None:
    assert set(READ) == set(FORMATS)
    assert set(UNPACKED) == set(COMPRESSIONS)


@contextmanager
def _source(request: pytest.FixtureRequest, system: str, folder: Path) -> Iterator[Place]:
    with SYSTEMS[system](request, folder) as place:
        place.put("orders", ROWS)
        yield place


@pytest.mark.parametrize("case", _sampled(), ids="-".join)
def test_what_left_arrives(
    request: pytest.FixtureRequest, tmp_path: Path, case: tuple[str, str, str, str]
) -> None:
    system, name, compression, place = case
    target = _connection(request, place, tmp_path)
    path = f"größe/my orders{FORMATS[name].extensions[0]}{extension_of(compression)}"
    with _source(request, system, tmp_path) as source:
        config: dict[str, Any] = {
            "source": "SRC",
            "target": "TGT",
            "streams": {source.stream("orders"): {"object": path}},
        }
        for _ in range(2):
            # A second run puts the same file in the place of the first.
            (report,) = replicate(config, {"SRC": source.url, "TGT": target}).streams
            assert (report.rows, report.row_count) == (ROWS.num_rows, ROWS.num_rows)

    with open_place(connection_of("TGT", target)) as files:
        assert [found.path for found in files.list("**")] == [path]
        with files.open(path) as file:
            data = file.read()
    found = sorted(READ[name](UNPACKED[compression](data)))
    assert found == _of_table(ROWS)
    assert _loaded(tmp_path, target, path) == ROWS.column("amount").to_pylist()


def _loaded(folder: Path, target: Mapping[str, Any], path: str) -> list[Decimal | None]:
    """The amounts, as the engine loads the file into a database."""
    warehouse = Warehouse(folder / "loaded.duckdb")
    stream: dict[str, Any] = {"object": "main.loaded", "source_options": {"flatten": True}}
    config: dict[str, Any] = {"source": "FILES", "target": "TGT", "streams": {path: stream}}
    connections: dict[str, Any] = {"FILES": target, "TGT": warehouse.url}
    replicate(config, connections)
    return [
        row[0] and Decimal(str(row[0])) for row in warehouse.query("select amount from loaded order by id")
    ]
