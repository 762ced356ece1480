"""The runtime variables of a stream, and their substitution (spec §2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mainstem.sqltext import Sql, Written, in_sql

__all__ = ["PARTITION", "StreamNames", "Variables", "clean_name", "moment_variables", "run_name"]

# Variables whose value is another one in each row (spec §2).
PARTITION = re.compile(r"part_[a-z_]+")

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")
_UNCLEAN = re.compile(r"[^0-9A-Za-z_]")
# Substituted into `object` as they are; everything else is cleaned, so that no name breaks out of its place.
_VERBATIM = re.compile(r"run_timestamp|.*_full_name|timestamp\..*|env\..*|[YMDHhms]{2,4}")
# The first word of a variable may be followed by a dot in the underscore's place: `{stream.table}`.
_NESTED = re.compile(r"^(stream|object|source|target|run)\.")


@dataclass(frozen=True)
class StreamNames:
    """What the variables of one stream are made of.

    Attributes:
        stream: The stream's key in the document.
        id: Its id, if it has one.
        description: Its description, if it has one.
        schema: The source table's schema; empty for custom SQL.
        table: The source table's name; the stream's name for custom SQL.
        full_name: The source table, quoted and qualified.
        source: The source connection's name and type.
        target: The target connection's name and type.
        target_schema: The schema of the target connection.
        update_key: The update key, quoted; ``None`` where there is none.
        started: When the run began, in local time.
        run_id: The id of the execution.
        file: The replication's file; ``None`` for a mapping.
        environment: The variables of ``env``.
    """

    stream: str
    schema: str
    table: str
    full_name: str
    source: tuple[str, str]
    target: tuple[str, str]
    target_schema: str
    started: datetime
    id: str | None = None
    description: str | None = None
    update_key: str | None = None
    run_id: str = ""
    file: str | None = None
    environment: Mapping[str, str] | None = None

    def variables(self) -> Variables:
        """Every variable that has a value before the target is known."""
        return Variables(
            {
                **_in_cases("stream_schema", self.schema),
                **_in_cases("stream_table", self.table),
                "stream_name": self.stream.lower(),
                "stream_full_name": Sql(self.full_name),
                "stream_run_id": self.id or run_name(self.stream),
                "stream_description": self.description or "",
                "source_name": self.source[0].lower(),
                "source_type": self.source[1],
                "source_kind": "database",
                "target_name": self.target[0].lower(),
                "target_type": self.target[1],
                "target_kind": "database",
                "target_schema": self.target_schema,
                "run_id": self.id or run_name(self.stream),
                "run_stream": self.stream,
                "execution.id": self.run_id,
                "execution.start_time": Written(self.started.isoformat()),
                **({"update_key": Sql(self.update_key)} if self.update_key else {}),
                **({"execution.file_path": self.file} if self.file else {}),
                **_times(self.started),
                **{f"env.{key}": Written(value) for key, value in (self.environment or {}).items()},
            }
        )


@dataclass(frozen=True)
class Variables:
    """Variables and their values.

    Attributes:
        values: By name: flat (``stream_table``), or with a dot where the name has one (``timestamp.unix``).
    """

    values: Mapping[str, str]

    def with_object(self, schema: str, table: str, full_name: str) -> Variables:
        """The same, with those that the target object gives."""
        found = {
            "object_name": f"{schema}.{table}",
            "object_schema": schema,
            "object_table": table,
            "object_full_name": Sql(full_name),
            "target_table": table,
            "run_object": f"{schema}.{table}",
        }
        return Variables({**self.values, **found})

    def and_more(self, values: Mapping[str, str]) -> Variables:
        """The same, with more values."""
        return Variables({**self.values, **values})

    def in_object(self, template: str, kept: re.Pattern[str] | None = None) -> tuple[str, list[str]]:
        """Put the values into an ``object``, cleaned.

        Args:
            template: Such as ``{stream_schema}_{stream_table}``, or with dots: ``{stream.schema}``.
            kept: Variables that stay as they are: those that each row gives, such as :data:`PARTITION`.

        Returns:
            The object's name, and the variables that have no value here. Those are removed, as in Sling.

        Example:
            >>> Variables({"stream_schema": "a b"}).in_object("{stream.schema}_{x}{stream_schema}")
            ('a_b_a_b', ['x'])
        """
        unresolved: list[str] = []

        def value(match: re.Match[str]) -> str:
            if kept is not None and kept.fullmatch(match.group(1)):
                return match.group()
            found = self._find(match.group(1))
            if found is None:
                unresolved.append(match.group(1))
                return ""
            name, text = found
            return text if _VERBATIM.fullmatch(name) else clean_name(text)

        return _VARIABLE.sub(value, template), unresolved

    def and_sql(self, values: Mapping[str, str]) -> Variables:
        """The same, with more values, which are SQL: conditions, literals, lists of columns."""
        return self.and_more({name: Sql(value) for name, value in values.items()})

    def in_sql(self, template: str, dialect: str = "") -> str:
        """Put the values into SQL. What has no value is kept: it may be the SQL's own.

        A name out of a catalogue or of a file stays a name there, and never becomes SQL.

        Args:
            template: The SQL.
            dialect: Whose it is, by sqlglot's name.

        Raises:
            ReplicationError: A value would become SQL where it stands.

        Example:
            >>> Variables({"stream_table": "t"}).in_sql("select '{x}' from {stream_table}")
            "select '{x}' from t"
        """
        return in_sql(template, _VARIABLE, self._value, dialect)

    def in_text(self, template: str) -> str:
        """Put the values into a text that is no SQL. What has no value is kept."""
        return _VARIABLE.sub(lambda match: self._value(match) or match.group(), template)

    def _value(self, match: re.Match[str]) -> str | None:
        found = self._find(match.group(1))
        return None if found is None else found[1]

    def _find(self, name: str) -> tuple[str, str] | None:
        for spelled in (name, _NESTED.sub(r"\1_", name)):
            if spelled in self.values:
                return spelled, self.values[spelled]
        return None


def clean_name(value: str) -> str:
    """Make a value fit for a name: other characters become underscores, a leading digit gets one before it.

    Example:
        >>> clean_name('public."my table"'), clean_name("2024")
        ('public__my_table_', '_2024')
    """
    clean = _UNCLEAN.sub("_", value)
    return f"_{clean}" if clean[:1].isdigit() else clean


def moment_variables(started: datetime) -> Mapping[str, str]:
    """The variables that a moment gives: bare, and under ``timestamp``."""
    return _times(started)


def run_name(stream: str) -> str:
    """The id of a stream that has none of its own.

    Example:
        >>> run_name('"public"."foo"')
        'public_foo'
    """
    return clean_name(stream.replace('"', ""))


def _in_cases(name: str, value: str) -> Mapping[str, str]:
    cases: Mapping[str, Callable[[str], str]] = {"": str, "_lower": str.lower, "_upper": str.upper}
    return {f"{name}{case}": change(value) for case, change in cases.items()}


def _times(started: datetime) -> Mapping[str, str]:
    """The parts of the time, bare and under ``timestamp``.

    `DDD` is the weekday here, as its name says; Sling's own rendering of the bare form is not.
    """
    formats = {
        "YYYY": "%Y",
        "YY": "%y",
        "MMM": "%b",
        "MM": "%m",
        "DD": "%d",
        "DDD": "%a",
        "HH": "%H",
        "hh": "%I",
        "mm": "%M",
        "ss": "%S",
    }
    parts = {name: Written(started.strftime(code)) for name, code in formats.items()}
    whole = {
        "date": started.strftime("%Y-%m-%d"),
        "datetime": started.strftime("%Y-%m-%d %H:%M:%S"),
        "unix": str(int(started.timestamp())),
        "file_name": started.strftime("%Y_%m_%d_%H%M%S"),
        "rfc3339": started.isoformat(timespec="seconds"),
    }
    nested = {f"timestamp.{name}": Written(value) for name, value in {**parts, **whole}.items()}
    return {**parts, **nested, "run_timestamp": started.strftime("%Y_%m_%d_%H%M%S")}
