"""`replication`: another replication, run to its end."""

from __future__ import annotations

from pathlib import Path

from mainstem.errors import HookError
from mainstem.hooks.model import Call, Result

__all__ = ["replication"]

_DEEPEST = 5
_KEYS = ("mode", "streams", "select_streams", "env", "range")


def replication(call: Call) -> Result:
    """Run a replication: a file, or one that stands here. A stream that fails is a failure."""
    if call.services.depth >= _DEEPEST:
        raise HookError(f"Replications are nested more than {_DEEPEST} deep.", hint="Does one run itself?")
    given = call.keys.get("replication") or call.keys.get("path")
    if not given:
        raise HookError("`replication` is missing: a path, or a mapping.")
    config = str(Path(given).expanduser()) if isinstance(given, str) and "\n" not in given else given
    keys = {key: call.keys[key] for key in _KEYS if call.keys.get(key)}
    found = dict(call.services.replicate(config, keys, call.services.depth + 1, call.services.breaker))
    if found.get("status") == "error":
        raise HookError(f"The replication failed: {found.get('error')}")
    said = f"{found.get('total_rows', 0)} rows"
    return Result(found, found, said)
