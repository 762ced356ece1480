"""Custom SQL: where its text comes from, and what its placeholders become (spec §1.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mainstem.endpoints import Query, Source, SourceTable
from mainstem.errors import ReplicationError
from mainstem.plan.facts import Place
from mainstem.plan.placeholders import EVERYTHING, sql_text
from mainstem.replication import Mode, Variables
from mainstem.replication.select import Select, SelectExpression

__all__ = ["CustomSql"]

_BOUNDS = ("incremental_where_cond", "incremental_value", "start_value", "end_value")


class CustomSql:
    """The SQL of one stream.

    Attributes:
        template: The text, with its placeholders.
    """

    def __init__(
        self, template: str, place: Place, source: Source, select: Select, declared: Sequence[str]
    ) -> None:
        self.template = template
        self._place = place
        self._source = source
        self._select = select
        self._declared = declared

    @classmethod
    def of(cls, place: Place, source: Source, select: Select, declared: Sequence[str]) -> CustomSql | None:
        """The stream's own SQL, or that of the file that it is named after; ``None`` for a table."""
        sql = place.stream.sql
        if sql is None and place.stream.name.endswith(".sql"):
            sql = f"file://{place.stream.name.removeprefix('file://')}"
        if sql is None:
            return None
        text = sql_text(sql, place.replication.document.source, place.at("sql"))
        return cls(text, place, source, select, declared)

    def has(self, *placeholders: str) -> bool:
        """Whether the text has one of these placeholders."""
        return any(f"{{{name}}}" in self.template for name in placeholders)

    def refuse_without_bounds(self) -> None:
        """Refuse SQL that would read everything at each run (spec §1.9).

        Raises:
            ReplicationError: The stream goes by its update key, and the SQL has no place for it.
        """
        stream = self._place.stream
        if stream.update_key and stream.mode in (Mode.INCREMENTAL, Mode.BACKFILL) and not self.has(*_BOUNDS):
            raise ReplicationError(
                f"The SQL of a stream in mode {stream.mode.value} with an update_key needs a place for its"
                " bounds.",
                position=self._place.at("sql"),
                hint="Put `where {incremental_where_cond}` into it.",
            )

    def described(self, variables: Variables) -> SourceTable:
        """Have the source describe the result, with nothing bounding it."""
        return self._source.describe_query(self._filled(variables, EVERYTHING, "*"))

    def filled(self, variables: Variables, bounds: Mapping[str, str], described: SourceTable) -> str:
        """The query itself, with the bounds in place."""
        return self._filled(variables, {**EVERYTHING, **bounds}, self._fields(described))

    def everything(self, variables: Variables, described: SourceTable) -> Query:
        """A query of all its rows."""
        # Without the stream's own `where`, which is a window on the rows and not what makes one missing.
        every = {**EVERYTHING, "fields": self._fields(described)}
        return Query(columns=described.columns, sql=self._put(variables, every))

    def _filled(self, variables: Variables, bounds: Mapping[str, str], fields: str) -> str:
        every = {**bounds, **self._where(variables), "fields": fields}
        return self._put(variables, every)

    def _put(self, variables: Variables, sql: Mapping[str, str]) -> str:
        return variables.and_sql(sql).in_sql(self.template, self._source.dialect)

    def _where(self, variables: Variables) -> Mapping[str, str]:
        if not self._place.stream.where:
            return {}
        condition = f"({variables.in_sql(self._place.stream.where, self._source.dialect)})"
        return {"where_cond": condition, "where_clause": condition}

    def _fields(self, described: SourceTable) -> str:
        quoted = self._source.quoted
        if not self._select.items:
            return "*"
        names: Sequence[str] = [column.name for column in described.columns]
        return ", ".join(
            f"{item.text} as {quoted(item.alias)}"
            if isinstance(item, SelectExpression)
            else f"{quoted(item.source)} as {quoted(item.target)}"
            for item in self._select.fields(names, self._declared)
        )
