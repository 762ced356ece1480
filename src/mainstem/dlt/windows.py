"""A partition's window of time, given to `dlt.sources.incremental` as initial and end value."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, datetime, timezone
from inspect import signature, unwrap
from typing import Any, cast

import dagster as dg
from dlt.common.configuration.container import Container
from dlt.common.exceptions import DltException
from dlt.extract.incremental import Incremental, IncrementalResourceWrapper
from dlt.extract.incremental.context import TimeIntervalContext
from dlt.extract.pipe import Pipe
from dlt.extract.resource import DltResource
from dlt.extract.source import DltSource

from mainstem.assets import ExecutionContext

_HINTED: Mapping[str, type] = {"timestamp": datetime, "date": date}
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d"
    r"(?:(?P<between>[T ])\d\d:\d\d:\d\d(?P<part>\.\d{1,6})?(?P<zone>Z|[+-]\d\d:?\d\d)?)?"
)

Bounds = tuple[Any, Any]


def partition_window(context: ExecutionContext) -> dg.TimeWindow | None:
    """The window of time that the run's partitions cover. ``None`` where they are not windows of time.

    Args:
        context: The context of the asset or op that runs.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    try:
        return context.partition_time_window
    except (dg.DagsterError, ValueError):
        # There is no other way to ask: the partitions may have a time among several dimensions.
        return None


@contextmanager
def within(window: dg.TimeWindow | None, source: DltSource, *, given: bool) -> Iterator[Mapping[str, str]]:
    """Have what is extracted limited to a window of time, wherever a resource has a cursor of time.

    dlt keeps no state of such a run, so partitions may be loaded in any order and again.

    Args:
        window: The window. ``None`` changes nothing.
        source: The source with its selection.
        given: Whether the user's code made this source for this run. Then its cursors stay as they are.

    Yields:
        For the name of a resource that is not limited, the reason.
    """
    if window is None:
        yield {}
        return
    with ExitStack() as stack:
        # So `dlt.current.interval()` tells the window inside of a resource as well.
        stack.enter_context(Container().injectable_context(TimeIntervalContext((window.start, window.end))))
        reasons: dict[str, str | None] = {}
        for resource in [] if given else source.resources.extracted:
            reasons[resource.name] = stack.enter_context(_limited(resource, window))
        yield dict(_unlimited(source, reasons))


