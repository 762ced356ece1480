"""The commands and their options. What they do is imported when they do it: --help answers at once."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mainstem._version import __version__
from mainstem.cli.command import run_command
from mainstem.cli.exits import Stop
from mainstem.cli.options import Flags, with_flags
from mainstem.cli.output import Output, chosen_output

__all__ = ["main"]

_EXAMPLES = """\
mainstem run replication.yaml
mainstem run -r replication.yaml --streams 'public.orders,tag:daily' --mode full-refresh
mainstem run replication.yaml --env '{SCHEMA: shop}' --json
mainstem run --src-conn MY_PG --src-stream public.orders --tgt-conn MY_DUCK --tgt-object main.orders
mainstem run --src-conn MY_PG --src-stream 'select * from orders' --tgt-conn MY_DUCK --tgt-object o
mainstem plan replication.yaml
mainstem conns list
mainstem conns exec MY_PG 'select count(*) from public.orders'
"""

app = typer.Typer(
    help="Embedded ELT: replicate databases in process, on Arrow.",
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
conns = typer.Typer(help="Look at connections, and through them.", rich_markup_mode="rich")
app.add_typer(conns, name="conns")

_Name = Annotated[str, typer.Argument(help="The connection's name, or a URL.", metavar="NAME")]
_Module = Annotated[
    str | None,
    typer.Option("-m", "--module", help="The module with the definitions, such as shop.definitions."),
]
_File = Annotated[str | None, typer.Option("-f", "--file", help="The Python file with the definitions.")]
_Column = Annotated[str, typer.Argument(help="An asset's key and a column: a.b.column.", metavar="COLUMN")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
_Debug = Annotated[bool, typer.Option("-d", "--debug", help="With an error, show the types of its causes.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"mainstem {__version__}")  # noqa: T201 - the command's output
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _mainstem(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Embedded ELT: replicate databases in process, on Arrow.

    For example:

    $ mainstem run replication.yaml
    """
    _help_if_alone(context)


@conns.callback(invoke_without_command=True)
def _conns(context: typer.Context) -> None:
    """Look at connections, and through them. SLING_OUTPUT=json writes JSON.

    For example:

    $ mainstem conns list
    """
    _help_if_alone(context)


def _help_if_alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())  # noqa: T201 - the command's output


@app.command()
@with_flags
def run(flags: Flags) -> None:
    """Run a replication: a file, or what --src-conn and its neighbours say.

    Connections are environment variables, or stand in ~/.sling/env.yaml or in dbt's profiles.

    For example:

    $ mainstem run replication.yaml

    $ mainstem run -r replication.yaml --streams public.orders,tag:daily

    $ mainstem run --src-conn PG --src-stream public.t --tgt-conn DUCK --tgt-object t
    """
    if flags.examples:
        print(_EXAMPLES, end="")  # noqa: T201 - the command's output
        return

    def body(stop: Stop) -> int:
        from mainstem.cli.run import run_replication  # noqa: PLC0415 - the engine takes a moment to import

        return run_replication(flags, stop)

    left = " What was published stays; nothing half was published."
    run_command(body, debug=flags.verbose, interrupted=left)


@app.command()
@with_flags
def plan(flags: Flags) -> None:
    """Show what a run would do: tables, columns with their types, DDL. Nothing is changed anywhere.

    For example:

    $ mainstem plan replication.yaml

    $ mainstem plan replication.yaml --json
    """
    if flags.examples:
        print(_EXAMPLES, end="")  # noqa: T201 - the command's output
        return

    def body(stop: Stop) -> int:
        from mainstem.cli.plan import show_plan  # noqa: PLC0415 - the engine takes a moment to import

        return show_plan(flags, stop)

    run_command(body, debug=flags.verbose)


@conns.command("list")
def conns_list(debug: _Debug = False) -> None:
    """List the connections that a replication may name, and where each comes from.

    For example:

    $ mainstem conns list
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.conns import list_connections  # noqa: PLC0415 - so that --help answers at once

        return list_connections(chosen_output(None))

    run_command(body, debug=debug)


@conns.command("test")
def conns_test(name: _Name, debug: _Debug = False) -> None:
    """Open a connection, and say whether that works.

    For example:

    $ mainstem conns test MY_PG
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.conns import test_connection  # noqa: PLC0415 - so that --help answers at once

        return test_connection(name, chosen_output(None))

    run_command(body, debug=debug)


