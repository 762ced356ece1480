"""A new table in an old one's stead, even where views and foreign keys hold on to the old one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import psycopg

from mainstem.endpoints.sql import SqlTarget
from mainstem.endpoints.sql_steps import short_name
from mainstem.endpoints.steps import Swap, TableKey
from mainstem.errors import EndpointError
from mainstem.faults import Point, reached
from mainstem.schema import Relation

__all__ = ["refuse_cascades", "swap"]

# https://www.postgresql.org/docs/current/catalog-pg-constraint.html
_CASCADES = """
select conrelid::regclass::text, conname from pg_constraint
 where contype = 'f' and confdeltype in ('c', 'n', 'd') and confrelid = {table}::regclass
"""

_GRANTS = """
select case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
       a.privilege_type, a.is_grantable
  from pg_class c cross join aclexplode(c.relacl) as a
 where c.oid = to_regclass({table}) and a.grantee <> c.relowner
"""

_COLUMNS = """
select attname::text, format_type(atttypid, atttypmod) from pg_attribute
 where attrelid = {table}::regclass and attnum > 0 and not attisdropped
"""

_PRIMARY_KEY = "select conname::text from pg_constraint where contype = 'p' and conrelid = {table}::regclass"

_KEYS = """
select i.indisprimary, i.indisunique,
       array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality as k(attnum, position)
               join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum order by k.position)
  from pg_index i where i.indrelid = {table}::regclass
