"""Folders for a run's own files. The next run that needs one removes what a killed run left."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["work_folder"]

_PREFIX = "mainstem-"
# Beside the folder: whoever lives holds it.
_LOCK = ".lock"


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder among the machine's temporary files that nobody else may read, and that is gone afterwards."""
    if sys.platform == "win32":
        with tempfile.TemporaryDirectory(prefix=_PREFIX) as made:
            yield Path(made)
        return
    root = Path(tempfile.gettempdir())
    _sweep(root)
    lock, descriptor = _locked(root)
    folder = lock.with_suffix("")
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(root: Path) -> tuple[Path, int]:
    while True:
        lock = root / f"{_PREFIX}{secrets.token_hex(8)}{_LOCK}"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another one may have swept it in the moment in which nobody held it.
            if lock.exists():
                return lock, descriptor
        os.close(descriptor)


def _sweep(root: Path) -> None:
    """Remove the folders of our own whose run is dead."""
    for lock in root.glob(f"{_PREFIX}*{_LOCK}"):
        with suppress(OSError):
            if lock.lstat().st_uid != os.getuid():
                continue
            descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                lock.unlink()
            finally:
                os.close(descriptor)
