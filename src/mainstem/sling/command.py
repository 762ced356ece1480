"""A command line that is run to its end for its output: Sling's own, or ours."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from mainstem.errors import SlingRunError
from mainstem.sling.secrecy import Redactor

__all__ = ["run_command"]

# More of what a program said than this helps nobody.
_LINES = 20


def run_command(
    command: Sequence[str], environment: Mapping[str, str], redact: Redactor, *, json: bool
) -> str:
    """Run a command and return what it writes to its standard output.

    Args:
        command: The program and its arguments.
        environment: What is added to the process environment, for this command alone.
        redact: Masks what of it is secret.
        json: Ask for JSON.

    Raises:
        SlingRunError: It ended with another exit code than 0. What it said is in the message, masked.
    """
    output = {"SLING_OUTPUT": "json"} if json else {}
    done = subprocess.run(
        list(command),
        env={**os.environ, **environment, **output},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = [redact(line) for line in (done.stderr or done.stdout).strip().splitlines()[-_LINES:]]
        raise SlingRunError(
            f"The command ended with exit code {done.returncode}.", exit_code=done.returncode, said=said
        )
    return done.stdout
