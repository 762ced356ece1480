"""What a replication does besides moving rows: hooks at its stages, and the steps of a pipeline."""

from mainstem.hooks.checking import check_hooks
from mainstem.hooks.model import Services
from mainstem.hooks.places import Places
from mainstem.hooks.routines import Routines
from mainstem.hooks.runner import KINDS, Verdict, run_hooks
from mainstem.hooks.scope import Scope, nested

__all__ = [
    "KINDS",
    "Places",
    "Routines",
    "Scope",
    "Services",
    "Verdict",
    "check_hooks",
    "nested",
    "run_hooks",
]
