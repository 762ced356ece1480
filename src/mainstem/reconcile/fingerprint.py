"""What tells that a source has changed, computed inside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mainstem.endpoints import FormKind
from mainstem.errors import ConfigError
from mainstem.reconcile.forms import form_of, is_ordered
from mainstem.reconcile.measure import Measured, Side, measure
from mainstem.reconcile.model import Comparison
from mainstem.reconcile.readable import readable
from mainstem.schema import Column

__all__ = ["Fingerprint", "fingerprint"]


@dataclass(frozen=True)
class Fingerprint:
    """What a table had at one moment.

    Attributes:
        rows: Its rows.
        greatest: The greatest value of the column that was asked for, for people; ``None`` where there was
            none.
        checksum: The checksum over all values; ``None`` where it was not asked for.
    """

    rows: int
    greatest: str | None = None
    checksum: str | None = None

    @property
    def version(self) -> str:
        """A short text that is another where anything of the above is."""
        told = f"{self.rows}|{self.greatest}|{self.checksum}"
        return hashlib.sha256(told.encode()).hexdigest()[:20]


def fingerprint(
    side: Side, columns: Sequence[Column], *, update_key: Column | None = None, values: bool = False
) -> Fingerprint:
    """Look at a table by one query.

    Args:
        side: The table or the query.
        columns: Its columns.
        update_key: The column whose greatest value tells changes.
        values: Have a checksum over all values instead.

    Raises:
        ConfigError: The system cannot compute it.
        EndpointError: The system refused the query.
    """
    system = f"{side.endpoint.connection.name} ({side.endpoint.connection.type})"
    hint = "Have its changes told otherwise, such as by the row count."
    if values:
        measured = {column.name: Measured(column, form_of(column)) for column in columns}
        found = measure(side, measured, frozenset({Comparison.CHECKSUM}))
        if found.checksum is None:
            raise ConfigError(f"{system} cannot compute a checksum.", hint=hint)
        return Fingerprint(found.rows, None, found.checksum)
    if update_key is None:
        return Fingerprint(measure(side, {}, frozenset()).rows)
    form = form_of(update_key)
    key = Measured(update_key, form, ordered=form.kind is FormKind.TEXT or is_ordered(form, update_key))
    found = measure(side, {"key": key}, frozenset({Comparison.MIN_MAX}))
    if "key" not in found.greatest:
        raise ConfigError(
            f"{system} has no greatest {update_key.name} ({update_key.native_type}).", hint=hint
        )
    return Fingerprint(found.rows, readable(found.greatest["key"], key.form))
