"""A planned stream's source against its target: one aggregate query on each side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mainstem.endpoints import Form, Source, SourceTable
from mainstem.errors import ConfigError, EndpointError
from mainstem.plan import PlannedColumn, StreamPlan
from mainstem.reconcile.forms import common_form, is_ordered
from mainstem.reconcile.measure import Measured, Measures, Side, column_checksums, measure
from mainstem.reconcile.model import Comparison, Difference, OneOf, Reconciliation
from mainstem.reconcile.readable import readable
from mainstem.schema import Column

__all__ = ["ALL", "Pair", "no_whole", "paired", "reconcile"]

ALL = frozenset(Comparison)


@dataclass(frozen=True)
class Pair:
    """A column on both sides.

    Attributes:
        source: As the source has it.
        target: As the target has it.
        form: In which form both write its values; else why there is none.
    """

    source: Column
    target: Column
    form: Form | str

    @property
    def measured(self) -> tuple[Measured, Measured]:
        """The column for each of the two queries."""
        if not isinstance(self.form, Form):
            return Measured(self.source, None), Measured(self.target, None)
        ordered = is_ordered(self.form, self.source, self.target)
        return Measured(self.source, self.form, ordered), Measured(self.target, self.form, ordered)


def reconcile(
    plan: StreamPlan,
    source: Source,
    target: Source,
    *,
    compare: frozenset[Comparison] = ALL,
    only: Sequence[OneOf] = (),
    source_where: Sequence[str] = (),
    target_where: Sequence[str] = (),
) -> Reconciliation:
    """Compare what a stream reads to what its target has. Nothing is moved, nothing is changed.

    A plan's own conditions bound the source, and its range both sides.

    Args:
        plan: The stream's plan, which reads all that the target should have: no cursor, no limit.
        source: The open source.
        target: The open target.
        compare: What is compared.
        only: Only rows of these values, on both sides.
        source_where: More conditions, in the source's SQL.
        target_where: More conditions, in the target's SQL.

    Raises:
        ConfigError: The stream has a limit, so nothing tells which rows the target should have.
        RelationNotFoundError: The target is not there.
        EndpointError: One of the systems refused its query.
    """
    if plan.query.limit is not None or plan.query.offset:
        raise no_whole(plan.stream)
    there = target.describe(plan.target)
    pairs, missing = paired(plan, there)
    inside = Side(
        source,
        plan.query.relation,
        plan.query.sql,
        [*plan.query.where, *_conditions(only, plan, source, None), *source_where],
    )
    outside = Side(
        target,
        there.relation,
        None,
        [*_in_range(plan, there, target), *_conditions(only, plan, target, there), *target_where],
    )
    pairs = {name: _written(pair, inside, outside) for name, pair in pairs.items()}
    found = _measured(inside, outside, pairs, compare)
    differences = [*missing, *_differences(found, pairs, compare)]
    if any(difference.what == "checksum" for difference in differences) and found[0].rows == found[1].rows:
        differences = [*_without_checksum(differences), *_columns_that_differ(inside, outside, pairs)]
    return Reconciliation(
        stream=plan.stream,
        target=str(there.relation),
        source_rows=found[0].rows,
        target_rows=found[1].rows,
        differences=differences,
        compared=[name for name, pair in pairs.items() if isinstance(pair.form, Form)],
        left_out={name: pair.form for name, pair in pairs.items() if isinstance(pair.form, str)},
    )


def no_whole(stream: str) -> ConfigError:
    """What to say of a stream that reads some rows, and does not say which."""
    return ConfigError(
        f"Stream {stream} has a limit or an offset: nothing tells which rows its target should have."
    )


def paired(plan: StreamPlan, target: SourceTable) -> tuple[dict[str, Pair], list[Difference]]:
    """Put the columns of both sides together, and tell those that the target lacks."""
    known = {column.name.lower(): column for column in target.columns}
    pairs, missing = {}, []
    for planned in plan.columns:
        if planned.transform is not None:
            # It is not what the source has.
            continue
        found = known.get(planned.name.lower())
        if found is None:
            missing.append(Difference("column", planned.name, planned.source.native_type, None))
        else:
            pairs[found.name] = Pair(planned.source, found, common_form(planned, found))
    return pairs, missing


def _written(pair: Pair, inside: Side, outside: Side) -> Pair:
    """Ask both systems whether they can write the form, and each whether it rewrites what it is given."""
    if isinstance(pair.form, str):
        return pair
    one, other = pair.measured
    sides = [(inside, inside.written(one)), (outside, outside.written(other))]
    for side, written in sides:
        if written is None:
            name = side.endpoint.connection.name
            return replace(pair, form=f"{name} cannot write a {pair.form.kind.value} that can be compared")
    rewritten = [written.rewritten if written else None for _, written in sides]
    if rewritten[1] is not None and rewritten[0] != rewritten[1]:
        return replace(pair, form=f"the target keeps it as {rewritten[1]}, not as it was written")
    return pair


def _measured(
    inside: Side, outside: Side, pairs: Mapping[str, Pair], compare: frozenset[Comparison]
) -> tuple[Measures, Measures]:
    columns = {name: pair.measured for name, pair in pairs.items()}
    return (
        measure(inside, {name: one for name, (one, _) in columns.items()}, compare),
        measure(outside, {name: other for name, (_, other) in columns.items()}, compare),
    )


def _differences(
    found: tuple[Measures, Measures], pairs: Mapping[str, Pair], compare: frozenset[Comparison]
) -> Iterator[Difference]:
    one, other = found
    if Comparison.ROW_COUNT in compare and one.rows != other.rows:
        yield Difference("row_count", None, str(one.rows), str(other.rows))
    for name, count in one.nulls.items():
        if count != other.nulls[name]:
            yield Difference("null_count", name, str(count), str(other.nulls[name]))
    for what, least, others in (
        ("minimum", one.least, other.least),
        ("maximum", one.greatest, other.greatest),
    ):
        for name, value in least.items():
            if name in others and value != others[name]:
                form = pairs[name].form
                yield Difference(what, name, readable(value, form), readable(others[name], form))
    if one.checksum != other.checksum and None not in (one.checksum, other.checksum):
        yield Difference("checksum", None, one.checksum, other.checksum)


def _without_checksum(differences: Iterable[Difference]) -> Iterator[Difference]:
    return (difference for difference in differences if difference.what != "checksum")


def _columns_that_differ(inside: Side, outside: Side, pairs: Mapping[str, Pair]) -> Iterator[Difference]:
    """As many rows, and not the same: in which columns. In none, where values changed their rows."""
    columns = {name: pair.measured for name, pair in pairs.items() if isinstance(pair.form, Form)}
    one = column_checksums(inside, {name: measured for name, (measured, _) in columns.items()})
    other = column_checksums(outside, {name: measured for name, (_, measured) in columns.items()})
    found = [
        Difference("checksum", name, value, other[name])
        for name, value in one.items()
        if name in other and value != other[name]
    ]
    yield from found or [Difference("checksum", None, "the same values", "in other rows")]


def _in_range(plan: StreamPlan, there: SourceTable, target: Source) -> list[str]:
    """The plan's range, in the target's SQL."""
    if plan.range is None:
        return []
    column = _target_column(plan.update_key, plan, there)
    name = target.ordered(column)
    start, end = (target.literal(value, column) for value in plan.range)
    return [f"{name} >= {start} and {name} <= {end}"]


def _conditions(
    only: Sequence[OneOf], plan: StreamPlan, endpoint: Source, there: SourceTable | None
) -> Iterator[str]:
    for each in only:
        planned = _planned(each.column, plan)
        column = planned.source if there is None else _target_column(planned.name, plan, there)
        values = ", ".join(endpoint.literal(value, column) for value in each.values)
        yield f"{endpoint.quoted(column.name)} in ({values})"


def _planned(name: str, plan: StreamPlan) -> PlannedColumn:
    found = next((column for column in plan.columns if column.source.name.lower() == name.lower()), None)
    if found is None:
        raise ConfigError(
            f"Stream {plan.stream} has no column {name}, by which its partitions would be compared.",
            hint=f"Its columns: {', '.join(column.source.name for column in plan.columns)}.",
        )
    return found


def _target_column(name: str | None, plan: StreamPlan, there: SourceTable) -> Column:
    found = next((column for column in there.columns if name and column.name.lower() == name.lower()), None)
    if found is None:
        raise EndpointError(
            f"{there.relation} has no column {name or 'like the update key'}, which bounds {plan.stream}.",
            hint="Select the column, so that the target has it.",
        )
    return found
