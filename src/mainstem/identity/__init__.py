"""Which tables are one and the same: what a system is called, where it is, and how it compares names."""

from mainstem.identity.instance import Instance, instance_of
from mainstem.identity.table import PhysicalTable

__all__ = ["Instance", "PhysicalTable", "instance_of"]
