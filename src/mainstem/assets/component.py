"""What the YAML of all components has in common: partitions, backfills, attributes of assets as templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import dagster as dg

__all__ = [
    "BackfillModel",
    "PartitionsModel",
    "Translation",
    "resolve_backfill_policy",
    "resolve_partitions",
    "resolve_translation",
]

Translation = Callable[[dg.AssetSpec, Mapping[str, Any]], dg.AssetSpec]


class HourlyModel(dg.Model):
    """A partition an hour."""

    type: Literal["hourly"] = "hourly"
    start_date: str
    end_date: str | None = None
    timezone: str | None = None
    minute_offset: int = 0


class DailyModel(dg.Model):
    """A partition a day."""

    type: Literal["daily"] = "daily"
    start_date: str
    end_date: str | None = None
    timezone: str | None = None
    minute_offset: int = 0
    hour_offset: int = 0


class WeeklyModel(dg.Model):
    """A partition a week."""

    type: Literal["weekly"] = "weekly"
    start_date: str
    end_date: str | None = None
    timezone: str | None = None
    minute_offset: int = 0
    hour_offset: int = 0
    day_offset: int = 0


class TimeWindowModel(dg.Model):
    """A partition from one tick of a cron schedule to the next."""

    type: Literal["time_window"] = "time_window"
    start_date: str
    end_date: str | None = None
    timezone: str | None = None
    fmt: str
    cron_schedule: str


class StaticModel(dg.Model):
    """A partition for each of some keys."""

    type: Literal["static"] = "static"
    partition_keys: Sequence[str]


class SingleRunModel(dg.Model):
    """A backfill of many partitions is one run."""

    type: Literal["single_run"] = "single_run"


class MultiRunModel(dg.Model):
    """A backfill of many partitions is many runs."""

    type: Literal["multi_run"] = "multi_run"
    max_partitions_per_run: int = 1


PartitionsModel = HourlyModel | DailyModel | WeeklyModel | TimeWindowModel | StaticModel
BackfillModel = SingleRunModel | MultiRunModel

_PARTITIONS: Mapping[str, Callable[..., dg.PartitionsDefinition[Any]]] = {
    "hourly": dg.HourlyPartitionsDefinition,
    "daily": dg.DailyPartitionsDefinition,
    "weekly": dg.WeeklyPartitionsDefinition,
    "time_window": lambda *, start_date, end_date, **rest: dg.TimeWindowPartitionsDefinition(
        start=start_date, end=end_date, **rest
    ),
    "static": dg.StaticPartitionsDefinition,
}


def resolve_partitions(
    context: dg.ResolutionContext, model: PartitionsModel | None
) -> dg.PartitionsDefinition[Any] | None:
    """Make the partitions that a component's YAML asks for.

    Args:
        context: Where templates are resolved.
        model: What the YAML says.
    """
    return None if model is None else _partitions(context.resolve_value(model.model_dump()))


def resolve_backfill_policy(
    context: dg.ResolutionContext, model: BackfillModel | None
) -> dg.BackfillPolicy | None:
    """Make the backfill policy that a component's YAML asks for.

    Args:
        context: Where templates are resolved.
        model: What the YAML says.
    """
    if model is None:
        return None
    given = dict(context.resolve_value(model.model_dump()))
    make = dg.BackfillPolicy.single_run if given.pop("type") == "single_run" else dg.BackfillPolicy.multi_run
    return make(**given)


def resolve_translation(context: dg.ResolutionContext, model: Any) -> Translation:
    """Make a function that changes an asset as a component's YAML says.

    Its templates see ``spec``, the asset as it is without the change, and what the component adds.

    Args:
        context: Where templates are resolved.
        model: What the YAML says: attributes of assets, some of them templates, or one template that gives
            attributes or an `dg.AssetSpec`.
    """
    context = context.at_path("translation")

    def translate(spec: dg.AssetSpec, scope: Mapping[str, Any]) -> dg.AssetSpec:
        scoped = context.with_scope(**scope, spec=spec)
        given: Any = scoped.resolve_value(model) if isinstance(model, str) else model
        if isinstance(given, dg.AssetSpec):
            return given
        said = given if isinstance(given, Mapping) else {n: getattr(given, n) for n in given.model_fields_set}
        plain = {
            name: value.model_dump() if hasattr(value, "model_dump") else value
            for name, value in said.items()
        }
        return _changed(spec, dict(scoped.resolve_value(plain)))

    return translate


def _changed(spec: dg.AssetSpec, given: dict[str, Any]) -> dg.AssetSpec:
    merged = {name: given.pop(name) for name in ("tags", "metadata") if name in given}
    if "tags" in merged:
        merged["tags"] = {name: str(value) for name, value in merged["tags"].items()}
    key = _key(given.pop("key", spec.key))
    if prefix := given.pop("key_prefix", None):
        key = key.with_prefix(prefix)
    if given.get("deps") is not None:
        given["deps"] = [_key(dep) for dep in given["deps"]]
    if given.get("code_version") is not None:
        given["code_version"] = str(given["code_version"])
    if isinstance(given.get("partitions_def"), Mapping):
        given["partitions_def"] = _partitions(given["partitions_def"])
    return spec.replace_attributes(key=key, **given).merge_attributes(**merged)


def _key(given: Any) -> dg.AssetKey:
    if isinstance(given, dg.AssetKey):
        return given
    return dg.AssetKey.from_user_string(given) if isinstance(given, str) else dg.AssetKey(given)


def _partitions(given: Mapping[str, Any]) -> dg.PartitionsDefinition[Any]:
    rest = dict(given)
    return _PARTITIONS[rest.pop("type")](**rest)
