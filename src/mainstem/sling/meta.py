"""What stands under ``meta: {dagster: …}`` of a stream, beyond names: freshness and automation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from mainstem.errors import ConfigError

__all__ = ["automation_condition_of", "dagster_meta", "freshness_policy_of", "span"]

_CONDITIONS = {
    "eager": dg.AutomationCondition.eager,
    "on_missing": dg.AutomationCondition.on_missing,
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def dagster_meta(stream_definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands under ``meta.dagster``; empty where there is nothing."""
    config = stream_definition.get("config") or {}
    return (config.get("meta") or {}).get("dagster") or {}


def automation_condition_of(meta: Mapping[str, Any], stream: str) -> dg.AutomationCondition[Any] | None:
    """Read ``automation``: ``eager``, ``on_missing``, or a cron schedule with an optional time zone.

    Args:
        meta: The stream's ``meta.dagster``. Its older ``auto_materialize_policy`` means ``eager``, whatever
            its value is.
        stream: The stream's name, for the error.

    Raises:
        ConfigError: It is none of these.

    Example:
        >>> automation_condition_of({"automation": {"cron": "0 6 * * *"}}, "s.t") is None
        False
    """
    given = meta.get("automation")
    if given is None:
        return dg.AutomationCondition.eager() if "auto_materialize_policy" in meta else None
    try:
        return _condition(given)
    except Exception as error:  # Dagster has several for a schedule that is none
        raise ConfigError(
            f"`automation` of stream {stream} is {given!r}.",
            hint="It is eager, on_missing, or {cron: '0 6 * * *', timezone: Europe/Berlin}.",
        ) from error


def _condition(given: Any) -> dg.AutomationCondition[Any]:
    if isinstance(given, Mapping):
        rest = {key: str(value) for key, value in given.items()}
        return dg.AutomationCondition.on_cron(rest.pop("cron"), _zone(rest))
    return _CONDITIONS[given]()


def freshness_policy_of(meta: Mapping[str, Any], stream: str) -> dg.FreshnessPolicy | None:
    """Read ``freshness``: how old the target may become, or by when it must be new.

    Args:
        meta: The stream's ``meta.dagster``. Its older ``freshness_policy`` with ``maximum_lag_minutes`` and
            ``cron_schedule`` is read as well.
        stream: The stream's name, for the error.

    Raises:
        ConfigError: It is neither.

    Example:
        >>> freshness_policy_of({"freshness": {"fail_window": "24h"}}, "s.t").fail_window.to_timedelta()
        datetime.timedelta(days=1)
    """
    given = _older(meta.get("freshness_policy")) if meta.get("freshness") is None else meta["freshness"]
    if given is None:
        return None
    try:
        return _policy(given)
    except Exception as error:  # likewise
        raise ConfigError(
            f"`freshness` of stream {stream} is {given!r}.",
            hint="It is {fail_window: 24h, warn_window: 12h}, or"
            " {deadline_cron: '0 9 * * *', lower_bound_delta: 2h, timezone: Europe/Berlin}.",
        ) from error


def _policy(given: Mapping[str, Any]) -> dg.FreshnessPolicy:
    if "fail_window" in given:
        windows = {key: span(value) for key, value in given.items() if value is not None}
        return dg.FreshnessPolicy.time_window(**windows)
    rest = {key: value for key, value in given.items() if value is not None}
    deadline, delta = str(rest.pop("deadline_cron")), span(rest.pop("lower_bound_delta"))
    return dg.FreshnessPolicy.cron(deadline, delta, _zone(rest))


def _zone(rest: Mapping[str, Any]) -> str:
    """The time zone, which is all that may be left."""
    if set(rest) - {"timezone"}:
        raise ValueError(rest)
    return str(rest.get("timezone") or "UTC")


def _older(given: Any) -> Any:
    """What Dagster's older freshness policy meant, in the newer one's words."""
    if not isinstance(given, Mapping) or "maximum_lag_minutes" not in given:
        return given
    lag = f"{given['maximum_lag_minutes']}m"
    if not given.get("cron_schedule"):
        return {"fail_window": lag}
    return {
        "deadline_cron": given["cron_schedule"],
        "lower_bound_delta": lag,
        "timezone": given.get("cron_schedule_timezone"),
    }


def span(given: Any) -> timedelta:
    """A number of seconds, or a number with its unit: ``90s``, ``30m``, ``2h``, ``1d``, ``1w``."""
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return timedelta(seconds=given)
    match = _DURATION.fullmatch(str(given).strip())
    if match is None:
        raise ValueError(given)
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])
