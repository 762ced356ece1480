"""What every place of files is held to: inherit :class:`PlaceConformance` and give it a place."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone

import pytest

from mainstem.errors import EndpointError, MainstemError, RelationNotFoundError
from mainstem.files.places import Place

__all__ = ["PlaceConformance"]

# Over one part of an upload, and over one range of a reader.
_LARGE = 21 * 1024 * 1024 + 17


class PlaceConformance:
    """A place keeps these promises. A test class has a fixture ``place``: one that is empty."""

    @pytest.fixture
    def place(self) -> Iterator[Place]:
        """An empty place."""
        raise NotImplementedError

    def test_what_is_written_is_read_again(self, place: Place) -> None:
        put(place, "in/a.csv", b"a,b\n1,2\n")
        with place.open("in/a.csv") as file:
            assert file.read() == b"a,b\n1,2\n"

    def test_a_file_may_be_empty(self, place: Place) -> None:
        put(place, "empty.csv", b"")
        with place.open("empty.csv") as file:
            assert file.read() == b""
        assert [found.size for found in place.list("empty.csv")] == [0]

    def test_names_of_any_language_and_with_marks_are_kept(self, place: Place) -> None:
        names = [
            "ein Name.csv",
            "größe.csv",
            "a+b%20&c=d.csv",
            "日本.csv",
            "#1.csv",
            "day=2024-01-01/x'y\".csv",
        ]
        for name in names:
            put(place, name, name.encode())
        assert sorted(found.path for found in place.list("**")) == sorted(names)
        for name in names:
            with place.open(name) as file:
                assert file.read() == name.encode()

    def test_a_large_file_arrives_whole_and_can_be_sought(self, place: Place) -> None:
        data = secrets.token_bytes(_LARGE)
        with place.write("large.bin") as writer:
            for start in range(0, _LARGE, 1_000_003):
                writer.write(data[start : start + 1_000_003])
        with place.open("large.bin") as file:
            assert file.seekable()
            assert file.seek(-100, 2) == _LARGE - 100
            assert file.read() == data[-100:]
            assert file.seek(5) == 5
            assert file.read(10) == data[5:15]
            file.seek(0)
            assert file.read() == data

    def test_a_list_tells_size_and_time_sorted_by_path(self, place: Place) -> None:
        put(place, "b.csv", b"12")
        put(place, "a.csv", b"1")
        found = place.list("*.csv")
        assert [(one.path, one.size) for one in found] == [("a.csv", 1), ("b.csv", 2)]
        now = datetime.now(timezone.utc)
        assert all(one.modified and abs(now - one.modified) < timedelta(hours=1) for one in found)

    def test_patterns_stay_within_a_folder_but_for_two_stars(self, place: Place) -> None:
        for name in ("a.csv", "in/b.csv", "in/c.json", "in/deep/d.csv", "in/deep/er/e.csv", "other/f.csv"):
            put(place, name, b"x")
        expected = {
            "*.csv": ["a.csv"],
            "in/*.csv": ["in/b.csv"],
            "in/?.csv": ["in/b.csv"],
            "*/*.csv": ["in/b.csv", "other/f.csv"],
            "in/**/*.csv": ["in/b.csv", "in/deep/d.csv", "in/deep/er/e.csv"],
            "**/*.csv": [
                *("a.csv", "in/b.csv", "in/deep/d.csv", "in/deep/er/e.csv", "other/f.csv"),
            ],
            "in/": ["in/b.csv", "in/c.json", "in/deep/d.csv", "in/deep/er/e.csv"],
            "in": ["in/b.csv", "in/c.json", "in/deep/d.csv", "in/deep/er/e.csv"],
            "in/b.csv": ["in/b.csv"],
            "nothing/*.csv": [],
            "nothing/": [],
            "in/[b].csv": [],
        }
        assert {pattern: [one.path for one in place.list(pattern)] for pattern in expected} == expected

    def test_a_pattern_matches_folders_too(self, place: Place) -> None:
        for name in ("in/x/1.csv", "in/x/2.csv", "in/y/1.csv", "in/z.csv"):
            put(place, name, b"x")
        assert [one.path for one in place.matches("in/*")] == ["in/x/", "in/y/", "in/z.csv"]
        assert [one.path for one in place.matches("in/*/")] == ["in/x/", "in/y/"]

    def test_a_folder_is_read_without_what_is_no_data(self, place: Place) -> None:
        for name in ("t/_SUCCESS", "t/.hidden", "t/_delta_log/0.json", "t/day=1/part.csv"):
            put(place, name, b"x")
        assert [one.path for one in place.list("t/")] == ["t/day=1/part.csv"]

    def test_nothing_is_there_before_the_end(self, place: Place) -> None:
        with place.write("out/a.csv") as writer:
            writer.write(b"half")
            writer.finish()
            assert not place.exists("out/a.csv")
            assert list(place.list("out/")) == []
            assert list(place.list("**")) == []
        assert place.exists("out/a.csv")

    def test_a_write_that_fails_leaves_the_file_of_before_and_nothing_else(self, place: Place) -> None:
        put(place, "out/a.csv", b"old")

        def failing() -> None:
            with place.write("out/a.csv") as writer:
                writer.write(b"new" * 4_000_000)
                raise KeyError

        with pytest.raises(KeyError):
            failing()
        with place.open("out/a.csv") as file:
            assert file.read() == b"old"
        assert [found.path for found in place.entries("out/", deep=True)] == ["out/a.csv"]

    def test_a_file_is_replaced_whole(self, place: Place) -> None:
        put(place, "a.csv", b"old and long")
        put(place, "a.csv", b"new")
        with place.open("a.csv") as file:
            assert file.read() == b"new"

    def test_several_files_are_finished_first_and_shown_together(self, place: Place) -> None:
        with ExitStack() as opened:
            writers = [opened.enter_context(place.write(f"out/{index}.csv")) for index in range(3)]
            for writer in writers:
                writer.write(b"x")
                writer.finish()
            assert list(place.list("out/")) == []
            for writer in writers:
                writer.commit()
        assert len(place.list("out/")) == 3

    def test_what_is_closed_without_a_commit_is_given_up(self, place: Place) -> None:
        writer = place.write("a.csv")
        writer.write(b"x")
        writer.close()
        writer.abort()
        assert not place.exists("a.csv")
        assert list(place.entries("", deep=True)) == []

    def test_files_are_deleted_and_missing_ones_are_no_error(self, place: Place) -> None:
        put(place, "a.csv", b"x")
        place.delete("a.csv")
        place.delete("a.csv")
        assert not place.exists("a.csv")

    def test_a_folder_exists_as_long_as_a_file_is_in_it(self, place: Place) -> None:
        put(place, "in/deep/a.csv", b"x")
        assert place.exists("in")
        assert place.exists("in/deep/")
        assert not place.exists("in/de")

    def test_a_missing_file_is_told_by_its_url(self, place: Place) -> None:
        with pytest.raises(RelationNotFoundError, match=r"no\.csv"):
            place.open("no.csv")

    @pytest.mark.parametrize("path", ["../a.csv", "in/../../a.csv", "in\\a.csv", "a\0.csv", "a\n.csv"])
    def test_a_path_that_leads_elsewhere_is_refused(self, place: Place, path: str) -> None:
        for refused in (place.open, place.write, place.delete, place.list, place.exists):
            with pytest.raises(EndpointError, match="refused"):
                refused(path)

    def test_a_file_is_found_by_its_url(self, place: Place) -> None:
        put(place, "in/a.csv", b"x")
        url = place.url("in/a.csv")
        assert "://" in url
        assert [found.path for found in place.list(url)] == ["in/a.csv"]
        with pytest.raises(EndpointError):
            place.list("other://elsewhere/a.csv") or place.open("other://elsewhere/a.csv")

    def test_several_threads_write_and_read_at_once(self, place: Place) -> None:
        failed: list[MainstemError] = []

        def work(index: int) -> None:
            data = bytes([index]) * 300_000
            try:
                put(place, f"t/{index}.bin", data)
                with place.open(f"t/{index}.bin") as file:
                    assert file.read() == data
            except MainstemError as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert len(place.list("t/")) == 4

    def test_what_a_living_run_writes_is_not_swept(self, place: Place) -> None:
        with place.write("out/a.csv") as writer:
            writer.write(b"x")
            place.sweep("out/")
        assert place.exists("out/a.csv")


def put(place: Place, path: str, data: bytes) -> None:
    """Write a small file."""
    with place.write(path) as writer:
        writer.write(data)
