"""What a run will do, fixed before a row is read: replication + catalogue → plan. Pure, and printable."""

from mainstem.plan.expand import expand_wildcards, is_wildcard
from mainstem.plan.model import MetadataColumn, Plan, PlannedColumn, StreamPlan
from mainstem.plan.planner import RunFacts, plan_stream
from mainstem.plan.refusal import refuse_unsupported

__all__ = [
    "MetadataColumn",
    "Plan",
    "PlannedColumn",
    "RunFacts",
    "StreamPlan",
    "expand_wildcards",
    "is_wildcard",
    "plan_stream",
    "refuse_unsupported",
]
