"""Batches into a table by COPY, in PostgreSQL's own binary format."""

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
from mainstem.endpoints.postgres.wire import Wire
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
        self._opened = ExitStack()
        self._copy = self._begun()

    def _begun(self) -> Copy:
        with server_errors(self._name, about=self._about):
            self._session.execute("begin")
            self._session.execute(_SETTINGS)
            self._alter({name: (str(wire.loaded_as), "null") for name, wire in self._detours()})
            columns = ", ".join(quoted(name) for name in self._wires)
            sql = f"copy {self._table} ({columns}) from stdin (format binary)"
            copy = self._opened.enter_context(self._session.cursor().copy(sql.encode()))
            copy.write(self._encoder.write_header())
            return copy

    @override
    def write(self, batch: pa.RecordBatch) -> None:
        for piece in _pieces(batch):
            arrays = [
                wire.encoded(name, values)
                for (name, wire), values in zip(self._wires.items(), piece.columns, strict=True)
            ]
            encoded = self._encoder.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            with server_errors(self._name, about=self._about, writing=True):
                self._copy.write(encoded)

    @override
    def close(self) -> None:
        with server_errors(self._name, about=self._about, writing=True):
            self._copy.write(self._encoder.finish())
            self._opened.close()
            self._alter({name: (self._natives[name], wire.converted) for name, wire in self._detours()})
            # What is done with the rows next goes by what the server knows of them.
            self._session.execute(f"analyze {self._table}".encode())
            self._session.execute("commit")

    def _detours(self) -> list[tuple[str, Wire]]:
        return [(name, wire) for name, wire in self._wires.items() if wire.loaded_as]

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
