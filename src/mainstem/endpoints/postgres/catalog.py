"""What the server's catalogue says of tables, columns and queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mainstem.endpoints.base import CatalogEntry, SourceTable, match_name
from mainstem.endpoints.postgres.carriage import carriage_of
from mainstem.endpoints.postgres.connecting import Session
from mainstem.endpoints.postgres.holders import lock_timeout
from mainstem.errors import RelationNotFoundError
from mainstem.schema import Column, Relation

__all__ = ["describe_query", "describe_table", "list_relations", "sizes", "statistics"]

_CATALOG = """
select n.nspname::text, c.relname::text, c.relkind in ('v', 'm')
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and has_schema_privilege(n.oid, 'usage')
   and case when %(schema)s::text is null then n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
            else lower(n.nspname) = lower(%(schema)s) end{more}
 order by n.nspname collate "C", c.relname collate "C"
"""

_RELATIONS = """
select n.nspname::text, c.relname::text, c.oid
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'v', 'm', 'f') and has_schema_privilege(n.oid, 'usage')
   and n.nspname !~ '^pg_toast'
"""

_SCHEMAS = (
    "select nspname::text from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'"
)

_TABLE = """
select c.reltuples::bigint, obj_description(c.oid, 'pg_class'),
       array(select a.attname::text
               from pg_index i
              cross join unnest(i.indkey::int2[]) with ordinality as k(attnum, position)
               join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
              where i.indrelid = c.oid and i.indisprimary and k.position <= i.indnkeyatts
              order by k.position)
  from pg_class c
 where c.oid = %(table)s
"""

_TABLE_COLUMNS = """
select a.attnum::bigint as position, a.attname::text as name, a.atttypid as type, a.atttypmod as modifier,
       a.attnotnull as not_null, col_description(a.attrelid, a.attnum) as comment
  from pg_attribute a
 where a.attrelid = %(table)s and a.attnum > 0 and not a.attisdropped
"""

_QUERY_COLUMNS = """
select position, name, type, modifier, false as not_null, null::text as comment
  from unnest(%(names)s::text[], %(types)s::oid[], %(modifiers)s::int[])
       with ordinality as result(name, type, modifier, position)
"""

# Where nothing was ever counted, the pages say something: about fifty rows fit in one.
_SIZES = """
select n.nspname::text, c.relname::text, greatest(c.reltuples, c.relpages * 50.0)::bigint
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
"""

# A table of its own alone has all its changes counted; a truncated one gets another file.
_STATISTICS = """
select pg_total_relation_size(c.oid), c.relpages::bigint, s.n_live_tup, s.n_dead_tup,
       case when c.relkind = 'r'
            then concat_ws('-', c.relfilenode, s.n_tup_ins, s.n_tup_upd, s.n_tup_del) end
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  left join pg_stat_all_tables s on s.relid = c.oid
 where n.nspname = %s and c.relname = %s
"""
_STATISTICS_NAMES = ("bytes", "pages", "live_rows", "dead_rows", "changes")

# A domain stands for what it is over, however deep: on its own, and as an array's element. Arrays whose
# storage is plain are the server's own vectors, which are no arrays to us.
_TYPES_OF = """
with recursive given as ({given}),
base(position, type, modifier, depth) as (
    select position, type, modifier, 0 from given
    union all
    select b.position, t.typbasetype, t.typtypmod, b.depth + 1
      from base b join pg_type t on t.oid = b.type
     where t.typtype = 'd'
),
own as (select distinct on (position) position, type, modifier from base order by position, depth desc),
element(position, type, modifier, depth) as (
    select o.position, t.typelem, o.modifier, 0
      from own o join pg_type t on t.oid = o.type
     where t.typelem <> 0 and t.typlen = -1 and t.typstorage <> 'p'
    union all
    select e.position, t.typbasetype, t.typtypmod, e.depth + 1
      from element e join pg_type t on t.oid = e.type
     where t.typtype = 'd'
),
item as (select distinct on (position) position, type, modifier from element order by position, depth desc)
select g.name, format_type(g.type, g.modifier),
       coalesce(format_type(i.type, i.modifier) || '[]', format_type(o.type, o.modifier)),
       g.not_null, g.comment
  from given g join own o using (position) left join item i using (position)
 order by position
