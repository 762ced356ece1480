"""Bytes that can be sought: formats with a footer, or with a table of contents at the end, need them."""

from __future__ import annotations

import shutil
import tempfile
from typing import BinaryIO, cast

from mainstem.files.formats.base import OpenFile

__all__ = ["open_seekable"]

# So much is kept in memory; beyond it, what cannot be sought goes through a temporary file.
_IN_MEMORY = 8 * 1024 * 1024
_CHUNK = 1024 * 1024


def open_seekable(file: OpenFile) -> BinaryIO:
    """Open a file so that it can be sought, by way of a temporary file where its place cannot do that.

    Raises:
        EndpointError: It is gone, or its place cannot be reached.
    """
    opened = file.open()
    if opened.seekable():
        return opened
    with opened:
        spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            shutil.copyfileobj(opened, spool, _CHUNK)
        except BaseException:
            spool.close()
            raise
    spool.seek(0)
    return cast("BinaryIO", spool)
