"""The lattice of Arrow types: which holds the values of which, and how values get from one to another."""

from mainstem.types.casting import can_cast, cast_values, fit_values, may_cut
from mainstem.types.lattice import common_type
from mainstem.types.text import type_name, value_text

__all__ = ["can_cast", "cast_values", "common_type", "fit_values", "may_cut", "type_name", "value_text"]
