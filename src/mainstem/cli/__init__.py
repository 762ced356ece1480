"""The command line. It knows the engine, and nothing of Dagster."""

from mainstem.cli.main import main

__all__ = ["main"]
