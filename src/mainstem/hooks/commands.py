"""`command`: another program. Only where the process allows it, without a shell, with a bare environment."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.errors import HookError, NotSupportedYetError
from mainstem.hooks.fitting import in_shell
from mainstem.hooks.model import Call, Result

__all__ = ["ALLOW", "command"]

ALLOW = "Start it with --allow-commands (`Settings(allow_commands=True)` in Python)."
# A secret in the environment is no business of a program's that was not given it.
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")


def command(call: Call) -> Result:
    """Run a program to its end."""
    if not call.services.allow_commands:
        raise HookError("This process does not run commands of hooks.", hint=ALLOW)
    if call.keys.get("ssh_conn"):
        raise NotSupportedYetError(
            "`ssh_conn` of a command hook is not supported yet.", position=call.position
        )
    out, combined, code = _run(call, _arguments(call))
    said = combined.rstrip() if call.keys.get("print", False) is True else ""
    output = {"stdout": out, "combined": combined, "exit_code": code}
    if code:
        tail = combined.strip()[-1000:]
        raise HookError(f"The command ended with exit code {code}{f': {tail}' if tail else ''}.")
    return Result({"output": output, "exit_code": code}, out.strip(), said)


def _arguments(call: Call) -> Sequence[str]:
    given = call.keys.get("command")
    if call.keys.get("shell") is True:
        line = call.raw.get("command")
        if not isinstance(line, str):
            raise HookError("With `shell: true` a command is one text.")
        return ["/bin/sh", "-c", str(call.scope.filled(line, in_shell))]
    if isinstance(given, list):
        return [str(part) for part in given]
    # Taken apart before the variables are put in: a value never becomes another argument.
    try:
        parts = shlex.split(str(call.raw.get("command") or ""))
    except ValueError as error:
        raise HookError(f"The command cannot be taken apart: {error}.") from error
    if not parts:
        raise HookError("`command` is missing.")
    return [str(call.scope.filled(part)) for part in parts]


def _run(call: Call, arguments: Sequence[str]) -> tuple[str, str, int]:
    limit = call.keys.get("timeout")
    try:
        process = subprocess.Popen(
            arguments,
            cwd=call.keys.get("working_dir") or None,
            env=_environment(call.keys.get("env") or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise HookError(f"{arguments[0]} cannot be started: {error.strerror}.") from error
    with process:
        try:
            out, err = process.communicate(timeout=None if limit is None else float(limit))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise HookError(f"The command did not end within {limit} seconds, and was ended.") from None
    stdout, stderr = out.decode(errors="replace"), err.decode(errors="replace")
    return stdout, stdout + stderr, process.returncode


def _environment(given: Mapping[str, Any]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**passed, **{str(name): str(value) for name, value in given.items()}}
