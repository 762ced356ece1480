"""Rows on their way into a table: Parquet files into a temporary stage, and one COPY for all of them.

https://docs.snowflake.com/en/user-guide/data-load-local-file-system
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from mainstem.endpoints.snowflake.encoding import Encoding, encoding_of
from mainstem.endpoints.snowflake.literals import text_literal
from mainstem.endpoints.snowflake.session import Session
from mainstem.endpoints.sql import Loader

__all__ = ["ROW", "ParquetLoader"]

# A column of staging tables: in what order the rows came.
ROW = "__MAINSTEM_ROW"

# What Snowflake takes best at once; no more lies on this machine's disk.
_FILE_BYTES = 128 << 20


# What stands in a statement without quotes around the whole.
_PLAIN_STAGE = re.compile(r'@[\w$."/]+')


class ParquetLoader(Loader):
    """Writes batches into an empty table.

    Args:
        session: The session, whose temporary stage takes the files.
        table: The table's whole name, quoted.
        stage: The stage's whole name, quoted.
        columns: The table's columns, each with its type.
        folder: Where a file lies until it is sent.
    """

    def __init__(
        self,
        session: Session,
        table: str,
        stage: str,
        columns: Sequence[tuple[pa.Field[Any], str]],
        folder: Path,
    ) -> None:
        self._session = session
        self._table = table
        place = f"@{stage}/{uuid4().hex}"
        self._stage = place if _PLAIN_STAGE.fullmatch(place) else text_literal(place)
        self._columns = columns
        self._folder = folder
        self._encodings: list[Encoding] = [encoding_of(field.type, native) for field, native in columns]
        fields = [
            pa.field(f"c{index}", encoding.arrow_type) for index, encoding in enumerate(self._encodings)
        ]
        self._in_file = pa.schema([*fields, pa.field("row", pa.int64())])
        self._writer: pq.ParquetWriter | None = None
        self._path = folder
        self._bytes = 0
        self._files = 0
        self._rows = 0
        self._closed = False

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        columns = [
            encoding.encoded(field, batch.column(index))
            for index, ((field, _), encoding) in enumerate(zip(self._columns, self._encodings, strict=True))
        ]
        arrival = pa.array(range(self._rows, self._rows + batch.num_rows), pa.int64())
        self._rows += batch.num_rows
        encoded = pa.RecordBatch.from_arrays([*columns, arrival], schema=self._in_file)
        if self._writer is None:
            self._path = self._folder / f"{self._files}.parquet"
            self._writer = pq.ParquetWriter(self._path, self._in_file, compression="snappy")
        self._writer.write_batch(encoded)
        self._bytes += encoded.nbytes
        if self._bytes >= _FILE_BYTES:
            self._send()

    @override
    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._send()
        if self._files:
            self._session.run(self._copy())

    def give_up(self) -> None:
        """Close what is open, and send nothing."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _send(self) -> None:
        if self._writer is None:
            return
        self.give_up()
        escaped = self._path.as_posix().replace("\\", "\\\\").replace("'", "\\'")
        self._session.run(f"PUT 'file://{escaped}' {self._stage} AUTO_COMPRESS=FALSE")
        self._path.unlink()
        self._files += 1
        self._bytes = 0

    def _copy(self) -> str:
        items = [
            encoding.sql.format(value=f"$1:c{index}", native=native)
            for index, (encoding, (_, native)) in enumerate(zip(self._encodings, self._columns, strict=True))
        ]
        selected = ", ".join([*items, "$1:row::NUMBER(19,0)"])
        return (
            f"COPY INTO {self._table} FROM (SELECT {selected} FROM {self._stage})"
            " FILE_FORMAT=(TYPE=PARQUET USE_LOGICAL_TYPE=TRUE BINARY_AS_TEXT=FALSE) PURGE=TRUE"
        )
