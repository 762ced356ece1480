"""What a run will do, fixed before a row is read: replication + catalogues → plan. Printable."""

from mainstem.plan.expand import Catalogue, expand_wildcards, is_combined, is_wildcard
from mainstem.plan.facts import RunFacts, StateReader
from mainstem.plan.missing import is_soft
from mainstem.plan.model import (
    ConstraintPlan,
    Cursor,
    MetadataColumn,
    MissingPlan,
    Plan,
    PlannedColumn,
    StreamPlan,
    constant,
)
from mainstem.plan.planner import StreamPlanner, plan_stream
from mainstem.plan.refusal import refuse_unsupported
from mainstem.plan.requirements import check_requirements

__all__ = [
    "Catalogue",
    "ConstraintPlan",
    "Cursor",
    "MetadataColumn",
    "MissingPlan",
    "Plan",
    "PlannedColumn",
    "RunFacts",
    "StateReader",
    "StreamPlan",
    "StreamPlanner",
    "check_requirements",
    "constant",
    "expand_wildcards",
    "is_combined",
    "is_soft",
    "is_wildcard",
    "plan_stream",
    "refuse_unsupported",
]
