"""The endpoint that the registry names."""

from __future__ import annotations

from mainstem.endpoints.files.source import FileSource
from mainstem.endpoints.files.target import FileTarget

__all__ = ["Files"]


class Files(FileSource, FileTarget):
    """Files, read and written."""
