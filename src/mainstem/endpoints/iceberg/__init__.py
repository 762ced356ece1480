"""Iceberg: tables of a catalogue, which by default is a SQLite file beside them."""

from mainstem.endpoints.iceberg.endpoint import Iceberg

__all__ = ["Iceberg"]
