"""Hooks as the document has them (spec §6.1). Running them is another matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mainstem.errors import Position

__all__ = [
    "CARRIED_OUT_HOOKS",
    "COMMON_KEYS",
    "HOOK_KEYS",
    "REPLICATION_STAGES",
    "STREAM_STAGES",
    "Hook",
    "hook_type",
    "steps_of",
]

REPLICATION_STAGES = ("start", "end")
STREAM_STAGES = ("pre", "pre_merge", "post_merge", "post")

COMMON_KEYS = frozenset({"type", "id", "if", "on_failure", "name", "description", "message", "into"})

# The keys of each type of hook, besides the common ones.
HOOK_KEYS: Mapping[str, frozenset[str]] = {
    "log": frozenset({"message", "level"}),
    "check": frozenset({"check", "failure_message", "success_message", "vars"}),
    "query": frozenset({"connection", "query", "operation", "params", "continue_on_error"}),
    "command": frozenset(
        {"command", "working_dir", "env", "print", "capture", "timeout", "ssh_conn", "shell"}
    ),
    "http": frozenset({"url", "method", "headers", "payload", "write_to"}),
    "copy": frozenset({"from", "to", "single_file", "recursive"}),
    "delete": frozenset({"location", "recursive"}),
    "write": frozenset({"to", "content"}),
    "read": frozenset({"from"}),
    "list": frozenset({"location", "only", "recursive"}),
    "inspect": frozenset({"location", "recursive"}),
    "store": frozenset({"key", "value", "delete", "map"}),
    "group": frozenset({"steps", "loop", "concurrency", "env"}),
    "replication": frozenset({"replication", "path", "env", "select_streams", "mode", "streams", "range"}),
    "routine": frozenset({"routine", "params", "env"}),
    "run": frozenset({"run"}),
}

# The other is refused by name: nobody has told what it does.
CARRIED_OUT_HOOKS = frozenset(HOOK_KEYS) - {"run"}

# `- log: hello` is short for `- {type: log, message: hello}`.
_SHORTHANDS: Mapping[str, str] = {
    "log": "message",
    "check": "check",
    "query": "query",
    "command": "command",
    "replication": "replication",
}


@dataclass(frozen=True)
class Hook:
    """One hook, as it stands in the document.

    Attributes:
        stage: ``start``, ``end``, ``pre``, ``pre_merge``, ``post_merge`` or ``post``.
        type: One of :data:`HOOK_KEYS`.
        keys: Everything else of it, by key.
        position: Where it stands.
    """

    stage: str
    type: str
    keys: Mapping[str, Any]
    position: Position


def hook_type(given: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """Tell a hook's type, spelling a shorthand out.

    Example:
        >>> hook_type({"log": "hello"})
        ('log', {'message': 'hello'})
    """
    if "type" in given:
        kind = given["type"]
        return (kind if isinstance(kind, str) else None), {k: v for k, v in given.items() if k != "type"}
    for short, key in _SHORTHANDS.items():
        if short in given:
            return short, {key: given[short], **{k: v for k, v in given.items() if k != short}}
    return None, given


def steps_of(group: Hook, name: str) -> list[Hook]:
    """The steps of a group, which were checked when the document was read."""
    steps = []
    for step in group.keys.get("steps") or ():
        kind, keys = hook_type(step)
        steps.append(Hook(name, str(kind), keys, group.position))
    return steps
