"""Hooks reach files wherever they are: by `CONNECTION/path`, by a URL, or by a path of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.hooks.conftest import Hooking, Ran

from mainstem.connections import connection_of
from mainstem.engine import run
from mainstem.files.places import open_place
from mainstem.testing.s3 import EmbeddedS3
from mainstem.testing.sftp import EmbeddedSftp


@pytest.fixture(scope="module")
def s3() -> Iterator[EmbeddedS3]:
    with EmbeddedS3() as server:
        yield server


@pytest.fixture(scope="module")
def sftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSftp]:
    with EmbeddedSftp(tmp_path_factory.mktemp("sftp")) as server:
        yield server


@dataclass
class There:
    """A place of files, and replications whose hooks know it as `FILES`."""

    hooking: Hooking
    definition: dict[str, Any]
    here: Path

    def run(self, *start: dict[str, Any]) -> Ran:
        config: dict[str, Any] = {
            "source": "SRC",
            "target": "TGT",
            "hooks": {"start": list(start)},
            "streams": {"main.orders": {"object": "main.orders"}},
        }
        return Ran(list(run(config, {**self.hooking.connections, "FILES": self.definition})))

    def put(self, *paths: str) -> None:
        with open_place(connection_of("FILES", self.definition)) as place:
            for path in paths:
                with place.write(path) as file:
                    file.write(path.encode())

    def files(self) -> dict[str, str]:
        with open_place(connection_of("FILES", self.definition)) as place:
            found = {}
            for entry in place.list("**"):
                with place.open(entry.path) as file:
                    found[entry.path] = file.read().decode()
            return found


@pytest.fixture(params=["file", "s3", "sftp"])
def there(request: pytest.FixtureRequest, hooking: Hooking, tmp_path: Path) -> There:
    definition: dict[str, Any]
    if request.param == "s3":
        server: EmbeddedS3 = request.getfixturevalue("s3")
        definition = server.connection(server.bucket(), "lake")
    elif request.param == "sftp":
        ssh: EmbeddedSftp = request.getfixturevalue("sftp")
        (ssh.root / tmp_path.name).mkdir()
        definition = ssh.connection(f"/{tmp_path.name}")
    else:
        (tmp_path / "root").mkdir()
        definition = {"type": "file", "path": str(tmp_path / "root")}
    (tmp_path / "here").mkdir()
    return There(hooking, definition, tmp_path / "here")


def say(what: str) -> dict[str, Any]:
    return {"type": "log", "message": what}


def test_a_file_is_written_read_looked_at_and_deleted(there: There) -> None:
    ran = there.run(
        {"type": "write", "to": "FILES/in/a.txt", "content": "hello {source.name}", "id": "w"},
        {"type": "read", "from": "files/in/a.txt", "id": "r"},
        {"type": "inspect", "location": "FILES/in/a.txt", "id": "a"},
        {"type": "inspect", "location": "FILES/in", "id": "in"},
        {"type": "delete", "location": "FILES/in/a.txt", "id": "d"},
        {"type": "inspect", "location": "FILES/in/a.txt", "id": "gone"},
        {"type": "delete", "location": "FILES/in/a.txt", "id": "again"},
        say("{state.r.content}|{state.w.bytes_written}|{state.a.size}|{state.a.name}|{state.a.is_dir}"),
        say("{state.in.exists} {state.in.is_dir} {state.in.file_count} {state.in.size}"),
        say("{state.d.deleted} {state.gone.exists} {state.again.deleted}"),
    )
    assert ran.failures == []
    assert ran.said == ["hello src|9|9|a.txt|false", "true true 1 9", "1 false 0"]


def test_a_folder_is_listed_and_counted(there: There) -> None:
    there.put("in/a.csv", "in/b.json", "in/deep/er/c.csv")
    ran = there.run(
        {"type": "list", "location": "FILES/in", "id": "flat"},
        {"type": "list", "location": "FILES/in/", "recursive": True, "only": "files", "id": "files"},
        {"type": "list", "location": "FILES/in", "recursive": True, "only": "folders", "id": "folders"},
        {"type": "list", "location": "FILES/in/*.csv", "id": "csv"},
        {"type": "list", "location": "FILES/nowhere", "id": "none"},
        {"type": "inspect", "location": "FILES/in", "recursive": True, "id": "all"},
        say("{pluck(state.flat.result, 'path')}"),
        say("{pluck(state.files.result, 'path')}"),
        say("{pluck(state.folders.result, 'path')}"),
        say("{pluck(state.csv.result, 'name')} {state.none.count}"),
        say("{state.all.file_count} {state.all.folder_count} {state.all.node_count} {state.all.size}"),
    )
    assert ran.failures == []
    assert ran.said == [
        '["in/a.csv", "in/b.json", "in/deep"]',
        '["in/a.csv", "in/b.json", "in/deep/er/c.csv"]',
        '["in/deep", "in/deep/er"]',
        '["a.csv"] 0',
        "3 2 5 33",
    ]


def test_files_and_folders_are_copied_from_place_to_place(there: There) -> None:
    there.put("in/a.csv", "in/deep/b.csv")
    (there.here / "mine.txt").write_text("mine")
    ran = there.run(
        {"type": "copy", "from": "FILES/in", "to": f"{there.here}/twin", "recursive": True, "id": "down"},
        {"type": "copy", "from": f"{there.here}/mine.txt", "to": "FILES/up/", "id": "up"},
        {"type": "copy", "from": "FILES/in/a.csv", "to": "FILES/other.csv"},
        {"type": "copy", "from": "FILES/in/a.csv", "to": "FILES/named", "single_file": True},
        {"type": "copy", "from": "FILES/in/*.csv", "to": "FILES/csv"},
        {"type": "copy", "from": "FILES/in/", "to": "FILES/again", "recursive": True},
        say("{state.down.bytes_written} {state.up.bytes_written}"),
    )
    assert (ran.failures, ran.said) == ([], ["21 4"])
    twin = {str(path.relative_to(there.here)): path.read_text() for path in there.here.rglob("*.csv")}
    assert twin == {"twin/a.csv": "in/a.csv", "twin/deep/b.csv": "in/deep/b.csv"}
    assert there.files() == {
        "in/a.csv": "in/a.csv",
        "in/deep/b.csv": "in/deep/b.csv",
        "up/mine.txt": "mine",
        "other.csv": "in/a.csv",
        "named": "in/a.csv",
        "csv/a.csv": "in/a.csv",
        "again/a.csv": "in/a.csv",
        "again/deep/b.csv": "in/deep/b.csv",
    }


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (
            {"type": "copy", "from": "FILES/in", "to": "FILES/out"},
            "is a folder. Say `recursive: true` to copy",
        ),
        ({"type": "copy", "from": "FILES/no.csv", "to": "FILES/out"}, "There is no file"),
        ({"type": "copy", "from": "FILES/in/*", "to": "FILES/o", "single_file": True}, "is not one file"),
        ({"type": "delete", "location": "FILES/in"}, "is a folder. Say `recursive: true` to delete"),
        (
            {"type": "delete", "location": "FILES/", "recursive": True},
            "is all of FILES, so it is not deleted",
        ),
        ({"type": "read", "from": "FILES/no.csv"}, "no.csv"),
        ({"type": "read", "from": "FILES/../in/a.csv"}, "it goes up with .."),
        ({"type": "read", "from": "SRC/main.orders"}, "SRC (duckdb) is no place for files"),
    ],
)
def test_what_is_not_meant_is_refused_and_changes_nothing(
    there: There, hook: dict[str, Any], told: str
) -> None:
    there.put("in/a.csv", "in/b.csv")
    (failure,) = there.run(hook).failures
    assert told in failure
    assert sorted(there.files()) == ["in/a.csv", "in/b.csv"]


def test_a_folder_goes_with_all_that_is_in_it(there: There) -> None:
    there.put("in/a.csv", "in/deep/b.csv", "kept.csv")
    ran = there.run(
        {"type": "delete", "location": "FILES/in", "recursive": True, "id": "d"},
        {"type": "inspect", "location": "FILES/in", "id": "gone"},
        say("{state.d.deleted} {state.gone.exists}"),
    )
    assert (ran.failures, ran.said) == ([], ["2 false"])
    assert list(there.files()) == ["kept.csv"]


def test_a_url_has_the_credentials_of_the_connection_that_it_is_of(
    hooking: Hooking, s3: EmbeddedS3, tmp_path: Path
) -> None:
    bucket = s3.bucket()
    connections = {**hooking.connections, "TGT": s3.connection(bucket)}
    config: dict[str, Any] = {
        "source": "SRC",
        "target": "TGT",
        "hooks": {
            "end": [
                {"type": "copy", "from": f"s3://{bucket}/orders.csv", "to": f"{tmp_path}/"},
                {"type": "read", "from": "target/orders.csv", "into": "text"},
                say("{length(store.text)}"),
            ]
        },
        "streams": {"main.orders": {"object": "orders.csv"}},
    }
    ran = Ran(list(run(config, connections)))
    text = (tmp_path / "orders.csv").read_text()
    assert (ran.failures, ran.said) == ([], [str(len(text))])


def test_a_url_may_have_its_own_credentials_and_never_shows_them(
    hooking: Hooking, sftp: EmbeddedSftp
) -> None:
    (sftp.root / "url.txt").write_text("there")
    login = "test_user:test%20p%40ss%2Fword"
    url = f"sftp://{login}@127.0.0.1:{sftp.port}"
    ran = hooking.run(
        [{"type": "read", "from": f"{url}/url.txt", "into": "text"}, say("{store.text}")],
        [{"type": "read", "from": f"{url}/none.txt"}],
    )
    assert ran.said[0] == "there"
    assert "/none.txt" in ran.failures[0]
    assert not any(word in f"{ran.events}" for word in ("p@ss", "p%40ss"))


def test_a_link_to_another_folder_is_no_way_to_delete_that(
    hooking: Hooking, sftp: EmbeddedSftp, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    for folder in (outside, tmp_path / "in", sftp.root / "in"):
        folder.mkdir()
    (outside / "kept.txt").write_text("kept")
    (tmp_path / "in" / "link").symlink_to(outside)
    (sftp.root / "beside").mkdir()
    (sftp.root / "beside" / "kept.txt").write_text("kept")
    (sftp.root / "in" / "link").symlink_to("../beside")
    url = f"sftp://test_user:test%20p%40ss%2Fword@127.0.0.1:{sftp.port}"
    for location in (f"{tmp_path}/in", f"{url}/in"):
        assert hooking.run([{"type": "delete", "location": location, "recursive": True}]).failures == []
    assert not (tmp_path / "in").exists()
    assert not (sftp.root / "in").exists()
    assert (outside / "kept.txt").read_text() == (sftp.root / "beside" / "kept.txt").read_text() == "kept"


def test_the_tables_of_a_schema_are_listed(hooking: Hooking) -> None:
    ran = hooking.run(
        [{"type": "list", "location": "source/main", "id": "l"}, say("{pluck(state.l.result, 'path')}")]
    )
    assert ran.said == ['["main.orders", "main.others"]']
