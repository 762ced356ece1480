"""From a document to a replication: everything that is wrong is collected and told at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from mainstem.errors import NotSupportedYetError, ReplicationError
from mainstem.replication.document import Document, ReplicationLike, read_document
from mainstem.replication.durations import seconds_of
from mainstem.replication.environment import substitute
from mainstem.replication.hooks import (
    CARRIED_OUT_HOOKS,
    COMMON_KEYS,
    HOOK_KEYS,
    REPLICATION_STAGES,
    STREAM_STAGES,
    Hook,
    hook_type,
    steps_of,
)
from mainstem.replication.inherit import Inherited, inherit
from mainstem.replication.keys import (
    CARRIED_OUT,
    OPTION_MAPS,
    SETTING_PREFIX,
    SETTINGS,
    STREAM_KEYS,
    TOP_LEVEL_KEYS,
    is_said,
)
from mainstem.replication.model import (
    Mode,
    Replication,
    ReplicationWarning,
    Stream,
    Unsupported,
    did_you_mean,
)
from mainstem.replication.options import ChangeCaptureOptions, Options, SourceOptions, TargetOptions
from mainstem.replication.syntax import Location

__all__ = ["Steps", "load_replication", "load_routines", "load_steps"]

# Shorter values are words of a message, not secrets.
_TELLING = 4

_Options = TypeVar("_Options", bound=Options)


def load_replication(
    given: ReplicationLike | Document | Replication,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Replication:
    """Read and check a replication.

    Args:
        given: A path, YAML or JSON text, a mapping, a document that is already read, or a
            replication that is already loaded.
        environment: What ``$VAR`` under ``env:`` means. By default the process environment.
        overrides: Keys that win over every stream's own, as the command line's do (spec §1.5); the option
            maps are merged key by key.

    Raises:
        ReplicationError: Something is wrong with it. All that is wrong is told at once, each with its line
            and column and the line itself.

    Example:
        >>> replication = load_replication(
        ...     {"source": "A", "target": "B", "streams": {"s.t": {"object": "{stream_table}"}}}
        ... )
        >>> replication.streams[0].mode.value
        'full-refresh'
    """
    if isinstance(given, Replication):
        if not overrides:
            return given
        document, variables = given.document, given.variables
    else:
        process = os.environ if environment is None else environment
        document, variables = substitute(read_document(given), process)
    return _Reader(_overridden(document, overrides or {}), variables).replication()


@dataclass(frozen=True)
class Steps:
    """The steps of a pipeline.

    Attributes:
        hooks: They, in order.
        variables: The variables of ``env``.
        source: The file's path as the user gave it.
    """

    hooks: Sequence[Hook]
    variables: Mapping[str, str]
    source: str


def load_steps(given: ReplicationLike | Document, environment: Mapping[str, str] | None = None) -> Steps:
    """Read and check a pipeline.

    Args:
        given: A path, YAML or JSON text, a mapping, or a document that is already read.
        environment: What ``$VAR`` under ``env:`` means. By default the process environment.

    Raises:
        ReplicationError: Something is wrong with it. All that is wrong is told at once.
        NotSupportedYetError: A step has a type that is not carried out yet.
    """
    process = os.environ if environment is None else environment
    document, variables = substitute(read_document(given), process)
    return _Reader(document, variables).steps()


def load_routines(given: ReplicationLike | Document) -> Mapping[str, Sequence[Hook]]:
    """Read and check a file of routines: ``routines``, a mapping from names to lists of hooks.

    Args:
        given: A path, YAML or JSON text, or a mapping.

    Raises:
        ReplicationError: Something is wrong with it. All that is wrong is told at once.
        NotSupportedYetError: A step has a type that is not carried out yet.
    """
    return _Reader(read_document(given), {}).routines()


def _overridden(document: Document, overrides: Mapping[str, Any]) -> Document:
    streams = document.values.get("streams")
    if not overrides or not isinstance(streams, Mapping):
        return document
    replaced = {
        name: _with_overrides(own or {}, overrides) if own is None or isinstance(own, Mapping) else own
        for name, own in streams.items()
    }
    return document.with_values({**document.values, "streams": replaced})


def _with_overrides(own: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**own, **overrides}
    for key in OPTION_MAPS:
        if isinstance(overrides.get(key), Mapping) and isinstance(own.get(key), Mapping):
            merged[key] = {**own[key], **overrides[key]}
    return merged


class _Reader:
    """Reads one document."""

    def __init__(self, document: Document, variables: Mapping[str, str]) -> None:
        self._document = document
        self._variables = variables
        self._problems: list[str] = []

    def replication(self) -> Replication:
        values = self._document.values
        for key in ("source", "target", "streams"):
            if not values.get(key):
                self._problem(f"did not find {key!r} key")
        self._warn_of_unknown(values, TOP_LEVEL_KEYS, ())
        source, target = (self._text(values.get(key), (key,)) or "" for key in ("source", "target"))
        self._environment(values.get("env"))
        defaults = self._mapping(values.get("defaults"), ("defaults",))
        self._warn_of_unknown_in_stream(defaults, ("defaults",))
        streams = [
            self._stream(str(name), given, defaults)
            for name, given in self._mapping(values.get("streams"), ("streams",)).items()
        ]
        hooks = self._hooks(values.get("hooks"), ("hooks",), REPLICATION_STAGES)
        if self._problems:
            raise ReplicationError("\n".join(dict.fromkeys(self._problems)))
        unsupported = list(_refused_hooks(hooks))
        unsupported += [
            Unsupported(f"the setting {key}", self._document.position("env", key))
            for key in self._variables
            if key.startswith(SETTING_PREFIX) and key not in SETTINGS
        ]
        return Replication(source, target, streams, self._document, self._variables, hooks, unsupported)

    def steps(self) -> Steps:
        values = self._document.values
        self._warn_of_unknown(values, {"env", "steps"}, ())
        self._environment(values.get("env"))
        listed = values.get("steps")
        hooks: list[Hook] = []
        if not isinstance(listed, list) or not listed:
            self._problem("a pipeline has `steps`, a list of hooks", "steps")
        else:
            for index, step in enumerate(listed):
                hooks += self._hook("step", step, ("steps", index))
        if self._problems:
            raise ReplicationError("\n".join(dict.fromkeys(self._problems)))
        refused = [f"{item.position}: {item.what} is not supported yet" for item in _refused_hooks(hooks)]
        if refused:
            raise NotSupportedYetError("\n".join(refused), hint="\nNo step has run.")
        return Steps(hooks, self._variables, self._document.source)

    def routines(self) -> Mapping[str, Sequence[Hook]]:
        self._warn_of_unknown(self._document.values, {"routines"}, ())
        found: dict[str, list[Hook]] = {}
        for name, listed in self._mapping(self._document.values.get("routines"), ("routines",)).items():
            if not isinstance(listed, list) or not listed:
                self._problem(f"the routine {name!r} is a list of hooks", "routines", name)
                continue
            found[str(name)] = [
                hook
                for index, step in enumerate(listed)
                for hook in self._hook(str(name), step, ("routines", name, index))
            ]
        if self._problems:
            raise ReplicationError("\n".join(dict.fromkeys(self._problems)))
        refused = [each for hooks in found.values() for each in _refused_hooks(hooks)]
        if refused:
            told = "\n".join(f"{item.position}: {item.what} is not supported yet" for item in refused)
            raise NotSupportedYetError(told, hint="\nNothing was read or written.")
        return found

    def _environment(self, given: Any) -> None:
        for key, value in self._mapping(given, ("env",)).items():
            if isinstance(value, (Mapping, list)):
                self._problem(f"{key!r} must be a single value, not {_shown(value)}", "env", key)

    def _stream(self, name: str, given: Any, defaults: Mapping[str, Any]) -> Stream:
        at: Location = ("streams", name)
        own = self._mapping(given, at)
        self._warn_of_unknown_in_stream(own, at)
        merged = inherit(defaults, own, at)
        disabled = self._flag(merged, "disabled") or False
        target_object = self._read(merged, "object", self._text) or ""
        if not target_object and not disabled:
            self._problem("need to specify `object` for stream", *at)
        if name == "*":
            self._problem("a bare * matches no stream; write schema.* or a path", *at)
        hooks = self._hooks(merged.values.get("hooks"), merged.origin("hooks"), STREAM_STAGES)
        return Stream(
            name=name,
            mode=self._mode(merged),
            object=target_object,
            position=self._document.position(*at),
            id=self._read(merged, "id", self._text),
            description=self._read(merged, "description", self._text),
            select=self._read(merged, "select", self._texts) or (),
            files=self._read(merged, "files", self._texts) or (),
            where=self._read(merged, "where", self._text),
            primary_key=self._read(merged, "primary_key", self._texts) or (),
            update_key=self._read(merged, "update_key", self._text),
            sql=self._read(merged, "sql", self._text),
            columns=self._either(merged, "columns"),
            transforms=self._either(merged, "transforms"),
            source_options=self._options(merged, "source_options", SourceOptions),
            target_options=self._options(merged, "target_options", TargetOptions),
            change_capture_options=self._options(merged, "change_capture_options", ChangeCaptureOptions),
            schedule=self._read(merged, "schedule", self._texts) or (),
            tags=self._read(merged, "tags", self._texts) or (),
            disabled=disabled,
            single=self._flag(merged, "single"),
            hooks=hooks,
            meta=self._mapping(merged.values.get("meta"), merged.origin("meta")),
            retries=self._read(merged, "retries", self._count),
            retry_delay=self._read(merged, "retry_delay", self._seconds),
            timeout=self._read(merged, "timeout", self._minutes),
            unsupported=[*self._unsupported(merged), *_refused_hooks(hooks)],
        )

    def _mode(self, merged: Inherited) -> Mode:
        given = merged.values.get("mode")
        if not given:
            keyed = merged.values.get("primary_key") or merged.values.get("update_key")
            return Mode.INCREMENTAL if keyed else Mode.FULL_REFRESH
        known = [mode.value for mode in Mode]
        if given not in known:
            guess = did_you_mean(str(given), known) or f"The modes are {', '.join(known)}."
            self._problem(f"must specify valid mode: {given!r} is none. {guess}", *merged.origin("mode"))
            return Mode.FULL_REFRESH
        return Mode(given)

    def _options(self, merged: Inherited, key: str, model: type[_Options]) -> _Options:
        given = self._mapping(merged.values.get(key), merged.origin(key))
        try:
            return model.model_validate(dict(given))
        except ValidationError as error:
            for problem in error.errors(include_url=False):
                name = str(problem["loc"][0]) if problem["loc"] else key
                message = f"{name!r}: {problem['msg'].lower()}, not {_shown(given.get(name))}"
                self._problem(message, *merged.origin(key, name))
            return model()

    def _hooks(self, given: Any, at: Location, stages: Sequence[str]) -> list[Hook]:
        hooks: list[Hook] = []
        for stage, listed in self._mapping(given, at).items():
            if stage not in stages:
                self._wrong_stage(stage, at, stages)
            elif isinstance(listed, list):
                for index, hook in enumerate(listed):
                    hooks += self._hook(stage, hook, (*at, stage, index))
            elif listed is not None:
                self._problem(f"{stage!r} must be a list of hooks, not {_shown(listed)}", *at, stage)
        return hooks

    def _wrong_stage(self, stage: str, at: Location, stages: Sequence[str]) -> None:
        if stage in STREAM_STAGES:
            self._problem(f"{stage!r} hooks belong to streams: move them to `defaults.hooks`", *at, stage)
        else:
            guess = did_you_mean(stage, stages) or f"The stages here are {', '.join(stages)}."
            self._problem(f"{stage!r} is no stage for hooks. {guess}", *at, stage)

    def _hook(self, stage: str, given: Any, at: Location) -> Iterator[Hook]:
        kind, keys = hook_type(given) if isinstance(given, Mapping) else (None, {})
        if kind is None or kind not in HOOK_KEYS:
            guess = did_you_mean(kind or "", HOOK_KEYS) or f"The types are {', '.join(HOOK_KEYS)}."
            self._problem(f"the hook has no valid type. {guess}", *at)
            return
        self._warn_of_unknown(keys, HOOK_KEYS[kind] | COMMON_KEYS, at)
        if kind == "group":
            steps = keys.get("steps")
            if not isinstance(steps, list) or not steps:
                self._problem("a group has `steps`, a list of hooks", *at)
                return
            for index, step in enumerate(steps):
                list(self._hook(stage, step, (*at, "steps", index)))
        yield Hook(stage, kind, keys, self._document.position(*at))

    def _unsupported(self, merged: Inherited) -> Iterator[Unsupported]:
        for key, value in merged.values.items():
            if key in OPTION_MAPS:
                for option, inner in value.items() if isinstance(value, Mapping) else ():
                    if option in OPTION_MAPS[key] and is_said(key, option, inner):
                        yield from self._refused(key, option, merged.origin(key, option))
            elif key in STREAM_KEYS and is_said("stream", key, value):
                yield from self._refused("stream", key, merged.origin(key))

    def _refused(self, place: str, key: str, at: Location) -> Iterator[Unsupported]:
        if key not in CARRIED_OUT[place]:
            what = f"`{key}`" if place == "stream" else f"`{key}` of `{place}`"
            yield Unsupported(what, self._document.position(*at))

    def _read(self, merged: Inherited, key: str, read: Callable[[Any, Location], Any]) -> Any:
        return read(merged.values.get(key), merged.origin(key))

    def _mapping(self, value: Any, at: Location) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._problem(f"{_last(at)!r} must be a mapping, not {_shown(value)}", *at)
            return {}
        return value

    def _either(self, merged: Inherited, key: str) -> Mapping[str, Any] | Sequence[Any]:
        value = merged.values.get(key)
        if value is None or isinstance(value, (Mapping, list)):
            return value or {}
        self._problem(f"{key!r} must be a mapping or a list, not {_shown(value)}", *merged.origin(key))
        return {}

    def _text(self, value: Any, at: Location) -> str | None:
        if value is not None and not isinstance(value, str):
            self._problem(f"{_last(at)!r} must be text, not {_shown(value)}", *at)
            return None
        return value

    def _texts(self, value: Any, at: Location) -> Sequence[str]:
        """A list of texts; one text is a list of one."""
        if value is None:
            return ()
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            self._problem(f"{_last(at)!r} must be text or a list of texts, not {_shown(value)}", *at)
            return ()
        return items

    def _count(self, value: Any, at: Location) -> int | None:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            self._problem(f"{_last(at)!r} must be a whole number, 0 or more, not {_shown(value)}", *at)
            return None
        return value

    def _seconds(self, value: Any, at: Location, unit: str = "s") -> float | None:
        """A length of time, in seconds."""
        if value is None:
            return None
        found = None if isinstance(value, bool) else seconds_of(str(value), unit)
        if found is None:
            self._problem(f"{_last(at)!r} must be a time such as 30s, 5m or 1h, not {_shown(value)}", *at)
        return found

    def _minutes(self, value: Any, at: Location) -> float | None:
        found = self._seconds(value, at, "m")
        if found == 0:
            self._problem(f"{_last(at)!r} must be more than nothing", *at)
        return found

    def _flag(self, merged: Inherited, key: str) -> bool | None:
        value = merged.values.get(key)
        if value is None or isinstance(value, bool):
            return value
        self._problem(f"{key!r} must be true or false, not {_shown(value)}", *merged.origin(key))
        return None

    def _warn_of_unknown_in_stream(self, values: Mapping[str, Any], at: Location) -> None:
        self._warn_of_unknown(values, STREAM_KEYS, at)
        for key, known in OPTION_MAPS.items():
            if isinstance(values.get(key), Mapping):
                self._warn_of_unknown(values[key], known, (*at, key))

    def _warn_of_unknown(self, values: Mapping[str, Any], known: Collection[str], at: Location) -> None:
        for key in values:
            if key not in known:
                guess = did_you_mean(key, known) or "It is ignored, as in Sling."
                told = self._document.told(f"unknown key {key!r}. {guess}", *at, key)
                warnings.warn(told, ReplicationWarning, stacklevel=2)

    def _problem(self, message: str, *at: str | int) -> None:
        # What came through `env` may be a secret of the process: the variable is told in its place.
        for key, value in self._variables.items():
            if len(value) >= _TELLING:
                message = message.replace(value, f"{{{key}}}")
        self._problems.append(self._document.told(message, *at))


def _refused_hooks(hooks: Sequence[Hook]) -> Iterator[Unsupported]:
    for hook in hooks:
        if hook.type not in CARRIED_OUT_HOOKS:
            yield Unsupported(f"the hook {hook.type!r}", hook.position)
        if hook.type == "group":
            yield from _refused_hooks(steps_of(hook, hook.stage))


def _last(at: Location) -> str | int:
    return at[-1] if at else "document"


def _shown(value: Any) -> str:
    """A value for a message: short, and nothing of what is inside of it, which may be a secret."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004 - a line's worth
