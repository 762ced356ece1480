"""Which checks a stream asks for: under ``meta.dagster.checks``, or by what ``with_checks`` is given."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg

from mainstem.errors import ConfigError
from mainstem.reconcile import Comparison
from mainstem.replication import Stream
from mainstem.sling.definition import SlingDefinition
from mainstem.sling.meta import span

__all__ = ["FRESHNESS", "RECONCILIATION", "SCHEMA_CHANGE", "CheckSetting", "check_settings", "check_specs"]

RECONCILIATION, FRESHNESS, SCHEMA_CHANGE = "reconciliation", "freshness", "schema_change"

_DESCRIPTIONS: Mapping[str, str] = {
    RECONCILIATION: "The target has what the source has: rows, NULLs, least and greatest values, checksum.",
    FRESHNESS: "The newest row of the target is new enough.",
    SCHEMA_CHANGE: "The source has the columns that it had when the target was made before.",
}
_OPTIONS: Mapping[str, frozenset[str]] = {
    RECONCILIATION: frozenset({"compare", "severity", "blocking"}),
    FRESHNESS: frozenset({"within", "column", "severity", "blocking"}),
    SCHEMA_CHANGE: frozenset({"severity", "blocking"}),
}
_SEVERITIES = {"error": dg.AssetCheckSeverity.ERROR, "warn": dg.AssetCheckSeverity.WARN}


@dataclass(frozen=True)
class CheckSetting:
    """A check that a stream asks for.

    Attributes:
        kind: ``reconciliation``, ``freshness`` or ``schema_change``. It is the check's name, too.
        severity: How bad it is where it does not hold.
        chosen: That severity was asked for.
        blocking: What is downstream waits for it, in the same run; and the load, where it comes before that.
        compare: What a reconciliation compares.
        within: How old the newest row may be.
        column: The column that tells a row's age, by its name in the source; ``None`` for the update key.
    """

    kind: str
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR
    chosen: bool = False
    blocking: bool = False
    compare: frozenset[Comparison] = frozenset(Comparison)
    within: timedelta | None = None
    column: str | None = None


def check_specs(definition: SlingDefinition) -> Sequence[dg.AssetCheckSpec]:
    """The checks that the streams of a replication ask for in its document.

    Args:
        definition: The replication.

    Raises:
        ConfigError: One of them is unknown, or lacks what it needs.
    """
    return [
        dg.AssetCheckSpec(
            setting.kind,
            asset=definition.specs[name].key,
            description=_DESCRIPTIONS[setting.kind],
            blocking=setting.blocking,
        )
        for name in definition.streams
        # Most streams ask for none, and to copy them all takes time.
        if definition.dagster_meta(name).get("checks")
        for setting in check_settings(definition.stream_with_meta(name))
    ]


def check_settings(stream: Stream, given: Any = None) -> Sequence[CheckSetting]:
    """The checks that a stream asks for.

    Args:
        stream: The stream, with its ``meta.dagster``.
        given: A name, a list of names and mappings, or a mapping from names to options; ``None`` for what
            stands under ``meta.dagster.checks``.

    Raises:
        ConfigError: One of them is unknown, or lacks what it needs.

    Example::

        meta:
          dagster:
            checks:
              reconciliation: {compare: [row_count, checksum], severity: warn}
              freshness: 24h
              schema_change:
    """
    if given is None:
        given = (stream.meta.get("dagster") or {}).get("checks")
    found: dict[str, CheckSetting] = {}
    for kind, options in _named(given, stream):
        found[kind] = _setting(kind, options, stream)
    return list(found.values())


def _named(given: Any, stream: Stream) -> Iterator[tuple[str, Any]]:
    if given is None:
        return
    if isinstance(given, Mapping):
        yield from ((str(kind), options) for kind, options in given.items())
    elif isinstance(given, str):
        yield given, None
    elif isinstance(given, (list, tuple)):
        for item in given:
            yield from _named(item, stream)
    else:
        raise _refusal(stream, given, f"It names checks: {', '.join(_OPTIONS)}.")


def _setting(kind: str, options: Any, stream: Stream) -> CheckSetting:
    if kind not in _OPTIONS:
        near = difflib.get_close_matches(kind, _OPTIONS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(_OPTIONS)}."
        raise _refusal(stream, kind, hint)
    if kind == FRESHNESS and not isinstance(options, Mapping):
        options = {"within": options}
    options = options or {}
    if not isinstance(options, Mapping) or set(options) - _OPTIONS[kind]:
        raise _refusal(stream, {kind: options}, f"{kind} takes {', '.join(sorted(_OPTIONS[kind]))}.")
    usual = "warn" if kind == SCHEMA_CHANGE else "error"
    severity = _SEVERITIES.get(str(options.get("severity", usual)).lower())
    if severity is None:
        raise _refusal(stream, {kind: options}, "severity is warn or error.")
    return CheckSetting(
        kind=kind,
        severity=severity,
        chosen="severity" in options,
        blocking=bool(options.get("blocking", False)),
        compare=_compared(options.get("compare"), stream),
        within=_within(kind, options, stream),
        column=_age_column(kind, options, stream),
    )


def _compared(given: Any, stream: Stream) -> frozenset[Comparison]:
    if given is None:
        return frozenset(Comparison)
    try:
        return frozenset(Comparison(name) for name in ([given] if isinstance(given, str) else given))
    except (TypeError, ValueError) as error:
        hint = f"compare lists some of {', '.join(each.value for each in Comparison)}."
        raise _refusal(stream, {"compare": given}, hint) from error


def _within(kind: str, options: Mapping[str, Any], stream: Stream) -> timedelta | None:
    if kind != FRESHNESS:
        return None
    try:
        return span(options["within"])
    except Exception as error:  # whatever was written there
        hint = "freshness says how old the newest row may be: `freshness: {within: 24h}`."
        raise _refusal(stream, {kind: dict(options)}, hint) from error


def _age_column(kind: str, options: Mapping[str, Any], stream: Stream) -> str | None:
    column = options.get("column") or stream.update_key
    if kind == FRESHNESS and not column:
        raise _refusal(stream, {kind: dict(options)}, "Without an update_key, freshness needs a `column`.")
    return column


def _refusal(stream: Stream, given: Any, hint: str) -> ConfigError:
    return ConfigError(f"`checks` of stream {stream.name} is {given!r}.", hint=hint)