@conns.command("discover")
def conns_discover(
    name: _Name,
    pattern: Annotated[
        str | None, typer.Option("-p", "--pattern", help="Only these, such as public.ord*.")
    ] = None,
    columns: Annotated[bool, typer.Option("--columns", help="List their columns.")] = False,
    debug: _Debug = False,
) -> None:
    """List the tables and views of a connection.

    For example:

    $ mainstem conns discover MY_PG --pattern 'public.ord*' --columns
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.conns import discover  # noqa: PLC0415 - so that --help answers at once

        return discover(name, pattern, columns=columns, output=chosen_output(None))

    run_command(body, debug=debug)


@conns.command("exec")
def conns_exec(
    name: _Name,
    sql: Annotated[list[str], typer.Argument(help="Statements, or paths of .sql files.", metavar="SQL...")],
    output: Annotated[Output | None, typer.Option("-o", "--output", help="How to write the rows.")] = None,
    limit: Annotated[
        int, typer.Option("-l", "--limit", min=0, help="At most so many rows; 0 for all.")
    ] = 100,
    debug: _Debug = False,
) -> None:
    """Run SQL on a connection, and write its rows to standard output.

    For example:

    $ mainstem conns exec MY_PG 'select * from public.orders' -o csv --limit 10
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.conns import execute  # noqa: PLC0415 - so that --help answers at once

        return execute(name, sql, limit, chosen_output(output))

    run_command(body, debug=debug)


@app.command()
def graph(
    explain: Annotated[  # noqa: ARG001 - there is nothing else yet that it could do
        bool, typer.Option("--explain", help="Tell each joint, and why: the default.")
    ] = True,
    module: _Module = None,
    file: _File = None,
    json: _Json = False,
    debug: _Debug = False,
) -> None:
    """Tell which assets of a Dagster project are joined by their tables, and why.

    Without -m or -f, the definitions are those of the pyproject.toml, as for `dagster` and `dg`.

    For example:

    $ mainstem graph --explain -m shop.definitions
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.graph import explain_graph  # noqa: PLC0415 - it imports Dagster

        return explain_graph(module, file, as_json=json)

    run_command(body, debug=debug)


@app.command()
def lineage(  # noqa: PLR0917 - typer hands them over by name
    column: _Column,
    down: Annotated[bool, typer.Option("--down", help="What is made of it, not what it is made of.")] = False,
    module: _Module = None,
    file: _File = None,
    json: _Json = False,
    debug: _Debug = False,
) -> None:
    """Show what a column is made of, through all tools, up to the sources.

    With DAGSTER_HOME set, what the latest runs have found out counts.

    For example:

    $ mainstem lineage customers.lifetime_value

    $ mainstem lineage data.orders.amount --down --json
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.graph import show_lineage  # noqa: PLC0415 - it imports Dagster

        return show_lineage(column, module, file, down=down, as_json=json)

    run_command(body, debug=debug)


@app.command()
def impact(  # noqa: PLR0917 - typer hands them over by name
    column: Annotated[
        str | None, typer.Argument(help="An asset's key and a column: target.orders.amount.")
    ] = None,
    schema_changes: Annotated[
        bool,
        typer.Option("--schema-changes", help="Of each column of the sources that is not what it was."),
    ] = False,
    module: _Module = None,
    file: _File = None,
    json: _Json = False,
    debug: _Debug = False,
) -> None:
    """List what depends on a column: columns, assets, checks.

    With --schema-changes, the sources of replications are looked at, and compared to what they were at the
    last load, or when the catalogue's snapshot was taken.

    For example:

    $ mainstem impact data.orders.amount

    $ mainstem impact --schema-changes
    """
    if (column is None) is not schema_changes:
        raise typer.BadParameter("Name a column, or ask for --schema-changes.")

    def body(_stop: Stop) -> int:
        from mainstem.cli.graph import show_changes, show_impact  # noqa: PLC0415 - it imports Dagster

        if column is None:
            return show_changes(module, file, as_json=json)
        return show_impact(column, module, file, as_json=json)

    run_command(body, debug=debug)


@app.command()
def status(module: _Module = None, file: _File = None, json: _Json = False, debug: _Debug = False) -> None:
    """Show each asset of the graph: when it was made, its rows, why it is stale, failing checks, schedules.

    DAGSTER_HOME names the folder of the Dagster instance.

    For example:

    $ mainstem status
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.status import show_status  # noqa: PLC0415 - it imports Dagster

        return show_status(module, file, as_json=json)

    run_command(body, debug=debug)


@app.command()
def refresh(module: _Module = None, file: _File = None, json: _Json = False, debug: _Debug = False) -> None:
    """Look at the sources, make what has changed, and say what was skipped.

    It runs in this process, and is kept by the Dagster instance of DAGSTER_HOME.

    For example:

    $ mainstem refresh
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.refresh import refresh_graph  # noqa: PLC0415 - it imports Dagster

        return refresh_graph(module, file, as_json=json)

    run_command(body, debug=debug)


@app.command()
def report(
    output: Annotated[str, typer.Option("-o", "--output", help="The file to write.")] = "report.html",
    module: _Module = None,
    file: _File = None,
    debug: _Debug = False,
) -> None:
    """Write the status of the graph as one HTML page, with the graph drawn.

    For example:

    $ mainstem report -o report.html
    """

    def body(_stop: Stop) -> int:
        from mainstem.cli.status import write_report  # noqa: PLC0415 - it imports Dagster

        return write_report(module, file, output)

    run_command(body, debug=debug)


def main() -> None:
    """The entry point of the `mainstem` command."""
    try:
        sys.exit(app())
    except KeyboardInterrupt:
        # Before a command had begun.
        sys.exit(130)
