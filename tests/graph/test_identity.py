"""When two tables are one and the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.identity import Instance, PhysicalTable, instance_of


def table(
    kind: str, properties: Mapping[str, str | None], name: str, *, quoted: bool = True
) -> PhysicalTable:
    instance = instance_of(kind, properties)
    assert instance is not None
    *owners, table_name = name.split(".")
    owner = [None, None, *owners]
    return instance.table(table_name, owner[-1], owner[-2], quoted=quoted)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "[::1]", "LOCALHOST", "localhost.", None])
def test_this_machine_has_many_names(host: str | None) -> None:
    assert table("postgres", {"host": host, "database": "shop"}, "orders") == table(
        "postgresql", {"host": "localhost", "port": "5432", "database": "shop"}, "public.orders"
    )


def test_another_port_is_another_server() -> None:
    assert table("postgres", {"host": "db", "port": "5433"}, "orders") != table(
        "postgres", {"host": "db"}, "orders"
    )


@pytest.mark.parametrize(
    ("kind", "one", "other", "same"),
    [
        ("duckdb", "main.Orders", "orders", True),
        ("sqlite", "Orders", "main.orders", True),
        ("postgres", "Orders", "orders", False),
        ("mysql", "shop.Orders", "shop.orders", False),
        ("sqlserver", "dbo.Orders", "orders", True),
        ("snowflake", "Orders", "orders", False),
        ("bigquery", "d.Orders", "d.orders", False),
    ],
)
def test_the_case_of_a_name_that_is_quoted_means_what_it_means_there(
    kind: str, one: str, other: str, same: bool
) -> None:
    where = {"instance": "/tmp/a.db", "host": "h", "account": "a", "database": "d"}
    assert (table(kind, where, one) == table(kind, where, other)) is same


def test_a_name_without_quotes_folds_to_the_systems_own_case() -> None:
    snowflake = {"account": "ab12.snowflakecomputing.com", "database": "shop"}
    assert table("snowflake", snowflake, "raw.orders", quoted=False) == table(
        "snowflake", {"account": "AB12", "database": "SHOP"}, "RAW.ORDERS"
    )
    assert table("postgres", {"database": "d"}, "Orders", quoted=False) == table(
        "postgres", {"database": "d"}, "orders"
    )


def test_a_database_of_mysql_is_its_schema() -> None:
    assert table("mariadb", {"host": "h", "database": "shop"}, "orders") == table(
        "mysql", {"host": "h", "database": "other"}, "shop.orders"
    )


def test_a_duckdb_file_is_one_by_whatever_path_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    paths = [f"{tmp_path}/real/a.duckdb", "real/a.duckdb", "link/../real/./a.duckdb", "link/a.duckdb"]
    found = {table("duckdb", {"instance": path}, "orders") for path in paths}
    assert len(found) == 1
    elsewhere = instance_of("duckdb", {"instance": "a.duckdb"}, tmp_path / "link")
    assert elsewhere is not None
    assert elsewhere.table("orders") in found


@pytest.mark.parametrize("path", ["", ":memory:", ":memory:shop"])
def test_a_database_in_memory_is_no_place_that_another_could_reach(path: str) -> None:
    assert instance_of("duckdb", {"instance": path}) is None


def test_objects_are_one_by_bucket_and_key(tmp_path: Path) -> None:
    one, other = instance_of("s3", {"bucket": "b"}), instance_of("s3", {"bucket": "c"})
    assert one is not None
    assert other is not None
    assert one.object("/raw/orders.csv") == one.object("raw/orders.csv")
    assert one.object("raw/orders.csv") != other.object("raw/orders.csv")
    local = instance_of("local", {}, tmp_path)
    assert local is not None
    assert local.object("orders.csv") == local.object(f"file://{tmp_path}/orders.csv")


def test_an_identity_says_where_the_table_is_and_no_secret() -> None:
    given = {"host": "db", "user": "me", "password": "hunter2", "database": "shop", "url": "x://u:hunter2@db"}
    assert str(table("postgres", given, "orders")) == "postgres db:5432 shop.public.orders"


@dataclass(frozen=True)
class Truth:
    """A table as it really is, of which there are many spellings."""

    system: str
    place: int
    database: str
    schema: str
    table: str


# system → what may be written for it, whether two databases of a place differ, and how names may be written.
_SPELLINGS: Mapping[str, tuple[list[str], bool, str]] = {
    "postgres": (["postgres", "PostgreSQL"], True, "lower"),
    "mysql": (["mysql", "MariaDB"], False, "exact"),
    "duckdb": (["duckdb", "DuckDB"], False, "any"),
    "snowflake": (["snowflake"], True, "upper"),
}
_DEFAULT_SCHEMA = {"postgres": "public", "duckdb": "main", "snowflake": "PUBLIC"}
_names = st.sampled_from(["orders", "customers", "o1"])


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    system = draw(st.sampled_from(sorted(_SPELLINGS)))
    has_database = _SPELLINGS[system][1]
    name = str.upper if system == "snowflake" else str.lower
    schemas = [*({_DEFAULT_SCHEMA[system]} if system in _DEFAULT_SCHEMA else ()), name("raw")]
    return Truth(
        system,
        draw(st.integers(0, 1)),
        name(draw(st.sampled_from(["shop", "erp"]))) if has_database else "",
        draw(st.sampled_from(schemas)),
        name(draw(_names)),
    )


@st.composite
def spelled(draw: st.DrawFn, truth: Truth) -> PhysicalTable:
    """One of the ways to write a table down."""
    kinds, _, case = _SPELLINGS[truth.system]
    quoted = case == "exact" or draw(st.booleans())
    change = str if quoted and case != "any" else draw(st.sampled_from([str.upper, str.lower, str.title]))
    if truth.system == "duckdb":
        properties = {
            "instance": draw(st.sampled_from([f"/tmp/{truth.place}.db", f"/tmp/x/../{truth.place}.db"]))
        }
    elif truth.system == "snowflake":
        end = draw(st.sampled_from(["", ".snowflakecomputing.com"]))
        properties = {"account": draw(st.sampled_from([str.upper, str.lower]))(f"acc{truth.place}{end}")}
    else:
        default = {"postgres": 5432, "mysql": 3306}[truth.system]
        port = default + truth.place
        properties = {"host": draw(st.sampled_from(["localhost", "127.0.0.1", "::1"]))}
        if port != default or draw(st.booleans()):
            properties["port"] = str(port)
    database: str | None = None
    if truth.database:
        if draw(st.booleans()):
            properties["database"] = truth.database
        else:
            database = change(truth.database)
    schema: str | None = change(truth.schema)
    if truth.schema == _DEFAULT_SCHEMA.get(truth.system) and draw(st.booleans()):
        schema = None
    elif draw(st.booleans()):
        schema, properties["schema"] = None, truth.schema
    instance = instance_of(draw(st.sampled_from(kinds)), properties)
    assert instance is not None
    assert isinstance(instance, Instance)
    return instance.table(change(truth.table), schema, database, quoted=quoted)


@given(data=st.data(), one=truths(), other=truths())
def test_two_spellings_are_equal_exactly_where_they_mean_one_table(
    data: st.DataObject, one: Truth, other: Truth
) -> None:
    again, first = data.draw(spelled(one)), data.draw(spelled(one))
    assert again == first
    assert hash(again) == hash(first)
    assert (data.draw(spelled(other)) == first) is (other == one)
