"""Bytes and files to text, without an exception that would carry what they hold."""

from __future__ import annotations

import codecs
from pathlib import Path

from mainstem.errors import ConnectionConfigError

__all__ = ["is_text", "read_text", "utf8"]

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def utf8(data: bytes, encoding: str = "utf-8-sig") -> str | None:
    r"""Return the text, without its byte order mark; ``None`` where the bytes are no UTF-8.

    Example:
        >>> utf8("é".encode()), utf8(b"\xff")
        ('é', None)
    """
    # A decoding error carries the bytes, so it ends here.
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def is_text(value: str) -> bool:
    r"""Whether a text is one that can be written: bytes that are no UTF-8 reach Python as halves of letters.

    Example:
        >>> is_text("é"), is_text("\udcff")
        (True, False)
    """
    # An encoding error carries the text, so it ends here.
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_text(path: Path) -> str | None:
    r"""Return a file's text with ``\n`` at the ends of its lines; ``None`` where there is no such file.

    UTF-8 with or without a byte order mark, and UTF-16 with one, which is what Windows writes.

    Raises:
        ConnectionConfigError: It is a directory, may not be read, or is not text.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = "it is a directory" if path.is_dir() else error.strerror or type(error).__name__
        raise ConnectionConfigError(f"{path} cannot be read: {reason}.") from None
    text = utf8(data, "utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    if text is None:
        raise ConnectionConfigError(f"{path} is not UTF-8.", hint="Save it as UTF-8.")
    return text.replace("\r\n", "\n")
