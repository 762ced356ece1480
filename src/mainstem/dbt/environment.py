"""What a dbt process is given: its program, its environment, its folder for artifacts."""

from __future__ import annotations

import os
import re
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import dagster as dg

from mainstem.assets import ExecutionContext
from mainstem.errors import ConfigError

__all__ = [
    "DbtProgram",
    "artifacts_prefix",
    "command_of",
    "dbt_program",
    "log_level",
    "parsed_before",
    "process_environment",
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


@dataclass(frozen=True)
class DbtProgram:
    """How to start dbt.

    Attributes:
        plain: dbt's own program.
        command: The program that is started, and what stands before dbt's own arguments.
        reports: Whether it is our runner, which answers what dbt's own command line does not.
    """

    plain: str
    command: Sequence[str]
    reports: bool


def dbt_program(executable: str) -> DbtProgram:
    """Return how to start dbt: through our runner where the Python behind it can be told, else as it is.

    Args:
        executable: A path or a name. ``dbt`` is the one beside the running Python, for that is where its
            adapter is; else the one on the path.

    Raises:
        ConfigError: There is no such program.
    """
    own = shutil.which(executable, path=str(Path(sys.executable).parent)) if executable == "dbt" else None
    found = own or shutil.which(executable)
    if found is None:
        raise ConfigError(
            f"There is no dbt at {executable}.",
            hint="Install dbt-core and an adapter, or set dbt_executable.",
        )
    python = sys.executable if own else _python_behind(Path(found))
    if python is None:
        return DbtProgram(found, [found], reports=False)
    return DbtProgram(found, [python, str(Path(__file__).with_name("runner.py"))], reports=True)


def _python_behind(program: Path) -> str | None:
    """Return the Python of dbt's console script, or ``None`` where the program is something else."""
    try:
        with program.open("rb") as file:
            head = file.read(1000)
    except OSError:
        return None
    shebang = re.match(rb"#!(/\S*python\S*)\s", head)
    if shebang is None or b"from dbt.cli.main import" not in head:
        return None
    return os.fsdecode(shebang[1])


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
    program: DbtProgram,
    *,
    project_dir: Path,
    target_path: Path,
    profiles_dir: str | None,
    more: Mapping[str, str],
) -> dict[str, str]:
    """Return the environment of a dbt process. Our own is not touched.

    Args:
        program: How dbt is started.
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
        # Without our runner, a node's result is an event of this level; the rest of it is not shown.
        **({} if program.reports else {"DBT_LOG_LEVEL": "debug"}),
        **({"DBT_PROFILES_DIR": profiles_dir} if profiles_dir else {}),
        **more,
    }
    # dbt prefers the newer spelling of its variables to the older one, which all versions know.
    newer = {name.replace("DBT_", "DBT_ENGINE_", 1) for name in ours}
    inherited = {name: value for name, value in os.environ.items() if name not in newer}
    return {
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        # Projects ask for it.
        "DAGSTER_DBT_CLI": "true",
        # The log file is for people.
        "DBT_LOG_FORMAT_FILE": "debug",
        **inherited,
        **ours,
        # Our runner's lines are longer than what threads may write unbuffered without mixing them up.
        "PYTHONUNBUFFERED": "" if program.reports else "1",
        "PYTHONIOENCODING": "utf-8",
    }


def unique_target_path(base: Path, context: ExecutionContext | None) -> Path:
    """Return a folder under the project's target folder that no other invocation has."""
    unique = uuid.uuid4().hex[:8]
    if context is None:
        return base / unique
    try:
        return base / f"{artifacts_prefix(context, context.run.run_id)}{unique}"
    except dg.DagsterError:  # the asset or op is called as a function: there is no run
        return base / unique


def artifacts_prefix(context: ExecutionContext, run_id: str) -> str:
    """Return how the names of the folders begin that the op's dbt commands have in a run."""
    return f"{context.op_execution_context.op.name}-{run_id[:8]}-"


def parsed_before(base: Path, target_path: Path) -> Mapping[str, str]:
    """Return the environment that lets dbt start from what it parsed before.

    By itself it looks among the artifacts of the command, which are new.
    """
    parsed = base / "partial_parse.msgpack"
    if target_path == base or not parsed.exists():
        return {}
    return {"DBT_PARTIAL_PARSE_FILE_PATH": str(parsed)}
