"""How long a large dbt project takes: to be definitions, and to begin to build one model.

A project of 2,000 models and 4,000 tests is generated and parsed by dbt. Then fresh processes take turns:

- definitions: what importing and loading take beyond ``import dagster``, in time and in memory, against a
  floor: parsing the manifest with orjson, bare specs, and one bare ``multi_asset``;
- one model: what a step of Dagster that builds one model takes beyond a bare ``dbt build`` of it.

Times are of the processor, for other programs of the machine leave them alone; the best of the turns counts.

Usage::

    python benchmarks/dbt_definitions.py
    python benchmarks/dbt_definitions.py --models 500 --turns 3

The official package, of the version that goes with this Dagster, takes its turns as well. pip fetches it into
a folder that is thrown away, unless ``OTHER_DAGSTER_DBT`` names one that it can be imported from. Where it
cannot be had, only the floor and the overhead are judged. It ends with code 1 where a target is missed.
"""

# No postponed annotations here: Dagster reads those of an asset's function, which are local.

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

OTHER = "OTHER_DAGSTER_DBT"
MEGABYTE = 1024 * (1024 if sys.platform == "darwin" else 1)
LAYER = 100
COLUMNS = """    columns:
      - {name: id, data_type: integer, description: The key., data_tests: [unique, not_null]}
      - {name: name, data_type: varchar, description: A name.}
      - {name: amount, data_type: "decimal(18,2)"}
      - {name: day, data_type: date}
"""
# Ratios and seconds that are promised.
MOST_OF_FLOOR, LEAST_FASTER, MOST_MEMORY, MOST_OVERHEAD = 1.3, 3.0, 0.5, 0.3


def main() -> int:
    """Generate, measure, print, and judge."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--models", type=int, default=2000, help="a multiple of 100")
    given.add_argument("--turns", type=int, default=5)
    given.add_argument("--measure", nargs=2, metavar=("WHAT", "PROJECT"), help=argparse.SUPPRESS)
    options = given.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(MEASURES[options.measure[0]](Path(options.measure[1]))) + "\n")
        return 0
    os.environ.update(DBT_SEND_ANONYMOUS_USAGE_STATS="false", DAGSTER_DISABLE_TELEMETRY="1")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        official = os.environ.get(OTHER) or fetch_official(Path(folder, "official"))
        project = Path(folder, "generated")
        generate(project, options.models)
        subprocess.run([dbt(), "--quiet", "parse"], cwd=project, check=True)
        missed = [*definitions(project, options.turns, official), *one_model(project, options.turns)]
    sys.stdout.writelines(f"MISSED: {what}\n" for what in missed)
    return 1 if missed else 0


def fetch_official(folder: Path) -> str | None:
    """Have pip put the official package into a folder. Returns the folder, or ``None`` where it cannot."""
    _, minor, patch = version("dagster").split(".")
    # The libraries of Dagster 1.x have the version 0.(x + 16).
    package = f"dagster-dbt==0.{int(minor) + 16}.{patch}"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]
    done = subprocess.run([*pip, "--target", folder, package], check=False)
    if done.returncode == 0:
        return str(folder)
    sys.stdout.write(f"{package} could not be fetched, so it takes no turn.\n")
    return None


def definitions(project: Path, turns: int, official: str | None) -> list[str]:
    """Compare the loading of definitions. Returns the targets that are missed."""
    names = ["dagster", "floor", "mainstem", *(["official"] if official else [])]
    best = take_turns(names, project, turns, official)
    start = best["dagster"]
    beyond = {name: {key: best[name][key] - start[key] for key in start} for name in names[1:]}
    for name, cost in beyond.items():
        say(f"definitions, {name}", cost["seconds"], f"{cost['megabytes']:.0f} MB beyond import dagster")
    ours, missed = beyond["mainstem"], []
    missed += judge("of the floor", ours["seconds"] / beyond["floor"]["seconds"], at_most=MOST_OF_FLOOR)
    if "official" in beyond:
        theirs = beyond["official"]
        missed += judge(
            "faster than the official", theirs["seconds"] / ours["seconds"], at_least=LEAST_FASTER
        )
        missed += judge("of its memory", ours["megabytes"] / theirs["megabytes"], at_most=MOST_MEMORY)
    return missed


def one_model(project: Path, turns: int) -> list[str]:
    """Compare the building of one model. Returns the targets that are missed."""
    best = take_turns(["dbt", "step"], project, turns)
    say("one model, dbt", best["dbt"]["seconds"])
    say("one model, step", best["step"]["seconds"], f"{best['step']['own']:.2f} s of it beside dbt's process")
    overhead = best["step"]["seconds"] - best["dbt"]["seconds"]
    return judge("seconds of overhead", overhead, at_most=MOST_OVERHEAD)


def take_turns(
    names: list[str], project: Path, turns: int, official: str | None = None
) -> dict[str, dict[str, float]]:
    """Return the best of each measure."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(turns):
        for name in names:
            path = os.environ.get("PYTHONPATH", "")
            if name == "official" and official:
                path = os.pathsep.join([official, path])
            done = subprocess.run(
                [sys.executable, __file__, "--measure", name, str(project)],
                env={**os.environ, "PYTHONPATH": path},
                capture_output=True,
                check=False,
            )
            if done.returncode:
                sys.exit(done.stderr.decode())
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {name: {key: min(turn[key] for turn in of) for key in of[0]} for name, of in found.items()}


def say(what: str, seconds: float, more: str = "") -> None:
    """Print a line of the table."""
    sys.stdout.write(f"{what:28} {seconds:7.2f} s  {more}\n")


