"""How each system tells its instances apart and compares names: data, with the reason beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Fold", "Place", "SystemRules", "rules_of", "system_name"]


class Place(Enum):
    """What tells one instance of a system from another."""

    SERVER = "server"  # a host and a port
    FILE = "file"  # a file of this machine
    ACCOUNT = "account"  # the first property that is given, of those that the rules name
    OBJECTS = "objects"  # a store of buckets
    LOCAL = "local"  # this machine's files
    WEB = "web"  # an address


class Fold(Enum):
    """What becomes of the case of a name."""

    ANY = "any"  # names that differ in case alone are one, quoted or not
    LOWER = "lower"  # a name without quotes is one in lower case
    UPPER = "upper"  # a name without quotes is one in upper case
    EXACT = "exact"  # case is part of every name


@dataclass(frozen=True)
class SystemRules:
    """The rules of one system.

    Attributes:
        place: What tells its instances apart.
        fold: What becomes of the case of a name.
        port: The port where none is given.
        schema: The schema where none is given; empty where the connection's database is it.
        has_database: Whether a table's name has a database above the schema.
        has_schema: Whether a table's name has a schema.
        keys: Whether its tables are files, whose names are keys.
        account: Properties that tell the instance, the first that is given.
        domain: What may stand behind the account, and means nothing.
        unquoted: Whether people write its names without quotes: in connections, and where tools quote none.
        elsewhere: How a file's name begins that is none, but a database of another system.
    """

    place: Place = Place.SERVER
    fold: Fold = Fold.EXACT
    port: int | None = None
    schema: str = ""
    has_database: bool = True
    has_schema: bool = True
    keys: bool = False
    account: Sequence[str] = ()
    domain: str = ""
    unquoted: bool = False
    elsewhere: Mapping[str, str] = field(default_factory=dict)


# Names that mean the same system, with the same tables behind them.
_ALIASES: Mapping[str, str] = {
    "postgresql": "postgres",
    "cockroachdb": "postgres",
    "mariadb": "mysql",
    "mssql": "sqlserver",
    "azuresql": "sqlserver",
    "synapse": "sqlserver",
    "gs": "gcs",
    **dict.fromkeys(("az", "abfs", "abfss", "adl"), "azure"),
    "local": "file",
    "filesystem": "file",
}

_RULES: Mapping[str, SystemRules] = {
    # https://www.postgresql.org/docs/current/sql-syntax-lexical.html: unquoted names fold to lower case.
    "postgres": SystemRules(fold=Fold.LOWER, port=5432, schema="public"),
    # enable_case_sensitive_identifier is off by default: quoted names fold as well.
    "redshift": SystemRules(fold=Fold.ANY, port=5439, schema="public"),
    # Its databases are its schemas; lower_case_table_names is 0 on Linux.
    "mysql": SystemRules(port=3306, has_database=False),
    "sqlserver": SystemRules(fold=Fold.ANY, port=1433, schema="dbo"),
    "oracle": SystemRules(fold=Fold.UPPER, port=1521, unquoted=True),
    "clickhouse": SystemRules(port=9000, schema="default", has_database=False),
    "trino": SystemRules(fold=Fold.ANY, port=8080),
    # A file has one database, whose name follows from the file's.
    "duckdb": SystemRules(
        place=Place.FILE,
        fold=Fold.ANY,
        schema="main",
        has_database=False,
        elsewhere={"md:": "motherduck", "motherduck:": "motherduck"},
    ),
    "sqlite": SystemRules(place=Place.FILE, fold=Fold.ANY, schema="main", has_database=False),
    "motherduck": SystemRules(place=Place.ACCOUNT, fold=Fold.ANY, schema="main"),
    "snowflake": SystemRules(
        place=Place.ACCOUNT,
        fold=Fold.UPPER,
        schema="PUBLIC",
        account=("account", "host"),
        domain=".snowflakecomputing.com",
        unquoted=True,
    ),
    # A project is the database, a dataset the schema.
    "bigquery": SystemRules(place=Place.ACCOUNT),
    "databricks": SystemRules(place=Place.ACCOUNT, fold=Fold.ANY, schema="default", account=("host",)),
    "athena": SystemRules(place=Place.ACCOUNT, fold=Fold.ANY, account=("region",)),
    "s3": SystemRules(place=Place.OBJECTS, account=("endpoint",), has_schema=False, keys=True),
    "gcs": SystemRules(place=Place.OBJECTS, has_schema=False, keys=True),
    "azure": SystemRules(place=Place.OBJECTS, account=("account",), has_schema=False, keys=True),
    "file": SystemRules(place=Place.LOCAL, has_database=False, has_schema=False, keys=True),
    "sftp": SystemRules(port=22, has_database=False, has_schema=False, keys=True),
    "http": SystemRules(place=Place.WEB, has_database=False, has_schema=False, keys=True),
}


def system_name(name: str) -> str:
    """Return the one name of a system.

    Example:
        >>> system_name("PostgreSQL"), system_name("mariadb"), system_name("whatever")
        ('postgres', 'mysql', 'whatever')
    """
    lower = name.strip().lower()
    return _ALIASES.get(lower, lower)


def rules_of(system: str) -> SystemRules:
    """Return the rules of a system; of one that is not known, those by which the fewest names are one."""
    return _RULES.get(system_name(system), SystemRules())
