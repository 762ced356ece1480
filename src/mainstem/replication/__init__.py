"""Sling's replication document: read, checked, and remembered with the position of every value."""

from mainstem.replication.document import Document, ReplicationLike, read_document
from mainstem.replication.model import Mode, Replication, ReplicationWarning, Stream
from mainstem.replication.reader import load_replication
from mainstem.replication.selection import select_streams
from mainstem.replication.variables import StreamNames, Variables

__all__ = [
    "Document",
    "Mode",
    "Replication",
    "ReplicationLike",
    "ReplicationWarning",
    "Stream",
    "StreamNames",
    "Variables",
    "load_replication",
    "read_document",
    "select_streams",
]