"""


def list_relations(session: Session, schema: str | None) -> Sequence[CatalogEntry]:
    """List tables and views, sorted by name."""
    rows = session.execute(_CATALOG.format(more=""), {"schema": schema}).fetchall()
    return [CatalogEntry(Relation(owner, name), is_view) for owner, name, is_view in rows]


def find_relation(session: Session, schema: str, name: str) -> CatalogEntry | None:
    """Look a table or view up by its exact name, without a look at its neighbours."""
    exact = _CATALOG.format(more=" and n.nspname = %(schema)s and c.relname = %(name)s")
    rows = session.execute(exact, {"schema": schema, "name": name}).fetchall()
    return next((CatalogEntry(Relation(owner, table), is_view) for owner, table, is_view in rows), None)


def describe_table(session: Session, relation: Relation, schema: str, where: str) -> SourceTable:
    """Look a table or view up.

    Args:
        session: A way in.
        relation: Its name, as the user wrote it.
        schema: Its schema, as the user wrote it, or the default one.
        where: The connection's name.

    Raises:
        RelationNotFoundError: It is not there, or its name is ambiguous.
    """
    schema, name, oid = _found(session, relation.name, schema, where)
    ((estimate, comment, primary_key),) = session.execute(_TABLE, {"table": oid}).fetchall()
    rows = session.execute(_TYPES_OF.format(given=_TABLE_COLUMNS), {"table": oid}).fetchall()
    return SourceTable(
        relation=Relation(schema, name),
        columns=[_column(*row) for row in rows],
        # The server says -1 where it has never counted.
        estimated_rows=estimate if estimate >= 0 else None,
        primary_key=primary_key,
        comment=comment,
    )


def sizes(session: Session) -> Mapping[Relation, int]:
    """How many rows the tables have about."""
    rows = session.execute(_SIZES).fetchall()
    return {Relation(owner, name): max(0, size) for owner, name, size in rows}


def statistics(session: Session, schema: str, name: str) -> Mapping[str, int | str]:
    """What the server counts of a table without looking at its rows."""
    rows = session.execute(_STATISTICS, [schema, name]).fetchall()
    found = zip(_STATISTICS_NAMES, rows[0], strict=True) if rows else ()
    return {key: value for key, value in found if value is not None}


def describe_query(session: Session, sql: str) -> SourceTable:
    """Have the server describe a query's result: a line break ends a comment of the user's."""
    with session.transaction():
        session.execute(f"select {lock_timeout()}".encode())
        cursor = session.execute(f"select * from (\n{sql}\n) as described limit 0".encode())
    result = cursor.pgresult
    if result is None or not cursor.description:
        return SourceTable(None, [])
    given = {
        "names": [column.name for column in cursor.description],
        "types": [column.type_code for column in cursor.description],
        "modifiers": [result.fmod(index) for index in range(result.nfields)],
    }
    rows = session.execute(_TYPES_OF.format(given=_QUERY_COLUMNS), given).fetchall()
    return SourceTable(None, [_column(*row) for row in rows])


def _found(session: Session, name: str, schema: str, where: str) -> tuple[str, str, int]:
    exact = f"{_RELATIONS} and n.nspname = %s and c.relname = %s"
    rows = session.execute(exact, [schema, name]).fetchall()
    if not rows:
        rows = session.execute(f"{_RELATIONS} and lower(n.nspname) = lower(%s)", [schema]).fetchall()
    if not rows:
        raise _no_such_schema(session, schema, where)
    schema = match_name(schema, {row[0] for row in rows}, what="schema", where=where)
    tables = {table: oid for owner, table, oid in rows if owner == schema}
    name = match_name(name, tables, what="table", where=f"schema {schema} of {where}")
    return schema, name, tables[name]


def _no_such_schema(session: Session, schema: str, where: str) -> RelationNotFoundError:
    known = sorted(row[0] for row in session.execute(_SCHEMAS))
    if schema.lower() in (name.lower() for name in known):
        return RelationNotFoundError(
            f"Schema {schema} of {where} has no table or view that this user may see.",
            hint="Is the name right, and may the user use the schema?",
        )
    return RelationNotFoundError(
        f"There is no schema {schema} in {where}.", hint=f"There is: {', '.join(known) or 'none'}."
    )


def _column(name: str, declared: str, base: str, not_null: bool, comment: Any) -> Column:
    carriage = carriage_of(base)
    return Column(
        name=name,
        native_type=base,
        arrow_type=carriage.arrow_type,
        nullable=not not_null,
        comment=comment,
        notes=[f"Column {name}: {declared} {carriage.note}"] if carriage.note else [],
    )
