"""A pipeline: steps, which are the hooks of replications, one after another (spec §6.1)."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from datetime import datetime

from mainstem.breaking import Breaker, Deadline
from mainstem.connections import ConnectionBook
from mainstem.engine import Connections, run_nested
from mainstem.errors import HookError
from mainstem.events import HookFinished
from mainstem.hooks import Routines, Scope, Services, check_hooks, nested, run_hooks
from mainstem.replication import Document, ReplicationLike
from mainstem.replication.reader import load_steps
from mainstem.replication.variables import moment_variables
from mainstem.settings import Settings
from mainstem.sqltext import Written

__all__ = ["run_pipeline"]


def run_pipeline(
    config: ReplicationLike | Document, connections: Connections = (), *, settings: Settings | None = None
) -> Generator[HookFinished, None, None]:
    """Run a pipeline: a mapping with ``steps``, and with ``env``.

    Args:
        config: A path, text, or a mapping.
        connections: What its steps may name; beyond them the process environment is looked at.
        settings: ``None`` reads the process environment.

    Yields:
        What became of each step.

    Raises:
        ConfigError: The pipeline is wrong. No step has run.
        HookError: A step failed, and its `on_failure` does not let it.
    """
    book = connections if isinstance(connections, ConnectionBook) else ConnectionBook(connections)
    steps = load_steps(config, book.variables)
    chosen = settings or Settings.from_environment({**book.variables, **steps.variables})
    routines = Routines(chosen.routines)
    check_hooks(steps.hooks, allow_commands=chosen.allow_commands, routines=routines)
    minutes = (chosen.timeout or 0) / 60
    breaker = Breaker(Deadline.after(chosen.timeout, f"SLING_TIMEOUT = {minutes:g} mins reached."))
    services = Services(
        book=book,
        allow_commands=chosen.allow_commands,
        replicate=lambda given, keys, depth, within: run_nested(
            given, keys, book, chosen, depth=depth, within=within
        ),
        retry_delay=chosen.hook_retry_delay,
        breaker=breaker,
        routines=routines,
    )
    started = datetime.now().astimezone()
    names = nested(moment_variables(started))
    execution = {"id": uuid.uuid4().hex, "file_path": steps.source, "start_time": started.isoformat()}
    env = {key: Written(value) for key, value in steps.variables.items()}
    scope = Scope({**names, "execution": execution, "env": env, "runs": {}})
    try:
        with breaker.in_time():
            yield from run_hooks(steps.hooks, scope, services)
    except HookError as error:
        raise HookError(f"The pipeline failed. {error}") from error
