"""One aggregate query on one side: counts, NULLs, least and greatest values, a checksum over all rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from mainstem.endpoints import Form, Query, Source, Written
from mainstem.errors import EndpointError
from mainstem.reconcile.model import Comparison
from mainstem.schema import Column, Relation

__all__ = ["Measured", "Measures", "Side", "column_checksums", "measure"]


@dataclass(frozen=True)
class Measured:
    """A column that is looked at.

    Attributes:
        column: The column, as its side has it.
        form: In which form its values are written; ``None`` where they are not compared.
        ordered: Whether its least and greatest values are asked for.
    """

    column: Column
    form: Form | None
    ordered: bool = False


@dataclass(frozen=True)
class Side:
    """One of the two sides.

    Attributes:
        endpoint: The system, open.
        relation: The table or view; ``None`` where ``sql`` is read.
        sql: The user's own query.
        where: Conditions that all hold, in the system's SQL.
    """

    endpoint: Source
    relation: Relation | None = None
    sql: str | None = None
    where: Sequence[str] = ()

    def select(self, items: Sequence[str]) -> str:
        """A statement over the rows of this side."""
        # A line break ends a comment of the user's.
        origin = (
            f"(\n{self.sql}\n) as query" if self.relation is None else self.endpoint.qualified(self.relation)
        )
        conditions = " and ".join(f"(\n{condition}\n)" for condition in self.where)
        where = f" where {conditions}" if conditions else ""
        return f"select {', '.join(items)} from {origin}{where}"  # noqa: S608 - identifiers are quoted

    def written(self, measured: Measured, value: str | None = None) -> Written | None:
        """How a column's value is written here; ``None`` where it is not."""
        if measured.form is None:
            return None
        name = self.endpoint.quoted(measured.column.name)
        return self.endpoint.written(value or name, measured.column, measured.form)

    def values(self, items: Sequence[str]) -> list[str | None]:
        """The one row of an aggregate query, each value as text.

        Raises:
            EndpointError: The system refused the query.
        """
        named = [f"{item} as {self.endpoint.quoted(f'c{index}')}" for index, item in enumerate(items)]
        columns = [Column(f"c{index}", "text", pa.string(), as_text=True) for index in range(len(items))]
        with self.endpoint.read(Query(columns=columns, sql=self.select(named))) as batches:
            rows = [row for batch in batches for row in batch.to_pylist()]
        if len(rows) != 1:
            raise EndpointError(f"{self.endpoint.connection.name} gave {len(rows)} rows for an aggregate.")
        return [rows[0][column.name] for column in columns]


@dataclass(frozen=True)
class Measures:
    """What a side has.

    Attributes:
        rows: Its rows.
        nulls: How many of them are NULL, by column.
        least: The least value, written, by column that has an order.
        greatest: The greatest value, likewise.
        checksum: The checksum over the rows; ``None`` where it was not asked for.
    """

    rows: int
    nulls: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, str | None] = field(default_factory=dict)
    greatest: Mapping[str, str | None] = field(default_factory=dict)
    checksum: str | None = None


def measure(side: Side, columns: Mapping[str, Measured], wanted: frozenset[Comparison]) -> Measures:
    """Measure a side, by one query.

    Args:
        side: The side.
        columns: The columns, by a name that both sides share, in the order of the checksum.
        wanted: What is measured.

    Raises:
        EndpointError: The system refused the query.
    """
    asked = dict(_asked(side, columns, wanted))
    found = dict(zip(asked, side.values(list(asked.values())), strict=True))

    def of(what: str) -> dict[str, str | None]:
        return {name: value for (kind, name), value in found.items() if kind == what}

    return Measures(
        rows=int(found["rows", ""] or 0),
        nulls={name: int(value or 0) for name, value in of("nulls").items()},
        least=of("least"),
        greatest=of("greatest"),
        checksum=found.get(("checksum", "")),
    )


def column_checksums(side: Side, columns: Mapping[str, Measured]) -> Mapping[str, str | None]:
    """A checksum of each column by itself, by one query."""
    items = {name: side.endpoint.checksum([text]) for name, text in _texts(side, columns).items()}
    asked = {name: item for name, item in items.items() if item is not None}
    if not asked:
        return {}
    return dict(zip(asked, side.values(list(asked.values())), strict=True))


def _asked(
    side: Side, columns: Mapping[str, Measured], wanted: frozenset[Comparison]
) -> Iterator[tuple[tuple[str, str], str]]:
    """What is measured, and the expression that does."""
    count = "cast(count(*) as char(20))"
    yield ("rows", ""), count
    for name, measured in columns.items():
        quoted = side.endpoint.quoted(measured.column.name)
        if Comparison.NULL_COUNTS in wanted:
            yield ("nulls", name), f"cast(count(*) - count({quoted}) as char(20))"
        if Comparison.MIN_MAX in wanted and measured.ordered:
            ordered = side.endpoint.ordered(measured.column)
            for what, aggregate in (("least", "min"), ("greatest", "max")):
                end = side.written(measured, f"{aggregate}({ordered})")
                if end is not None:
                    yield (what, name), end.sql
    texts = list(_texts(side, columns).values())
    checksum = side.endpoint.checksum(texts) if texts and Comparison.CHECKSUM in wanted else None
    if checksum is not None:
        yield ("checksum", ""), checksum


def _texts(side: Side, columns: Mapping[str, Measured]) -> dict[str, str]:
    written = {name: side.written(measured) for name, measured in columns.items()}
    return {name: found.sql for name, found in written.items() if found is not None}
