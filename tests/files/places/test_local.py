from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.connections import Connection
from mainstem.errors import EndpointError
from mainstem.files.places import Place, open_place
from mainstem.testing.conformance_places import PlaceConformance, put

ANYWHERE = Connection("LOCAL", "file")


class TestLocal(PlaceConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Iterator[Place]:
        with open_place(Connection("FILES", "file", {"path": str(tmp_path)})) as place:
            yield place


class TestLocalFromTheWorkingDirectory(PlaceConformance):
    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
        monkeypatch.chdir(tmp_path)
        with open_place(ANYWHERE) as place:
            yield place


def test_an_absolute_path_outside_of_the_root_is_refused(tmp_path: Path) -> None:
    place = open_place(Connection("FILES", "file", {"path": str(tmp_path / "root")}))
    with pytest.raises(EndpointError, match=r"outside of .*root, which connection FILES is for\. Use"):
        place.open(str(tmp_path / "other.csv"))
    with pytest.raises(EndpointError, match="outside of"):
        place.write(f"file://{tmp_path}/root2/x.csv")


def test_local_takes_absolute_paths(tmp_path: Path) -> None:
    put(open_place(ANYWHERE), f"file://{tmp_path}/in/a.csv", b"x")
    found = open_place(ANYWHERE).list(f"{tmp_path}/**/*.csv")
    assert [one.path for one in found] == [f"{tmp_path}/in/a.csv"]


def test_a_link_that_leads_back_up_is_no_endless_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("x")
    (tmp_path / "in" / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    place = open_place(Connection("FILES", "file", {"path": str(tmp_path)}))
    assert [one.path for one in place.list("**/*.csv")] == ["in/a.csv"]


def test_a_link_is_written_through_and_a_files_rights_are_kept(tmp_path: Path) -> None:
    real = tmp_path / "real.csv"
    real.write_text("old")
    real.chmod(0o640)
    (tmp_path / "link.csv").symlink_to(real)
    put(open_place(ANYWHERE), str(tmp_path / "link.csv"), b"new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (real.read_bytes(), real.stat().st_mode & 0o777) == (b"new", 0o640)


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    killed = f"""
import os
from mainstem.connections import Connection
from mainstem.files.places import open_place
writer = open_place(Connection("LOCAL", "file")).write({str(tmp_path / "a.csv")!r})
writer.write(b"half")
writer.finish()
os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 2
    place = open_place(Connection("FILES", "file", {"path": str(tmp_path)}))
    assert [one.path for one in place.list("**")] == ["a.csv"]
    place.sweep("")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"


def test_what_the_system_refuses_is_told_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EndpointError, match=r"file/a\.csv: (Not a directory|File exists)"):
        open_place(ANYWHERE).write(str(tmp_path / "file" / "a.csv"))


def test_a_sweep_never_takes_a_file_that_is_being_made(tmp_path: Path) -> None:
    """Between its making and its lock it looked like what a killed run left."""
    with open_place(Connection("FILES", "file", {"path": str(tmp_path)})) as place:
        over = threading.Event()

        def sweep() -> None:
            while not over.is_set():
                place.sweep("")

        sweeping = [threading.Thread(target=sweep) for _ in range(2)]
        for thread in sweeping:
            thread.start()
        try:
            for number in range(300):
                with place.write(f"{number}.csv") as file:
                    file.write(b"x")
        finally:
            over.set()
            for thread in sweeping:
                thread.join()
    assert len(list(tmp_path.iterdir())) == 300