"""

_IS_FREE = "select to_regclass({name}) is null"


def swap(endpoint: SqlTarget, step: Swap, place: Relation, target: Relation) -> None:
    """Put the staging table in the target's stead, in the transaction that is open.

    Where something depends on the target, so that it cannot be dropped, and the staging table has the same
    columns, the target is emptied and filled again: it stays the same table, with its views and its rights.

    Raises:
        EndpointError: Something depends on the target, and the columns have changed.
    """
    staged_keys = [] if step.definition else _keys_of_staging(endpoint, step.keys, place)
    grants = _grants(endpoint, target)
    try:
        with endpoint.transaction():
            endpoint.run(f"drop table if exists {endpoint.qualified(target)}")
    except EndpointError as error:
        if not isinstance(error.__cause__, psycopg.errors.DependentObjectsStillExist):
            raise
        _refill(endpoint, step, place, target, error.__cause__)
        return
    reached(Point.MID_PUBLISH)
    if step.definition is not None:
        columns = ", ".join(endpoint.quoted(name) for name in step.columns)
        table, staged = endpoint.qualified(target), endpoint.qualified(place)
        endpoint.run(step.definition)
        endpoint.run(f"insert into {table} ({columns}) select {columns} from {staged}")
        endpoint.run(f"drop table {staged}")
        _run_all(endpoint, [sql for key in step.keys for sql in endpoint.key_statements(key, target)])
    else:
        _move(endpoint, place, target)
        reached(Point.MID_PUBLISH)
        _run_all(endpoint, endpoint.unmark_statements(target))
        _rename_keys(endpoint, staged_keys, target)
    _run_all(endpoint, [f"grant {right} on {endpoint.qualified(target)} to {who}" for who, right in grants])


def _move(endpoint: SqlTarget, place: Relation, target: Relation) -> None:
    if place.schema != target.schema:
        schema = endpoint.quoted(target.schema or endpoint.default_schema)
        endpoint.run(f"alter table {endpoint.qualified(place)} set schema {schema}")
    if place.name != target.name:
        moved = endpoint.qualified(replace(place, schema=target.schema))
        endpoint.run(f"alter table {moved} rename to {endpoint.quoted(target.name)}")


def refuse_cascades(endpoint: SqlTarget, target: Relation) -> None:
    """Refuse to delete rows of a table where that would delete or change rows of others.

    Raises:
        EndpointError: A foreign key of another table says so.
    """
    found = endpoint.rows(_CASCADES.format(table=_regclass(endpoint, target)))
    if found:
        keys = ", ".join(f"{table} ({name})" for table, name in found)
        raise EndpointError(
            f"Emptying {target} would delete or change rows of the tables that refer to it: {keys}.",
            hint="Merge with `mode: incremental` and a `primary_key`, or drop these foreign keys.",
        )


def _refill(
    endpoint: SqlTarget,
    step: Swap,
    place: Relation,
    target: Relation,
    refusal: psycopg.errors.DependentObjectsStillExist,
) -> None:
    dependents = ", ".join((refusal.diag.message_detail or "").splitlines())
    same = _columns(endpoint, place) == _columns(endpoint, target)
    if step.definition is not None or not same:
        why = "its columns have changed" if step.definition is None else "it has a `table_ddl`"
        raise EndpointError(
            f"{target} cannot be replaced, and not be refilled in place, since {why}: {dependents}.",
            hint="Drop what depends on it in `pre_sql` and create it again in `post_sql`.",
        ) from refusal
    refuse_cascades(endpoint, target)
    columns = ", ".join(
        endpoint.quoted(name) for name in step.columns or [name for name, _ in _columns(endpoint, place)]
    )
    table, staged = endpoint.qualified(target), endpoint.qualified(place)
    # Not TRUNCATE, which those who look at an older snapshot would see.
    endpoint.run(f"delete from {table}")
    reached(Point.MID_PUBLISH)
    endpoint.run(f"insert into {table} ({columns}) select {columns} from {staged}")
    endpoint.run(f"drop table {staged}")
    _complete_keys(endpoint, step.keys, target)


def _complete_keys(endpoint: SqlTarget, keys: Sequence[TableKey], target: Relation) -> None:
    """Give a table the keys that it does not have yet."""
    table = _regclass(endpoint, target)
    there = {
        (primary, unique, tuple(columns))
        for primary, unique, columns in endpoint.rows(_KEYS.format(table=table))
    }
    for key in keys:
        kind = (key.kind == "primary", key.kind != "index", tuple(key.columns))
        if kind not in there:
            _run_all(
                endpoint,
                endpoint.key_statements(
                    replace(key, name=key.name or _free_name(endpoint, key, target)), target
                ),
            )


def _keys_of_staging(
    endpoint: SqlTarget, keys: Sequence[TableKey], place: Relation
) -> list[tuple[str, TableKey]]:
    """Make the keys while nobody waits for the table; their names are given when the old ones are gone."""
    made = []
    for key in keys:
        if key.kind == "primary":
            _run_all(endpoint, endpoint.key_statements(key, place))
            ((name,),) = endpoint.rows(_PRIMARY_KEY.format(table=_regclass(endpoint, place)))
        else:
            name = _free_name(endpoint, replace(key, name=None), place)
            _run_all(endpoint, endpoint.key_statements(replace(key, name=name), place))
        made.append((name, key))
    return made


def _rename_keys(endpoint: SqlTarget, made: Sequence[tuple[str, TableKey]], target: Relation) -> None:
    for name, key in made:
        index = endpoint.qualified(replace(target, name=name))
        wanted = key.name or _free_name(endpoint, key, target)
        endpoint.run(f"alter index {index} rename to {endpoint.quoted(wanted)}")


def _free_name(endpoint: SqlTarget, key: TableKey, table: Relation) -> str:
    """The name that the server would give to a key, with a number where it is taken."""
    kinds = {"primary": "pkey", "unique": f"{'_'.join(key.columns)}_key"}
    suffix = kinds.get(key.kind, f"{'_'.join(key.columns)}_idx")
    for number in count():
        numbered = f"_{suffix}{number or ''}"
        name = short_name(table.name, numbered, endpoint.capabilities.identifier_bytes)
        literal = endpoint.text_literal(endpoint.qualified(replace(table, name=name)))
        if endpoint.rows(_IS_FREE.format(name=literal))[0][0]:
            return name
    raise AssertionError("The numbers came to an end.")


def _grants(endpoint: SqlTarget, target: Relation) -> list[tuple[str, str]]:
    rows = endpoint.rows(_GRANTS.format(table=endpoint.text_literal(endpoint.qualified(target))))
    return [(f"{who} with grant option" if grantable else who, right) for who, right, grantable in rows]


def _columns(endpoint: SqlTarget, table: Relation) -> list[tuple[str, str]]:
    rows = endpoint.rows(_COLUMNS.format(table=_regclass(endpoint, table)))
    return sorted((str(name), str(native)) for name, native in rows)


def _regclass(endpoint: SqlTarget, table: Relation) -> str:
    return endpoint.text_literal(endpoint.qualified(table))


def _run_all(endpoint: SqlTarget, statements: Sequence[str]) -> None:
    for statement in statements:
        endpoint.run(statement)
