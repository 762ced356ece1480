"""What a script asks of a run's numbers: an assertion of its constraints, and a file for Prometheus."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.cli.conftest import Mainstem

from mainstem.testing.place import Place


@pytest.fixture
def numbers(tmp_path: Path, bare_environment: dict[str, str]) -> dict[str, str]:
    """An environment with a replication `r.yaml` of three rows, one of them negative."""
    source = Place("sqlite", f"sqlite://{tmp_path / 'source'}.db", "main")
    source.put("n", pa.table({"n": pa.array([1, -2, 3], pa.int64())}))
    (tmp_path / "r.yaml").write_text(
        "source: A\ntarget: B\nstreams:\n"
        "  main.n:\n    object: main.n\n    columns: {n: bigint | value > 0}\n"
    )
    return {**bare_environment, "A": str(source.url), "B": f"sqlite://{tmp_path / 'target'}.db"}


@pytest.mark.parametrize(("wanted", "code"), [("1", 0), (">0", 0), ("0", 1)])
def test_broken_constraints_are_asserted(
    mainstem: Mainstem, numbers: dict[str, str], wanted: str, code: int
) -> None:
    done = mainstem("run", "r.yaml", env={**numbers, "SLING_CONSTRAINT_FAILS": wanted})
    assert done.returncode == code
    assert "does not hold for -2" in done.stderr
    assert ("SLING_CONSTRAINT_FAILS=0 does not hold: 1 values broke a constraint." in done.stderr) == bool(
        code
    )


def test_a_run_leaves_its_numbers_in_a_file(
    mainstem: Mainstem, numbers: dict[str, str], tmp_path: Path
) -> None:
    done = mainstem("run", "r.yaml", "--metrics", "run.prom", env=numbers)
    assert done.returncode == 0
    assert 'mainstem_stream_rows{stream="main.n"} 3' in (tmp_path / "run.prom").read_text()


def test_the_timeout_of_a_document_ends_its_run(
    mainstem: Mainstem, numbers: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("env: {SLING_TIMEOUT: '0.0000001'}\n" + path.read_text())
    done = mainstem("run", "r.yaml", env=numbers)
    assert done.returncode == 1
    assert "mins reached" in done.stderr
