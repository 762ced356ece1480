"""From a stream report to Dagster's metadata, under Dagster's own keys where it has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from mainstem.report import ReportedColumn, StreamReport

__all__ = ["column_metadata", "report_metadata", "table_metadata"]

Lineage = Mapping[str, Sequence[dg.TableColumnDep]]


def table_metadata(table: str | None, storage: str | None) -> dict[str, Any]:
    """Name the physical table, under the keys that the Dagster UI shows as table and storage kind.

    Args:
        table: The table's name, with as many parts as are known.
        storage: The kind of system, such as ``duckdb``.

    Example:
        >>> table_metadata("main.orders", "duckdb")
        {'dagster/table_name': 'main.orders', 'dagster/storage_kind': 'duckdb'}
    """
    named = {"dagster/table_name": table, "dagster/storage_kind": storage}
    return {key: value for key, value in named.items() if value is not None}


def column_metadata(columns: Sequence[ReportedColumn], lineage: Lineage | None = None) -> dict[str, Any]:
    """Describe columns as Dagster's column schema, and their origin as its column lineage.

    Args:
        columns: The table's columns. Where there are none, nothing is said.
        lineage: For a column's name, the upstream columns that it is made of. ``None`` where unknown.
    """
    if not columns:
        return {}
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in columns
        ]
    )
    metadata: dict[str, Any] = {"dagster/column_schema": schema}
    if lineage:
        metadata["dagster/column_lineage"] = dg.TableColumnLineage(
            deps_by_column={name: list(deps) for name, deps in lineage.items()}
        )
    return metadata


def report_metadata(report: StreamReport, lineage: Lineage | None = None) -> dict[str, Any]:
    """Turn a report into the metadata of a materialization: only what is known, nothing made up.

    Args:
        report: What the stream did.
        lineage: The origin of its columns, if it is known.
    """
    notes = "\n".join(f"- {note}" for note in report.notes)
    said = {
        "stream_name": report.stream,
        "rows": report.rows,
        "bytes": report.bytes,
        "elapsed_time": report.seconds,
        "dagster/row_count": report.row_count,
        "notes": dg.MetadataValue.md(notes) if notes else None,
    }
    return {
        **{key: value for key, value in said.items() if value is not None},
        **table_metadata(report.target, report.storage),
        **column_metadata(report.columns, lineage),
        **report.extra,
    }
