"""One instance of a system, and the tables in it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mainstem.identity.objects import normal_key
from mainstem.identity.systems import Fold, Place, SystemRules, rules_of, system_name
from mainstem.identity.table import PhysicalTable

__all__ = ["Instance", "instance_of"]

# Ways to say: this machine.
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "localhost.localdomain", "ip6-localhost"})  # noqa: S104
_MEMORY = ":memory:"
_URL = "://"
_PLAIN_FILE = re.compile(r"^(file|local)://")


@dataclass(frozen=True)
class Instance:
    """Where a connection leads.

    Attributes:
        system: The kind of system.
        place: Which one: a host and port, a file, an account.
        database: The database, or the bucket, of names that give none.
        schema: The schema of names that give none.
        root: The folder, or the address, from which the names of files begin.
    """

    system: str
    place: str
    database: str = ""
    schema: str = ""
    root: str = ""

    @property
    def has_keys(self) -> bool:
        """Whether its tables are files: those are :meth:`object`, all others :meth:`table`."""
        return rules_of(self.system).keys

    def table(
        self,
        table: str,
        schema: str | None = None,
        database: str | None = None,
        *,
        quoted: bool | None = None,
    ) -> PhysicalTable:
        """Return a table of it.

        Args:
            table: The table's name.
            schema: Its schema; ``None`` for the default one.
            database: Its database; ``None`` for the connection's.
            quoted: Whether the names are as they stand in the catalogue. Otherwise they are as in SQL
                without quotes, which many systems fold to one case. ``None``: as people write them there.

        Example:
            >>> duck = instance_of("duckdb", {"instance": "/tmp/shop.duckdb"})
            >>> duck.table("Orders") == duck.table("orders", "MAIN", "shop")
            True
        """
        rules = rules_of(self.system)
        quoted = not rules.unquoted if quoted is None else quoted

        def named(given: str | None, default: str) -> str:
            return _folded(given, rules, quoted=quoted) if given else default

        return PhysicalTable(
            self.system,
            self.place,
            named(database, self.database) if rules.has_database else "",
            named(schema, self.schema) if rules.has_schema else "",
            _folded(table, rules, quoted=quoted),
        )

    def object(self, key: str) -> PhysicalTable:
        """Return an object of a store, by its key: a file, a folder or a pattern of them.

        Args:
            key: A path from the place's root, or a whole URL.

        Example:
            >>> lake = instance_of("s3", {"bucket": "lake", "path": "raw"})
            >>> lake.object("orders/") == lake.object("s3://lake/raw/orders")
            True
        """
        return PhysicalTable(self.system, self.place, self.database, "", normal_key(self._whole(key)))

    def _whole(self, key: str) -> str:
        """The whole path of a key in its store."""
        place = rules_of(self.system).place
        if place is Place.LOCAL:
            plain = _PLAIN_FILE.sub("", key)
            return _real_path(plain, Path(self.root)) + ("/" if plain.endswith("/") or not plain else "")
        if place is Place.WEB:
            return key if _URL in key else f"{self.root.rstrip('/')}/{key.lstrip('/')}"
        if _URL in key:
            path, bucket = f"/{key.partition(_URL)[2]}", f"/{self.database}/"
            path = path.partition(bucket if bucket in path else "/")[2]
            path = path if bucket != "//" else f"/{path.partition('/')[2]}"
        else:
            path = f"{self.root}/{key}" if self.root else key
        return path.lstrip("/") if place is Place.OBJECTS else path

    def __str__(self) -> str:
        return f"{self.system} {self.place}".strip()


def instance_of(
    type: str,  # noqa: A002 - as a connection calls it
    properties: Mapping[str, str | None],
    folder: Path | None = None,
) -> Instance | None:
    """Return where a connection leads.

    Args:
        type: The kind of system.
        properties: The connection's, by Sling's names. None that is secret is looked at.
        folder: The folder that a relative path begins at; ``None`` for the working directory.

    Returns:
        ``None`` where that is nowhere that another connection could lead to: a database in memory.

    Example:
        >>> instance_of("postgresql", {"host": "127.0.0.1", "database": "shop"})
        Instance(system='postgres', place='localhost:5432', database='shop', schema='public', root='')
    """
    system = system_name(type)
    given = {key.lower(): value for key, value in properties.items() if value}
    rules = rules_of(system)
    if rules.place is Place.FILE:
        path = given.get("instance") or given.get("database") or ""
        if not path or path.startswith(_MEMORY):
            return None
        for start, other in rules.elsewhere.items():
            if path.startswith(start):
                return instance_of(other, {**given, "database": path.removeprefix(start).partition("?")[0]})
        place, database = _real_path(path, folder), ""
    elif rules.place is Place.SERVER:
        place, database = _server(given, rules), given.get("database") or ""
    else:
        found = next((given[key] for key in rules.account if key in given), "").lower()
        found = found.partition(_URL)[2].rstrip("/") if _URL in found else found
        place = found.removesuffix(rules.domain) if rules.domain else found
        database = given.get("bucket") or given.get("container") or given.get("project") or ""
        database = given.get("database") or database
    schema = given.get("schema") or given.get("dataset") or rules.schema
    if not schema and not rules.has_database:
        schema = database
    if rules.keys:
        return _store(system, place, database, given, folder)
    return Instance(
        system,
        place,
        _folded(database, rules, quoted=not rules.unquoted) if rules.has_database else "",
        _folded(schema, rules, quoted=not rules.unquoted),
    )


def _store(system: str, place: str, database: str, given: Mapping[str, str], folder: Path | None) -> Instance:
    """Where the files of a connection are, and from where on their names begin."""
    rules = rules_of(system)
    own = given.get("path") or given.get("url") or ""
    if rules.place is Place.LOCAL:
        root = os.fspath(Path(folder or Path(), Path(_PLAIN_FILE.sub("", own)).expanduser()))
        return Instance(system, "", root=root)
    if rules.place is Place.WEB:
        return Instance(system, "", root=own)
    return Instance(system, place, database if rules.has_database else "", root=own.rstrip("/"))


def _server(given: Mapping[str, str], rules: SystemRules) -> str:
    host = (given.get("host") or "localhost").strip().rstrip(".")
    if not host.startswith("/"):  # the folder of a socket keeps its case
        host = host.strip("[]").lower()
    host = "localhost" if host in _LOCAL else host
    port = given.get("port") or rules.port
    return f"{host}:{int(port)}" if port and str(port).strip().isdigit() else host


def _real_path(path: str, folder: Path | None) -> str:
    plain = path.removeprefix("file://")
    return os.path.normcase(os.path.realpath(Path(folder or Path(), Path(plain).expanduser())))


def _folded(name: str | None, rules: SystemRules, *, quoted: bool) -> str:
    if not name:
        return ""
    if rules.fold is Fold.ANY:
        return name.lower()
    if quoted or rules.fold is Fold.EXACT:
        return name
    return name.lower() if rules.fold is Fold.LOWER else name.upper()
