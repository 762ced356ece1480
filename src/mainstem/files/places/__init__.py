"""Where files live: one file for each kind of place, behind `Place`."""

from mainstem.files.places.base import AtomicWriter, FileInfo, Place
from mainstem.files.places.paths import is_pattern, is_temporary
from mainstem.files.places.registry import PLACES, open_place

__all__ = ["PLACES", "AtomicWriter", "FileInfo", "Place", "is_pattern", "is_temporary", "open_place"]
