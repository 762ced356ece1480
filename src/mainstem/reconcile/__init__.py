"""Whether a target has what its source has: computed inside both, compared here. Nothing is moved."""

from mainstem.reconcile.compare import reconcile
from mainstem.reconcile.fingerprint import Fingerprint, fingerprint
from mainstem.reconcile.model import Comparison, Difference, OneOf, Reconciliation
from mainstem.reconcile.stream import reconcile_stream

__all__ = [
    "Comparison",
    "Difference",
    "Fingerprint",
    "OneOf",
    "Reconciliation",
    "fingerprint",
    "reconcile",
    "reconcile_stream",
]
