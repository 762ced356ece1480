"""A table of orders in a source, and replications of it: what the conformance suites have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from mainstem.api import plan, replicate
from mainstem.errors import MainstemError, ReplicationFailedError
from mainstem.events import Event
from mainstem.plan import StreamPlan
from mainstem.report import StreamReport
from mainstem.testing.place import Place

__all__ = ["ORDERS", "Moving", "Order", "day", "order", "orders"]

Order = tuple[int | None, str | None, Decimal | None, datetime | None]

_COLUMNS: dict[str, pa.DataType] = {
    "id": pa.int64(),
    "name": pa.string(),
    "amount": pa.decimal64(12, 2),
    "updated": pa.timestamp("us"),
}
ORDERS = pa.schema(_COLUMNS)


def day(number: int) -> datetime:
    """A moment with microseconds, so many days into the year."""
    return datetime(2024, 1, number, 12, 30, 15, 123456)  # noqa: DTZ001 - the column has no zone


def orders(rows: Iterable[Sequence[Any]], schema: pa.Schema = ORDERS) -> pa.Table:
    """A table of orders."""
    listed = list(rows)
    columns = [pa.array([row[index] for row in listed], field.type) for index, field in enumerate(schema)]
    return pa.table(columns, schema=schema)


def order(number: int, name: str = "first", on: int | None = None) -> Order:
    """An order, updated on a day of its own unless another is given."""
    return number, name, Decimal(number) + Decimal("0.25"), day(on or number)


class Moving:
    """The replications of one test.

    Args:
        source: Where the orders are.
        target: Where they go.
    """

    def __init__(self, source: Place, target: Place) -> None:
        self.source = source
        self.target = target
        self.connections = {"SRC": source.url, "TGT": target.url}

    def config(
        self, env: Mapping[str, Any] | None = None, table: str = "orders", **stream: Any
    ) -> dict[str, Any]:
        """A replication of one stream."""
        own = {"object": self.target.stream("moved"), **stream}
        found: dict[str, Any] = {
            "source": "SRC",
            "target": "TGT",
            "streams": {self.source.stream(table): own},
        }
        return {**found, "env": dict(env)} if env else found

    def run(self, env: Mapping[str, Any] | None = None, **stream: Any) -> StreamReport:
        """Run one stream and return its report."""
        (report,) = replicate(self.config(env, **stream), self.connections).streams
        return report

    def events(self, **stream: Any) -> list[Event]:
        """Run one stream and return what happened."""
        happened: list[Event] = []
        replicate(self.config(**stream), self.connections, on_event=happened.append)
        return happened

    def plan(self, **stream: Any) -> StreamPlan:
        """Plan one stream."""
        (planned,) = plan(self.config(**stream), self.connections).streams
        return planned

    def refused(self, env: Mapping[str, Any] | None = None, **stream: Any) -> MainstemError:
        """Run one stream that must fail, and return why it did."""
        try:
            self.run(env, **stream)
        except ReplicationFailedError as error:
            return error.failures[0].cause
        raise AssertionError("The stream was expected to fail, and did not.")

    def put(self, *rows: Sequence[Any]) -> None:
        """Make the source's table of these rows."""
        self.source.put("orders", orders(rows))

    def moved(self, columns: Sequence[str] = ("id", "name")) -> list[tuple[Any, ...]]:
        """The target's rows."""
        return self.target.rows("moved", columns)
