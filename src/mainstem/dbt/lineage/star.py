"""What a star in a select stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlglot import exp

from mainstem.dbt.lineage.relation import Output, Relation
from mainstem.dbt.lineage.scope import Scope, Seen
from mainstem.dbt.lineage.tables import Origins, UntracedError

__all__ = ["all_columns", "expanded", "is_star", "one_of"]

Rest = Callable[[str], Origins | None]


def is_star(projection: Any) -> bool:
    """Whether an item of a select is ``*`` or ``t.*``."""
    return isinstance(projection, exp.Star) or (
        isinstance(projection, exp.Column) and isinstance(projection.this, exp.Star)
    )


def expanded(projection: Any, scope: Scope, value: Callable[[Any], Origins | None]) -> Relation:
    """Return the columns that a star stands for.

    Args:
        projection: ``*`` or ``t.*``, with what it leaves out, replaces and renames.
        scope: What is selected from.
        value: Traces an expression that replaces a column.

    Raises:
        UntracedError: It is the star of something else than a table here.
    """
    if isinstance(projection, exp.Column):
        path = [part.name for part in projection.parts[:-1]]
        seen = scope.matching(path)
        if seen is None:
            raise UntracedError(f"there is no table {'.'.join(path)} here")
        return _changed(seen.relation, projection.this, value)
    return _changed(all_columns(scope), projection, value)


def all_columns(scope: Scope) -> Relation:
    """The columns of all that is selected from, those that ``using`` merged but once."""
    outputs = []
    told: set[str] = set()
    for seen in scope.seen:
        for output in seen.relation.outputs:
            name = (output.name or "").lower()
            if name not in scope.merged:
                outputs.append(output)
            elif name not in told:
                told.add(name)
                outputs.append(Output(output.name, scope.merged[name]))
    # One that `using` took from a table of which nothing else is known.
    outputs += [Output(name, origins) for name, origins in scope.merged.items() if name not in told]
    return Relation(outputs, one_of(seen.relation.rest for seen in scope.seen), _all_sure(scope.seen))


def one_of(rests: Iterable[Rest | None]) -> Rest | None:
    """What further columns are made of: where more than one table may have them, nobody knows."""
    found = [rest for rest in rests if rest is not None]
    if len(found) > 1:
        return lambda _: None
    return found[0] if found else None


def _all_sure(seen: Sequence[Seen]) -> bool:
    return all(each.relation.sure for each in seen)


def _changed(relation: Relation, star: Any, value: Callable[[Any], Origins | None]) -> Relation:
    strange = [name for name, arg in star.args.items() if arg and name not in _KNOWN]
    if strange:
        raise UntracedError(f"there is no rule for {strange[0]} of a star")
    left_out = {name.lower() for name in _names(star.args.get("except_") or star.args.get("except"))}
    replaced = {each.alias.lower(): each for each in star.args.get("replace") or ()}
    renamed = {each.this.name.lower(): each.alias for each in star.args.get("rename") or ()}
    outputs = []
    for output in relation.outputs:
        name = (output.name or "").lower()
        if name in replaced:
            outputs.append(Output(output.name, value(replaced.pop(name).this)))
        elif name in renamed:
            outputs.append(Output(renamed.pop(name), output.origins))
        elif name not in left_out:
            outputs.append(output)
    if relation.rest is None:
        return Relation(outputs, sure=relation.sure)
    outputs += [Output(each.alias, value(each.this)) for each in replaced.values()]
    outputs += [Output(new, relation.rest(old)) for old, new in renamed.items()]
    return Relation(outputs, _but(relation.rest, left_out | set(renamed)), relation.sure)


_KNOWN = {"except_", "except", "replace", "rename"}


def _but(rest: Rest, gone: set[str]) -> Rest:
    return lambda name: None if name.lower() in gone else rest(name)


def _names(items: Any) -> Iterator[str]:
    for item in items or ():
        if isinstance(item, exp.Column) and len(item.parts) > 1:
            raise UntracedError(f"there is no rule for {item.sql()} left out of a star")
        yield item.name
