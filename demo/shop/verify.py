"""Compare what arrived with what left: counts, and sums to the last digit."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import duckdb

from mainstem.testing.postgres import EmbeddedPostgres
from shop import api, settings
from shop.run import AssetOutcome

# The same expressions run in Postgres and in DuckDB. Each becomes text there, so that no float comes between.
# The last of each table is the one that is shown.
_EXPRESSIONS = {
    "customers": (
        "count(*)",
        "count(distinct external_id)",
        "sum(length(first_name || last_name))",
        "count(email)",
        "count(nullif(company, ''))",
        "count(company)",
        "min(born_on)",
        "sum(array_length(tags, 1))",
        "sum(cast(preferences ->> 'score' as decimal(10, 1)))",
        "min(created_at at time zone 'UTC')",
        "max(last_visit)",
        "sum(credit_limit)",
    ),
    "products": (
        "count(*)",
        "sum(length(name))",
        "sum(weight_kg)",
        "count(rating)",
        "sum(cast(rating as decimal(10, 2)))",
        "count(*) filter (where is_active)",
        "sum(array_length(sizes, 1))",
        "max(attributes ->> 'colour')",
        "max(launched_on)",
        "sum(price)",
    ),
    "orders": (
        "count(*)",
        "sum(customer_id)",
        "sum(quantity)",
        "sum(unit_price)",
        "sum(discount)",
        "count(*) filter (where is_gift)",
        "count(note)",
        "sum(length(note))",
        "min(ordered_at at time zone 'UTC')",
        "max(shipped_at at time zone 'UTC')",
        "sum(amount)",
    ),
}

_LIFETIME = "select cast(sum(amount) as text) from data.orders where status not in ('returned', 'cancelled')"


@dataclass(frozen=True)
class Comparison:
    """What one source says of its rows, and what DuckDB says of them.

    Attributes:
        source: The source's name.
        target: The table's name in DuckDB.
        measures: What was counted and summed.
        left: The source's answers.
        arrived: DuckDB's answers.
    """

    source: str
    target: str
    measures: Sequence[str]
    left: Sequence[str | None]
    arrived: Sequence[str | None]

    @property
    def differences(self) -> Sequence[str]:
        """A sentence for each measure that is not equal."""
        return [
            f"{measure} is {left} in {self.source}, and {arrived} in {self.target}"
            for measure, left, arrived in zip(self.measures, self.left, self.arrived, strict=True)
            if left != arrived
        ]


def compare(postgres: EmbeddedPostgres) -> list[Comparison]:
    """Compare every source with what came of it."""
    with duckdb.connect(str(settings.DUCKDB), read_only=True) as target:
        return [
            *(_replicated(table, postgres, target) for table in _EXPRESSIONS),
            _lifetime_values(postgres, target),
            _suppliers(target),
            _payments(target),
        ]


def count_rows(outcomes: Iterable[AssetOutcome]) -> None:
    """Count the rows of the tables whose tool did not say how many they have."""
    with duckdb.connect(str(settings.DUCKDB), read_only=True) as target:
        for outcome in outcomes:
            if outcome.rows is None and outcome.table is not None:
                name = ".".join(f'"{part}"' for part in outcome.table.split("."))
                (outcome.rows,) = target.execute(f"select count(*) from {name}").fetchall()[0]


def _replicated(table: str, postgres: EmbeddedPostgres, target: duckdb.DuckDBPyConnection) -> Comparison:
    measures = _EXPRESSIONS[table]
    selected = ", ".join(f"cast({measure} as text)" for measure in measures)
    source, copy = f"data.{table}", f"main.data_{table}"
    left = postgres.fetch(f"select {selected} from {source}")[0]
    return Comparison(source, copy, measures, left, _ask(target, f"select {selected} from {copy}"))


def _lifetime_values(postgres: EmbeddedPostgres, target: duckdb.DuckDBPyConnection) -> Comparison:
    left = postgres.fetch(_LIFETIME)[0]
    arrived = _ask(target, "select sum(lifetime_value)::text from jaffle_shop.customers")
    return Comparison("data.orders", "jaffle_shop.customers", ["lifetime_value"], left, arrived)


def _suppliers(target: duckdb.DuckDBPyConnection) -> Comparison:
    with (settings.DATA / "suppliers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    minimum = sum(Decimal(row["minimum_order"]) for row in rows if row["minimum_order"])
    arrived = _ask(target, "select count(*)::text, sum(minimum_order)::text from files.suppliers")
    measures = ["count(*)", "sum(minimum_order)"]
    return Comparison("suppliers.csv", "files.suppliers", measures, [str(len(rows)), str(minimum)], arrived)


def _payments(target: duckdb.DuckDBPyConnection) -> Comparison:
    cents = sum(api.payment(number)["amount_cents"] for number in range(1, api.PAYMENTS + 1))
    arrived = _ask(target, "select count(*)::text, sum(amount_cents)::text from api.payments")
    measures = ["count(*)", "sum(amount_cents)"]
    return Comparison("payments API", "api.payments", measures, [str(api.PAYMENTS), str(cents)], arrived)


def _ask(target: duckdb.DuckDBPyConnection, query: str) -> Sequence[str | None]:
    return target.execute(query).fetchall()[0]
