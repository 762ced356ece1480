"""What can be known of hooks before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mainstem.errors import ReplicationError
from mainstem.expressions import parse
from mainstem.hooks.commands import ALLOW
from mainstem.hooks.routines import Routines
from mainstem.replication.hooks import Hook, steps_of
from mainstem.replication.scanner import did_you_mean

__all__ = ["POLICIES", "check_hooks"]

POLICIES = ("abort", "error", "warn", "skip", "quiet", "break", "retry", "defer")


def check_hooks(hooks: Sequence[Hook], *, allow_commands: bool, routines: Routines) -> None:
    """Check hooks, with the steps of their groups and of the routines that they call.

    Raises:
        ReplicationError: An `on_failure` or a condition is wrong, or a command is not allowed.
    """
    for hook in _all(hooks, routines):
        policy = str(hook.keys.get("on_failure") or "abort").lower()
        if policy not in POLICIES:
            raise ReplicationError(
                f"`on_failure` is {policy!r}.",
                position=hook.position,
                hint=did_you_mean(policy, POLICIES) or f"It is {', '.join(POLICIES)}.",
            )
        if hook.type == "command" and not allow_commands:
            raise ReplicationError(
                "A `command` hook runs another program, which this process does not allow.",
                position=hook.position,
                hint=f"{ALLOW} Nothing was read or written.",
            )
        for key in ("if", "check"):
            text = hook.keys.get(key)
            if isinstance(text, str) and "{" not in text:
                parse(text, hook.position, f"`{key}` of the {hook.type} hook")


def _all(hooks: Sequence[Hook], routines: Routines, above: Sequence[str] = ()) -> Iterator[Hook]:
    for hook in hooks:
        yield hook
        if hook.type == "group":
            yield from _all(steps_of(hook, hook.stage), routines, above)
        elif hook.type == "routine":
            name = str(hook.keys.get("routine"))
            if name in above:
                raise ReplicationError(f"The routine {name!r} calls itself.", position=hook.position)
            yield from _all(routines.called_by(hook).steps, routines, [*above, name])
