"""One graph: the same table is the same asset, whichever tools write and read it."""

from mainstem.graph.joints import Joint, Wiring
from mainstem.graph.python_assets import table_dep, table_identity
from mainstem.graph.wire import explained, wire

__all__ = ["Joint", "Wiring", "explained", "table_dep", "table_identity", "wire"]
