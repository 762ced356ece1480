"""Errors and warnings for a person: one message each, never a traceback, never a secret."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

from mainstem.errors import MainstemError, NotSupportedYetError

__all__ = ["log_console", "shown_warnings", "tell", "tell_causes", "unsupported"]


def log_console() -> Console:
    """The console for everything that is no data. ``NO_COLOR`` and ``SLING_LOGGING=NO_COLOR`` hold."""
    plain = os.environ.get("SLING_LOGGING", "").upper() == "NO_COLOR"
    return Console(stderr=True, no_color=plain or None)


def tell(console: Console, error: BaseException, *, debug: bool = False) -> None:
    """Show an error.

    Args:
        console: Where.
        error: One of ours is shown with its message. Of any other one only the type is: its message may hold
            a secret.
        debug: Also show the types of its causes, and where one that is not ours was raised.
    """
    if isinstance(error, MainstemError):
        message = str(error)
    else:
        message = f"Unexpected {_type(error)}: this is a bug in mainstem. Please report it"
        message += "." if debug else ", with what --debug shows."
    console.print(Text(message, style="red"), soft_wrap=True)
    if debug:
        tell_causes(console, error)


def tell_causes(console: Console, error: BaseException) -> None:
    """Show the types of what caused an error: their messages may hold a secret, and are left out."""
    if not isinstance(error, MainstemError):
        frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
        console.print(Text(frames, style="dim"), soft_wrap=True)
    cause = error.__cause__
    while cause is not None:
        console.print(Text(f"  caused by {_type(cause)}", style="dim"), soft_wrap=True)
        cause = cause.__cause__


@contextmanager
def shown_warnings(console: Console) -> Iterator[None]:
    """Show warnings as one line each."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_rest: console.print(
            Text(f"warning: {message}", style="yellow"), soft_wrap=True
        )
        yield


def unsupported(what: str, hint: str | None = None) -> NotSupportedYetError:
    """The error for what Sling can do and we cannot yet."""
    return NotSupportedYetError(f"{what} is not supported yet.", hint=hint)


def _type(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"
