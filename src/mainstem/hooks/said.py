"""`log`, `check` and `store`: hooks that touch nothing but the run itself."""

from __future__ import annotations

from mainstem.errors import HookError
from mainstem.hooks.model import Call, Result
from mainstem.sqltext import Written

__all__ = ["check", "log", "store"]

_LEVELS = {"debug": "debug", "info": "info", "warn": "warn", "warning": "warn", "error": "error"}


def log(call: Call) -> Result:
    """Say something."""
    level = str(call.keys.get("level") or "info").lower()
    if level not in _LEVELS:
        raise HookError(f"`level` is {level!r}.", hint="It is debug, info, warn or error.")
    message = call.text("message")
    return Result({"message": message, "level": level}, message, message, _LEVELS[level])


def check(call: Call) -> Result:
    """Fail where a condition does not hold."""
    condition = call.raw.get("check")
    if condition is None:
        raise HookError("`check` is missing.", hint="Such as `check: run.total_rows > 0`.")
    given = call.keys.get("vars") or {}
    scope = call.scope.below({**given, "vars": given})
    if scope.holds(condition, call.position, "The check"):
        said = call.keys.get("success_message")
        return Result({"result": True}, True, str(said) if said else "")
    told = call.keys.get("failure_message") or call.keys.get("message")
    raise HookError(str(told) if told else f"The check does not hold: {condition}")


def store(call: Call) -> Result:
    """Keep values for later hooks."""
    many = call.keys.get("map")
    if isinstance(many, dict):
        for key, value in many.items():
            call.scope.store(str(key), value)
        return Result({"value": many}, many)
    key = call.text("key")
    value = None if call.keys.get("delete") is True else call.keys.get("value")
    written = call.raw.get("value")
    if isinstance(value, str) and value == written:
        # Nothing was put into it: it is the author's own word.
        value = Written(value)
    call.scope.store(key, value)
    return Result({"key": key, "value": value}, value)
