"""Errors for a person."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mainstem.cli.messages import tell
from mainstem.errors import EndpointError


def told(error: Exception, *, debug: bool) -> str:
    console = Console(file=io.StringIO(), width=200)
    tell(console, error, debug=debug)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_an_error_that_is_not_ours_shows_its_type_and_never_its_message() -> None:
    with pytest.raises(ValueError, match="canary-7") as caught:
        int("canary-7")
    shown = told(caught.value, debug=True)
    assert told(caught.value, debug=False).startswith(
        "Unexpected builtins.ValueError: this is a bug in mainstem."
    )
    assert "test_messages.py" in shown
    assert "invalid literal" not in shown


def test_debug_adds_the_types_of_the_causes_alone() -> None:
    error = EndpointError("The table [s.t] is gone.")
    error.__cause__ = OSError("canary-7")
    assert told(error, debug=False) == "The table [s.t] is gone.\n"
    assert told(error, debug=True) == "The table [s.t] is gone.\n  caused by builtins.OSError\n"
