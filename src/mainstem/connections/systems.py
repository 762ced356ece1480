"""What is known of each system before it is opened: its names, and what the parts of its URL mean (spec §5).

A system that is not in the table still resolves, by the general form; whether it can be opened is the
endpoint registry's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["TYPES", "UrlForm", "canonical_type", "forms_of", "may_be"]


@dataclass(frozen=True)
class UrlForm:
    """How the parts of a URL are called as properties.

    Attributes:
        type: The system.
        login: Names of what stands before and after the colon of ``user:password@``. Parts that have no
            name here are refused.
        host: Name of the host.
        many_hosts: The host may be a list, ``a:1,b:2``, which is then kept as it is.
        domain: The form of hosts that end in this, which is then taken off.
        path: Names of the path's segments; the last one takes the rest.
        rooted: The path keeps its leading slash.
        place: Everything between ``//`` and ``?`` is one path, which has this name.
        whole: The URL is kept as it is under this name, and not taken apart.
        signed: Where there is a query, it is a signature: the URL is kept under this name besides.
        renamed: Parameters of the query, in lower case, whose property is called otherwise.
        constant: Properties that the scheme alone tells.
    """

    type: str
    login: Sequence[str] = ("user", "password")
    host: str = "host"
    many_hosts: bool = False
    domain: str = ""
    path: Sequence[str] = ("database",)
    rooted: bool = False
    place: str | None = None
    whole: str | None = None
    signed: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    constant: Mapping[str, str] = field(default_factory=dict)


# Other names under which a system goes, in `type` or as a URL's scheme.
_ALIASES: Mapping[str, str] = {
    "postgresql": "postgres",
    "gs": "gcs",
    "local": "file",
    "https": "http",
    "abfs": "azure",
    "abfss": "azure",
    "mongodb+srv": "mongodb",
}

# Systems that speak another's protocol, so that its URL may be theirs when `type` says so.
_SPEAKS: Mapping[str, str] = {
    "redshift": "postgres",
    "mariadb": "mysql",
    "starrocks": "mysql",
    "azuresql": "sqlserver",
    "azuredwh": "sqlserver",
    "fabric": "sqlserver",
}

_HTTP = UrlForm("http", whole="url")
_AZURE_BLOB = UrlForm(
    "azure",
    login=(),
    host="account",
    domain=".blob.core.windows.net",
    path=("container", "path"),
    signed="sas_svc_url",
)
_AZURE_LAKE = UrlForm(
    "azure", login=("container",), host="account", domain=".dfs.core.windows.net", path=("path",)
)

# Scheme → its forms, the first that fits. A scheme that is not here has the general form of a server.
_FORMS: Mapping[str, Sequence[UrlForm]] = {
    "duckdb": [UrlForm("duckdb", place="instance")],
    "sqlite": [UrlForm("sqlite", place="instance")],
    "motherduck": [UrlForm("motherduck", place="database")],
    "file": [UrlForm("file", place="path")],
    "local": [UrlForm("file", place="path")],
    "snowflake": [UrlForm("snowflake", path=("database", "schema"))],
    "bigquery": [
        UrlForm(
            "bigquery",
            login=(),
            host="project",
            path=("location", "dataset"),
            renamed={"credentialsfile": "key_file"},
        )
    ],
    **{name: [UrlForm(name, path=("instance",))] for name in ("sqlserver", "azuresql", "azuredwh", "fabric")},
    "mongodb": [UrlForm("mongodb", many_hosts=True)],
    "mongodb+srv": [UrlForm("mongodb", constant={"srv": "true"})],
    "s3": [UrlForm("s3", login=(), host="bucket", path=("path",))],
    "gs": [UrlForm("gcs", login=(), host="bucket", path=("path",))],
    "sftp": [UrlForm("sftp", path=("path",), rooted=True)],
    "ftp": [UrlForm("ftp", path=("path",), rooted=True)],
    "hdfs": [UrlForm("hdfs", path=("path",), rooted=True)],
    "abfs": [_AZURE_LAKE],
    "abfss": [_AZURE_LAKE],
    "https": [_AZURE_BLOB, _HTTP],
    "http": [_HTTP],
}

# Every system that Sling knows.
TYPES = frozenset(
    {
        *("adbc", "api", "athena", "azure", "azuredwh", "azuresql", "azuretable", "bigquery", "bigtable"),
        *("clickhouse", "d1", "databricks", "duckdb", "ducklake", "elasticsearch", "exasol", "fabric"),
        *("file", "ftp", "gcs", "gdrive", "hdfs", "http", "iceberg", "mariadb", "mongodb", "motherduck"),
        *("mysql", "odbc", "oracle", "postgres", "prometheus", "proton", "redshift", "s3", "scylladb"),
        *("sftp", "snowflake", "sqlite", "sqlserver", "starrocks", "trino"),
    }
)


def canonical_type(name: str) -> str:
    """Return the one name that we know a system by.

    Example:
        >>> canonical_type("PostgreSQL"), canonical_type("gs"), canonical_type("whatever")
        ('postgres', 'gcs', 'whatever')
    """
    lower = name.strip().lower()
    return _ALIASES.get(lower, lower)


def forms_of(scheme: str) -> Sequence[UrlForm]:
    """Return the forms that a URL of this scheme may have; there is at least one."""
    return _FORMS.get(scheme) or [UrlForm(canonical_type(scheme))]


def may_be(url_type: str, type: str) -> bool:  # noqa: A002
    """Whether a URL of one type may stand for a connection of another.

    Example:
        >>> may_be("postgres", "redshift"), may_be("redshift", "postgres")
        (True, False)
    """
    return url_type == type or _SPEAKS.get(type) == url_type