def _unlimited(source: DltSource, reasons: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """A resource is limited if it is, or one of those that it gets its rows from."""
    for name, resource in source.selected_resources.items():
        pipe: Pipe = resource._pipe
        reason = reasons.get(pipe.name)
        while reason and pipe.has_parent and not pipe.parent.is_empty:
            pipe = pipe.parent
            reason = reasons.get(pipe.name)
        if reason:
            yield name, reason


@contextmanager
def _limited(resource: DltResource, window: dg.TimeWindow) -> Iterator[str | None]:
    cursor, kind = _cursor(resource)
    if cursor is None:
        yield "it has no dlt.sources.incremental"
        return
    if cursor.allow_external_schedulers is False:
        yield None
        return
    naive = _hint(resource, cursor).get("timezone") is False
    bounds = _bounds(cursor, kind, window, naive=naive)
    if isinstance(bounds, str):
        yield f"its cursor {cursor.cursor_path} {bounds}"
        return
    limited = cursor.copy()
    limited.initial_value, limited.end_value = bounds
    limited.range_start, limited.range_end = "closed", "open"
    limited.allow_external_schedulers = False  # it has its bounds
    step: Any = resource.incremental
    # dlt shares this step among all copies of a resource.
    before = dict(vars(step)) if isinstance(step, IncrementalResourceWrapper) else None
    resource.apply_hints(incremental=limited)
    try:
        yield None
    finally:
        if before is not None:
            vars(step).clear()
            vars(step).update(before)


def _cursor(resource: DltResource) -> tuple[Incremental[Any] | None, Any]:
    """The resource's cursor as it is declared, and the type of its values as far as it is known."""
    step: Any = resource.incremental
    if step is None:
        return None, None
    parameter = IncrementalResourceWrapper.get_incremental_arg(signature(resource))
    cursor: Incremental[Any] | None
    if isinstance(step, Incremental):
        cursor = step
    elif step.incremental is not None:
        cursor = step.incremental
    else:
        cursor = _argument(resource, parameter)
    if cursor is None:
        return None, None
    kind = cursor.get_incremental_value_type()
    if kind is Any and parameter is not None:
        kind = _annotated(resource, parameter.name)
    if kind is Any:
        kind = _HINTED.get(_hint(resource, cursor).get("data_type", ""), Any)
    return cursor, kind


def _argument(resource: DltResource, parameter: Any) -> Incremental[Any] | None:
    """The cursor that the resource's function will be given: its default, and what the call says."""
    default = parameter.default if isinstance(parameter.default, Incremental) else None
    explicit: Any = None
    with suppress(TypeError):  # it has no arguments yet
        explicit = resource.explicit_args.get(parameter.name)
    if isinstance(explicit, Incremental):
        return default.merge(explicit) if default else explicit
    if default is not None and explicit is not None:
        default = default.copy()
        default.initial_value = explicit
    return default


def _annotated(resource: DltResource, name: str) -> Any:
    with suppress(Exception):  # an annotation may be any text
        hint = typing.get_type_hints(unwrap(cast("Any", resource)))[name]
        for part in (hint, *typing.get_args(hint)):  # it may be optional
            if typing.get_origin(part) is Incremental:
                return typing.get_args(part)[0]
    return Any


def _hint(resource: DltResource, cursor: Incremental[Any]) -> Mapping[str, Any]:
    """How the cursor's column is declared: tables of databases declare theirs."""
    column = cursor.get_cursor_column_name()
    with suppress(DltException):  # the hints depend on the rows
        hints: Mapping[str, Mapping[str, Any]] = resource.compute_table_schema().get("columns", {})
        return hints.get(column or "", {})
    return {}


def _bounds(cursor: Incremental[Any], kind: Any, window: dg.TimeWindow, *, naive: bool) -> Bounds | str:
    """The window in the cursor's own terms, or what is wrong with the cursor."""
    example = cursor.initial_value
    form = _ISO.fullmatch(example) if isinstance(example, str) else None
    bounds: Bounds | None = None
    if cursor.last_value_func is not max:
        return "does not go forwards"
    if _is(kind, datetime):
        naive = example.tzinfo is None if isinstance(example, datetime) else naive
        bounds = _instant(window.start, naive=naive), _instant(window.end, naive=naive)
    elif _is(kind, date) or (form and form["between"] is None):
        # Whole days, in the partitions' own time zone.
        days = window.start.date(), window.end.date()
        if days[0] == days[1]:
            return "has whole days, and the partition is a part of one"
        bounds = days if form is None else (days[0].isoformat(), days[1].isoformat())
    elif form:
        bounds = _spelled(window.start, form), _spelled(window.end, form)
    elif _is(kind, int, float) and cursor.allow_external_schedulers:
        # A number is a time only where the user says so: it may be an id.
        bounds = kind(window.start.timestamp()), kind(window.end.timestamp())
    return bounds or (
        f"is not known to be a time. Give it a type, as in dlt.sources.incremental[datetime]"
        f"({cursor.cursor_path!r}), or an initial_value"
    )


def _is(kind: Any, *types: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, types)


def _instant(moment: datetime, *, naive: bool) -> datetime:
    moment = moment.astimezone(timezone.utc)
    return moment.replace(tzinfo=None) if naive else moment  # dlt reads a naive time as UTC


def _spelled(moment: datetime, form: re.Match[str]) -> str:
    """Spell a moment, in UTC, as the initial value is spelled: texts are compared as texts."""
    moment = moment.astimezone(timezone.utc)
    part = f".{moment.microsecond:06d}"[: len(form["part"])] if form["part"] else ""
    zone = form["zone"] or ""
    if zone not in ("", "Z"):
        zone = "+00:00" if ":" in zone else "+0000"
    return f"{moment:%Y-%m-%d}{form['between']}{moment:%H:%M:%S}{part}{zone}"
