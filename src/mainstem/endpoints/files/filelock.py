"""A lock on a file or folder of this machine, that other processes see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mainstem.endpoints.locks import held_by_file
from mainstem.errors import ConnectError

__all__ = ["path_lock"]


@contextmanager
def path_lock(path: Path) -> Iterator[None]:
    """Hold a path from other runs, by a hidden file beside it that goes with the lock.

    Raises:
        TargetBusyError: Another process has it, and does not let go within a minute.
        ConnectError: The folder cannot be written.
    """

    def unwritable(error: OSError) -> ConnectError:
        return ConnectError(
            f"The folder {path.parent} cannot be written: {error.strerror}.",
            hint="Files are written beside their final place first.",
        )

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error) from error
    lock = path.parent / f".{path.name}.mainstem-lock"
    with held_by_file(lock, str(path), "Run the streams of one object one after the other.", unwritable):
        yield
