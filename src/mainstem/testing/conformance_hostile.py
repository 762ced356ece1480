"""Names and values that would be SQL if anything forgot to quote them: each stays what it is."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from mainstem.testing.moving import Moving
from mainstem.testing.place import Place

__all__ = ["HOSTILE_NAMES", "HOSTILE_TEXTS", "HostileConformance"]

# Each ends what would be around it in one system or another. None has a wildcard, which is a pattern.
HOSTILE_NAMES: Mapping[str, str] = {
    "statement": "x'; DROP TABLE victim; --",
    "identifier": 'x"; DROP TABLE victim; --',
    "ticks": "x`]; DROP TABLE victim; --",
    "backslash": "back\\' OR 1=1",
    "comment": "a.b..c $$ -- # // $1",
    "formats": "%s %(a)s :a {0} {stream_table}",
    "letters": "Ünï\n\t表 \u202e\u2028",
}
HOSTILE_TEXTS = (
    *HOSTILE_NAMES.values(),
    "' OR '1'='1",
    "\\",
    "\\'; DROP TABLE victim; --",
    "'",
    '"',
    "NULL",
    "\\N",
    "\\.",
    "",
    "\r\n,\t|;",
    "{env.X} {incremental_where_cond} ${HOME} $HOME",
)

# A cell of 100 MB takes seconds on each path.
LARGE = (100 if os.environ.get("MAINSTEM_ALL") == "1" else 12) * 2**20
# An emulator takes its time, and has cells of 16 MB at most.
LARGE_ENOUGH = 2**20
# Copies of a cell that there may be at once, on its way from one database to another.
MOST_COPIES = 14


def row(**values: Any) -> pa.Table:
    """A table of one row."""
    return pa.table({name: [value] for name, value in values.items()})


def is_unharmed(moving: Moving) -> bool:
    """Whether nothing that was put into SQL became SQL."""
    return moving.source.rows("victim") == moving.target.rows("victim") == [(7,)]


def skip_what_cannot_be_called_so(moving: Moving, name: str) -> None:
    """Leave out what an emulator cannot do, and the system can."""
    if not name.isidentifier() and "hostile names" in moving.source.lacks | moving.target.lacks:
        pytest.skip("The emulator cannot name a table so.")


class HostileConformance:
    """Injection, from any source to any target."""

    @pytest.fixture
    def moving(self, source: Place, target: Place) -> Moving:
        """A table that each attack is after, in both."""
        moving = Moving(source, target)
        for place in (source, target):
            place.put("victim", row(id=7))
        return moving

    @pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
    def test_a_name_is_a_name_wherever_it_stands(self, moving: Moving, name: str) -> None:
        """In a stream, an object, a key, a cursor, and wherever a table's definition has it."""
        skip_what_cannot_be_called_so(moving, name)
        # An object may have variables.
        table = f"t{name}".replace("{", "").replace("}", "")
        key, cursor, more = f"k{name}", f"u{name}", f"n{name}"
        # A cursor that is kept is kept by the stream's name.
        kept = {"SLING_STATE": f"TGT/{moving.target.schema}"} if "'" in name else None
        stream: dict[str, Any] = {
            "object": moving.target.stream(table),
            "mode": "incremental",
            "primary_key": [key],
            "update_key": cursor,
            "target_options": {"column_casing": "source", "delete_missing": "hard"},
        }
        for number, values in enumerate(("one", f"{name}'")):
            moving.source.put(name, row(**{key: 1, cursor: number, more: values}))
            moving.run(table=name, env=kept, **stream)
            assert moving.target.get(table).to_pylist() == [{key: 1, cursor: number, more: values}]
        assert is_unharmed(moving)

    def test_a_text_is_a_value_as_a_key_and_as_a_cursor(self, moving: Moving) -> None:
        texts = list(HOSTILE_TEXTS)
        rows = pa.table({"id": texts, "place": list(range(len(texts)))})
        for merge in ("update_insert", "delete_insert"):
            for _ in range(2):
                moving.source.put("texts", rows)
                moving.run(
                    table="texts",
                    mode="incremental",
                    primary_key="id",
                    target_options={"merge_strategy": merge, "delete_missing": "hard"},
                )
                assert dict(moving.target.rows("moved", ["place", "id"])) == dict(enumerate(texts))
        assert is_unharmed(moving)

    @pytest.mark.parametrize("text", ["x'; DROP TABLE victim; --", "\\'; DROP TABLE victim; --", "a\\"])
    def test_a_text_is_a_value_as_a_cursor(self, moving: Moving, text: str) -> None:
        for texts in ([text], [text, f"{text}b"], [text, f"{text}b"]):
            moving.source.put("texts", pa.table({"at": texts}))
            moving.run(table="texts", mode="incremental", update_key="at")
            assert moving.target.rows("moved", ["at"]) == sorted((each,) for each in texts)
        for bounds in ("x'; DROP TABLE victim; --,z", f"{text},{text}"):
            moving.run(
                table="texts",
                mode="backfill",
                update_key="at",
                primary_key="at",
                source_options={"range": bounds},
            )
        assert is_unharmed(moving)

    @pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
    def test_a_tables_name_in_the_users_own_sql_stays_a_name(self, moving: Moving, name: str) -> None:
        """The name comes from a catalogue: whoever made the table is not who wrote the SQL."""
        skip_what_cannot_be_called_so(moving, name)
        moving.target.put("log", pa.table({"said": ["nothing"]}))
        moving.source.put(name, row(id=1))
        with moving.target.opened() as endpoint:
            log = endpoint.qualified(moving.target.relation("log"))
        said = f"insert into {log} values ('{{stream_table}}') -- {{stream_table}}"
        hook = f"insert into {log} values ('{{stream.table}} {{store.kept}}') /* {{stream.table}} */"
        report = moving.run(
            table=name,
            where="'{stream_table}' <> '' -- of {stream_table}",
            target_options={"pre_sql": said, "post_sql": said},
            hooks={
                "pre": [{"type": "store", "key": "kept", "value": "{stream.table}"}],
                "post_merge": [{"type": "query", "query": hook}],
                "post": [{"type": "query", "connection": "TGT", "query": hook}],
            },
        )
        assert report.rows == 1
        assert {row[0] for row in moving.target.rows("log")} == {"nothing", name, f"{name} {name}"}
        assert is_unharmed(moving)

    @pytest.mark.parametrize("option", ["pre_sql", "post_sql"])
    def test_a_name_that_would_become_sql_is_refused(self, moving: Moving, option: str) -> None:
        name = "victim; DROP TABLE victim"
        skip_what_cannot_be_called_so(moving, name)
        moving.source.put(name, row(id=1))
        error = moving.refused(table=name, target_options={option: "delete from {stream_table}"})
        assert "would become SQL" in str(error)
        assert "moved" not in moving.target.tables()

    def test_a_large_cell_arrives_whole_and_is_copied_a_few_times_at_most(self, moving: Moving) -> None:
        slow = "speed" in moving.source.lacks | moving.target.lacks
        cell = "x" * (LARGE_ENOUGH if slow else LARGE) + "\\'é\n"
        moving.source.put("large", pa.table({"id": [1, 2], "cell": [cell, "y"]}))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        moving.run(table="large")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MOST_COPIES * len(cell)
        found = dict(moving.target.rows("moved", ["id", "cell"]))
        assert found == {1: cell, 2: "y"}
