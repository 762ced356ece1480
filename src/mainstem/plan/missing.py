"""`delete_missing`: what becomes of rows that the source does not have any more (spec §3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mainstem.endpoints import Query
from mainstem.errors import ReplicationError
from mainstem.plan.facts import Place, RunFacts
from mainstem.plan.model import MissingPlan
from mainstem.replication import Mode, Stream, Variables
from mainstem.schema import Column

__all__ = ["is_soft", "planned_missing"]

_KEYS = ("type", "where", "source_where", "target_where")


def is_soft(stream: Stream) -> bool:
    """Whether a stream marks the rows that the source lost."""
    given = stream.target_options.delete_missing
    return (given if isinstance(given, str) else (given or {}).get("type")) == "soft"


def planned_missing(
    place: Place, run: RunFacts, everything: Query, primary_key: Sequence[Column], variables: Variables
) -> MissingPlan | None:
    """Plan what becomes of missing rows.

    Args:
        place: The stream.
        run: The open source and target.
        everything: A query of all that the source has.
        primary_key: The key's columns, as the source has them.
        variables: For the conditions.

    Raises:
        ReplicationError: The option is wrong, or the stream is no incremental one with a primary key.
    """
    given: Any = place.stream.target_options.delete_missing
    if not given:
        return None
    position = place.at("target_options", "delete_missing")
    rules = {"type": given} if isinstance(given, str) else dict(given)
    unknown = [key for key in rules if key not in _KEYS]
    if unknown or rules.get("type") not in ("soft", "hard"):
        raise ReplicationError(
            f"`delete_missing` is {unknown[0] if unknown else rules.get('type')!r}.",
            position=position,
            hint=f"It is soft, hard, or a mapping of {', '.join(_KEYS)}.",
        )
    if place.stream.mode is not Mode.INCREMENTAL or not primary_key:
        raise ReplicationError(
            "`delete_missing` needs `mode: incremental` and a `primary_key`.", position=position
        )
    conditions = [rules[key] for key in ("where", "source_where") if rules.get(key)]
    where = [f"(\n{rules[key]}\n)" for key in ("where", "target_where") if rules.get(key)]
    query = Query(
        columns=primary_key,
        relation=everything.relation,
        sql=everything.sql,
        where=[variables.in_sql(condition, run.source.dialect) for condition in conditions],
    )
    marked = variables.in_sql(" and ".join(where), run.target.dialect) or None
    return MissingPlan(rules["type"] == "soft", query, marked)
