"""Rows into a table by COPY, in PostgreSQL's own binary format: batches, or what another server has sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pgpq
import pyarrow as pa
from pgpq import encoders
from pgpq.schema import Jsonb
from psycopg import Copy
from typing_extensions import override

from mainstem.endpoints.postgres.connecting import Session, server_errors
from mainstem.endpoints.postgres.names import quoted
from mainstem.endpoints.postgres.piping import raw_form
from mainstem.endpoints.postgres.wire import Wire
from mainstem.endpoints.raw import RawRows
from mainstem.endpoints.sql import Loader
from mainstem.schema import Relation

__all__ = ["CopyLoader"]

# By what text is read, whatever the settings of the user or of the server.
_SETTINGS = """
select set_config('timezone', 'UTC', true), set_config('datestyle', 'iso', true),
       set_config('intervalstyle', 'postgres', true), set_config('bytea_output', 'hex', true)
"""

# A batch is sent in pieces of about so many bytes.
_PIECE = 16 * 1024 * 1024


class CopyLoader(Loader):
    """One COPY, in a transaction of its own: until it is closed, the table is empty.

    Args:
        name: The connection's name, for messages.
        session: A way in that nobody else uses meanwhile. Where the rows are given up, close it.
        place: The table.
        wires: How each column is sent, by its name, in order.
        natives: Each column's own type, by its name.

    Raises:
        EndpointError: The server refused.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        place: Relation,
        wires: Mapping[str, Wire],
        natives: Mapping[str, str],
    ) -> None:
        self._name = name
        self._session = session
        self._about = str(place)
        self._table = ".".join(quoted(part) for part in (place.schema, place.name) if part)
        self._wires = wires
        self._natives = natives
        self._schema = pa.schema([pa.field(column, wire.kind) for column, wire in wires.items()])
        self._encoder = _encoder(self._schema, wires)
        self._detours: Mapping[str, Wire] = {}
        self._cursor = session.cursor()
        self._opened = ExitStack()
        self._copy: Copy | None = None
        self._is_raw = False
        self.raw_form = raw_form(list(natives.values()), session.info.server_version)

    def _begun(self) -> Copy:
        """The COPY, begun with the first rows."""
        if self._copy is None:
            with server_errors(self._name, about=self._about):
                self._session.execute("begin")
                self._session.execute(_SETTINGS)
                self._alter({name: (str(wire.loaded_as), "null") for name, wire in self._detours.items()})
                columns = ", ".join(quoted(name) for name in self._wires)
                sql = f"copy {self._table} ({columns}) from stdin (format binary)"
                self._copy = self._opened.enter_context(self._cursor.copy(sql.encode()))
        return self._copy

    def _begun_with_batches(self) -> Copy:
        if self._copy is not None:
            return self._copy
        self._detours = {name: wire for name, wire in self._wires.items() if wire.loaded_as}
        copy = self._begun()
        self._send(copy, self._encoder.write_header())
        return copy

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        copy = self._begun_with_batches()
        for piece in _pieces(batch):
            arrays = [
                wire.encoded(name, values)
                for (name, wire), values in zip(self._wires.items(), piece.columns, strict=True)
            ]
            self._send(
                copy, self._encoder.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            )

    @override
    def write_raw(self, rows: RawRows) -> None:
        self._is_raw = True
        self._send(self._begun(), rows.data)

    def _send(self, copy: Copy, data: bytes | memoryview) -> None:
        with server_errors(self._name, about=self._about, writing=True):
            copy.write(data)

    @override
    def close(self) -> int:
        if not self._is_raw:
            self._send(self._begun_with_batches(), self._encoder.finish())
        with server_errors(self._name, about=self._about, writing=True):
            self._opened.close()
            self._alter({name: (self._natives[name], wire.converted) for name, wire in self._detours.items()})
            # What is done with the rows next goes by what the server knows of them.
            self._session.execute(f"analyze {self._table}".encode())
            self._session.execute("commit")
        return self._cursor.rowcount

    def _alter(self, types: Mapping[str, tuple[str, str]]) -> None:
        changes = []
        for name, (native, converted) in types.items():
            value = converted.format(column=quoted(name), native=native)
            changes.append(f"alter column {quoted(name)} type {native} using {value}")
        if changes:
            self._session.execute(f"alter table {self._table} {', '.join(changes)}".encode())


def _encoder(schema: pa.Schema, wires: Mapping[str, Wire]) -> pgpq.ArrowToPostgresBinaryEncoder:
    infer = pgpq.ArrowToPostgresBinaryEncoder.infer_encoder
    builders = {
        field.name: encoders.StringEncoderBuilder.new_with_output(field, Jsonb())
        if wire.is_json
        else infer(field)
        for field, wire in zip(schema, wires.values(), strict=True)
    }
    return pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, builders)


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    rows = max(1, batch.num_rows * _PIECE // max(batch.nbytes, 1))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)
