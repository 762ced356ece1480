"""What a dbt process is given: its program, its environment, its folder for artifacts."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import dagster as dg

from mainstem.assets import ExecutionContext
from mainstem.errors import ConfigError

__all__ = [
    "command_of",
    "dbt_program",
    "log_level",
    "process_environment",
    "reuse_parsing",
    "unique_target_path",
]

_COMMANDS = frozenset(
    {"build", "clean", "clone", "compile", "debug", "deps", "docs", "init", "list", "ls", "parse", "retry"}
    | {"run", "run-operation", "seed", "show", "snapshot", "source", "test"}
)
# The global flags whose next word is their value: `--target test build` builds.
_FLAGS_WITH_VALUE = frozenset(
    {"--defer-state", "--indirect-selection", "--log-file-max-bytes", "--log-format", "--log-format-file"}
    | {"--log-level", "--log-level-file", "--log-path", "--partial-parse-file-path", "--printer-width"}
    | {"--profile", "--profiles-dir", "--project-dir", "--record-timing-info", "-r", "--state", "--target"}
    | {"-t", "--target-path", "--vars", "--warn-error-options"}
)
_PARTIAL_PARSE = "partial_parse.msgpack"


def dbt_program(executable: str) -> list[str]:
    """Return how to start dbt.

    Args:
        executable: A path or a name. ``dbt`` is the one beside the running Python, for that is where its
            adapter is; else the one on the path; else the module.

    Raises:
        ConfigError: There is no such program.
    """
    own = shutil.which(executable, path=str(Path(sys.executable).parent)) if executable == "dbt" else None
    found = own or shutil.which(executable)
    if found:
        return [found]
    if executable == "dbt":
        return [sys.executable, "-m", "dbt.cli.main"]
    raise ConfigError(
        f"There is no dbt at {executable}.", hint="Install dbt-core and an adapter, or set dbt_executable."
    )


def command_of(args: Sequence[str]) -> str:
    """Return the dbt command among the arguments, such as ``build``: the global flags stand before it.

    Raises:
        ConfigError: There is none.

    Example:
        >>> command_of(["--quiet", "--log-level", "debug", "build"])
        'build'
    """
    for before, arg in pairwise(["", *args]):
        if arg in _COMMANDS and before not in _FLAGS_WITH_VALUE:
            return arg
    raise ConfigError("There is no dbt command in the arguments.", hint='Pass one, as in dbt.cli(["build"]).')


def log_level(args: Sequence[str]) -> str:
    """Return the level from which on the user wants to see dbt's events.

    Example:
        >>> log_level(["--log-level=warn", "build"]), log_level(["--debug", "build"])
        ('warn', 'debug')
    """
    if "--debug" in args or "-d" in args:
        return "debug"
    words = [word for arg in args for word in arg.split("=", 1)]
    for flag, value in pairwise(words):
        if flag == "--log-level":
            return value.lower()
    return (os.environ.get("DBT_ENGINE_LOG_LEVEL") or os.environ.get("DBT_LOG_LEVEL") or "info").lower()


def process_environment(
    *, project_dir: Path, target_path: Path, profiles_dir: str | None, more: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a dbt process. Our own is not touched.

    Args:
        project_dir: The project.
        target_path: The folder for artifacts and the log.
        profiles_dir: The folder with the profiles, if it is not dbt's default.
        more: What the selection needs.
    """
    ours = {
        "DBT_PROJECT_DIR": str(project_dir),
        "DBT_TARGET_PATH": str(target_path),
        "DBT_LOG_PATH": str(target_path),
        "DBT_LOG_FORMAT": "json",
        # A node's result is an event of this level; what the user did not ask for is not shown.
        "DBT_LOG_LEVEL": "debug",
        **({"DBT_PROFILES_DIR": profiles_dir} if profiles_dir else {}),
        **more,
    }
    # dbt prefers the newer spelling of its variables to the older one, which all versions know.
    newer = {name.replace("DBT_", "DBT_ENGINE_", 1) for name in ours}
    inherited = {name: value for name, value in os.environ.items() if name not in newer}
    return {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        # The log file is for people.
        "DBT_LOG_FORMAT_FILE": "debug",
        **inherited,
        **ours,
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def unique_target_path(base: Path, context: ExecutionContext | None) -> Path:
    """Return a folder under the project's target folder that no other invocation has."""
    unique = uuid.uuid4().hex[:8]
    if context is None:
        return base / unique
    try:
        return base / f"{context.op_execution_context.op.name}-{context.run.run_id[:8]}-{unique}"
    except dg.DagsterError:  # the asset or op is called as a function: there is no run
        return base / unique


def reuse_parsing(base: Path, target_path: Path) -> None:
    """Let dbt start from what it parsed before, which it looks for among its artifacts."""
    parsed = base / _PARTIAL_PARSE
    if parsed.exists() and target_path != base:
        target_path.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(parsed, target_path / _PARTIAL_PARSE)
