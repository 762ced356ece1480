"""A run shows no secret, whatever becomes of it: of any system, from any place that gives a connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.secrecy.conftest import Guarded
from tests.secrecy.looking import CANARY, Children, files_with, raised, seen

from mainstem.api import plan, replicate
from mainstem.connections import connection_of
from mainstem.errors import MainstemError
from mainstem.settings import Settings
from mainstem.testing.postgres import EmbeddedPostgres, free_port
from mainstem.testing.warehouse import Warehouse

OUTCOMES = ("succeeds", "wrong", "unreachable")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_run_shows_no_secret_of_its_source(
    guarded: Guarded,
    outcome: str,
    place: Path,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    definition, secret = guarded.made(outcome)
    warehouse = Warehouse(place / "target.duckdb")
    config = {
        "source": "SRC",
        "target": "TGT",
        "streams": {guarded.stream: {"object": "main.kept"}},
        "env": {"SLING_RETRIES": "1", "SLING_RETRY_DELAY": "1ms"},
    }
    connections: dict[str, Any] = {"SRC": definition, "TGT": warehouse.url}
    told: list[str] = [repr(connection_of("SRC", definition))]
    failures = 0

    def run() -> object:
        return replicate(config, connections, on_event=lambda event: told.append(repr(event)))

    with Children() as children:
        for act in (run, partial(plan, config, connections)):
            try:
                told.append(repr(act()))
            except MainstemError as error:
                failures += 1
                told += raised(error)
    assert failures == (0 if outcome == "succeeds" or (outcome == "wrong" and not guarded.refuses) else 2)
    told += [caplog.text, *(str(warning.message) for warning in recwarn), *children.told]
    assert seen(secret, told) == []
    assert files_with(secret, place) == []


def url(server: EmbeddedPostgres, password: str, port: int) -> str:
    return f"postgresql://{server.user}:{quote(password, safe='')}@{server.host}:{port}/{server.database}"


# How the command line hears of a connection: what is written where, and what the replication calls it.


def in_the_document(_: Path, __: dict[str, str], given: str) -> str:
    return given


def in_a_variable(_: Path, environment: dict[str, str], given: str) -> str:
    environment["PG"] = given
    return "PG"


def in_a_variable_as_json(_: Path, environment: dict[str, str], given: str) -> str:
    environment["PG"] = json.dumps({"type": "postgres", "url": given})
    return "PG"


def in_a_variable_of_the_document(_: Path, environment: dict[str, str], given: str) -> str:
    environment["SECRET_URL"] = given
    return "{SOURCE}"


def in_env_yaml(folder: Path, _: dict[str, str], given: str) -> str:
    (folder / ".sling").mkdir()
    (folder / ".sling" / "env.yaml").write_text(
        f"connections:\n  PG:\n    type: postgres\n    url: '{given}'\n"
    )
    return "PG"


def in_dotenv(folder: Path, _: dict[str, str], given: str) -> str:
    (folder / ".env.sling").write_text(f"PG='{given}'\n")
    return "PG"


def in_a_dbt_profile(folder: Path, _: dict[str, str], given: str) -> str:
    connection = connection_of("PG", given)
    names = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
    output = {"type": "postgres", **{name: connection.text(key) for name, key in names.items()}}
    (folder / ".dbt").mkdir()
    (folder / ".dbt" / "profiles.yml").write_text(json.dumps({"pg": {"outputs": {"dev": output}}}))
    return "PG_DEV"


Way = Callable[[Path, dict[str, str], str], str]
WAYS: list[Way] = [
    *(in_the_document, in_a_variable, in_a_variable_as_json, in_a_variable_of_the_document),
    *(in_env_yaml, in_dotenv, in_a_dbt_profile),
]


@pytest.mark.parametrize("way", WAYS)
def test_the_command_line_shows_no_secret(
    way: Way, guarded_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    outcome = OUTCOMES[WAYS.index(way) % len(OUTCOMES)]
    password = CANARY if outcome == "succeeds" else f"{CANARY}-wrong"
    port = free_port() if outcome == "unreachable" else guarded_postgres.port
    folder, temporary = tmp_path / "work", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SLING_")}
    environment = {**kept, "HOME": str(folder), "TMPDIR": str(temporary), "SLING_RETRIES": "0"}
    source = way(folder, environment, url(guarded_postgres, password, port))
    given = {path for path in folder.rglob("*") if path.is_file()}
    env = "env: {SOURCE: $SECRET_URL}\n" if source.startswith("{") else ""
    # A prompt's own arguments are not ours; a file's are.
    streams = "streams: {public.kept: {object: main.kept}}\n"
    (folder / "r.yaml").write_text(f"source: '{source}'\ntarget: duckdb://target.duckdb\n{env}{streams}")
    said = ""
    for command in [["run", "-r", "r.yaml", "--debug"], ["plan", "-r", "r.yaml"]][: 1 + (way is WAYS[1])]:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "mainstem"), *command],
            check=False,
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
        )
        assert (done.returncode == 0) == (outcome == "succeeds"), done.stderr
        said += done.stdout + done.stderr
    assert seen(CANARY, [said]) == []
    assert set(files_with(CANARY, folder)) - given - {folder / "r.yaml"} == set()
    assert files_with(CANARY, temporary) == []


def test_a_program_that_a_hook_starts_is_given_no_secret(
    guarded_postgres: EmbeddedPostgres, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG", url(guarded_postgres, CANARY, guarded_postgres.port))
    monkeypatch.setenv("PGPASSWORD", CANARY)
    hook = {"type": "command", "command": ["sh", "-c", "env; sleep 0.1"], "print": True}
    config: dict[str, Any] = {
        "source": "PG",
        "target": f"duckdb://{place / 'target.duckdb'}",
        "streams": {"public.kept": {"object": "main.kept", "hooks": {"pre": [hook]}}},
    }
    told: list[str] = []
    with Children() as children:
        replicate(
            config, settings=Settings(allow_commands=True), on_event=lambda event: told.append(repr(event))
        )
    assert any("PATH=" in text for text in told)
    assert children.told
    assert seen(CANARY, [*told, *children.told]) == []


def test_the_search_would_find_a_secret(tmp_path: Path) -> None:
    """The test of the tests: what is shown is found, however it is spelled."""
    for text in (f"x {CANARY} y", repr(CANARY), json.dumps(CANARY), quote(CANARY), quote(CANARY, safe="")):
        assert seen(CANARY, [text]), text
    (tmp_path / "a").write_text(f"password={CANARY}")
    assert files_with(CANARY, tmp_path) == [tmp_path / "a"]
    with pytest.raises(MainstemError) as caught:
        raise_over_a_secret()
    assert seen(CANARY, raised(caught.value))
    with Children() as children:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.2)", CANARY], check=True)
    assert seen(CANARY, children.told)


def raise_over_a_secret() -> None:
    try:
        raise OSError(CANARY)
    except OSError:
        raise MainstemError("hidden") from None
