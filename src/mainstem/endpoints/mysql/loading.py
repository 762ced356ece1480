"""The way of rows into a staging table: `LOAD DATA LOCAL` where the server allows it, else `INSERT`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute
from typing_extensions import override

from mainstem.endpoints.mysql.encoding import Style, encoded, escaped_fields, slices, value_lists
from mainstem.endpoints.mysql.failures import LOSSY, NoLocalFilesError
from mainstem.endpoints.mysql.session import Outcome, Session
from mainstem.endpoints.sql import Loader
from mainstem.errors import EndpointError, LossyTypeError

__all__ = ["MySQLLoader"]

# The stubs know no overloads for arrays of any type.
pc: Any = pyarrow.compute
_Columns: TypeAlias = "Sequence[tuple[pa.Array[Any], Style]]"

# Small batches are gathered to so much.
_GATHERED_BYTES = 4 << 20
_INSERTED_BYTES = 1 << 20


class MySQLLoader(Loader):
    """Loads batches into a table. What is loaded is committed.

    Args:
        session: The connection.
        place: The table, quoted.
        natives: Its columns, each with the quoted name and the type, in order.
        schema: The batches' schema.
    """

    def __init__(
        self, session: Session, place: str, natives: Sequence[tuple[str, str]], schema: pa.Schema
    ) -> None:
        self._session = session
        self._place = place
        self._natives = natives
        self._schema = schema
        self._gathered: list[pa.RecordBatch] = []
        self._bytes = 0
        self._by_file = session.server.loads_local_files

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        self._gathered.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= _GATHERED_BYTES:
            self.close()

    @override
    def close(self) -> None:
        whole = pa.Table.from_batches(self._gathered, self._schema).combine_chunks()
        self._gathered, self._bytes = [], 0
        for batch in whole.to_batches():
            for part in slices(batch):
                self._load(part)

    def _load(self, batch: pa.RecordBatch) -> None:
        columns = [
            encoded(field, values, native)
            for field, values, (_, native) in zip(self._schema, batch.columns, self._natives, strict=True)
        ]
        if self._by_file:
            try:
                done = self._session.load(self._load_statement(columns), [escaped_fields(columns)])
            except NoLocalFilesError:
                self._by_file = False
            else:
                self._check(done, batch.num_rows)
                return
        for statement, rows in self._insert_statements(columns):
            self._check(self._session.run(statement), rows)

    def _load_statement(self, columns: _Columns) -> str:
        """The server ignores what it cannot take, and warns of it: it cannot stop us from sending."""
        taken, made = [], []
        for index, ((name, _), (_, style)) in enumerate(zip(self._natives, columns, strict=True)):
            if style is Style.HEX:
                taken.append(f"@mainstem_{index}")
                made.append(f"{name} = unhex(@mainstem_{index})")
            else:
                taken.append(name)
        # Each field has a tab behind it, so that a last, empty one is read past.
        taken.append("@mainstem_end")
        return (
            f"LOAD DATA LOCAL INFILE 'mainstem' INTO TABLE {self._place} CHARACTER SET utf8mb4"
            " FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"
            f" ({', '.join(taken)}){' SET ' + ', '.join(made) if made else ''}"
        )

    def _insert_statements(self, columns: _Columns) -> Iterator[tuple[bytes, int]]:
        rows = value_lists(columns)
        ends = np.cumsum(pc.binary_length(rows).to_numpy(zero_copy_only=False) + len("),("))
        room = min(_INSERTED_BYTES, self._session.server.packet_bytes // 2)
        names = ", ".join(name for name, _ in self._natives)
        start = 0
        while start < len(rows):
            before = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, before + room)))
            some = rows.slice(start, stop - start)
            lists = pa.ListArray.from_arrays(pa.array([0, len(some)], pa.int32()), some)
            values = pc.binary_join(lists, "),(")[0].as_buffer().to_pybytes()
            head = f"INSERT INTO {self._place} ({names}) VALUES ("
            yield head.encode() + values + b")", len(some)
            start = stop

    def _check(self, done: Outcome, rows: int) -> None:
        if done.warnings and (said := self._session.warning(LOSSY)):
            raise LossyTypeError(f"MySQL cannot hold a value: {said}.")
        if done.affected != rows:
            said = self._session.warning() if done.warnings else None
            raise EndpointError(
                f"MySQL took {done.affected} of {rows} rows{f': {said}' if said else ''}."
                " Nothing was published."
            )
