"""What every endpoint must do, as one suite: inherit it, and give it a source and a target.

A third party's endpoint shows that it keeps the engine's promises in a dozen lines::

    class TestMine(ModeConformance, TypeConformance, PublishConformance):
        @pytest.fixture
        def source(self) -> Place: ...

        @pytest.fixture
        def target(self) -> Place: ...

It needs pytest, which comes with no extra of mainstem.
"""

from __future__ import annotations

from mainstem.testing.conformance_costs import CostConformance
from mainstem.testing.conformance_evolution import EvolutionConformance
from mainstem.testing.conformance_hostile import HostileConformance
from mainstem.testing.conformance_modes import ModeConformance
from mainstem.testing.conformance_options import OptionConformance
from mainstem.testing.conformance_publish import PublishConformance
from mainstem.testing.conformance_types import TypeConformance
from mainstem.testing.place import Place, as_left

__all__ = [
    "CostConformance",
    "EvolutionConformance",
    "HostileConformance",
    "ModeConformance",
    "OptionConformance",
    "Place",
    "PublishConformance",
    "TypeConformance",
    "as_left",
]