def judge(
    what: str, value: float, *, at_most: float = float("inf"), at_least: float = float("-inf")
) -> list[str]:
    """Print a ratio, and return it where it misses its target."""
    target = f"at most {at_most}" if at_most < float("inf") else f"at least {at_least}"
    sys.stdout.write(f"{'':28} {value:7.2f}    {what} ({target})\n")
    return [] if at_least <= value <= at_most else [f"{value:.2f} {what}, {target}"]


def generate(project: Path, models: int) -> None:
    """Write a project in layers of 100 models, each of which joins two of the layer before."""
    project.mkdir()
    (project / "dbt_project.yml").write_text("name: generated\nversion: '1.0'\nprofile: generated\n")
    outputs = "{dev: {type: duckdb, path: generated.duckdb, threads: 2}}"
    (project / "profiles.yml").write_text(f"generated: {{target: dev, outputs: {outputs}}}\n")
    for layer in range(models // LAYER):
        folder = project / "models" / f"layer_{layer:02}"
        folder.mkdir(parents=True)
        described = ["models:\n"]
        for number in range(LAYER):
            name = f"m_{layer:02}_{number:03}"
            (folder / f"{name}.sql").write_text(sql(layer, number))
            described.append(f"  - name: {name}\n    description: Number {number} of its layer.\n{COLUMNS}")
        (folder / "schema.yml").write_text("".join(described))


def sql(layer: int, number: int) -> str:
    """Return a model's SQL."""
    if layer == 0:
        return "select 1 as id, 'a' as name, 1.5 as amount, current_date as day\n"
    first, second = (f"m_{layer - 1:02}_{parent:03}" for parent in (number, (number * 7 + 1) % LAYER))
    tables = f"{{{{ ref('{first}') }}}} as a join {{{{ ref('{second}') }}}} as b on a.id = b.id"
    return f"select a.id, a.name, a.amount + b.amount as amount, b.day from {tables}\n"


def dbt() -> str:
    """Return dbt's own program."""
    return str(Path(sys.executable).with_name("dbt"))


def spent() -> dict[str, float]:
    """Return what this process and those that it waited for have used."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in (own, children))
    megabytes = own.ru_maxrss / MEGABYTE
    return {"seconds": seconds, "own": own.ru_utime + own.ru_stime, "megabytes": megabytes}


def measure_dagster(_: Path) -> dict[str, float]:
    """Import Dagster, and no more."""
    import dagster  # noqa: F401, PLC0415 - what is measured

    return spent()


def measure_floor(project: Path) -> dict[str, float]:
    """Do the least that makes definitions of a manifest."""
    import dagster as dg  # noqa: PLC0415
    import orjson  # noqa: PLC0415

    nodes = orjson.loads((project / "target" / "manifest.json").read_bytes())["nodes"].values()

    def key(unique_id: str) -> str:
        return unique_id.rsplit(".", 1)[-1]

    specs = [
        dg.AssetSpec(node["name"], deps=[key(parent) for parent in node["depends_on"]["nodes"]])
        for node in nodes
        if node["resource_type"] == "model"
    ]
    checks = [
        dg.AssetCheckSpec(node["name"], asset=key(node["attached_node"]))
        for node in nodes
        if node["resource_type"] == "test"
    ]

    @dg.multi_asset(specs=specs, check_specs=checks, can_subset=True)
    def assets(): ...  # type: ignore[no-untyped-def]  # it has no one type, of so many outputs

    return spent()


def measure_mainstem(project: Path) -> dict[str, float]:
    """Load the definitions by this package."""
    import mainstem.dbt  # noqa: PLC0415

    return load(mainstem.dbt, project)


def measure_official(project: Path) -> dict[str, float]:
    """Load the definitions by the other package."""
    import dagster_dbt  # type: ignore[import-not-found]  # noqa: PLC0415 - where the variable says so

    return load(dagster_dbt, project)


def load(package: Any, project: Path) -> dict[str, float]:
    """Load the definitions, as a user does."""

    @package.dbt_assets(manifest=project / "target" / "manifest.json", required_resource_keys={"dbt"})
    def assets(context): ...  # type: ignore[no-untyped-def]  # Dagster knows it by its name

    return spent()


def measure_dbt(project: Path) -> dict[str, float]:
    """Build one model by dbt alone."""
    before = spent()["seconds"]
    subprocess.run(
        [dbt(), "build", "--select", "m_00_000"], cwd=project, stdout=subprocess.DEVNULL, check=True
    )
    return {"seconds": spent()["seconds"] - before}


def measure_step(project: Path) -> dict[str, float]:
    """Build one model, selected in Dagster: from the start of the command to its last event."""
    import dagster as dg  # noqa: PLC0415

    from mainstem.dbt import DbtCliResource, dbt_assets  # noqa: PLC0415

    took: dict[str, float] = {}

    @dbt_assets(manifest=project / "target" / "manifest.json")
    def assets(context: dg.AssetExecutionContext, dbt: DbtCliResource):  # type: ignore[no-untyped-def]  # a generator
        before = spent()
        yield from dbt.cli(["build"], context=context).stream()
        took.update({key: value - before[key] for key, value in spent().items()})

    resources = {"dbt": DbtCliResource(project)}
    dg.materialize([assets], selection=dg.AssetSelection.assets("m_00_000"), resources=resources)
    return took


MEASURES = {
    name.removeprefix("measure_"): value for name, value in globals().items() if name[:8] == "measure_"
}


if __name__ == "__main__":
    sys.exit(main())
