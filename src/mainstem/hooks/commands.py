"""`command`: another program. Only where the process allows it, without a shell, with a bare environment."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from mainstem.connections import is_secret
from mainstem.errors import HookError, NotSupportedYetError
from mainstem.expressions import shown
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
    given = {str(name): shown(value) for name, value in (call.keys.get("env") or {}).items()}
    arguments, variables = _arguments(call)
    out, combined, code = _run(call, arguments, {**given, **variables})
    said = _hidden(combined.rstrip(), given) if call.keys.get("print", False) is True else ""
    kept = {"stdout": out, "combined": combined} if call.keys.get("capture", True) is not False else {}
    output = {**kept, "exit_code": code}
    if code:
        tail = _hidden(combined.strip()[-1000:], given)
        raise HookError(f"The command ended with exit code {code}{f': {tail}' if tail else ''}.")
    return Result({"output": output, "exit_code": code}, out.strip() if kept else None, said)


def _arguments(call: Call) -> tuple[Sequence[str], Mapping[str, str]]:
    """What is started, and the variables in which a shell gets its values."""
    given = call.raw.get("command")
    if call.keys.get("shell") is True:
        if not isinstance(given, str):
            raise HookError("With `shell: true` a command is one text.")
        text, variables = in_shell(given, call.scope)
        return ["/bin/sh", "-c", text], variables
    # Taken apart before the variables are put in: a value never becomes another argument.
    try:
        parts = given if isinstance(given, list) else shlex.split(str(given or ""))
    except ValueError as error:
        raise HookError(f"The command cannot be taken apart: {error}.") from error
    if not parts:
        raise HookError("`command` is missing.")
    return [shown(call.scope.filled(part)) for part in parts], {}


def _hidden(said: str, given: Mapping[str, str]) -> str:
    """What a program says, without the secrets that it was given."""
    for name, value in given.items():
        if value and is_secret(name.lower(), value):
            said = said.replace(value, "***")
    return said


def _run(call: Call, arguments: Sequence[str], given: Mapping[str, str]) -> tuple[str, str, int]:
    limit = call.keys.get("timeout")
    try:
        process = subprocess.Popen(
            arguments,
            cwd=call.keys.get("working_dir") or None,
            env=_environment(given),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise HookError(f"{arguments[0]} cannot be started: {error.strerror}.") from error
    with process, call.services.breaker.watching(lambda: _end(process)):
        try:
            out, err = process.communicate(timeout=None if limit is None else float(limit))
        except subprocess.TimeoutExpired:
            _end(process)
            process.communicate()
            raise HookError(f"The command did not end within {limit} seconds, and was ended.") from None
        except BaseException:
            # Whatever ends us ends it too.
            _end(process)
            raise
    stdout, stderr = out.decode(errors="replace"), err.decode(errors="replace")
    return stdout, stdout + stderr, process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program, with those that it has started."""
    # It may have ended meanwhile.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return {**passed, **given}
