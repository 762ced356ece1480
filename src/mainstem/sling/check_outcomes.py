"""What became of a check: of values on both sides, of the age of the newest row, of the source's columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg
import pyarrow as pa

from mainstem.assets.column_graph import Impact
from mainstem.endpoints import Query, Source, Target
from mainstem.errors import ConfigError
from mainstem.reconcile import OneOf, Reconciliation, reconcile_stream
from mainstem.reconcile.stream import plan_of_everything
from mainstem.replication import Replication, Stream
from mainstem.sling.check_settings import CheckSetting
from mainstem.types import cast_values

__all__ = ["Outcome", "changed_columns", "compared_columns", "freshness", "reconciliation"]

Columns = Mapping[str, str]

# More differences than this are no reading.
_MOST = 50


@dataclass(frozen=True)
class Outcome:
    """What became of a check.

    Attributes:
        passed: Whether it holds.
        told: The same in a sentence.
        metadata: What was found.
        severity: How bad it is, where that is not what was asked for.
    """

    passed: bool
    told: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: dg.AssetCheckSeverity | None = None


def reconciliation(
    setting: CheckSetting,
    replication: Replication,
    stream: Stream,
    ends: tuple[Source, Target],
    only: Sequence[OneOf],
) -> Outcome:
    """Compare the target to its source, in both of them.

    Where an incremental source has newer rows than the target, some of the older ones may have moved there: a
    difference is a warning then.

    Args:
        setting: What is compared.
        replication: The document.
        stream: The stream, within the run's partition.
        ends: The open source and the open target.
        only: The values of the run's partition.

    Raises:
        MainstemError: It cannot be compared.
    """
    source, target = ends
    found = reconcile_stream(replication, stream, source, target, compare=setting.compare, only=only)
    uncertain = bool(found.differences and found.newer_rows)
    told = _told(found)
    if uncertain:
        told += f" The source has {found.newer_rows} newer rows, to which some of these may have moved."
    return Outcome(
        found.agrees, told, _reconciliation_metadata(found), dg.AssetCheckSeverity.WARN if uncertain else None
    )


def freshness(
    setting: CheckSetting,
    replication: Replication,
    stream: Stream,
    ends: tuple[Source, Target],
    now: datetime,
) -> Outcome:
    """Look at the newest row of the target. A time without a zone is in UTC.

    Args:
        setting: How old the newest row may be, and the column that tells its age.
        replication: The document.
        stream: The stream.
        ends: The open source and the open target.
        now: The moment to which its age is counted.

    Raises:
        ConfigError: The column is not there, or is no time.
        MainstemError: The target cannot be asked.
    """
    source, target = ends
    plan = plan_of_everything(replication, stream, source, target)
    wanted = (setting.column or "").lower()
    planned = next((column for column in plan.columns if column.source.name.lower() == wanted), None)
    if planned is None or setting.within is None:
        raise ConfigError(f"The stream brings no column {setting.column}, which would tell its freshness.")
    newest = _newest(target, plan.target, planned.name)
    if newest is None:
        return Outcome(False, f"No row of {plan.target} has a {planned.name}.")
    age = now - newest
    old, allowed = _shown(age), _shown(setting.within)
    told = f"The newest {planned.name} of {plan.target} is {old} old; allowed are {allowed}."
    metadata = {
        "newest": dg.MetadataValue.timestamp(newest),
        "age_seconds": age.total_seconds(),
        "allowed_seconds": setting.within.total_seconds(),
    }
    return Outcome(age <= setting.within, told, metadata)


def compared_columns(
    setting: CheckSetting,
    before: Columns | None,
    now: Columns,
    impacts: Callable[[Sequence[str]], Mapping[str, Impact]],
) -> Outcome:
    """Compare the source's columns to those that it had when the target was made before.

    A column that is gone, and that something is made of, is an error, unless another severity was asked for.

    Args:
        setting: How bad a change is.
        before: The types by name; ``None`` where nobody kept them.
        now: The same now.
        impacts: For columns of the source, what depends on each.
    """
    if before is None:
        return Outcome(True, f"There are {len(now)} columns, and nothing to compare them to yet.")
    changes = changed_columns(before, now)
    found = {what: columns for what, columns in changes.items() if columns}
    told = "; ".join(f"{what}: {', '.join(columns)}" for what, columns in found.items())
    metadata = {what: dg.MetadataValue.json(columns) for what, columns in found.items()}
    broken = {name: impact for name, impact in impacts(list(changes["removed"])).items() if impact}
    if not broken:
        said = f"{told}." if told else f"The {len(now)} columns are as they were."
        return Outcome(not found, said, metadata)
    lines = "".join(f"\n  {name}: {impact}" for name, impact in broken.items())
    metadata["breaks"] = dg.MetadataValue.json({name: _impact(impact) for name, impact in broken.items()})
    severity = None if setting.chosen else dg.AssetCheckSeverity.ERROR
    return Outcome(False, f"{told}. What is gone breaks what depends on it:{lines}", metadata, severity)


def changed_columns(before: Columns, now: Columns) -> Mapping[str, Columns]:
    """What has become of columns: those ``added``, ``removed`` and ``changed``, with their types.

    Args:
        before: The types by name.
        now: The same now.
    """
    return {
        "added": {name: kind for name, kind in now.items() if name not in before},
        "removed": {name: kind for name, kind in before.items() if name not in now},
        "changed": {
            name: f"{before[name]} → {kind}"
            for name, kind in now.items()
            if name in before and before[name] != kind
        },
    }


def _impact(impact: Impact) -> Mapping[str, Any]:
    return {
        "assets": [key.to_user_string() for key in impact.assets],
        "columns": [str(column) for column in impact.columns],
        "checks": list(impact.checks),
    }


def _told(found: Reconciliation) -> str:
    if found.agrees:
        rows = f"{found.source_rows} rows and {len(found.compared)} columns agree"
        beside = f", {', '.join(found.left_out)} left out" if found.left_out else ""
        return f"{rows}{beside}."
    several = len(found.differences) - 1
    more = f", and {several} more" if several else ""
    return f"{found.differences[0]}{more}."


def _reconciliation_metadata(found: Reconciliation) -> Mapping[str, Any]:
    said: dict[str, Any] = {
        "source_rows": found.source_rows,
        "target_rows": found.target_rows,
        "compared": dg.MetadataValue.json(list(found.compared)),
        "left_out": dg.MetadataValue.json(dict(found.left_out)) if found.left_out else None,
        "up_to": found.up_to,
        "newer_rows": found.newer_rows or None,
        "differences": dg.MetadataValue.md(_table(found)) if found.differences else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _table(found: Reconciliation) -> str:
    rows = [
        f"| {each.what} | {_cell(each.column)} | {_cell(each.source)} | {_cell(each.target)} |"
        for each in found.differences[:_MOST]
    ]
    return "\n".join(["| what | column | source | target |", "|---|---|---|---|", *rows])


def _cell(value: str | None) -> str:
    text = "" if value is None else value.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= 100 else f"{text[:100]}…"  # noqa: PLR2004 - what a cell holds


def _newest(target: Target, table: Any, name: str) -> datetime | None:
    if not isinstance(target, Source):
        raise ConfigError(f"{target.connection.name} ({target.connection.type}) cannot be read.")
    there = target.describe(table)
    column = next((known for known in there.columns if known.name.lower() == name.lower()), None)
    if column is None or there.relation is None:
        raise ConfigError(f"{table} has no column {name}, which would tell its freshness.")
    if not (pa.types.is_timestamp(column.arrow_type) or pa.types.is_date(column.arrow_type)):
        raise ConfigError(
            f"{table}.{name} is {column.native_type}, which is no time that tells its freshness."
        )
    sql = f"select max({target.ordered(column)}) as {target.quoted(column.name)}"
    query = Query(columns=[column], sql=f"{sql} from {target.qualified(there.relation)}")
    with target.read(query) as batches:
        values = [value for batch in batches for value in batch.column(0)]
    found = next((value for value in values if value.is_valid), None)
    if found is None:
        return None
    repeat: Any = pa.repeat
    instant: Any = pa.timestamp("us", "UTC")
    moment: Any = cast_values(repeat(found, 1), pa.timestamp("us")) if _naive(found) else repeat(found, 1)
    value: datetime = moment.cast(pa.timestamp("us")).cast(instant)[0].as_py()
    return value.astimezone(timezone.utc)


def _naive(value: Any) -> bool:
    return getattr(value.type, "tz", None) is None


def _shown(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds} seconds"
