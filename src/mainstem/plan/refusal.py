"""What is known to Sling and not carried out yet is refused before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from mainstem.errors import NotSupportedYetError
from mainstem.replication import Replication, Stream

__all__ = ["refuse_unsupported"]


def refuse_unsupported(replication: Replication, streams: Sequence[Stream]) -> None:
    """Refuse what is not carried out yet.

    Raises:
        NotSupportedYetError: With every such key of the document and of the streams that would run.
    """
    found = [*replication.unsupported, *(key for stream in streams for key in stream.unsupported)]
    if found:
        # A key of `defaults` is found once for each stream that takes it.
        lines = dict.fromkeys(f"{item.position}: {item.what} is not supported yet" for item in found)
        raise NotSupportedYetError(
            "\n".join(lines), hint="\nNothing was read or written. Remove the keys above to run the rest."
        )
