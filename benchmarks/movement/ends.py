"""How the ends of a move are called: connections, streams and objects."""

from __future__ import annotations

from benchmarks.movement.place import MOVED, Place

__all__ = ["FILES", "moved", "read", "stream", "written"]

# What needs no server and no connection: the built-in LOCAL.
FILES = frozenset({"csv", "parquet"})


def read(place: Place, system: str) -> str:
    """The URL of a source."""
    return f"duckdb://{place.origin}" if system == "duckdb" else written(place, system)


def written(place: Place, system: str) -> str:
    """The URL of a target."""
    if system == "postgres":
        return f"{place.postgres.url}?sslmode=disable"
    if system == "mysql":
        return place.mariadb.url
    return {"sqlite": f"sqlite://{place.book}", "duckdb": f"duckdb://{place.lake}"}.get(system, "")


def stream(place: Place, system: str, schema: str, table: str) -> str:
    """The name of a stream."""
    if system in FILES:
        return f"file://{place.file(table, system)}"
    if system == "mysql":
        return f"{place.mariadb.database}.{table}"
    return f"{schema if system == 'postgres' else 'main'}.{table}"


def moved(place: Place, system: str, table: str) -> str:
    """The object that is written."""
    return f"file://{place.out}/{MOVED}/{table}.{system}" if system in FILES else f"{MOVED}.{table}"
