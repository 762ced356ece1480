"""How long the definitions of a large replication take to load.

A replication of 200 streams is written as a file. In one process two ways take turns, and the best of the
turns counts, in time of the processor:

- bare: as many `dg.AssetSpec` in one `dg.multi_asset`, each naming the source that it depends on;
- mainstem: `@sling_assets` of the file, from its text to the assets.

It is measured for the assets alone, and for `dg.Definitions` that are loaded as a code location loads them.
Besides it is shown what bare specs take that name no source. To name one takes Dagster longer than all the
rest: nobody loads a graph with its sources in twice that time.

Usage::

    python benchmarks/sling_definitions.py
    python benchmarks/sling_definitions.py --streams 1000 --turns 10

It ends with code 1 where a target is missed.
"""

# No postponed annotations here: Dagster reads those of an asset's function.

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg

HEAD = """\
source: SRC
target: TGT
defaults: {mode: full-refresh, object: "{stream_schema}_{stream_table}"}
streams:
"""
# What is promised.
MOST = 2.0


def main() -> int:
    """Write, measure, print, and judge."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--streams", type=int, default=200)
    given.add_argument("--turns", type=int, default=20)
    given.add_argument("--measure", nargs=2, metavar=("WHAT", "REPLICATION"), help=argparse.SUPPRESS)
    options = given.parse_args()
    if options.measure:
        return measure(options.measure[0], Path(options.measure[1]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "replication.yaml")
        names = write(path, options.streams)
        ways: dict[str, Callable[[], dg.AssetsDefinition]] = {
            "bare, no sources": lambda: bare(names, sources=False),
            "bare": lambda: bare(names, sources=True),
            "mainstem": lambda: replication(path),
        }
        missed = compare("assets", ways, options.turns)
        whole = {name: loaded(make) for name, make in ways.items()}
        missed += compare("definitions", whole, options.turns)
    sys.stdout.writelines(f"MISSED: {what}\n" for what in missed)
    return 1 if missed else 0


def write(path: Path, streams: int) -> list[str]:
    """Write a replication. Returns the tables of its streams."""
    names = [f"table_{number:04}" for number in range(streams)]
    path.write_text(HEAD + "".join(f"  public.{name}:\n" for name in names))
    return names


def measure(what: str, path: Path) -> int:
    """Load the definitions once, by one of the ways: a process that something else measures."""
    if what == "mainstem":
        loaded(lambda: replication(path))()
    else:
        names = [line.strip(" :").removeprefix("public.") for line in path.read_text().splitlines()[4:]]
        dg.Definitions.validate_loadable(dg.Definitions(assets=[bare(names, sources=True)]))
    return 0


def compare(what: str, ways: dict[str, Callable[[], Any]], turns: int) -> list[str]:
    """Print the best of each way, and return what is missed."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(turns):
        for name, make in ways.items():
            before = time.process_time()
            make()
            best[name] = min(best[name], time.process_time() - before)
    for name, seconds in best.items():
        sys.stdout.write(f"{what + ', ' + name:32} {seconds * 1000:7.1f} ms\n")
    ratio = best["mainstem"] / best["bare"]
    least = best["bare"] / best["bare, no sources"]
    sys.stdout.write(f"{'':32} {ratio:7.2f}    of bare specs (at most {MOST})\n")
    beyond = best["mainstem"] / best["bare, no sources"]
    sys.stdout.write(
        f"{'':32} {beyond:7.2f}    of bare specs without sources; with them, bare ones: {least:.2f}\n"
    )
    return [f"{what}: {ratio:.2f} of bare specs, at most {MOST}"] if ratio > MOST else []


def loaded(make: Callable[[], dg.AssetsDefinition]) -> Callable[[], Any]:
    """Load definitions of the assets, as a code location does."""
    from mainstem.sling import SlingResource  # noqa: PLC0415 - bare specs are measured without it

    def load() -> None:
        defs = dg.Definitions(assets=[make()], resources={"sling": SlingResource()})
        dg.Definitions.validate_loadable(defs)

    return load


def bare(names: list[str], *, sources: bool) -> dg.AssetsDefinition:
    """Make the least that has as many assets."""
    specs = [
        dg.AssetSpec(["target", "public", name], deps=[dg.AssetKey(["public", name])] if sources else None)
        for name in names
    ]

    @dg.multi_asset(specs=specs, can_subset=True)
    def assets() -> Iterator[Any]:
        yield from ()

    return assets


def replication(path: Path) -> dg.AssetsDefinition:
    """Make the assets of the file, as a user does."""
    from mainstem.sling import SlingResource, sling_assets  # noqa: PLC0415

    @sling_assets(replication_config=path)
    def assets(context: dg.AssetExecutionContext, sling: SlingResource) -> Iterator[Any]:
        yield from sling.replicate(context=context)

    return assets


if __name__ == "__main__":
    sys.exit(main())
