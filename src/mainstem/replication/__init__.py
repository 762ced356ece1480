"""Sling's replication document: read, checked, and remembered with the position of every value."""

from mainstem.replication.document import Document, ReplicationLike, read_document
from mainstem.replication.model import Mode, Replication, ReplicationWarning, Stream
from mainstem.replication.reader import load_replication
from mainstem.replication.variables import StreamNames, render_object

__all__ = [
    "Document",
    "Mode",
    "Replication",
    "ReplicationLike",
    "ReplicationWarning",
    "Stream",
    "StreamNames",
    "load_replication",
    "read_document",
    "render_object",
]
