"""A value beyond the sample that is none of its column's type: the stream starts anew with a wider one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from mainstem.errors import StreamError, ValueBreaksTypeError
from mainstem.events import Event

__all__ = ["with_wider_columns"]


def with_wider_columns(
    attempt: Callable[[], Iterator[Event]], widen: Callable[[ValueBreaksTypeError], bool]
) -> Generator[Event, None, None]:
    """Run a stream as often as it takes for its source to know its columns. Nothing is published before.

    Args:
        attempt: Runs the stream once.
        widen: Has the source read a column as a wider type. It says no where it cannot, or did so before.

    Raises:
        StreamError: The stream failed for another reason, or for this one where nothing wider is known.
    """
    while True:
        try:
            yield from attempt()
            return
        except StreamError as error:
            if not (isinstance(error.cause, ValueBreaksTypeError) and widen(error.cause)):
                raise
