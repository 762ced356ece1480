"""The language of a dbt adapter, and what languages differ in that matters for names."""

from __future__ import annotations

__all__ = ["Language", "dialect_of", "language_of"]

from collections.abc import Callable
from dataclasses import dataclass

# dbt names its adapters after the system, sqlglot names its dialects after the language.
_DIALECTS = {
    "athena": "athena",
    "bigquery": "bigquery",
    "clickhouse": "clickhouse",
    "databricks": "databricks",
    "doris": "doris",
    "dremio": "dremio",
    "duckdb": "duckdb",
    "exasol": "exasol",
    "fabric": "fabric",
    "fabricspark": "spark",
    "glue": "spark",
    "greenplum": "postgres",
    "materialize": "materialize",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgres": "postgres",
    "redshift": "redshift",
    "risingwave": "risingwave",
    "snowflake": "snowflake",
    "spark": "spark",
    "sqlite": "sqlite",
    "sqlserver": "tsql",
    "starrocks": "starrocks",
    "synapse": "tsql",
    "teradata": "teradata",
    "trino": "trino",
    "vertica": "postgres",
}


@dataclass(frozen=True)
class Language:
    """How names are looked up in a language.

    Attributes:
        reuses_aliases: An expression may use the name that another of the same ``select`` was given.
        aliases_first: Such a name is meant rather than a column of the same name.
        sees_siblings: A subquery in ``from`` sees what stands before it, also without ``lateral``.
        recurses_silently: A CTE may read itself without ``recursive``.
        names_casts: A cast has the name of the column that is cast.
        has_methods: A function may stand behind its first argument and a dot.
        folds: What becomes of a name without quotes.
    """

    reuses_aliases: bool = True
    aliases_first: bool = False
    sees_siblings: bool = False
    recurses_silently: bool = False
    names_casts: bool = False
    has_methods: bool = False
    folds: Callable[[str], str] = str


_PLAIN = Language(reuses_aliases=False)
_POSTGRES = Language(reuses_aliases=False, names_casts=True, folds=str.lower)
_LANGUAGES = {
    "athena": _PLAIN,
    "bigquery": _PLAIN,
    "clickhouse": Language(aliases_first=True),
    "duckdb": Language(sees_siblings=True, has_methods=True),
    "materialize": _POSTGRES,
    "mysql": _PLAIN,
    "oracle": Language(reuses_aliases=False, recurses_silently=True, folds=str.upper),
    "postgres": _POSTGRES,
    "redshift": Language(names_casts=True, folds=str.lower),
    "risingwave": _POSTGRES,
    "snowflake": Language(recurses_silently=True, folds=str.upper),
    "sqlite": _PLAIN,
    "trino": _PLAIN,
    "tsql": Language(reuses_aliases=False, recurses_silently=True),
}


def dialect_of(adapter_type: str | None) -> str | None:
    """Return sqlglot's name for the language of a dbt adapter, or ``None`` where it has none of its own."""
    return _DIALECTS.get(adapter_type or "")


def language_of(dialect: str | None) -> Language:
    """Return how names are looked up in a language. One that is not known may do what any other does."""
    return _LANGUAGES.get(dialect or "", Language())
