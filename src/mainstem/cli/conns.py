"""`mainstem conns`: look at connections, and through them (spec §8)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa
import typer
from rich.text import Text

from mainstem.cli.exits import DONE, FAILED
from mainstem.cli.messages import log_console
from mainstem.cli.output import Output, json_line, print_rows
from mainstem.connections import ConnectionBook
from mainstem.endpoints import CatalogEntry, Endpoint, Source, open_endpoint
from mainstem.errors import ConfigError, MainstemError
from mainstem.types import type_name

__all__ = ["discover", "execute", "list_connections", "test_connection"]


def list_connections(output: Output) -> int:
    """Show every connection that a replication may name, and what could not be read."""
    book = ConnectionBook()
    listed = book.list()
    print_rows(
        ["Conn Name", "Conn Type", "Source"], [(each.name, each.type, each.source) for each in listed], output
    )
    for problem in [*(each.problem for each in listed if each.problem), *book.problems()]:
        log_console().print(Text(f"warning: {problem}", style="yellow"), soft_wrap=True)
    return DONE


def test_connection(name: str, output: Output) -> int:
    """Open a connection."""
    try:
        with open_endpoint(ConnectionBook().find(name)) as endpoint:
            endpoint.connect()
    except MainstemError as error:
        if output is not Output.JSON:
            raise
        json_line({"error": str(error), "success": False})
        return FAILED
    if output is Output.JSON:
        json_line({"error": "", "success": True})
    else:
        log_console().print("success!", style="green")
    return DONE


def discover(name: str, pattern: str | None, *, columns: bool, output: Output) -> int:
    """Show the tables and views of a connection, or their columns."""
    with open_endpoint(ConnectionBook().find(name)) as endpoint:
        found = _matching(endpoint, pattern)
        if columns:
            print_rows(
                ["Schema", "Table", "ID", "Column", "Native Type", "Arrow Type"],
                [
                    (
                        entry.relation.schema,
                        entry.relation.name,
                        number,
                        each.name,
                        each.native_type,
                        type_name(each.arrow_type),
                    )
                    for entry in found
                    for number, each in enumerate(endpoint.describe(entry.relation).columns, 1)
                ],
                output,
            )
        else:
            print_rows(
                ["Schema", "Name", "Type"],
                [
                    (entry.relation.schema, entry.relation.name, "view" if entry.is_view else "table")
                    for entry in found
                ],
                output,
            )
    if not found:
        log_console().print("warning: Nothing matches.", style="yellow")
    return DONE


def execute(name: str, statements: Sequence[str], limit: int, output: Output) -> int:
    """Run SQL, one statement after another, and show the rows of each."""
    if output is Output.ARROW and len(statements) > 1:
        raise typer.BadParameter("-o arrow takes one statement.")
    with open_endpoint(ConnectionBook().find(name)) as endpoint:
        for statement in statements:
            table = endpoint.execute(_sql(statement), limit or None)
            if output is Output.ARROW:
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, table.schema) as writer:
                    writer.write_table(table)
                sys.stdout.buffer.write(sink.getvalue())
            elif table.column_names or output is Output.JSON:
                rows = list(zip(*[column.to_pylist() for column in table.columns], strict=True))
                print_rows(table.column_names, rows, output)
            more = f"; --limit {limit} is reached" if limit and table.num_rows == limit else ""
            told = (
                f"{table.num_rows} row{'' if table.num_rows == 1 else 's'}{more}"
                if table.column_names
                else "done"
            )
            log_console().print(Text(told))
    return DONE


def _matching(endpoint: Endpoint, pattern: str | None) -> Sequence[CatalogEntry]:
    """The relations that a pattern such as ``schema.tab*`` matches, whatever its case; or the files."""
    if pattern and isinstance(endpoint, Source) and endpoint.combines:
        return [CatalogEntry(endpoint.relation(name)) for name in endpoint.matching(pattern)]
    schema, _, table = (pattern or "*.*").lower().replace('"', "").rpartition(".")
    only = schema if schema and not set("*?[") & set(schema) else None
    return [
        entry
        for entry in endpoint.catalog(only)
        if fnmatchcase((entry.relation.schema or "").lower(), schema or "*")
        and fnmatchcase(entry.relation.name.lower(), table or "*")
    ]


def _sql(statement: str) -> str:
    """A statement, from its file where it is a ``file://`` path or the path of an ``.sql`` file."""
    is_path = statement.startswith("file://") or (
        statement.lower().endswith(".sql") and not any(map(str.isspace, statement))
    )
    if not is_path:
        return statement
    path = Path(statement.removeprefix("file://"))
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8.", hint="Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", hint="Is the path right?") from error
