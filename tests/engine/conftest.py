"""From a DuckDB file to a folder of files, each looked at by other programs than ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mainstem.api import plan, replicate
from mainstem.errors import MainstemError, ReplicationFailedError
from mainstem.plan import StreamPlan
from mainstem.report import StreamReport


@dataclass(frozen=True)
class Filing:
    """One source table, ``main.orders``, and a folder.

    Attributes:
        home: Where everything of the test is.
    """

    home: Path

    @property
    def folder(self) -> Path:
        """The target's root."""
        return self.home / "out"

    @property
    def connections(self) -> dict[str, Any]:
        """As a replication names them."""
        return {"SRC": f"duckdb://{self.home / 'source.duckdb'}", "TGT": f"file://{self.folder}"}

    def sql(self, *statements: str) -> None:
        """Run statements at the source."""
        with duckdb.connect(str(self.home / "source.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)

    def orders(self, first: int = 1, last: int = 10) -> None:
        """Have these orders in the source, one an hour from the last hours of 2023 on."""
        self.sql(
            "create or replace table orders as select i::int as id, 'order ' || i as name,"
            " timestamp '2023-12-31 19:30:00' + to_hours(i::int) as at, (i + 0.25)::decimal(12, 2) as amount"
            f" from range({first}, {last + 1}) numbers(i)"
        )

    def config(self, target: str, env: Mapping[str, Any] | None = None, **stream: Any) -> dict[str, Any]:
        """A replication of the orders."""
        own = {"mode": "full-refresh", "object": target, **stream}
        streams = {"main.orders": own}
        return {"source": "SRC", "target": "TGT", "streams": streams, "env": dict(env or {})}

    @property
    def kept(self) -> dict[str, str]:
        """The setting by which cursors are kept."""
        return {"SLING_STATE": f"LOCAL/{self.home / 'state'}"}

    def run(self, target: str, env: Mapping[str, Any] | None = None, **stream: Any) -> StreamReport:
        """Write the orders and return the report."""
        (report,) = replicate(self.config(target, env, **stream), self.connections).streams
        return report

    def plan(self, target: str, env: Mapping[str, Any] | None = None, **stream: Any) -> StreamPlan:
        """Plan to write the orders."""
        (planned,) = plan(self.config(target, env, **stream), self.connections).streams
        return planned

    def refused(self, target: str, env: Mapping[str, Any] | None = None, **stream: Any) -> MainstemError:
        """Write the orders, which must fail, and return why it did."""
        try:
            self.run(target, env, **stream)
        except ReplicationFailedError as error:
            return error.failures[0].cause
        raise AssertionError("The stream was expected to fail, and did not.")

    def files(self, below: str = "") -> list[str]:
        """All files in the folder, hidden ones too."""
        found = (path for path in (self.folder / below).rglob("*") if path.is_file())
        return sorted(str(path.relative_to(self.folder)) for path in found)

    def read(self, what: str, columns: str = "id") -> list[Any]:
        """What DuckDB finds in files of Parquet: a path or pattern in the folder."""
        read = f"read_parquet('{self.folder}/{what}', hive_partitioning=true, union_by_name=true)"
        rows = duckdb.sql(f"select {columns} from {read} order by all").fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]


@pytest.fixture
def filing(tmp_path: Path) -> Filing:
    """Ten orders in the source."""
    filing = Filing(tmp_path)
    filing.orders()
    return filing


def numbers(first: int, last: int) -> Sequence[int]:
    """Whole numbers, both included."""
    return list(range(first, last + 1))
