"""Delta Lake: a folder a table, under a folder a schema."""

from mainstem.endpoints.delta.endpoint import Delta

__all__ = ["Delta"]
