"""The flags that `run` and `plan` share, in Sling's spellings (spec §1.5)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

__all__ = ["Flags", "with_flags"]

_ADHOC = "Without a file"
_STREAMS = "For every stream, over what the file says"
_LATER = "Not supported yet"
_MAP = "YAML or JSON"


@dataclass(frozen=True)
class Flags:
    """What the user gave. ``None`` is not given; what is not given changes nothing."""

    file: Annotated[str | None, typer.Argument(help="The replication: a YAML or JSON file.")] = None
    replication: Annotated[
        str | None, typer.Option("-r", "--replication", help="The same, as Sling spells it.")
    ] = None
    streams: Annotated[
        str | None,
        typer.Option(
            "--streams", help="Only these, with commas: names, ids, globs, tag:x; -tag:x to leave out."
        ),
    ] = None
    env: Annotated[
        str | None, typer.Option("--env", help=f"Variables ({_MAP}) over those of the file's env.")
    ] = None
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line on standard output; for plan, one object.")
    ] = False
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Write the run's numbers to this file, in Prometheus' text format."),
    ] = None
    allow_commands: Annotated[
        bool,
        typer.Option("--allow-commands", help="Let `command` hooks run other programs."),
    ] = False
    debug: Annotated[
        bool, typer.Option("-d", "--debug", help="With an error, show the types of its causes.")
    ] = False
    trace: Annotated[bool, typer.Option("--trace", help="The same as --debug.")] = False
    examples: Annotated[bool, typer.Option("-e", "--examples", help="Show examples, and do nothing.")] = False

    src_conn: Annotated[
        str | None,
        typer.Option("--src-conn", help="The source: a connection's name.", rich_help_panel=_ADHOC),
    ] = None
    src_stream: Annotated[
        str | None,
        typer.Option("--src-stream", help="A table, a query, or file://x.sql.", rich_help_panel=_ADHOC),
    ] = None
    tgt_conn: Annotated[
        str | None,
        typer.Option("--tgt-conn", help="The target: a connection's name.", rich_help_panel=_ADHOC),
    ] = None

    tgt_object: Annotated[
        str | None,
        typer.Option("--tgt-object", help="The table that is written.", rich_help_panel=_STREAMS),
    ] = None
    mode: Annotated[
        str | None, typer.Option("-m", "--mode", help="Such as full-refresh.", rich_help_panel=_STREAMS)
    ] = None
    select: Annotated[
        str | None,
        typer.Option(
            "-s", "--select", help="Columns, with commas: a, b as c, -d, x*.", rich_help_panel=_STREAMS
        ),
    ] = None
    where: Annotated[
        str | None, typer.Option("--where", help="A filter, as SQL.", rich_help_panel=_STREAMS)
    ] = None
    limit: Annotated[
        int | None,
        typer.Option("-l", "--limit", min=0, help="At most so many rows.", rich_help_panel=_STREAMS),
    ] = None
    offset: Annotated[
        int | None, typer.Option("-o", "--offset", min=0, help="Pass so many over.", rich_help_panel=_STREAMS)
    ] = None
    range: Annotated[
        str | None,
        typer.Option("--range", help="start,end of the update key, both included.", rich_help_panel=_STREAMS),
    ] = None
    primary_key: Annotated[
        str | None, typer.Option("--primary-key", help="With commas: a,b.", rich_help_panel=_STREAMS)
    ] = None
    update_key: Annotated[
        str | None, typer.Option("--update-key", help="A column.", rich_help_panel=_STREAMS)
    ] = None
    columns: Annotated[
        str | None,
        typer.Option("--columns", help=f"Types by column ({_MAP}).", rich_help_panel=_STREAMS),
    ] = None
    transforms: Annotated[
        str | None,
        typer.Option("--transforms", help=f"Transforms ({_MAP}).", rich_help_panel=_STREAMS),
    ] = None
    src_options: Annotated[
        str | None,
        typer.Option("--src-options", help=f"source_options ({_MAP}).", rich_help_panel=_STREAMS),
    ] = None
    tgt_options: Annotated[
        str | None,
        typer.Option("--tgt-options", help=f"target_options ({_MAP}).", rich_help_panel=_STREAMS),
    ] = None

    stdout: Annotated[
        bool,
        typer.Option("--stdout", help="Write CSV to standard output.", rich_help_panel=_STREAMS),
    ] = False
    pipeline: Annotated[
        str | None, typer.Option("-p", "--pipeline", help="Run the steps of a pipeline: a YAML or JSON file.")
    ] = None

    @property
    def verbose(self) -> bool:
        """Whether causes are shown."""
        return self.debug or self.trace


def with_flags(command: Callable[[Flags], None]) -> Callable[..., None]:
    """Make a command of a function of flags: every field becomes an argument or an option."""
    hints = get_type_hints(Flags, include_extras=True)

    @wraps(command)
    def called(**given: Any) -> None:
        command(Flags(**given))

    parameters = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(Flags)
    ]
    called.__annotations__ = hints
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what `inspect` reads
    return called
