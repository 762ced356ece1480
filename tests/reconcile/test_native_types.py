"""What only one system has: compared as it travels, or left out by name; never a false difference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.reconcile.conftest import SYSTEMS, place
from tests.reconcile.moves import compared

from mainstem.testing.moving import Moving
from mainstem.testing.place import Place

# JSON that the target writes anew, lists of other items than texts and integers, intervals as text.
REWRITTEN = {"plain", "binary_json", "document", "amounts", "days", "fixed", "tags", "list", "long"}

TABLES: dict[str, list[str]] = {
    "postgres": [
        "create type {schema}.mood as enum ('sad', 'happy')",
        "create domain {schema}.cents as numeric(10,2)",
        """create table {schema}.orders (
            id int primary key, padded char(5), short varchar(3), named name, mood {schema}.mood,
            free numeric, cents {schema}.cents, wide numeric(60,20), address inet, price money, flags bit(3),
            span int4range, zoned timetz, fielded interval hour to minute, single real,
            plain json, binary_json jsonb, tags varchar(5)[], amounts numeric(6,2)[], days date[],
            small smallint, oid oid, long interval, old date, far timestamptz)""",
        """insert into {schema}.orders values (
            1, 'ab', 'é', 'n', 'happy', 1.500, 2.50, 12345678901234567890.5, '10.0.0.1', 12.5, '101',
            '[1,5)', '12:30:00+02', '2:30', 0.1, '{"a":  1}', '{"a":  1}', array['x,', null, ''],
            array[1.10, null], array[date '2024-01-01'], 7, 42, '-1 mons 2 days -3:04:05.000006',
            '0001-01-01', '9999-12-31 23:59:59.999999+00')""",
        "insert into {schema}.orders (id) values (2)",
        "insert into {schema}.orders (id, padded, free, single) values (3, '', 'NaN', 3.4e38)",
    ],
    "mysql": [
        """create table {schema}.orders (
            id int primary key, padded char(5), mood enum('sad', 'happy'), several set('a', 'b'), flag bit(1),
            flags bit(9), year year, truth tinyint(1), tiny tinyint unsigned, big bigint unsigned,
            wide decimal(65,30), single float, at timestamp(3) null, day_time time(3), raw binary(4),
            latin varchar(5) character set latin1, blind varchar(5) collate utf8mb4_general_ci, document json,
            spot point, old date)""",
        """insert into {schema}.orders values (
            1, 'ab', 'happy', 'a,b', b'1', b'101010101', 2024, 1, 255, 18446744073709551615,
            1.000000000000000000000000000001, 0.1, '2024-01-01 12:00:00.123', '12:30:00.5', 0x01020300,
            'é', 'É', '{"a":  1}', point(1, 2), '1000-01-01')""",
        "insert into {schema}.orders (id) values (2)",
    ],
    "duckdb": [
        "create schema if not exists {schema}",
        "create type {schema}.mood as enum ('sad', 'happy')",
        """create table {schema}.orders (
            id integer primary key, mood {schema}.mood, huge hugeint, parts struct(a integer, b varchar),
            pairs map(varchar, integer), seconds timestamp_s, millis timestamp_ms, nanos timestamp_ns,
            bits bit, fixed integer[3], zoned timetz, unsigned ubigint, single float,
            blind varchar collate nocase, long interval, cut decimal(4,1))""",
        """insert into {schema}.orders values (
            1, 'happy', 170141183460469231731687303715884105, {{'a': 1, 'b': 'x'}}, map {{'k': 1}},
            '2024-01-01 12:00:00', '2024-01-01 12:00:00.123', '2024-01-01 12:00:00.123456',
            '10101', [1, 2, 3], '12:30:00+02', 18446744073709551615, 0.1, 'É',
            '-1 month 2 days', 1.5)""",
        "insert into {schema}.orders (id) values (2)",
    ],
    "sqlite": [
        """create table orders (
            id integer primary key, untyped, number numeric, money decimal(10,2), wide decimal_text(38,4),
            title varchar(5) collate nocase, truth boolean, at datetime, short_at timestamp,
            zoned timestamptz, day date, clock time, raw blob, document json_text,
            ratio real, whole int, list "LIST OF TEXT")""",
        """insert into orders values (
            1, 'text', 12.50, 1.5, '1.5', 'É', 1, '2024-01-01T12:00:00', '2024-01-01 12:00',
            '2024-01-01 12:00:00+02:00', '2024-01-01', '12:30', x'00ff',
            '{{"a":  1}}', 2, 3, '["a", null]')""",
        """insert into orders (id, untyped, number, ratio, at) values (
            2, 1.25, 7, 1e300, '2024-01-01 12:00:00.5')""",
        "insert into orders (id) values (3)",
    ],
}


@pytest.fixture(params=[(one, other) for one in SYSTEMS for other in SYSTEMS], ids="-to-".join)
def moving(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Moving]:
    """A table of one system's own types, on its way to another."""
    one, other = request.param
    with place(one, request, tmp_path) as source, place(other, request, tmp_path) as target:
        for statement in TABLES[one]:
            quoted = statement.replace("{schema}", source.schema).replace("{{", "{").replace("}}", "}")
            source.run(quoted)
        yield Moving(source, target)


def test_a_systems_own_types_agree_or_are_left_out_by_name(moving: Moving) -> None:
    moving.run()
    found = compared(moving)
    assert [str(difference) for difference in found.differences] == []
    described: Place = moving.source
    assert {*found.compared, *found.left_out} == {
        column.name for column in described.describe("orders").columns
    }
    assert set(found.left_out) <= REWRITTEN
