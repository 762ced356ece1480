"""Sling's own program as the engine, where there is one: run, read line by line, and kept to our events."""

from mainstem.sling.cli_engine.runner import CliRunner

__all__ = ["CliRunner"]
