"""The conformance suite, for every pair of systems."""

from __future__ import annotations

from mainstem.testing.conformance import (
    CostConformance,
    EvolutionConformance,
    HostileConformance,
    ModeConformance,
    OptionConformance,
    PublishConformance,
    TypeConformance,
)


class TestModes(ModeConformance):
    """Every mode, from every system to every system."""


class TestOptions(OptionConformance):
    """Every option, from every system to every system."""


class TestEvolution(EvolutionConformance):
    """Every change of shape, from every system to every system."""


class TestTypes(TypeConformance):
    """Every type, from every system to every system."""


class TestCosts(CostConformance):
    """What a row may not cost, from every system to every system."""


class TestPublish(PublishConformance):
    """Nothing half-visible, from every system to every system."""


class TestHostile(HostileConformance):
    """Whatever names and values there are, from every system to every system."""
