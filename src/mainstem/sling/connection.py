"""A connection as a Dagster resource's configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from mainstem.connections import Connection, Secret, connection_of
from mainstem.errors import ConnectionConfigError

__all__ = ["SlingConnectionResource", "SlingMode"]


class SlingMode(str, Enum):
    """The modes that a stream may have. What each does is in ``docs/modes.md``."""

    INCREMENTAL = "incremental"
    TRUNCATE = "truncate"
    FULL_REFRESH = "full-refresh"
    SNAPSHOT = "snapshot"
    BACKFILL = "backfill"


class SlingConnectionResource(dg.PermissiveConfig):
    """One connection of a :class:`SlingResource`: a connection string, or keywords by Sling's property names.

    Every value may be a ``dg.EnvVar``, which keeps a secret out of the code and of Dagster's own pages.

    Attributes:
        name: The name that the replication's ``source`` or ``target`` uses.
        type: The kind of system, such as ``postgres`` or ``duckdb``; with ``engine="cli"``, any that Sling
            knows.
        connection_string: A URL, such as ``duckdb:///var/tmp/duckdb.db``.

    Example::

        SlingConnectionResource(
            name="MY_POSTGRES", type="postgres", host="localhost", port=5432,
            database="test_db", user="test_user", password=dg.EnvVar("POSTGRES_PASSWORD"),
        )
    """

    name: str = Field(description="The name that the replication's source or target uses.")
    type: str = Field(description="The kind of system, such as postgres or duckdb.")
    connection_string: str | None = Field(default=None, description="A URL, instead of single properties.")

    if TYPE_CHECKING:
        # Sling has many properties; a type checker should let each of them through, as Dagster does.
        def __init__(
            self,
            *,
            name: str,
            type: str,  # noqa: A002
            connection_string: str | None = None,
            **properties: Any,
        ) -> None: ...

    def connection(self) -> Connection:
        """Return the connection, with its environment variables read and its secrets hidden.

        Raises:
            ConnectionConfigError: An environment variable is not set, or the connection string is malformed
                or of another type.
        """
        return connection_of(self.name, self._values())

    def sling_definition(self) -> Secret:
        """Return the connection as Sling's own program reads it: the properties as they were given, as JSON.

        Raises:
            ConnectionConfigError: An environment variable is not set.
        """
        given = self._values()
        url = given.pop("connection_string", None)
        return Secret(json.dumps({**given, "url": url} if url else given, default=str))

    def _values(self) -> dict[str, Any]:
        return {key: _value(self.name, key, value) for key, value in dict(self).items()}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        # A connection is printed in tracebacks and notebooks: name and type are enough to know it by.
        yield "name", self.name
        yield "type", self.type


def _value(connection: str, key: str, value: Any) -> Any:
    """Dagster hands a nested EnvVar through as it is, or as ``{"env": NAME}`` where it came by run config."""
    if isinstance(value, dict) and set(value) == {"env"}:
        value = dg.EnvVar(value["env"])
    if not isinstance(value, dg.EnvVar):
        return value
    found = value.get_value()
    if found is None:
        raise ConnectionConfigError(
            f"Connection {connection}: {key!r} is the environment variable {value.env_var_name},"
            " which is not set.",
            hint="Set it where Dagster's code runs.",
        )
    return found
