"""Hooks, one after another: their conditions, what their failures mean, and what they leave (spec §6.1)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from mainstem.connections import is_secret
from mainstem.errors import HookError, MainstemError
from mainstem.events import HookFinished
from mainstem.expressions import looked_up
from mainstem.hooks.commands import command
from mainstem.hooks.files import copy, delete, inspect, listing, read, write
from mainstem.hooks.fitting import PATHS
from mainstem.hooks.model import Call, Result, Services
from mainstem.hooks.queries import query
from mainstem.hooks.replications import replication
from mainstem.hooks.requests import http
from mainstem.hooks.said import check, log, store
from mainstem.hooks.scope import Scope
from mainstem.replication.hooks import Hook, steps_of
from mainstem.sqltext import Written

__all__ = ["KINDS", "Verdict", "run_hooks"]

KINDS: Mapping[str, Callable[[Call], Result]] = {
    "log": log,
    "check": check,
    "query": query,
    "command": command,
    "http": http,
    "copy": copy,
    "delete": delete,
    "write": write,
    "read": read,
    "list": listing,
    "inspect": inspect,
    "store": store,
    "replication": replication,
}
# What stands in a hook's own words, or is looked at as it was written.
_RAW = ("if", "check", "steps", "loop", "on_failure", "id", "into", "query", "command")
_MOST_AT_ONCE = 64


class Verdict(Enum):
    """What becomes of what the hooks stand before."""

    GO_ON = "go on"
    BREAK = "break"
    SKIP = "skip"


Events = Generator[HookFinished, None, Verdict]


@dataclass(frozen=True)
class _Failed:
    hook: str
    error: MainstemError


def run_hooks(
    hooks: Sequence[Hook], scope: Scope, services: Services, *, stream: str | None = None
) -> Events:
    """Run hooks in their order.

    Args:
        hooks: The hooks of one stage, or the steps of a group or a pipeline.
        scope: What they know.
        services: What they may use.
        stream: The stream that they belong to.

    Yields:
        What became of each.

    Returns:
        Whether what comes behind them should run.

    Raises:
        HookError: One failed, and its `on_failure` is `abort`, or `defer` and all others have run.
    """
    deferred: list[_Failed] = []
    verdict = Verdict.GO_ON
    for number, hook in enumerate(hooks, 1):
        name = str(hook.keys.get("id") or f"{hook.stage}-{number:02d}")
        verdict = yield from _Run(hook, name, scope, services, stream=stream, deferred=deferred).events()
        if verdict is not Verdict.GO_ON:
            break
    if deferred:
        told = "; ".join(f"{failed.hook}: {failed.error}" for failed in deferred)
        raise HookError(f"Hooks failed, and the others have run: {told}")
    return verdict


class _Run:
    """One hook."""

    def __init__(
        self,
        hook: Hook,
        name: str,
        scope: Scope,
        services: Services,
        *,
        stream: str | None,
        deferred: list[_Failed],
    ) -> None:
        self._hook = hook
        self._name = name
        self._scope = scope
        self._services = services
        self._stream = stream
        self._deferred = deferred
        self._breaks = False

    def events(self) -> Events:
        hook = self._hook
        try:
            if "if" in hook.keys and not self._scope.holds(
                hook.keys["if"], hook.position, f"`if` of {self._name}"
            ):
                self._scope.left(self._name, {"status": "skipped"})
                yield self._told("skipped", "")
                return Verdict.GO_ON
            result = yield from self._tried()
        except MainstemError as error:
            return (yield from self._failed(error))
        state = {"status": "success", **result.state}
        self._scope.left(self._name, state)
        if hook.keys.get("into"):
            self._scope.store(str(hook.keys["into"]), result.main)
        yield self._told("success", result.said, result.level)
        return Verdict.BREAK if self._breaks else Verdict.GO_ON

    def _tried(self) -> Generator[HookFinished, None, Result]:
        try:
            return (yield from self._once())
        except MainstemError as error:
            if self._policy != "retry":
                raise
            yield self._told("retried", str(error), "warn")
        self._services.breaker.wait(self._services.retry_delay)
        return (yield from self._once())

    def _once(self) -> Generator[HookFinished, None, Result]:
        if self._hook.type == "group":
            return (yield from self._group())
        if self._hook.type == "routine":
            return (yield from self._routine())
        keys = {
            key: value if key in _RAW else self._scope.filled(value, PATHS.get(key))
            for key, value in self._hook.keys.items()
        }
        call = Call(keys, self._hook.keys, self._scope, self._services, self._hook.position)
        breaker = self._services.breaker
        try:
            if breaker.broken:
                raise HookError("It did not begin.")
            return KINDS[self._hook.type](call)
        except MainstemError as error:
            if breaker.broken:
                raise HookError(f"It was broken off: {breaker.why}.") from error
            raise
        except Exception as error:
            # The traceback stays behind the error.
            said = str(error).partition("\n")[0]
            shown = "" if is_secret("", said) else f": {said}"
            raise HookError(
                f"Nobody expected {type(error).__name__}{shown}.",
                hint="Please report this with its traceback.",
            ) from error

    @property
    def _policy(self) -> str:
        return str(self._hook.keys.get("on_failure") or "abort").lower()

    def _failed(self, error: MainstemError) -> Events:
        policy = self._policy
        self._scope.left(
            self._name, {"status": "warning" if policy == "warn" else "error", "error": str(error)}
        )
        if policy in ("quiet", "break"):
            yield self._told("error" if policy == "quiet" else "broke off", str(error), "debug")
            return Verdict.GO_ON if policy == "quiet" else Verdict.BREAK
        level = "warn" if policy in ("warn", "skip") else "error"
        yield self._told("warning" if policy == "warn" else "error", str(error), level)
        if policy == "warn":
            return Verdict.GO_ON
        if policy == "skip":
            return Verdict.SKIP
        if policy == "defer":
            self._deferred.append(_Failed(self._name, error))
            return Verdict.GO_ON
        raise HookError(
            f"The hook {self._name} ({self._hook.type}) failed: {error}", transient=error.transient
        ) from error

    # A group.

    def _group(self) -> Generator[HookFinished, None, Result]:
        given = self._hook.keys.get("env") or {}
        env = {
            name: Written(value) if isinstance(value, str) and value == given[name] else value
            for name, value in self._scope.filled(given).items()
        }
        names = {"env": {**self._scope.names.get("env", {}), **env}} if env else {}
        rounds = self._rounds()
        if rounds is None:
            yield from self._round(self._scope.below(names))
            return Result({"rounds": 1})
        scopes = [
            self._scope.below({**names, "loop": {"value": value, "index": index}})
            for index, value in enumerate(rounds)
        ]
        at_once = min(int(self._hook.keys.get("concurrency") or 1), _MOST_AT_ONCE)
        if at_once > 1:
            yield from self._side_by_side(scopes, at_once)
        else:
            for scope in scopes:
                if (yield from self._round(scope)) is not Verdict.GO_ON:
                    break
        return Result({"rounds": len(scopes)})

    def _routine(self) -> Generator[HookFinished, None, Result]:
        keys = self._hook.keys
        env = self._scope.filled(keys.get("env") or {})
        names = {
            "env": {**self._scope.names.get("env", {}), **env},
            "params": self._scope.filled(keys.get("params") or {}),
        }
        steps = [
            replace(step, stage=self._name) for step in self._services.routines.called_by(self._hook).steps
        ]
        yield from run_hooks(steps, self._scope.below(names), self._services, stream=self._stream)
        return Result({"steps": len(steps)})

    def _round(self, scope: Scope) -> Events:
        steps = steps_of(self._hook, self._name)
        return (yield from run_hooks(steps, scope, self._services, stream=self._stream))

    def _side_by_side(self, scopes: Sequence[Scope], at_once: int) -> Generator[HookFinished, None, None]:
        def collected(scope: Scope) -> tuple[list[HookFinished], MainstemError | None]:
            found: list[HookFinished] = []
            try:
                for event in self._round(scope):
                    found.append(event)
            except MainstemError as error:
                return found, error
            return found, None

        with ThreadPoolExecutor(at_once, "mainstem-group") as pool:
            done = list(pool.map(collected, scopes))
        for events, _ in done:
            yield from events
        errors = [error for _, error in done if error]
        if errors:
            raise HookError(
                f"{len(errors)} of {len(done)} rounds failed. The first: {errors[0]}"
            ) from errors[0]

    def _rounds(self) -> Sequence[Any] | None:
        given = self._hook.keys.get("loop")
        if given is None:
            return None
        found = self._scope.filled(given)
        if isinstance(found, str):
            _, found = looked_up(self._scope.names, found.strip().split("."))
        if isinstance(found, Mapping):
            found = [{"key": key, "value": value} for key, value in found.items()]
        if not isinstance(found, list | tuple):
            raise HookError(f"`loop` is no list: {given}", hint="Such as [a, b], or {state.q.result}.")
        return found

    def _told(self, status: str, said: str, level: str = "info") -> HookFinished:
        return HookFinished(self._hook.stage, self._name, self._hook.type, status, said, level, self._stream)
