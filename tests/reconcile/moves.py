"""What was moved, compared."""

from __future__ import annotations

from typing import Any

from mainstem.connections import ConnectionBook
from mainstem.endpoints import open_source, open_target
from mainstem.reconcile import OneOf, Reconciliation, reconcile_stream
from mainstem.replication import load_replication
from mainstem.testing.moving import Moving

__all__ = ["compared", "told"]


def compared(moving: Moving, *only: OneOf, **stream: Any) -> Reconciliation:
    """The moved table against the one that it was moved from."""
    book = ConnectionBook(moving.connections)
    replication = load_replication(moving.config(**stream), {})
    (first,) = replication.streams
    with open_source(book.find("SRC")) as source, open_target(book.find("TGT")) as target:
        return reconcile_stream(replication, first, source, target, only=only)


def told(found: Reconciliation) -> list[tuple[str, str | None]]:
    """What differs, and in which column."""
    return [(difference.what, difference.column) for difference in found.differences]
