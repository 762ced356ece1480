"""`copy`, `delete`, `write`, `read`, `list` and `inspect`."""

from __future__ import annotations

from typing import Any

from mainstem.connections import Connection
from mainstem.endpoints import open_endpoint, open_source
from mainstem.errors import HookError, RelationNotFoundError
from mainstem.expressions import shown
from mainstem.files.places import PLACES
from mainstem.hooks.model import Call, Result
from mainstem.hooks.places import split_location
from mainstem.types import type_name

__all__ = ["copy", "delete", "inspect", "listing", "read", "write"]


def copy(call: Call) -> Result:
    """Copy a file or a folder."""
    size = call.services.places.copy(
        call.text("from"),
        call.text("to"),
        recursive=call.flag("recursive"),
        single=call.flag("single_file"),
    )
    return Result({"bytes_written": size}, size)


def delete(call: Call) -> Result:
    """Delete a file or a folder."""
    count = call.services.places.delete(call.text("location"), recursive=call.flag("recursive"))
    return Result({"deleted": count}, count)


def write(call: Call) -> Result:
    """Make a file of a text; what is no text is written as JSON."""
    if "content" not in call.keys:
        raise HookError("`content` is missing.")
    size = call.services.places.write(call.text("to"), shown(call.keys["content"]).encode())
    return Result({"bytes_written": size}, size)


def read(call: Call) -> Result:
    """Read a text file."""
    try:
        content = call.services.places.read(call.text("from")).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HookError(f"{call.text('from')} is not UTF-8.") from error
    return Result({"content": content}, content)


def listing(call: Call) -> Result:
    """List a folder, what a pattern matches, or the tables of a schema (``CONNECTION/schema``)."""
    only = call.keys.get("only")
    if only not in (None, "files", "folders"):
        raise HookError(f"`only` is {only!r}.", hint="It is files or folders.")
    location = call.text("location")
    database, schema = _database(call, location)
    listed = (
        call.services.places.listed(location, recursive=call.flag("recursive"))
        if database is None
        else _tables(database, schema)
    )
    found = [each for each in listed if only is None or each["is_dir"] == (only == "folders")]
    return Result({"result": found, "count": len(found)}, found)


def inspect(call: Call) -> Result:
    """Look at a file, a folder, or a table (``CONNECTION/schema.table``)."""
    location = call.text("location")
    database, table = _database(call, location)
    if database is None:
        found = call.services.places.inspect(location, recursive=call.flag("recursive"))
    else:
        found = _table(database, table)
    return Result(found, found)


def _database(call: Call, location: str) -> tuple[Connection | None, str]:
    """The database that a location names, and what is behind it; ``None`` for files."""
    name, rest = split_location(location)
    connection = call.services.known(name) if name else None
    return (None, rest) if connection is None or connection.type in PLACES else (connection, rest)


def _tables(connection: Connection, schema: str) -> list[dict[str, Any]]:
    with open_source(connection) as source:
        entries = source.catalog(schema or None)
        return [
            {
                "name": entry.relation.name,
                "path": str(entry.relation),
                "uri": source.qualified(entry.relation),
                "is_dir": False,
                "is_view": entry.is_view,
            }
            for entry in sorted(entries, key=lambda entry: str(entry.relation))
        ]


def _table(connection: Connection, name: str) -> dict[str, Any]:
    with open_endpoint(connection) as endpoint:
        relation = endpoint.relation(name)
        facts = {"schema": relation.schema, "name": relation.name, "database": relation.database}
        try:
            described = endpoint.describe(relation)
        except RelationNotFoundError:
            return {"exists": False, **facts}
        columns = [
            {"name": column.name, "type": column.native_type, "general_type": type_name(column.arrow_type)}
            for column in described.columns
        ]
        full = endpoint.qualified(described.relation or relation)
        return {"exists": True, **facts, "fdqn": full, "columns": columns}
