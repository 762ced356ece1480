"""JSON Lines: one value a line, as many lines as there are."""

from __future__ import annotations

from mainstem.files.formats.json import JsonFormat

__all__ = ["JsonLines"]


class JsonLines(JsonFormat):
    """Lines of JSON, read and written in memory for some of them."""

    name = "jsonlines"
    extensions = (".jsonl", ".ndjson", ".jsonlines")
